#!/usr/bin/env bash
# Checks style, then runs the tests once on each Keras backend. A failure does
# not stop the stages after it, but makes the script exit with 1.
#
#   ./run_tests.sh                           everything
#   ./run_tests.sh -m "not slow" -k attacks  arguments go to pytest
#   BACKENDS="jax torch" ./run_tests.sh      fewer backends
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"

summary=()
status=0

stage() {
  local name="$1" result="ok" start="$SECONDS"
  shift
  echo "=== ${name}"
  "$@" || result="FAILED (exit status $?)"
  [[ "$result" == "ok" ]] || status=1
  summary+=("$(printf '%-20s %5d s  %s' "$name" "$((SECONDS - start))" "$result")")
}

stage "ruff check" python -m ruff check .
stage "ruff format" python -m ruff format --check .
for backend in ${BACKENDS:-tensorflow jax torch}; do
  stage "pytest, ${backend}" env KERAS_BACKEND="$backend" \
    python -m pytest -q --durations=10 "$@"
done

echo "=== summary"
printf '%s\n' "${summary[@]}"
exit "$status"
