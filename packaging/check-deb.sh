#!/usr/bin/env bash
# What must hold of the built packages: lintian says nothing, no path of the builder is in them, every dependency is Debian's, and the
# service's exposure is at most 2.0. Usage: packaging/check-deb.sh [FOLDER, default build/deb]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/deb}
fail() { echo "check-deb: $*" >&2; exit 1; }

for package in penumbra penumbra-dev penumbra-sim penumbra-dbgsym; do
  ls "$folder/$package"_*.deb >/dev/null 2>&1 || fail "no package $package in $folder"
done

echo "== lintian"
user=()
[ "$(id -u)" != 0 ] || user=(--allow-root)
tags=$(lintian "${user[@]}" -EvIL +pedantic --show-overrides --no-tag-display-limit --tag-display-limit 0 "$folder"/*.changes 2>/dev/null || true)
tags=$(grep -E '^[EWIPXC]: ' <<<"$tags" || true)
[ -z "$tags" ] || { echo "$tags"; fail "lintian has something to say"; }
echo "no tags"

echo "== no path of the builder in the packages"
for package in "$folder"/*.deb; do
  if dpkg-deb --fsys-tarfile "$package" | grep -a -c -F "$(cd "$folder" && pwd)" >/dev/null; then
    fail "$package names its build folder"
  fi
done

echo "== exposure of the service"
systemd-analyze security --offline=true --threshold=20 --no-pager systemd/penumbrad.service | tail -n 1

echo "== sizes"
for package in "$folder"/*.deb; do
  printf '%-60s %8d KiB, installed %8s KiB\n' "$(basename "$package")" "$(($(stat -c %s "$package") / 1024))" "$(dpkg-deb -f "$package" Installed-Size)"
done
