#!/usr/bin/env bash
# Installs the Debian packages of build-deps.txt, or of the lists given, that are not there yet; with sudo where not root. Says what
# it would need where neither is possible. Usage: packaging/install-build-deps.sh [LIST...]
set -euo pipefail
[ $# -gt 0 ] || set -- "$(dirname "$0")/build-deps.txt"

missing=()
while read -r package; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done < <(cat "$@" | sed 's/#.*//' | tr -s ' \t' '\n' | grep -v '^$')
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "missing packages, and neither root nor sudo to install them: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "installing: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
