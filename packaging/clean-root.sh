# Sourced: a clean Debian 12 root, made once and kept as an archive, and unpacked where a script works in it. As root.
# `work` is the folder of the archive, `root` the one to unpack in; enter_clean_root sets them, or the caller does.

# need_root SCRIPT
need_root() { [ "$(id -u)" = 0 ] || { echo "$1: needs root (chroot)" >&2; exit 2; }; }

leave_root() {
  umount "$root/proc" "$root/dev/pts" "$root/dev" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
# make_root_archive OPTIONS... : "$work/root.tar" by mmdebstrap, if it is not there.
make_root_archive() {
  command -v mmdebstrap >/dev/null || packaging/install-build-deps.sh packaging/lifecycle-deps.txt
  [ ! -s "$work/root.tar" ] || return 0
  mmdebstrap --variant=minbase --include=ca-certificates "$@" 2>"$work/mmdebstrap.log" -- bookworm "$work/root.new.tar" "${sources[@]}" ||
    { tail -n 20 "$work/mmdebstrap.log" >&2; return 1; }
  mv "$work/root.new.tar" "$work/root.tar"
}
enter_root() {
  mkdir "$root"
  tar -xf "$work/root.tar" -C "$root"
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  mount --bind /dev/pts "$root/dev/pts"
  echo '127.0.0.1 localhost' >"$root/etc/hosts"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  # Nothing is started in a chroot.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
}
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"; }
# enter_clean_root NAME: a root of what this machine's apt knows, in build/lifecycle/NAME until the script ends.
enter_clean_root() {
  work=$PWD/build/lifecycle
  root=$work/$1
  mkdir -p "$work"
  trap leave_root EXIT
  leave_root
  sources=()
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do [ ! -s "$file" ] || sources+=("$file"); done
  make_root_archive
  enter_root
}
