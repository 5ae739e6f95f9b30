#!/usr/bin/env bash
# Builds the libFuzzer targets and runs each for some seconds from its corpus. Usage: tests/fuzz/smoke.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-20}

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target fuzzers -j "$(nproc)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
for target in build/fuzz/fuzzers/*; do
  name=$(basename "$target")
  mkdir -p "$work/$name"
  # New inputs go to the scratch folder: the committed corpus changes only on purpose.
  "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="$work/" "$work/$name" "tests/fuzz/corpus/$name" ||
    { echo "fuzz target $name failed; input in base64:"; for f in "$work"/crash-* "$work"/timeout-* "$work"/oom-* "$work"/leak-*; do [ -f "$f" ] && base64 "$f"; done; exit 1; }
  echo "fuzz: $name ran ${seconds}s"
  count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "no fuzz target was built" >&2; exit 1; }
