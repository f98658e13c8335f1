#!/usr/bin/env bash
# Serves a folder that `kad.export` has written with TensorFlow Serving.
#
#   examples/serving/serve.sh out/served [name]
#
# Uses `tensorflow_model_server` if it is installed, or else Docker. Neither was
# at hand when this was written: the options are those of TensorFlow Serving's
# documentation; compose.yaml says what was run.
set -euo pipefail

if [[ $# -lt 1 || ! -d "$1" ]]; then
  echo "usage: $0 <folder with versions 1, 2, ...> [name]" >&2
  exit 2
fi
folder="$(cd "$1" && pwd)"
name="${2:-defended}"

if ! compgen -G "$folder/[0-9]*/saved_model.pb" >/dev/null; then
  echo "$folder has no version, such as $folder/1/saved_model.pb" >&2
  exit 2
fi

if command -v tensorflow_model_server >/dev/null; then
  exec tensorflow_model_server --port=8500 --rest_api_port=8501 \
    --model_name="$name" --model_base_path="$folder" \
    --file_system_poll_wait_seconds=1
fi
exec docker run --rm \
  -p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501 \
  -v "$folder:/models/$name:ro" -e MODEL_NAME="$name" \
  "tensorflow/serving:${TAG:-2.21.0}" --file_system_poll_wait_seconds=1
