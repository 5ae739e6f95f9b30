"""What process tests share: the real programs of the build tree, started on a folder of their own, with a hard limit on every wait."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PENUMBRA_BUILD", ROOT / "build" / "dev"))
sys.path.insert(0, str(ROOT / "tests" / "iotcore"))

from iotcore import IotCore  # noqa: E402  (needs the path above)

PENUMBRAD = BUILD / "daemon" / "app" / "penumbrad"
PENUMBRA = BUILD / "daemon" / "cli" / "penumbra"
# The same daemon, which kills itself where PENUMBRA_KILL_AT says, once the file PENUMBRA_KILL_ARMED exists.
MORTAL_PENUMBRAD = BUILD / "tests" / "process" / "mortal-penumbrad"
DRIVER_HOST = BUILD / "bin" / "driver-host"
DRIVERS = BUILD / "drivers"
IOTCORE = BUILD / "tests" / "iotcore" / "iotcore"
POLICY_USE = BUILD / "policy-use"


def wait_for(condition, limit, what):
    """Polls until condition() is true and answers its value; fails with `what`, a text or what answers it, after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def toml(value):
    """A Python value as TOML text (what configuration files of the tests need)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, pathlib.Path)):
        return json.dumps(str(value))
    if isinstance(value, list):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
    raise TypeError(value)


def table(name, values):
    lines = [f"{name}"] + [f"{k} = {toml(v)}" for k, v in values.items()]
    return "\n".join(lines) + "\n\n"


COUNTER_POINTS = [
    {"name": "counter", "table": "input", "address": 0, "type": "u32"},
    {"name": "temperature", "table": "input", "address": 2, "type": "s16", "scale": 0.1, "unit": "Cel"},
    {"name": "humidity", "table": "input", "address": 3, "type": "u16", "scale": 0.1, "unit": "%"},
]

SIM_POINTS = [{"name": "temperature", "kind": "temperature"}, {"name": "humidity", "kind": "humidity"}]


class Gateway:
    """One penumbrad with its folder. Call configure(), then start(); use as a context manager so that nothing is left running."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.state = self.folder / "state"
        self.run = self.folder / "run"
        self.config = self.folder / "penumbra.toml"
        self.log = self.folder / "penumbrad.log"
        self.process = None
        self.environment = dict(os.environ)
        self.upstream = None
        (self.state / "credentials").mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def configure(self, buses, things, upstream=None, gateway=None, store=None, clock="always", credentials=None):
        """Each bus and thing is a dictionary of its keys; a thing's "points" become [[thing.point]]."""
        self.upstream = upstream
        text = table("[paths]", {"state": self.state, "run": self.run, "drivers": DRIVERS, "driver_host": DRIVER_HOST,
                                 "profiles": ROOT / "config" / "profiles"})
        if gateway:
            text += table("[gateway]", {"thing": gateway})
        if upstream:
            text += table("[upstream]", upstream)
        if credentials:
            text += table("[credentials]", credentials)
        text += table("[store]", {"min_free": "1MiB", **(store or {})})
        text += table("[clock]", clock if isinstance(clock, dict) else {"trust": clock})
        for bus in buses:
            text += table("[[bus]]", bus)
        for thing in things:
            text += table("[[thing]]", {k: v for k, v in thing.items() if k != "points"})
            for point in thing.get("points", []):
                text += table("[[thing.point]]", point)
        self.config.write_text(text)

    def aws_policy(self):
        """The policy document that `penumbra aws policy` writes for this configuration."""
        done = subprocess.run([PENUMBRA, "--config", self.config, "aws", "policy", "--account", "123456789012",
                               "--region", "us-east-1"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def custom_metrics(self):
        """Those of Device Defender, name and type, that the script of `penumbra aws cli` makes for this configuration."""
        done = subprocess.run([PENUMBRA, "--config", self.config, "aws", "cli", "--account", "123456789012",
                               "--region", "us-east-1"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return dict(re.findall(r"create-custom-metric --metric-name (\S+) --metric-type (\S+)", done.stdout))

    def start(self, wait=True, program=PENUMBRAD):
        if self.upstream and self.upstream.get("port") in Cloud.running:
            Cloud.running[self.upstream["port"]].use_policy_of(self)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([program, "--config", self.config], stdout=log, stderr=log,
                                            env=self.environment)
        if wait:
            wait_for(lambda: self.running() and self.try_status(), 20, f"penumbrad answers; its log: {self.tail()}")

    def running(self):
        code = self.process.poll()
        assert code is None, f"penumbrad ended with {code}; its log: {self.tail()}"
        return True

    def state_of_daemon(self):
        """For a failure's text: whether the daemon lives, how it ended, and the last of its log."""
        try:
            code = self.process.wait(2)
        except subprocess.TimeoutExpired:
            return f"penumbrad lives; its log: {self.tail()}"
        return f"penumbrad ended with {code}; its log: {self.tail()}"

    def kill(self):
        """SIGKILL, as a power cut without the disk's part in it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, limit=10):
        """SIGTERM; answers (exit code, seconds it took)."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit), time.monotonic() - begin

    def tail(self, size=3000):
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else "(no log)"

    def cli(self, *arguments, limit=15):
        return subprocess.run([PENUMBRA, "--socket", self.run / "api.sock", *arguments], capture_output=True, text=True,
                              timeout=limit)

    def json(self, *arguments):
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, f"{arguments}: {done.stderr}; {self.state_of_daemon()}"
        return json.loads(done.stdout)

    def try_status(self):
        done = self.cli("status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def status(self):
        return self.json("status")

    def thing(self, name):
        return next(t for t in self.status()["things"] if t["thing"] == name)

    def bus(self, name):
        return next(b for b in self.status()["buses"] if b["bus"] == name)

    def resident_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Cloud(IotCore):
    """The stand-in cloud, with credentials for `things` in the gateway's state folder. Use as a context manager.

    Every thing has the policy that `penumbra aws policy` writes for the gateway that connects here. A test in which
    it denies anything fails, unless it says may_deny; which grants were used is kept for policy_use.py."""

    running = {}  # by port

    def __init__(self, folder, things, state, claims=()):
        super().__init__(IOTCORE, things, folder=folder, record=pathlib.Path(folder) / "messages.jsonl", claims=claims)
        self.state = state
        self.may_deny = False
        self.generated = None  # the policy in force
        self.prepared = True  # with the custom metrics of the generated script

    def start(self):
        super().start()
        self.lend_credentials(self.state)
        Cloud.running[self.port] = self
        return self

    def use_policy_of(self, gateway):
        policy = gateway.aws_policy()
        if policy == self.generated:
            return
        self.note_use()
        file = self.folder / "generated-policy.json"
        file.write_text(policy)
        self.ctl("policy", file)
        self.generated = policy
        if self.prepared and "/defender/" in policy:
            self.ctl("defender", "metrics", json.dumps(gateway.custom_metrics()))

    def note_use(self):
        """Which grants of the generated policy this test has used, for policy_use.py."""
        if self.generated is None:
            return
        use = self.ctl("policy")
        POLICY_USE.mkdir(parents=True, exist_ok=True)
        test = os.environ.get("PYTEST_CURRENT_TEST", "no test").split(" ")[0]
        with open(POLICY_USE / f"{os.getpid()}.jsonl", "a") as file:
            file.write(json.dumps({"test": test, "time": time.time(), **use}) + "\n")

    def ends(self):
        """How the connections of each client have ended, in the words of AWS's lifecycle events."""
        return self.summary()["connections"]["ends"]

    def denials(self):
        return self.summary()["connections"]["denials"]

    def __exit__(self, kind=None, *rest):
        denied = []
        try:
            if self.process and self.process.poll() is None:
                self.note_use()
                denied = [] if self.may_deny else self.denials()
        finally:
            Cloud.running.pop(self.info.get("port"), None)
            super().__exit__(kind, *rest)
        assert kind or not denied, f"the generated policy denies what the gateway does: {denied}"
