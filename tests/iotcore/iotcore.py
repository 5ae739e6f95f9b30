"""The stand-in cloud from Python: starts the iotcore program, steers it, and stops it. For process tests and the demo.

Every call has a hard limit, so that no test can hang: a late answer raises. One IotCore may be used from one thread.
Needs only the standard library of /usr/bin/python3. Commands and their answers: `iotcore --help`, recorder.hpp.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_LIMIT_S = 60.0
COMMAND_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0


class IotCoreError(Exception):
    """The stand-in refused a command, or did not start or answer in time."""


class IotCore:
    """One running stand-in. Use it as a context manager, or call start() and stop().

    program: path of the iotcore executable. things: names to make credentials for. folder: where it works; without
    it a short temporary folder that stop() removes. server_names: further names in the server certificate. claims:
    names of claim certificates for fleet provisioning, which stand in the folder `claims`. rules: file with the rules of the
    rules engine, a JSON array.
    """

    def __init__(self, program, things=(), folder=None, server_names=(), port=0, policy=None, record=None, claims=(), rules=None, claim_policy=None):
        self.program = str(program)
        self.things = list(things)
        self.temporary = folder is None
        self.folder = Path(folder) if folder else None
        self.server_names = list(server_names)
        self.fixed_port = port
        self.policy = policy
        self.claim_policy = claim_policy
        self.record = record
        self.rules = rules
        self.claim_names = list(claims)
        self.process = None
        self.info = {}

    def start(self):
        if self.temporary:
            self.folder = Path(tempfile.mkdtemp(prefix="iotcore-"))
        command = [self.program, "--dir", str(self.folder), "--port", str(self.fixed_port), "--stop-on-eof"]
        for thing in self.things:
            command += ["--thing", thing]
        for name in self.claim_names:
            command += ["--claim", name]
        for name in self.server_names:
            command += ["--server-name", name]
        if self.policy:
            command += ["--policy", str(self.policy)]
        if self.claim_policy:
            command += ["--claim-policy", str(self.claim_policy)]
        if self.record:
            command += ["--record", str(self.record)]
        if self.rules:
            command += ["--rules", str(self.rules)]
        self.folder.mkdir(parents=True, exist_ok=True)
        log_file = self.folder / "iotcore.log"
        try:
            with open(log_file, "ab") as log:
                # A session of its own: a Ctrl-C in the terminal is the test's to handle, not the cloud's.
                self.process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
                )
            self.info = json.loads(self._first_line(START_LIMIT_S))
        except Exception as error:
            text = log_file.read_text(errors="replace")
            self.stop()
            raise IotCoreError(f"iotcore did not start: {error}; {text.strip()}") from error
        return self

    def _first_line(self, limit_s):
        line = b""
        end = time.monotonic() + limit_s
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise IotCoreError("no answer in time")
            byte = os.read(self.process.stdout.fileno(), 65536)
            if not byte:
                raise IotCoreError("it ended at once")
            line += byte
        return line

    def stop(self):
        """Ends it and removes its temporary folder. May be called twice."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_LIMIT_S)
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None
        if self.temporary and self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def ctl(self, *words):
        """One control command; answers its result. Words are joined with spaces: ctl("delay", 200)."""
        line = " ".join(str(word) for word in words).encode() + b"\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(COMMAND_LIMIT_S)
            link.connect(self.info["control"])
            link.sendall(line)
            answer = b""
            while not answer.endswith(b"\n"):
                part = link.recv(1 << 20)
                if not part:
                    raise IotCoreError("iotcore closed the control connection")
                answer += part
        message = json.loads(answer)
        if not message["ok"]:
            raise IotCoreError(message["error"])
        return message["result"]

    def summary(self):
        return self.ctl("summary")

    def seqs(self, thing):
        """The set of sequence numbers of `thing` that have arrived."""
        return {seq for first, last in self.ctl("seqs", thing) for seq in range(first, last + 1)}

    def wait(self, condition, limit_s, what="the cloud to get there"):
        """Calls condition(summary) until it is true, and answers that summary; raises after limit_s."""
        end = time.monotonic() + limit_s
        while True:
            summary = self.summary()
            if condition(summary):
                return summary
            if time.monotonic() > end:
                raise IotCoreError(f"waited {limit_s} s for {what}: {json.dumps(summary)[:2000]}")
            time.sleep(0.05)

    def create_job(self, job, thing, document, timeout_minutes=None, retries=None):
        """Queues a job for one thing."""
        options = [f"timeout={timeout_minutes}"] if timeout_minutes else []
        options += [f"retries={retries}"] if retries else []
        return self.ctl("jobs", "create", job, thing, *options, json.dumps(document))

    def job(self, job, thing):
        """What the cloud knows of an execution: status, statusDetails, versionNumber, ...; None when there is none."""
        return self.ctl("jobs", "get", job, thing)

    def start_command(self, thing, payload, timeout_s=None):
        """Sends a command of the Commands feature; answers its execution id."""
        options = [f"timeout={timeout_s}"] if timeout_s else []
        return self.ctl("commands", "start", thing, *options, json.dumps(payload))["executionId"]

    def command(self, execution):
        """Status, reason, result and all accepted responses of a command execution."""
        return self.ctl("commands", "get", execution)

    def certificates(self, thing=None):
        """Every certificate that the cloud knows (of one thing): certificateId, status, thing, role, created_ms."""
        return self.ctl("provisioning", "certificates", *([thing] if thing else []))

    def registry(self):
        """Attributes of every thing in the registry, by name."""
        return self.ctl("provisioning", "things")

    def deactivate(self, certificate_or_thing):
        """Switches a certificate off, or a thing's newest: its sessions end, and TLS refuses it from now on."""
        return self.ctl("provisioning", "deactivate", certificate_or_thing)

    def upstream(self, host="localhost"):
        """The [upstream] table of a gateway that shall connect here."""
        return {"endpoint": host, "port": self.port, "root_ca": str(self.root_ca)}

    def lend_credentials(self, state):
        """Puts every thing's certificate and key where a daemon with this state folder looks for them."""
        target = Path(state) / "credentials"
        target.mkdir(parents=True, exist_ok=True)
        for file in self.credentials.iterdir():
            if file.is_file():
                shutil.copy2(file, target / file.name)

    def connects(self):
        """Unix times in seconds of every MQTT connection that the broker accepted and the policy allowed."""
        return [ms / 1000 for ms in self.ctl("connections", "times")["connect_times_ms"]]

    def readings(self):
        """Every reading in order of arrival, duplicates too, with "arrived" in Unix seconds. Needs `record`."""
        readings = []
        with open(self.record, encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break  # being written at this moment
                message = json.loads(line)
                payload = message.get("payload")
                for reading in payload if isinstance(payload, list) else [payload]:
                    if message["topic"].startswith("sensors/") and isinstance(reading, dict) and "seq" in reading:
                        readings.append({**reading, "arrived": message["t"] / 1000})
        return readings

    @property
    def port(self):
        return self.info["port"]

    @property
    def root_ca(self):
        return Path(self.info["root_ca"])

    @property
    def credentials(self):
        """Folder with <thing>.pem.crt and <thing>.pem.key, as the daemon's state folder has it."""
        return Path(self.info["credentials"])

    @property
    def claims(self):
        """Folder with <claim>.pem.crt and <claim>.pem.key."""
        return self.credentials / "claims"

    @property
    def control(self):
        return self.info["control"]
