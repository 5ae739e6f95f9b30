"""What is wrong with a thing's certificate, key or clock, and what the operator reads: each against the stand-in, by the real daemon."""
import json
import mmap
import shutil
import struct
import subprocess

import pytest
from harness import BUILD, PENUMBRA, ROOT, SIM_POINTS, Cloud, Gateway, wait_for

THING, OTHER = "sensor-001", "sensor-002"
DAY_S = 86400


class Stage:
    def __init__(self, folder):
        self.folder = folder
        self.gateway = Gateway(folder / "gateway")
        self.cloud = Cloud(folder / "cloud", [THING, OTHER], self.gateway.state)
        self.cloud.may_deny = True
        self.credentials = self.gateway.state / "credentials"

    def __enter__(self):
        self.cloud.__enter__()
        self.gateway.configure(buses=[{"name": "sim", "driver": "sim"}],
                               things=[{"name": THING, "bus": "sim", "sample_interval": "200ms", "points": SIM_POINTS}],
                               upstream={**self.cloud.upstream(), "reconnect": {"base": "200ms", "max": "1s", "stable": "5s"}})
        return self

    def __exit__(self, *rest):
        self.gateway.__exit__(*rest)
        self.cloud.__exit__(*rest)

    def clock_is_off_by(self, seconds):
        clock = self.folder / "clock"
        clock.write_bytes(bytes(4096))
        clock.with_name("clock.boot_id").write_text("boot\n")
        clock.with_name("clock.hctosys").write_text("0")
        with open(clock, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)
        self.map[8:16] = struct.pack("q", 1)
        self.map[0:8] = struct.pack("q", int(seconds * 1e9))
        self.gateway.environment.update(LD_PRELOAD=str(BUILD / "tests" / "process" / "lying_clock.so"), LYING_CLOCK_FILE=str(clock))

    def told(self, words):
        self.gateway.start()
        wait_for(lambda: words in self.gateway.thing(THING)["last_error"], 30,
                 f"\"{words}\"; it says: {self.gateway.thing(THING)['last_error']}")
        thing = self.gateway.thing(THING)
        assert thing["last_reading_ms"] or wait_for(lambda: self.gateway.thing(THING)["last_reading_ms"], 10, "it goes on reading")
        return thing

    def shown(self):
        done = subprocess.run([PENUMBRA, "--config", self.gateway.config, "cert", "show", "--json"], capture_output=True, text=True, timeout=20)
        return done.returncode, json.loads(done.stdout)["certificates"][0]

    def take_from(self, thing, ending):
        shutil.copy2(self.cloud.credentials / f"{thing}{ending}", self.credentials / f"{THING}{ending}")


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as stage:
        yield stage


def test_a_certificate_that_is_not_attached_to_its_thing(stage):
    stage.cloud.ctl("provisioning", "detach", THING)
    assert "attached to the thing sensor-001" in stage.told("not authorized")["last_error"]


def test_a_client_id_other_than_the_things_name(stage):
    stage.take_from(OTHER, ".pem.crt")
    stage.take_from(OTHER, ".pem.key")
    assert "attached to the thing sensor-001" in stage.told("CONNECT refused")["last_error"]


def test_a_certificate_that_is_not_active(stage):
    stage.cloud.deactivate(THING)
    # TLS 1.3 tells a client of its certificate only after the handshake: it looks like a connection that is closed.
    stage.told("certificate is not active")


def test_a_key_of_another_certificate(stage):
    stage.take_from(OTHER, ".pem.key")
    assert stage.told("does not belong to certificate")["link"] == "unprovisioned"
    code, shown = stage.shown()
    assert code == 1 and "does not belong to certificate" in shown["findings"][0]


def test_a_certificate_that_has_expired(stage):
    stage.clock_is_off_by(100 * DAY_S)  # the stand-in gives its things 90
    assert stage.told("expired on")["link"] == "unprovisioned"
    wait_for(lambda: "credentials.expired" in stage.gateway.tail(100_000), 10, "an event of its own")


def test_a_clock_that_is_wrong(stage):
    stage.clock_is_off_by(-30 * DAY_S)
    stage.told("is this machine's clock right?")
    # Set right, nobody has to do anything.
    stage.map[0:8] = struct.pack("q", 0)
    wait_for(lambda: stage.gateway.thing(THING)["link"] == "online", 30, "online with the right clock")


def test_a_server_that_the_roots_do_not_vouch_for(stage):
    stage.gateway.configure(buses=[{"name": "sim", "driver": "sim"}], things=[{"name": THING, "bus": "sim", "points": SIM_POINTS}],
                            upstream={**stage.cloud.upstream(), "root_ca": ROOT / "config" / "amazon-roots.pem"})
    stage.told("wrong root_ca, or this machine's clock is wrong")
