#!/usr/bin/env bash
# Builds the tests with a sanitizer preset and runs those with the given labels. Usage: tests/sanitize.sh PRESET LABELS [TARGET...]
# LABELS is a regular expression of ctest. With targets only those are built and only their tests run.
# Threads: tests/sanitize.sh tsan component mqtt_component_test store_component_test (not a part of .ci/run: the build alone is over a hundred files).
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
labels=$2
shift 2

cmake --preset "$preset" >/dev/null
targets=()
[ $# -eq 0 ] || targets=(--target "$@")
cmake --build --preset "$preset" -j "$(nproc)" "${targets[@]}"
if [ $# -gt 0 ]; then
  for target in "$@"; do
    program=$(find "build/$preset/tests" -type f -name "$target" -perm -u+x | head -1)
    [ -n "$program" ] || { echo "no program $target in build/$preset" >&2; exit 1; }
    echo "-- $target"
    timeout 600 "$program" --gtest_brief=1
  done
else
  ctest --test-dir "build/$preset" -L "$labels" -j "$(($(nproc) * 2))" --no-tests=error --output-on-failure
fi
