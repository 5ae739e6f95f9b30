"""The demo's stage: everything around the gateway, and the gateway itself, as child processes in one temporary folder.

Every child dies with this process (PR_SET_PDEATHSIG, or a closed pipe), every wait has a limit, and close() leaves nothing
behind. Needs only the standard library of /usr/bin/python3. Deliberately without output: demo.py does the talking.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]  # in the source tree; /usr/share/penumbra-sim where installed
sys.path.insert(0, str(TESTS / "iotcore"))
from iotcore import IotCore, IotCoreError  # noqa: E402,F401

GATEWAY = "gateway-01"
# The sensors: (thing, bus, unit or None, sample interval).
TCP_THINGS = [("hall-north", "hall", 1, "500ms"), ("hall-south", "hall", 2, "500ms"), ("hall-roof", "hall", 3, "500ms")]
RTU_THINGS = [("boiler-room", "rs485", 7, "1s")]
SIM_THINGS = [("office", "simulated", None, "500ms")]
I2C_THINGS = [("cold-room", "i2c-sht3x", None, "500ms"), ("attic", "i2c-bme280", None, "500ms")]  # profile: the chip's name
THINGS = TCP_THINGS + RTU_THINGS + SIM_THINGS + I2C_THINGS
DEAD_THING = ("hall-cellar", "hall", 9, "1s")  # a unit that never answers; in the guided tour only

I2C_NODE = "/dev/i2c-1"

START_LIMIT_S = 20.0
CLI_LIMIT_S = 20.0
STOP_LIMIT_S = 15.0
PR_SET_PDEATHSIG = 1

# One counter in each message counts, at the sensor, how often it was read: that is how a lost reading would show.
MODBUS_POINTS = """
[[thing.point]]
name = "temperature"
table = "input"
address = 1
type = "s16"
scale = 0.1
unit = "Cel"

[[thing.point]]
name = "humidity"
table = "input"
address = 2
type = "u16"
scale = 0.1
unit = "%"

[[thing.point]]
name = "reads"
table = "input"
address = 10
type = "u32"
"""
SET_POINT = """
[[thing.point]]
name = "setpoint"
table = "holding"
address = 10
type = "s16"
scale = 0.1
unit = "Cel"
writable = { min = 5.0, max = 30.0 }
"""
SIM_POINTS = """
[[thing.point]]
name = "temperature"
kind = "temperature"
unit = "Cel"

[[thing.point]]
name = "humidity"
kind = "humidity"
unit = "%"

[[thing.point]]
name = "reads"
kind = "counter"
"""


class Places:
    """Where the programs are: in a build tree, or where the packages put them."""

    def __init__(self, build=None):
        self.build = Path(build).resolve() if build else None

    def program(self, name):
        if self.build is None:
            return {"penumbrad": Path("/usr/sbin/penumbrad"), "penumbra": Path("/usr/bin/penumbra"),
                    "iotcore": Path("/usr/libexec/penumbra-sim/iotcore"),
                    "i2c_simulator": Path("/usr/libexec/penumbra-sim/i2c_simulator"),
                    "i2c_shim": Path("/usr/libexec/penumbra-sim/i2c_shim.so")}[name]
        return self.build / {"penumbrad": "daemon/app/penumbrad", "penumbra": "daemon/cli/penumbra",
                             "iotcore": "tests/iotcore/iotcore", "i2c_simulator": "tests/support/i2c/i2c_simulator",
                             "i2c_shim": "tests/support/i2c/i2c_shim.so"}[name]

    def paths(self):
        """Lines of [paths]; installed, the daemon's own defaults are right."""
        if self.build is None:
            return ""
        return (f'drivers = "{self.build / "drivers"}"\n'
                f'driver_host = "{self.build / "bin" / "driver-host"}"\n'
                f'profiles = "{TESTS.parent / "config" / "profiles"}"')


class DemoError(Exception):
    """Something of the stage did not work; the text is for the person in front of it."""


_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def first_line(process, limit_s, what):
    line = b""
    end = time.monotonic() + limit_s
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))
        part = os.read(process.stdout.fileno(), 4096) if ready else b""
        if not part:
            raise DemoError(f"{what} did not start")
        line += part
    return line.decode().split("\n")[0]


def until(condition, limit_s, what):
    end = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise DemoError(f"{what}: not within {limit_s:.0f} s")
        time.sleep(0.05)
    return value


def thing_table(name, bus, unit, interval, more=""):
    lines = ["[[thing]]", f'name = "{name}"', f'bus = "{bus}"', f'sample_interval = "{interval}"']
    if unit is not None:
        lines.append(f"unit = {unit}")
    return "\n".join(lines) + f"\n{more}"


class World:
    """Cloud, sensors and daemon. Use as a context manager."""

    def __init__(self, places, with_dead_unit, keep=False):
        self.places = places
        self.with_dead_unit = with_dead_unit
        self.keep = keep
        self.things = [thing[0] for thing in THINGS] + ([DEAD_THING[0]] if with_dead_unit else [])
        self.folder = Path(tempfile.mkdtemp(prefix="penumbra-demo-"))
        self.fault_file = self.folder / "simulated-fault"  # names what the simulated driver does wrong
        self.children = []
        self.cloud = None
        self.daemon = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    # -- processes --

    def _spawn(self, command, log, **more):
        with open(self.folder / log, "ab") as out:
            child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stderr=out, start_new_session=True,
                preexec_fn=die_with_parent, **({"stdout": out} | more)
            )
        self.children.append(child)
        return child

    def _stop(self, child, limit_s=STOP_LIMIT_S):
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)
            child.terminate()
            try:
                child.wait(limit_s)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(limit_s)
        if child.stdout:
            child.stdout.close()
        if child in self.children:
            self.children.remove(child)
        return child.returncode

    def close(self):
        """Ends everything, the daemon first, and removes the folder. May be called twice."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        for child in reversed(self.children[:]):
            self._stop(child)
        if self.cloud:
            self.cloud.stop()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- set-up --

    def _start(self):
        self.messages = self.folder / "messages.jsonl"
        names = self.things + [GATEWAY]
        self.cloud = IotCore(self.places.program("iotcore"), names, folder=self.folder / "cloud",
                             record=self.messages).start()
        self.modbus_port = port = self._start_modbus_tcp()
        line = self._start_serial_line()
        self._start_i2c_bus()
        self.state = self.folder / "state"
        self.cloud.lend_credentials(self.state)
        self.config = self.folder / "penumbra.toml"
        self.config.write_text(self._configuration(port, line))
        self.start_daemon()

    def _start_modbus_tcp(self):
        units = [thing[2] for thing in TCP_THINGS]
        command = ["/usr/bin/python3", "-B", TESTS / "support" / "modbus_server.py", "--port", 0]
        if self.with_dead_unit:
            units = units + [DEAD_THING[2]]
            command += ["--silent", DEAD_THING[2]]
        command += ["--units", ",".join(str(unit) for unit in units)]
        server = self._spawn(command, "modbus-tcp.log", stdout=subprocess.PIPE)
        return int(first_line(server, START_LIMIT_S, "the Modbus TCP server").split()[-1])

    def _start_serial_line(self):
        ours, theirs = self.folder / "tty-gateway", self.folder / "tty-sensor"
        self._spawn(["socat", f"pty,raw,echo=0,link={ours}", f"pty,raw,echo=0,link={theirs}"], "socat.log")
        until(lambda: ours.exists() and theirs.exists(), START_LIMIT_S, "the serial line")
        units = ",".join(str(thing[2]) for thing in RTU_THINGS)
        command = ["/usr/bin/python3", "-B", TESTS / "support" / "modbus_server.py", "--serial", theirs, "--baud",
                   "19200", "--units", units]
        server = self._spawn(command, "modbus-rtu.log", stdout=subprocess.PIPE)
        first_line(server, START_LIMIT_S, "the Modbus RTU server")
        return ours

    def _start_i2c_bus(self):
        """An emulated bus; the drivers find it at I2C_NODE through a shim before their system calls."""
        socket = self.folder / "i2c-bus"
        simulator = self._spawn([self.places.program("i2c_simulator"), "--socket", socket, "--wander",
                                 "sht3x@0x44", "bme280@0x76"], "i2c.log", stdout=subprocess.PIPE)
        first_line(simulator, START_LIMIT_S, "the emulated I2C bus")
        self.environment = dict(os.environ, I2C_SHIM_DEVICE=I2C_NODE, I2C_SHIM_SOCKET=str(socket),
                                LD_PRELOAD=str(self.places.program("i2c_shim")))

    def _configuration(self, port, line):
        parts = [
            f"""[gateway]
thing = "{GATEWAY}"

[paths]
state = "{self.state}"
run = "{self.folder / 'run'}"
{self.places.paths()}

[clock]
trust = "always"

[upstream]
endpoint = "localhost"
port = {self.cloud.port}
root_ca = "{self.cloud.root_ca}"
reconnect = {{ base = "500ms", max = "4s", stable = "20s" }}

[upstream.limits]
publish_rate = 6
connect_rate = 5

[store]
min_free = "16MiB"

[[bus]]
name = "hall"
driver = "modbus"
transport = "tcp"
host = "127.0.0.1"
port = {port}
retries = 0

[[bus]]
name = "rs485"
driver = "modbus"
transport = "rtu"
device = "{line}"
baud = 19200
parity = "none"
retries = 0

[[bus]]
name = "simulated"
driver = "sim"

[[bus]]
name = "i2c-sht3x"
driver = "sht3x"
device = "{I2C_NODE}"

[[bus]]
name = "i2c-bme280"
driver = "bme280"
device = "{I2C_NODE}"
"""
        ]
        for thing in TCP_THINGS + RTU_THINGS:
            parts.append(thing_table(*thing) + MODBUS_POINTS + (SET_POINT if thing[0] == "hall-north" else ""))
        for thing in SIM_THINGS:
            parts.append(thing_table(*thing, more=f'fault_file = "{self.fault_file}"\n') + SIM_POINTS)
        for thing in I2C_THINGS:
            parts.append(thing_table(*thing, more=f'profile = "{thing[1].removeprefix("i2c-")}"\n'))
        if self.with_dead_unit:
            parts.append(thing_table(*DEAD_THING, more='timeout = "150ms"\n') + MODBUS_POINTS)
        return "\n".join(parts)

    def crash_the_simulated_driver(self):
        def restarts():
            return sum(bus["restarts"] for bus in self.status()["buses"])

        before = restarts()
        self.fault_file.write_text("crash\n")
        until(lambda: restarts() > before, START_LIMIT_S, "the restart of the crashed driver")
        self.fault_file.unlink()

    # -- the gateway --

    def start_daemon(self):
        self.daemon = self._spawn([self.places.program("penumbrad"), "--config", self.config], "penumbrad.log",
                                  env=self.environment)

        def answers():
            if self.daemon.poll() is not None:
                raise DemoError(f"penumbrad ended with code {self.daemon.returncode}:\n{self.daemon_log()}")
            return self.cli("status", "--json")[0] == 0

        until(answers, START_LIMIT_S, "penumbrad")

    def daemon_log(self, size=2000):
        return (self.folder / "penumbrad.log").read_text(errors="replace")[-size:]

    def stop_daemon(self):
        return self._stop(self.daemon)

    def cli(self, *words):
        """Runs the command line tool: (exit code, what it printed)."""
        command = [self.places.program("penumbra"), "--socket", self.folder / "run" / "api.sock", *words]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=CLI_LIMIT_S)
        return done.returncode, done.stdout if done.returncode == 0 else done.stderr

    def ask(self, *words):
        """A verb's answer as JSON."""
        code, text = self.cli(*words, "--json")
        if code != 0:
            raise DemoError(f"penumbra {' '.join(words)}: {text.strip()}\n{self.daemon_log()}")
        return json.loads(text)

    def status(self):
        return self.ask("status")

    def backlog(self, status=None):
        return sum(thing["backlog"] for thing in (status or self.status())["things"])
