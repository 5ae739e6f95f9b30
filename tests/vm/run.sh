#!/usr/bin/env bash
# The packages in a booted Debian 12 with systemd, a serial line and I2C, with power cuts. A program of its own and not one of the tests:
# it needs a virtual machine harness whose accept.sh boots a guest, runs a guest script in it, and knows the options used below.
#
#   PENUMBRA_VM=FOLDER tests/vm/run.sh [life|powercut|memory|reboot]... [-- options of accept.sh]
#
# FOLDER is a built copy of the harness. The package is the one of build/deb (packaging/build-deb.sh), or PENUMBRA_DEB. `reboot` needs
# the package penumbra-sim beside it, mosquitto on this machine for the cloud that the guest is ordered by, and Debian's archive for polkit.
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

cloud=
trap '[ -z "$cloud" ] || kill "$cloud" 2>/dev/null || true' EXIT
# start_cloud SHARE: a cloud that the guest of this share talks to; what the guest needs for it is in $work/cloud/guest.
start_cloud() {
  dpkg-deb -x "$(ls "$(dirname "$deb")"/penumbra-sim_*.deb)" "$work/sim"
  tests/vm/cloud.py "$work/sim/usr/libexec/penumbra-sim/iotcore" "$work/cloud" "$1" gateway-01 &
  cloud=$!
  timeout 60 sh -c "until [ -e '$work/cloud/ready' ]; do kill -0 $cloud && sleep 0.2 || exit 1; done" || { echo "run: the cloud does not start; see $work/cloud" >&2; exit 1; }
}
# polkit and what it needs beside the guest's own packages.
fetch_polkit() {
  mkdir -p "$work/polkit"
  (cd "$work/polkit" && apt-get -q download polkitd libpolkit-agent-1-0 libpolkit-gobject-1-0 libglib2.0-0 libduktape207 libpam-systemd xml-core sgml-base)
}

scripts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do scripts+=("$1"); shift; done
[ "${1:-}" != -- ] || shift
[ ${#scripts[@]} -gt 0 ] || scripts=(life powercut memory reboot)
result=0
for script in "${scripts[@]}"; do
  options=(--cut-mode none)
  case $script in
  powercut) options=(--cut-mode flush) ;;
  reboot)
    fetch_polkit
    # The rule of README.Debian that forbids it: what is documented is what is tried.
    sed -n '/^    polkit.addRule/,/^    });/p' packaging/debian/README.Debian >"$work/vm/50-no-reboot.rules"
    start_cloud "$work/out-reboot/share"
    options+=(--add "$work/polkit" --add "$work/cloud/guest") ;;
  esac
  echo "== $script"
  "$harness/accept.sh" -v -t 1200 -o "$work/out-$script" --script "$PWD/tests/vm/$script" --add "$work/vm" --add "$work/newer" "${options[@]}" "$@" "$deb" || result=1
done
exit $result
