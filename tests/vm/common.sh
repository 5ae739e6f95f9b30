# Sourced by the guest scripts after the harness's own lib.sh: what both need. $RTU_DEV comes from the harness's /test/env.
. /test/env
# The folder of the installed drivers, which is not there before the package is.
drivers() { echo /usr/lib/*/penumbra/drivers; }
UNIT=penumbrad.service
DATABASE=/var/lib/penumbra/penumbra.db

# within SECONDS COMMAND...: tries twice a second.
within() { local n=$(($1 * 2)); shift; while ! "$@"; do n=$((n - 1)); [ $n -gt 0 ] || return 1; sleep 0.5; done; }
refused() { ! "$@"; }

install_deb() { apt-get -q -y -o Dpkg::Options::=--force-confold install "$@"; }
main_pid() { systemctl show -p MainPID --value $UNIT; }

# newest THING: "seq time_ms values-as-json" of its newest committed reading; fails when there is none.
newest() {
  penumbra readings "$1" --limit 1 --json | /usr/bin/python3 -c '
import json, sys
rows = json.load(sys.stdin)["readings"]
if not rows: sys.exit(1)
print(rows[-1]["seq"], rows[-1]["time_ms"], json.dumps(rows[-1]["values"]))'
}
newest_seq() { newest "$1" 2>/dev/null | cut -d' ' -f1; }
# value_is THING POINT VALUE
value_is() { newest "$1" | cut -d' ' -f3- | /usr/bin/python3 -c "import json,sys; sys.exit(json.load(sys.stdin).get('$2') != $3)"; }
# near THING POINT VALUE WITHIN
near() { newest "$1" | cut -d' ' -f3- | /usr/bin/python3 -c "import json,sys; sys.exit(not abs(json.load(sys.stdin).get('$2', 1e9) - $3) <= $4)"; }
# advances THING: a newer reading comes within 20 s.
advances() { local before; before=$(newest_seq "$1"); within 20 sh -c ". /test/vm/common.sh; [ \"\$(newest_seq $1)\" -gt \"${before:-0}\" ]"; }
# every_seq_once: all readings of all things, ascending and none twice.
every_seq_once() {
  for thing in "$@"; do
    penumbra readings "$thing" --since 1h --json | /usr/bin/python3 -c '
import json, sys
seqs = [row["seq"] for row in json.load(sys.stdin)["readings"]]
print(len(seqs), "readings")
sys.exit(not seqs or seqs != sorted(set(seqs)))' || return 1
  done
}

thing_tables() { # INTERVAL
  cat <<TOML
[[bus]]
name = "line"
driver = "modbus"
transport = "rtu"
device = "$RTU_DEV"
baud = 115200
parity = "none"

[[thing]]
name = "rtu-1"
bus = "line"
unit = 1
sample_interval = "$1"
[[thing.point]]
name = "counter"
table = "holding"
address = 7
type = "u16"
[[thing.point]]
name = "fixed"
table = "input"
address = 5
type = "u16"
TOML
  i2c_tables i2c sht3x sht-1
  printf '%s\n' '[[thing.point]]' 'name = "temperature"' 'unit = "Cel"' '[[thing.point]]' 'name = "humidity"' 'unit = "%"'
  i2c_tables i2c-bme280 bme280 bme-1
  echo 'profile = "bme280"'
  i2c_tables i2c-tmp102 tmp102 tmp-1
  echo 'profile = "tmp102"'
}
# A bus with one sensor on the simulated adapter; the thing's own lines follow.
i2c_tables() { # BUS DRIVER THING
  printf '%s\n' '' '[[bus]]' "name = \"$1\"" "driver = \"$2\"" "device = \"/dev/i2c-$SIMBUS\"" \
    '' '[[thing]]' "name = \"$3\"" "bus = \"$1\"" 'sample_interval = "1s"'
}
