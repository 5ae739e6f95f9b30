#!/usr/bin/env bash
# Builds the Debian packages into build/deb, or into OUT. Usage: [OUT=FOLDER] packaging/build-deb.sh [dpkg-buildpackage options]
# `-d` builds without debhelper's check of what is installed. For other architectures: packaging/cross.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-$PWD/build/deb}
rm -rf "$out"
packaging/copy-source.sh "$out/source"
cd "$out/source"
# The date of the newest entry of the changelog stands in every file of the packages, whatever the clock says.
dpkg-buildpackage -b -us -uc "$@"
ls -l "$out"/*.deb
