"""Private keys that stay in a token (PKCS#11), with SoftHSM as the token: request, provisioning, publishing, rotation, and what is said when the
token, the key or its PIN is not there."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from harness import PENUMBRA, SIM_POINTS, Cloud, Gateway, wait_for

MODULE = pathlib.Path("/usr/lib/softhsm/libsofthsm2.so")
ENGINES = list(pathlib.Path("/usr/lib").glob("*/engines-3/pkcs11.so"))
pytestmark = pytest.mark.skipif(not (MODULE.exists() and shutil.which("softhsm2-util") and ENGINES),
                                reason="softhsm2 and libengine-pkcs11-openssl are not installed (packaging/build-deps.txt)")
THING = "sensor-001"
PIN = "483920"


class Token:
    """A token of its own for this test, with one key in it."""

    def __init__(self, folder):
        (folder / "tokens").mkdir(parents=True)
        config = folder / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {**os.environ, "SOFTHSM2_CONF": str(config)}
        self.run("softhsm2-util", "--init-token", "--free", "--label", "gateway", "--pin", PIN, "--so-pin", PIN)
        key = folder / "key.pem"
        self.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        self.run("softhsm2-util", "--import", key, "--token", "gateway", "--label", THING, "--id", "01", "--pin", PIN)
        key.unlink()

    def run(self, *words):
        subprocess.run([str(w) for w in words], env=self.environment, check=True, capture_output=True, timeout=30)

    def uri(self, pin=PIN, key=THING):
        return f"pkcs11:token=gateway;object={key};type=private?pin-value={pin}&module-path={MODULE}"


class Stage:
    def __init__(self, folder):
        self.token = Token(folder / "token")
        self.gateway = Gateway(folder / "gateway")
        self.gateway.environment = self.token.environment
        self.cloud = Cloud(folder / "cloud", [], self.gateway.state, claims=["claim"])

    def __enter__(self):
        self.cloud.__enter__()
        self.configure(self.token.uri())
        self.cloud.use_policy_of(self.gateway)
        return self

    def __exit__(self, *rest):
        self.gateway.__exit__(*rest)
        self.cloud.__exit__(*rest)

    def configure(self, private_key):
        self.gateway.configure(buses=[{"name": "sim", "driver": "sim"}],
                               things=[{"name": THING, "bus": "sim", "sample_interval": "200ms", "points": SIM_POINTS,
                                        "private_key": private_key}],
                               upstream=self.cloud.upstream(), store={"commit_interval": "200ms"}, credentials={"template": "penumbra"})

    def run(self, *words):
        return subprocess.run([str(w) for w in (PENUMBRA, "--config", self.gateway.config, *words)], capture_output=True, text=True,
                              timeout=60, env=self.token.environment)

    def provision(self):
        claim = self.cloud.claims / "claim"
        return self.run("provision", THING, "--claim-certificate", f"{claim}.pem.crt", "--claim-key", f"{claim}.pem.key")

    def shown(self):
        return json.loads(self.run("cert", "show", THING, "--json").stdout)["certificates"][0]


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as stage:
        yield stage


def test_what_is_wrong_with_a_token_is_said(stage):
    for uri, words in ((stage.token.uri(pin="000000"), "PIN"), (stage.token.uri(key="nobody"), "no private key for"),
                       ("pkcs11:token=gateway;object=x?module-path=/nowhere.so", "PKCS#11 library /nowhere.so")):
        stage.configure(uri)
        done = stage.run("cert", "csr", THING, "--out", stage.gateway.folder)
        assert done.returncode == 1 and words in done.stderr, done.stderr
        assert "000000" not in done.stderr, "a PIN is no text for messages"


def test_a_key_in_a_token_is_provisioned_publishes_and_rotates(stage):
    done = stage.provision()
    assert done.returncode == 0, done.stderr
    assert not list((stage.gateway.state / "credentials").glob("*.key*")), "no key left the token"
    assert stage.shown()["usable"], stage.shown()
    stage.gateway.start()
    stage.cloud.wait(lambda s: s["things"].get(THING, {}).get("distinct", 0) >= 5, 30, "readings")
    before = stage.shown()["certificate_id"]
    done = stage.run("--socket", stage.gateway.run / "api.sock", "cert", "rotate", THING)
    assert done.returncode == 0, done.stderr
    after = stage.shown()
    assert after["usable"] and after["certificate_id"] != before
    stage.cloud.deactivate(before)
    seen = len(stage.cloud.seqs(THING))
    wait_for(lambda: len(stage.cloud.seqs(THING)) > seen + 5, 30, "readings with the new certificate")
    assert stage.gateway.stop()[0] == 0


def test_a_certificate_of_another_key_is_noticed(stage):
    assert stage.provision().returncode == 0
    other = stage.gateway.folder / "other.pem"
    certificate = stage.gateway.state / "credentials" / f"{THING}.pem.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", other, "-out",
                    certificate, "-subj", "/CN=other"], check=True, capture_output=True, timeout=30)
    shown = stage.shown()
    assert "does not belong to certificate" in shown["findings"][0]
    assert PIN not in json.dumps(shown)
