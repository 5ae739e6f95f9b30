#!/usr/bin/env bash
# Builds Penumbra and runs its tests. Needs nothing set up before: on Debian 12 it installs what is missing.
#
#   ./test.sh                  everything (unit, component, process, simulation, fuzz corpus)
#   ./test.sh -R ShadowSync    arguments go to ctest
#   ./test.sh --deb            builds the Debian packages into build/deb and checks them with lintian
#   PRESET=asan ./test.sh      another preset of CMakePresets.json (dev, release, asan, tsan)
set -euo pipefail
cd "$(dirname "$0")"
case ${1:-} in -h | --help)
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
  exit 0
  ;;
esac

preset=${PRESET:-dev}
jobs=${JOBS:-$(nproc)}

packaging/install-build-deps.sh
if [ "${1:-}" = --deb ]; then
  packaging/install-build-deps.sh packaging/deb-deps.txt
  packaging/build-deb.sh
  exec packaging/check-deb.sh
fi
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -j "$jobs"
# Tests wait more than they compute, so twice as many as cores may run.
exec ctest --test-dir "build/$preset" --output-on-failure -j "$((jobs * 2))" --no-tests=error "$@"
