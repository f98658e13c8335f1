#!/usr/bin/env bash
# Checks style, then runs the tests once on each Keras backend. A failure does
# not stop the stages after it, but makes the script exit with 1.
#
#   ./run_tests.sh                           everything
#   ./run_tests.sh -m "not slow" -k attacks  arguments go to pytest
#   BACKENDS="jax torch" ./run_tests.sh      fewer backends
#   WORKERS=1 ./run_tests.sh                 one process (default: one a core,
#                                            up to 8)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"

cores="$(python -c 'import os; print(min(os.cpu_count() or 1, 8))')"
workers="${WORKERS:-$cores}"
# Each process would otherwise start a thread for every core.
[[ "$workers" == 1 ]] || export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# Tests build the same tiny networks again and again: what JAX has compiled for
# one of them serves the others, in both processes.
JAX_COMPILATION_CACHE_DIR="$(mktemp -d)"
trap 'rm -rf "$JAX_COMPILATION_CACHE_DIR"' EXIT
export JAX_COMPILATION_CACHE_DIR
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1

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
stage "mypy" python -m mypy
stage "documentation" python docs/site/build.py
stage "list of mutants" python benchmarks/mutants.py --check
for backend in ${BACKENDS:-tensorflow jax torch}; do
  stage "pytest, ${backend}" env KERAS_BACKEND="$backend" \
    python -m pytest -q --durations=10 -n "$workers" --dist loadfile \
    --no-loadscope-reorder "$@"
done

echo "=== summary"
printf '%s\n' "${summary[@]}"
exit "$status"
