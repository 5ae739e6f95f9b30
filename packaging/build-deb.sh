#!/usr/bin/env bash
# Builds the Debian packages into build/deb, or into OUT. Usage: [OUT=FOLDER] packaging/build-deb.sh [dpkg-buildpackage options]
# On a copy of the source, because dpkg leaves files beside it. `-d` builds without debhelper's check of what is installed;
# `-a arm64` cross-builds (packaging/cross.sh installs what that needs).
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-$PWD/build/deb}
rm -rf "$out"
mkdir -p "$out/source"
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  # What git knows and what is new, but not what is deleted, nor what is ignored.
  git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\0' "$file"
  done | xargs -0 cp -P --parents -t "$out/source"
else
  tar -c --exclude=./build --exclude='./build-*' . | tar -x -C "$out/source"
fi
cp -rL packaging/debian "$out/source/debian"
cd "$out/source"
# The date of the newest entry of the changelog stands in every file of the packages, whatever the clock says.
dpkg-buildpackage -b -us -uc "$@"
ls -l "$out"/*.deb
