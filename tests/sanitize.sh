#!/usr/bin/env bash
# Builds some GoogleTest programs with a sanitizer preset and runs them whole. Usage: tests/sanitize.sh PRESET TARGET...
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift

cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -j "$(nproc)" --target "$@"
for target in "$@"; do
  program=$(find "build/$preset/tests" -type f -name "$target" -perm -u+x | head -1)
  [ -n "$program" ] || { echo "no program $target in build/$preset" >&2; exit 1; }
  echo "-- $target"
  timeout 600 "$program" --gtest_brief=1
done
