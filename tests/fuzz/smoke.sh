#!/usr/bin/env bash
# Builds the libFuzzer targets and runs each over as many inputs from its corpus, always the same ones, so that a run in CI is
# repeatable. Usage: tests/fuzz/smoke.sh [RUNS]. To search, run build/fuzz/fuzzers/NAME by hand, with another -seed and for hours.
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:-20000}

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target fuzzers -j "$(nproc)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
for target in build/fuzz/fuzzers/*; do
  name=$(basename "$target")
  mkdir -p "$work/$name"
  # New inputs go to the scratch folder: the committed corpus changes only on purpose.
  "$target" -runs="$runs" -seed=1 -max_total_time=60 -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="$work/" "$work/$name" "tests/fuzz/corpus/$name" ||
    { echo "fuzz target $name failed; input in base64:"; for f in "$work"/crash-* "$work"/timeout-* "$work"/oom-* "$work"/leak-*; do [ -f "$f" ] && base64 "$f"; done; exit 1; }
  echo "fuzz: $name ran $runs inputs"
  count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "no fuzz target was built" >&2; exit 1; }
