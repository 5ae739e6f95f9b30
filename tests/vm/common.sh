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
  cat <<TOML

[[bus]]
name = "i2c"
driver = "sht3x"
device = "/dev/i2c-$SIMBUS"

[[thing]]
name = "sht-1"
bus = "i2c"
sample_interval = "1s"
[[thing.point]]
name = "temperature"
unit = "Cel"
[[thing.point]]
name = "humidity"
unit = "%"

[[bus]]
name = "i2c-bme280"
driver = "bme280"
device = "/dev/i2c-$SIMBUS"

[[thing]]
name = "bme-1"
bus = "i2c-bme280"
profile = "bme280"
sample_interval = "1s"

[[bus]]
name = "i2c-tmp102"
driver = "tmp102"
device = "/dev/i2c-$SIMBUS"

[[thing]]
name = "tmp-1"
bus = "i2c-tmp102"
profile = "tmp102"
sample_interval = "1s"
TOML
}
