#!/usr/bin/env bash
# The gateway in front of your eyes: a cloud in a box, simulated sensors on Modbus TCP and on a serial line, the daemon,
# and an outage. Needs nothing set up before: on Debian 12 it installs what is missing, builds, and runs unprivileged.
#
#   ./demo.sh                      a guided tour of about 90 seconds
#   ./demo.sh --for 60s --json     unattended; ends with one JSON object, and fails if a reading was
#                                  lost or a desired value did not reach its device
#   ./demo.sh --help
set -euo pipefail
cd "$(dirname "$0")"
demo=(/usr/bin/python3 -B tests/demo/demo.py --build build/release)

# Nobody waits for a build to be told that it was for nothing. (Without python3 the build comes first: it installs it.)
if [ -x "${demo[0]}" ]; then
  for argument; do
    case $argument in -h | --help) exec "${demo[@]}" --help ;; esac
  done
  "${demo[@]}" --check-arguments "$@"
fi

[ -x build/release/daemon/app/penumbrad ] || echo "demo: builds Penumbra first, which takes some minutes; the next time it does not" >&2
# Nothing that installs or builds may write to standard output: with --json that carries the result alone.
{
  packaging/install-build-deps.sh
  cmake --preset release -DPENUMBRA_TESTS=ON >/dev/null
  cmake --build --preset release -j "${JOBS:-$(nproc)}" --target demo_programs
} >&2

exec "${demo[@]}" "$@"
