#!/usr/bin/env bash
# Makes of a package one that says it is another version and whose conffiles differ by a comment: a "previous version" for tests of
# upgrade and downgrade. Usage: packaging/repack-deb.sh DEB VERSION OUT.deb
set -euo pipefail
deb=$(realpath "$1") version=$2 out=$(realpath -m "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dpkg-deb -R "$deb" "$work/root"
sed -i "s/^Version: .*/Version: $version/" "$work/root/DEBIAN/control"
while read -r file; do
  echo "# as of version $version" >>"$work/root$file"
  (cd "$work/root" && sum=$(md5sum ".$file" | cut -d' ' -f1) && sed -i "s#^[0-9a-f]*  ${file#/}\$#$sum  ${file#/}#" DEBIAN/md5sums)
done < <(grep '^/' "$work/root/DEBIAN/conffiles" || true)
dpkg-deb --root-owner-group -b "$work/root" "$out" >/dev/null
