#!/usr/bin/env bash
# Lays the source with its debian/ folder into FOLDER, as dpkg-buildpackage wants it (which leaves files beside it).
# Usage: packaging/copy-source.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  # What git knows and what is new, but not what is deleted, nor what is ignored.
  git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\0' "$file"
  done | xargs -0 cp -P --parents -t "$1"
else
  tar -c --exclude=./build --exclude='./build-*' . | tar -x -C "$1"
fi
cp -rL packaging/debian "$1/debian"
