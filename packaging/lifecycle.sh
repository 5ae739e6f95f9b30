#!/usr/bin/env bash
# The package's life in a clean Debian 12 root without systemd: install, upgrade with unmodified and modified conffiles, a downgrade below
# the database refused, remove, reinstall, purge. As root, with network for apt. Usage: packaging/lifecycle.sh [penumbra.deb]
# The clean root is made once and kept in build/lifecycle/root.tar.
set -euo pipefail
cd "$(dirname "$0")/.."
deb=${1:-$(ls build/deb/penumbra_*.deb)}
[ -f "$deb" ] || { echo "lifecycle: no package; run packaging/build-deb.sh first" >&2; exit 2; }
. packaging/clean-root.sh
need_root lifecycle
enter_clean_root root

version=$(dpkg-deb -f "$deb" Version)
cp "$deb" "$root/new.deb"
packaging/repack-deb.sh "$deb" "$version~previous" "$root/previous.deb"

failed=0
check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$work/last.log" 2>&1; then
    echo "ok    $name"
  else
    echo "FAIL  $name"
    sed 's/^/      /' "$work/last.log" | tail -n 15
    failed=1
  fi
}
refused() { ! "$@"; }
install_deb() { inside apt-get -q -y --allow-downgrades -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "$1"; }
as_service() { inside setpriv --reuid penumbra --regid penumbra --init-groups "$@"; }
installed() { [ "$(inside dpkg-query -W -f='${db:Status-Status} ${Version}' penumbra)" = "installed $1" ]; }
listing() { (cd "$root" && find etc usr var run -xdev \( -path var/cache -o -path var/log -o -path var/lib/apt -o -path var/lib/dpkg \) -prune -o -print | sort); }
conffile=/etc/penumbra/penumbra.toml
# The first words that the installed completion offers, and the tool's verbs, one a line.
completed_verbs() {
  inside bash -c '. /usr/share/bash-completion/completions/penumbra; COMP_WORDS=(penumbra ""); COMP_CWORD=1; _penumbra; printf "%s\n" "${COMPREPLY[@]}" | sort'
}
verbs_of_help() { inside penumbra --help | sed -n '/^Verbs:/,/^$/s/^  \([^ ]*\) .*/\1/p' | sort; }
every_verb_completed() { diff <(verbs_of_help) <(completed_verbs) && [ "$(verbs_of_help | wc -l)" -gt 10 ]; }
# Each page is whole, and says of which version it is. Minimal roots leave manual pages out of packages: these are the package's own.
true_manuals() {
  local page
  for page in man8/penumbrad.8 man1/penumbra.1 man5/penumbra.toml.5 man7/penumbra-errors.7; do
    dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/share/man/$page.gz" | gunzip | head -n 1 | grep -F "Penumbra ${version//-/\\-}" || { echo "$page"; return 1; }
  done
  for verb in $(verbs_of_help); do
    dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/share/man/man1/penumbra.1.gz | gunzip | grep -q "^\.SS penumbra $verb" || { echo "penumbra.1 lacks $verb"; return 1; }
  done
}
# simulated_thing LINE: the thing "office" on a simulated bus, with one more line of its own.
simulated_thing() {
  printf '%s\n' '[[bus]]' 'name = "simulated"' 'driver = "sim"' '[[thing]]' 'name = "office"' 'bus = "simulated"' \
    "$1" '[[thing.point]]' 'name = "temperature"' 'kind = "temperature"'
}
# A bundle for others has neither the PIN of a token nor what the administrator's provisioning template is told.
diag_without_secrets() {
  cat >"$root/tmp/secrets.toml" <<'TOML'
[gateway]
thing = "gateway-01"
[upstream]
endpoint = "localhost"
[credentials]
template = "penumbra"
[credentials.parameters]
enrolment_password = "SECRET-WORD"
serial = "SECRET-SERIAL"
[paths]
run = "/tmp/run"
[store]
min_free = "1MiB"
TOML
  simulated_thing 'private_key = "pkcs11:token=gateway;object=office?pin-value=SECRET-PIN&module-path=/nowhere.so"' \
    >>"$root/tmp/secrets.toml"
  as_service timeout --signal=TERM 8 sh -c '
    penumbrad --config /tmp/secrets.toml 2>/tmp/secrets.log & sleep 4
    penumbra --config /tmp/secrets.toml diag >/tmp/diag.json; kill $!; wait' || [ $? = 143 ]
  grep -q '"credentials.parameters"' "$root/tmp/diag.json" || { echo "the daemon did not answer"; return 1; }
  ! grep -n SECRET "$root/tmp/diag.json" "$root/tmp/secrets.log"
}
database=$root/var/lib/penumbra/penumbra.db
schema_of() { od -An -t u4 --endian=big -j 60 -N 4 "$1" | tr -d ' '; }
# A few readings of the simulated driver, as the service's user, so that there is something to keep.
make_readings() {
  simulated_thing 'sample_interval = "100ms"' >"$root/tmp/sim.toml"
  printf '[paths]\nrun = "/tmp/run"\n[store]\nmin_free = "1MiB"\n' >>"$root/tmp/sim.toml"
  as_service timeout --signal=TERM 4 penumbrad --config /tmp/sim.toml || [ $? = 124 ]
  [ -s "$database" ]
}

export_readings() { as_service penumbra --config /tmp/sim.toml store export --format jsonl; }
all_and_none_twice() {
  export_readings | sort >"$work/readings"
  [ -s "$work/readings.before" ] && [ -z "$(comm -23 "$work/readings.before" "$work/readings")" ] && [ -z "$(uniq -d "$work/readings")" ]
}

inside apt-get -q update >"$work/apt.log" 2>&1
# The dependencies alone first, so that the listing of the end is the package's own doing.
inside apt-get -q -y install --no-install-recommends $(inside apt-get -s install /new.deb | sed -n 's/^Inst \([^ ]*\) .*/\1/p' | grep -v '^penumbra$') >>"$work/apt.log" 2>&1 || true
listing >"$work/before"

check "installs the previous version with its dependencies" install_deb /previous.deb
check "is installed" installed "$version~previous"
check "made the user, in the groups of serial lines and I2C" sh -c "chroot '$root' id -nG penumbra | grep -w dialout | grep -w i2c"
check "state is for the service alone" sh -c "[ \"\$(stat -c %a '$root/var/lib/penumbra' '$root/var/lib/penumbra/credentials' | tr '\n' ' ')\" = '750 700 ' ]"
check "every library is there" sh -c "! chroot '$root' sh -c 'ldd /usr/sbin/penumbrad /usr/bin/penumbra /usr/libexec/penumbra/driver-host /usr/lib/*/penumbra/drivers/*.so' | grep 'not found'"
check "the example configuration is without fault" inside penumbrad --check
check "stores readings as the service's user" make_readings
export_readings | sort >"$work/readings.before"
# The previous version is this one with a lower number, so its database is made what one with an older schema had left.
check "its database has an older schema" /usr/bin/python3 -B tests/process/aged_store.py "$database" 1
size=$(stat -c %s "$database")
schema=$(schema_of "$database")

check "upgrades" install_deb /new.deb
check "is the new version" installed "$version"
touch "$work/upgraded"
check "the completion offers every verb" every_verb_completed
check "the manual pages are of this version, with every verb" true_manuals
check "a bundle for others has no secrets, nor has the log" diag_without_secrets
check "goes on storing" make_readings
check "the database was brought up to date" [ "$(schema_of "$database")" = $((schema + 1)) ]
check "with every reading of before, and none twice" all_and_none_twice
check "programs write nothing to /etc" sh -c "! find '$root/etc' -newer '$work/upgraded' | grep ."
check "an unmodified conffile is replaced" refused grep -q 'as of version' "$root$conffile"
check "the database is kept" [ "$(stat -c %s "$database")" -ge "$size" ]

check "goes back while the schema allows it" install_deb /previous.deb
echo '# by the administrator' >>"$root$conffile"
check "upgrades over a modified conffile" install_deb /new.deb
check "a modified conffile is kept" grep -q 'by the administrator' "$root$conffile"
check "the packaged one lies beside it" [ -s "$root$conffile.dpkg-dist" ]

cp "$database" "$work/database"
printf '\0\0\047\017' | dd of="$database" bs=1 seek=60 conv=notrunc status=none # user_version 9999
check "refuses a downgrade below the database" refused inside dpkg -i /previous.deb
cp "$work/last.log" "$work/refusal.log"
check "and says why" grep -q 'made by a newer version (schema 9999' "$work/refusal.log"
check "and the newer version is still there" sh -c "chroot '$root' dpkg --configure -a; [ \"\$(chroot '$root' dpkg-query -W -f='\${Version}' penumbra)\" = '$version' ]"
check "and works" inside penumbra --version
check "the daemon refuses such a database with exit code 78" sh -c "chroot '$root' setpriv --reuid penumbra --regid penumbra --init-groups timeout 20 penumbrad --config /tmp/sim.toml; [ \$? = 78 ]"
cp "$work/database" "$database"

check "removes" inside apt-get -q -y remove penumbra
check "a removal takes the programs" refused test -e "$root/usr/sbin/penumbrad"
check "a removal keeps configuration and readings" [ -s "$root$conffile" -a -s "$database" ]
check "reinstalls" install_deb /new.deb
check "goes on with configuration and readings" sh -c "grep -q 'by the administrator' '$root$conffile' && [ -s '$database' ]"
check "purges" inside apt-get -q -y purge penumbra
# The user stays, as Debian's policy wants: its number must not be given to somebody else. So do caches that apt and systemd keep.
check "a purge leaves nothing" sh -c "$(declare -f listing); root='$root'; listing | diff '$work/before' - | grep '^>' | grep -v -e '^> etc/\(group\|passwd\|shadow\|gshadow\|subuid\|subgid\)-\?\$' -e '^> etc/.pwd.lock' >'$work/left' || true; cat '$work/left'; [ ! -s '$work/left' ]"

sim=$(ls "$(dirname "$deb")"/penumbra-sim_"$version"_*.deb 2>/dev/null || true)
if [ -n "$sim" ]; then
  cp "$sim" "$root/sim.deb"
  check "installs the simulator beside it" inside apt-get -q -y install /new.deb /sim.deb mosquitto socat python3-pymodbus python3-serial-asyncio
  check "the installed demo loses nothing" inside timeout 120 penumbra-sim demo --for 15s --json
fi
exit $failed
