#!/usr/bin/env bash
# The tutorial for authors of drivers (plugins/sdk/TUTORIAL.md), followed literally in a clean Debian 12 root with nothing but the built packages:
# blocks `root` as root, blocks `sh` as a user, blocks with file=NAME written. Not a test of its own right: it takes a minute and the network.
# As root. Usage: packaging/tutorial.sh [FOLDER-WITH-THE-PACKAGES]
set -euo pipefail
cd "$(dirname "$0")/.."
debs=${1:-build/deb}
ls "$debs"/penumbra_*.deb "$debs"/penumbra-dev_*.deb >/dev/null || { echo "tutorial: no packages; run packaging/build-deb.sh first" >&2; exit 2; }
. packaging/clean-root.sh
need_root tutorial
blocks=$PWD/build/tutorial
mkdir -p "$blocks"
rm -f "$blocks"/block-*
enter_clean_root tutorial-root

inside useradd --create-home author
home=$root/home/author
cp "$debs"/penumbra_*.deb "$debs"/penumbra-dev_*.deb "$root/tmp/"
inside install -d -o author -g author /home/author/empty
inside apt-get -q update >"$blocks/apt.log" 2>&1
# Its numbered blocks, each a file with the user, or the file's name, in its first line.
awk -v folder="$blocks" '
  /^```/ && !inside { inside = 1; language = substr($1, 4); file = $2; sub(/^file=/, "", file); n += 1
    name = sprintf("%s/block-%02d", folder, n); print (file != "" ? "file " file : language) > name; next }
  /^```/ { inside = 0; close(name); next }
  inside { print > name }' plugins/sdk/TUTORIAL.md

project() { [ -d "$home/empty/ds18b20" ] && echo /home/author/empty/ds18b20 || echo "$1"; }
for block in "$blocks"/block-*; do
  read -r kind file <"$block"
  sed -i 1d "$block"
  cp "$block" "$root/tmp/block"
  case $kind in
    file) inside install -o author -g author -m 644 /tmp/block "$(project)/$file" ;;
    root) script="cd '$(project /tmp)' && . /tmp/block" && inside bash -euo pipefail -c "$script" >"$block.log" 2>&1 || { cat "$block" "$block.log"; exit 1; } ;;
    sh) script="cd '$(project /home/author/empty)' && . /tmp/block" &&
      inside setpriv --reuid author --regid author --init-groups env HOME=/home/author bash -euo pipefail -c "$script" >"$block.log" 2>&1 ||
      { cat "$block" "$block.log"; exit 1; } ;;
    *) continue ;;  # what a device says
  esac
  echo "ok    $kind ${file:-$(head -n 1 "$block" | cut -c 1-70)}"
done
grep -q '"temperature":23.125' "$blocks"/block-*.log || { echo "FAIL  the gateway did not read the sensor"; exit 1; }
echo "ok    the gateway reads the sensor; the package installs"
