#!/usr/bin/env bash
# Measure on a machine with a GPU, torch and no network, within 8 minutes.
#
#     bash benchmarks/gpu.sh WHEELS OUT [SIZE [DEVICE [SECONDS [OPTION OF `benchmarks run` ...]]]]
#
# WHEELS is a folder of wheels that the machine lacks; a missing or empty one installs nothing.
# OUT receives results.jsonl, results.md and log.txt. SIZE is 7b, DEVICE cuda:0, SECONDS 480 by default.
# The exit status is that of `benchmarks run`: 1 if a scenario failed.
set -uo pipefail
if (($# < 2)); then
  echo "error: usage: bash benchmarks/gpu.sh WHEELS OUT [SIZE [DEVICE [SECONDS [OPTION ...]]]]" >&2
  exit 2
fi
start=$SECONDS
wheels=${1:+$(realpath -m "$1")} out=$(realpath -m "$2") size=${3:-7b} device=${4:-cuda:0} seconds=${5:-480}
cd "$(dirname "$0")/.."
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(command -v "${PYTHON:-python3}")
export PYTHONPATH=$PWD HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1 VIPLLAVA_HOME=$work/home
export PYTHONWARNINGS=ignore::SyntaxWarning # of libraries, in every process again
{
  if compgen -G "$wheels/*.whl" >/dev/null; then
    # One by one where all together fail: a wheel that the machine cannot use must not stop the rest.
    install() { "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
      --upgrade --target "$work/site" --find-links "$wheels" "$@"; }
    install "$wheels"/*.whl || for wheel in "$wheels"/*.whl; do install "$wheel"; done
    export PYTHONPATH=$PWD:$work/site
  fi
  echo "wheels: $((SECONDS - start)) s"
  command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv
  "$python" -m benchmarks.make_checkpoint --size "$size" --out "$work/checkpoints/$size"
  echo "model: $((SECONDS - start)) s"
  "$python" -m benchmarks run machine decode prefill throughput chat plan precision placement ask \
    --size "$size" --device "$device" --seconds $((seconds - SECONDS + start)) \
    --checkpoints "$work/checkpoints" --out "$out" "${@:6}"
  status=$?
  echo "all: $((SECONDS - start)) s"
  exit $status
} 2>&1 | tee "$out/log.txt"
