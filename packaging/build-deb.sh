#!/usr/bin/env bash
# Builds the Debian packages into build/deb. Usage: packaging/build-deb.sh [dpkg-buildpackage options]
# The source is copied first, because dpkg wants debian/ at its top and leaves files beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/build/deb
rm -rf "$out"
mkdir -p "$out/penumbra"
git ls-files -z | xargs -0 cp --parents -t "$out/penumbra"
cp -r packaging/debian "$out/penumbra/debian"
cp systemd/penumbrad.service "$out/penumbra/debian/penumbra.penumbrad.service"
cp systemd/penumbra.sysusers "$out/penumbra/debian/penumbra.sysusers"
cp systemd/penumbra.tmpfiles "$out/penumbra/debian/penumbra.tmpfiles"
cp systemd/60-penumbra.rules "$out/penumbra/debian/penumbra.udev"
cd "$out/penumbra"
dpkg-buildpackage -b -us -uc "$@"
ls -l "$out"/*.deb
