#!/usr/bin/env bash
# The packages in a booted Debian 12 with systemd, a serial line and I2C, with power cuts. A program of its own and not one of the tests:
# it needs a virtual machine harness whose accept.sh boots a guest, runs a guest script in it, and knows the options used below.
#
#   PENUMBRA_VM=FOLDER tests/vm/run.sh [life|powercut|memory]... [-- options of accept.sh]
#
# FOLDER is a built copy of the harness. The package is the one of build/deb (packaging/build-deb.sh), or PENUMBRA_DEB.
set -euo pipefail
cd "$(dirname "$0")/../.."
harness=${PENUMBRA_VM:?set PENUMBRA_VM to the folder of the virtual machine harness}
deb=$(realpath "${PENUMBRA_DEB:-$(ls build/deb/penumbra_*.deb)}")
work=$PWD/build/vm
rm -rf "$work"
mkdir -p "$work/vm" "$work/newer"
cp tests/vm/common.sh "$work/vm/"
cc -O1 -shared -fPIC -Iplugins/sdk -o "$work/vm/glutton.so" tests/vm/glutton.c
packaging/repack-deb.sh "$deb" "$(dpkg-deb -f "$deb" Version)+newer" "$work/newer/$(basename "$deb")"

scripts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do scripts+=("$1"); shift; done
[ "${1:-}" != -- ] || shift
[ ${#scripts[@]} -gt 0 ] || scripts=(life powercut memory)
result=0
for script in "${scripts[@]}"; do
  mode=none
  [ "$script" != powercut ] || mode=flush
  echo "== $script"
  "$harness/accept.sh" -v -t 1200 -o "$work/out-$script" --script "$PWD/tests/vm/$script" --add "$work/vm" --add "$work/newer" --cut-mode $mode "$@" "$deb" || result=1
done
exit $result
