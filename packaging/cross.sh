#!/usr/bin/env bash
# Cross-builds the packages for arm64 or armhf in a clean Debian 12 root, or the unit tests, which then run under qemu-user.
# As root, with network for apt. Usage: packaging/cross.sh arm64|armhf packages|tests [test programs, default: all that need no other process]
# The root is made once and kept in build/cross/root.tar; packages go into build/cross/ARCH. MIRROR names another Debian mirror.
# With PENUMBRA_CCACHE=1 the compilers are called through ccache, whose files are in build/cross/ccache. JOBS: compilers at a time
# for the tests (default: as many as processors).
set -euo pipefail
cd "$(dirname "$0")/.."
usage() { sed -n 2,6p "$0" | cut -c3- >&2; exit 2; }
[ $# -ge 2 ] || usage
arch=$1 mode=$2
case $arch in
arm64) triplet=aarch64-linux-gnu cpu=aarch64 ;;
armhf) triplet=arm-linux-gnueabihf cpu=arm ;;
*) usage ;;
esac
[ "$mode" = packages ] || [ "$mode" = tests ] || usage
shift 2
[ "$mode" = tests ] || [ $# = 0 ] || usage
. packaging/clean-root.sh
need_root cross

work=$PWD/build/cross
root=$work/root-$arch
mkdir -p "$work/ccache"
unmount_all() { umount "$root/ccache" 2>/dev/null || true; leave_root; }
trap unmount_all EXIT
unmount_all
# The stable release alone: packages of several architectures in one root must be of the same version, and architectures
# reach the archive of security fixes at different times.
sources=("deb ${MIRROR:-http://deb.debian.org/debian} bookworm main")
tests_need="libgtest-dev libgmock-dev libbenchmark-dev"
wanted() { for package in $tests_need; do printf '%s:arm64 %s:armhf ' "$package" "$package"; done; }
build_dep="apt-get -q -y --no-install-recommends build-dep -P cross,nocheck"
make_root_archive --architectures=amd64,arm64,armhf \
  --customize-hook='mkdir -p "$1/build/source/debian"' --customize-hook='copy-in packaging/debian/control /build/source/debian' \
  --customize-hook="chroot \"\$1\" sh -c 'apt-get -q update && $build_dep -a arm64 /build/source && $build_dep -a armhf /build/source'" \
  --customize-hook="chroot \"\$1\" apt-get -q -y --no-install-recommends install ccache crossbuild-essential-arm64 crossbuild-essential-armhf $(wanted)"
enter_root
packaging/copy-source.sh "$root/build/penumbra"
mkdir -p "$root/ccache"
mount --bind "$work/ccache" "$root/ccache"
ccache=${PENUMBRA_CCACHE:+ccache}

if [ "$mode" = packages ]; then
  # What the control file asks for today, if the archive is older.
  inside sh -c "apt-get -q update && cd /build/penumbra && $build_dep -a $arch ./" >"$work/apt-$arch.log" 2>&1 || { tail -n 20 "$work/apt-$arch.log" >&2; exit 1; }
  inside env CCACHE_DIR=/ccache PENUMBRA_CCACHE=$ccache DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-nocheck}" \
    sh -c "cd /build/penumbra && dpkg-buildpackage -a$arch -Pcross,nocheck -b -us -uc" >"$work/packages-$arch.log" 2>&1 ||
    { tail -n 30 "$work/packages-$arch.log" >&2; exit 1; }
  rm -rf "${work:?}/$arch"
  mkdir "$work/$arch"
  cp "$root"/build/*.deb "$work/$arch/"
  for file in usr/sbin/penumbrad usr/lib/$triplet/penumbra/drivers/modbus.so; do
    dpkg-deb --fsys-tarfile "$work/$arch"/penumbra_*.deb | tar -xO "./$file" >"$work/program"
    echo "$file: $(inside "$triplet-readelf" -h /dev/stdin <"$work/program" | sed -n 's/^ *\(Class\|Machine\): *//p' | tr '\n' ' ')"
  done
  # /lib is a link in the root. Programs that start others need the kernel's help under qemu-user: these do not.
  dpkg-deb --fsys-tarfile "$work/$arch"/penumbra_*.deb | tar -x --keep-directory-symlink -C "$root"
  inside "qemu-$cpu" -L / /usr/sbin/penumbrad --version
  inside "qemu-$cpu" -L / /usr/libexec/penumbra/driver-host --describe "/usr/lib/$triplet/penumbra/drivers/modbus.so" >/dev/null
  ls -l "$work/$arch"
else
  programs="${*:-base_test event_test model_test modbus_test store_unit_test config_test credentials_test uplink_test i2c_test rules_test
    shadow_document_test shadow_sync_test orders_test sdk_test}"
  # Not in the archive: its dependencies are there for one architecture at a time.
  inside sh -c "apt-get -q update && apt-get -q -y --no-install-recommends install libengine-pkcs11-openssl:$arch" >"$work/apt-$arch.log" 2>&1 ||
    { tail -n 20 "$work/apt-$arch.log" >&2; exit 1; }
  inside env CCACHE_DIR=/ccache sh -c "cd /build/penumbra && cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG='-O1 -Wno-psabi' \
      -DPENUMBRA_WERROR=ON -DPENUMBRA_TEST_FLAGS=-O0 -DPENUMBRA_PCH=ON -DCCACHE_PROGRAM=$ccache \
      -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=$cpu -DCMAKE_C_COMPILER=$triplet-gcc -DCMAKE_CXX_COMPILER=$triplet-g++ \
      -DPKG_CONFIG_EXECUTABLE=/usr/bin/$triplet-pkg-config '-DCMAKE_CROSSCOMPILING_EMULATOR=/usr/bin/qemu-$cpu;-L;/' &&
    cmake --build build -j ${JOBS:-$(nproc)} --target $(echo $programs)" >"$work/tests-$arch.log" 2>&1 || { grep -E 'error|FAILED' "$work/tests-$arch.log" | head -n 20 >&2; tail -n 20 "$work/tests-$arch.log" >&2; exit 1; }
  result=0
  for program in $programs; do
    echo "== $program ($arch)"
    inside sh -c "cd /build/penumbra/build && timeout 900 qemu-$cpu -L / \$(find . -name $program -type f -perm -1) --gtest_brief=1" || result=1
  done
  exit $result
fi
