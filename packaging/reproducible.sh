#!/usr/bin/env bash
# Builds the packages twice, from folders of different names and under different umask, time zone and language, and compares them
# bit by bit. Exit code 0: identical. Usage: packaging/reproducible.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build/reproducible
rm -rf "$work"
mkdir -p "$work"
build() { # FOLDER, then the variations
  local folder=$1
  shift
  if ! (umask "$1" && OUT=$folder TZ=$2 LC_ALL=$3 packaging/build-deb.sh >"$work/$(basename "$folder").log" 2>&1); then
    tail -n 30 "$work/$(basename "$folder").log" >&2
    return 1
  fi
}
build "$work/first" 0022 UTC C.UTF-8
build "$work/the-second-one" 0002 Asia/Tokyo C

count=0
for package in "$work"/first/*.deb; do
  other=$work/the-second-one/$(basename "$package")
  if ! cmp "$package" "$other"; then
    echo "differs: $(basename "$package"); the first difference inside:" >&2
    for side in "$package" "$other"; do dpkg-deb --fsys-tarfile "$side" | tar -tv >"$side.list"; done
    diff "$package.list" "$other.list" | head >&2 || true
    exit 1
  fi
  count=$((count + 1))
done
[ "$count" -ge 4 ] || { echo "only $count packages were built" >&2; exit 1; }
(cd "$work/first" && sha256sum ./*.deb)
echo "$count packages, built twice, bit by bit the same"
