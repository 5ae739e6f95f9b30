"""Identity from the outside: provisioning by claim, by a trusted user, after SIGKILL; rotation by the running daemon and without one; and what
an operator is told when something is wrong. The stand-in judges everything by the policies that `penumbra aws policy` and `penumbra aws
claim-policy` write, and fills in the provisioning template of `penumbra aws template`."""
import json
import signal
import subprocess
import time

import pytest
from harness import (MORTAL_PENUMBRAD, PENUMBRA, SIM_POINTS, Cloud, Gateway, wait_for)

CHILDREN = [f"sensor-{n:03d}" for n in range(1, 6)]
FAST = {"reconnect": {"base": "200ms", "max": "1s", "stable": "5s"}, "limits": {"connect_rate": 50, "publish_rate": 100}}


def gateway_template(credentials):
    return credentials.get("template")


class Site:
    """A gateway with simulated children that has no credentials at all, and a cloud that knows only a claim."""

    def __init__(self, folder, children, credentials=None, gateway="gateway-01", interval="200ms"):
        self.gateway = Gateway(folder / "gateway")
        self.cloud = Cloud(folder / "cloud", [], self.gateway.state, claims=["claim"])
        self.children = children
        self.credentials = credentials or {"template": "penumbra"}
        self.name = gateway
        self.interval = interval

    def __enter__(self):
        self.cloud.__enter__()
        self.gateway.configure(
            buses=[{"name": "sim", "driver": "sim"}],
            things=[{"name": name, "bus": "sim", "sample_interval": self.interval, "points": SIM_POINTS} for name in self.children],
            upstream={**self.cloud.upstream(), **FAST}, gateway=self.name, store={"commit_interval": "200ms"},
            credentials=self.credentials)
        self.cloud.use_policy_of(self.gateway)
        if gateway_template(self.credentials):
            self.use_template(self.written("template"))
            claim = self.gateway.folder / "claim-policy.json"
            claim.write_text(self.written("claim-policy"))
            self.cloud.ctl("claim-policy", claim)
        return self

    def written(self, what):
        done = self.run("aws", what, "--account", "123456789012", "--region", "us-east-1")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def use_template(self, body):
        self.cloud.ctl("provisioning", "template", "penumbra", json.dumps(json.loads(body)))

    def __exit__(self, *rest):
        self.gateway.__exit__(*rest)
        self.cloud.__exit__(*rest)

    def claim(self):
        return ["--claim-certificate", str(self.cloud.claims / "claim.pem.crt"), "--claim-key", str(self.cloud.claims / "claim.pem.key")]

    def command(self, *words):
        return [str(word) for word in (PENUMBRA, "--config", self.gateway.config, *words)]

    def run(self, *words, limit=60):
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=limit)

    def provision(self, *words, limit=60):
        return self.run("provision", *words, *self.claim(), limit=limit)

    def file(self, thing, ending):
        return self.gateway.state / "credentials" / f"{thing}{ending}"

    def leftovers(self):
        folder = self.gateway.state / "credentials"
        return [f.name for f in folder.iterdir() if f.name.endswith((".next", ".journal", ".new")) or f.name.startswith("claim-")]

    def active(self, thing):
        return {c["certificateId"] for c in self.cloud.certificates(thing) if c["status"] == "ACTIVE"}

    def in_use(self, thing):
        shown = json.loads(self.run("cert", "show", thing, "--json").stdout)["certificates"][0]
        return shown["certificate_id"]

    def publishing(self, things, limit=30):
        self.cloud.wait(lambda s: all(s["things"].get(t, {}).get("distinct", 0) >= 3 for t in things), limit,
                        f"three readings of each of {things}")


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path, ["sensor-001"]) as site:
        yield site


def test_from_an_empty_configuration_to_five_children_that_publish(tmp_path):
    """What an operator types after writing the configuration; the number is in the README."""
    typed = []
    with Site(tmp_path, CHILDREN) as site:
        def types(*words):
            typed.append("penumbra " + " ".join(w for w in words if not w.startswith("/")))
            done = site.run(*words)
            assert done.returncode == 0, done.stderr
            return done

        types("aws", "terraform", "--region", "us-east-1")  # to the account's administrator
        types("provision", "--all", *site.claim())
        typed.append("systemctl start penumbrad")
        site.gateway.start()
        site.publishing(CHILDREN)
        wait_for(lambda: site.gateway.status()["upstream"]["connected"] == 6, 20, "the gateway's own thing is connected, too")
        status = types("--socket", str(site.gateway.run / "api.sock"), "status")
        assert "6 of 6 sessions online" in status.stdout
        print(f"{len(typed)} commands typed:", *typed, sep="\n  ")
        assert len(typed) == 4
        for thing in [*CHILDREN, "gateway-01"]:
            assert site.file(thing, ".pem.key").stat().st_mode & 0o777 == 0o600
            assert len(site.cloud.certificates(thing)) == 1
            assert site.cloud.registry()[thing]["gateway"] == "gateway-01"
        assert site.leftovers() == []
        assert site.cloud.denials() == []
        use = site.cloud.ctl("policy")
        print("grants that this test does not use:", *use["unused"], sep="\n  ")
    assert site.cloud.process is None


def test_things_of_every_name_that_aws_allows_are_provisioned_and_publish(tmp_path):
    names = ["a:b", "a_b", "L" * 127 + "1", "L" * 127 + "2"]
    with Site(tmp_path, names) as site:
        done = site.provision("--all")
        assert done.returncode == 0, done.stderr
        site.gateway.start()
        site.publishing(names)
        assert sorted(site.cloud.registry()) == sorted([*names, "gateway-01"])
        assert site.cloud.denials() == [] and site.leftovers() == []


def test_a_claim_may_do_what_provisioning_does_and_nothing_else(site):
    site.cloud.ctl("provisioning", "fault", "inject", 429)
    assert site.provision("sensor-001").returncode == 0
    site.cloud.ctl("provisioning", "refuse", "stolen")
    assert site.provision("sensor-001", "--replace", "--parameter", "SerialNumber=stolen").returncode == 1
    assert site.cloud.ctl("claim-policy")["unused"] == []


def test_good_credentials_are_not_replaced_without_being_told(site):
    assert site.provision("sensor-001").returncode == 0
    before = site.in_use("sensor-001")
    refused = site.provision("sensor-001")
    assert refused.returncode == 1 and "--replace" in refused.stderr
    every = site.provision("--all")
    assert every.returncode == 0 and "sensor-001: has good credentials" in every.stdout, every.stderr
    assert site.in_use("sensor-001") == before
    assert site.provision("sensor-001", "--replace").returncode == 0
    assert site.in_use("sensor-001") != before


def test_a_trusted_users_claim_is_taken_as_the_aws_tool_prints_it(site, tmp_path):
    document = {"certificateId": "x", "certificatePem": (site.cloud.claims / "claim.pem.crt").read_text(),
                "keyPair": {"PublicKey": "", "PrivateKey": (site.cloud.claims / "claim.pem.key").read_text()},
                "expiration": time.time() - 5}
    claim = tmp_path / "claim.json"
    claim.write_text(json.dumps(document))
    late = site.run("provision", "sensor-001", "--claim", claim)
    assert late.returncode == 1 and "expired" in late.stderr and "create-provisioning-claim" in late.stderr
    claim.write_text(json.dumps({**document, "expiration": time.time() + 300}))
    done = site.run("provision", "sensor-001", "--claim", claim, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["things"][0]["status"] == "provisioned"
    assert site.leftovers() == []


def test_what_is_wrong_is_said_in_plain_language(site, tmp_path):
    assert site.run("provision", "--all").returncode == 2
    half = site.run("provision", "sensor-001", "--claim-key", "x")
    assert half.returncode == 2 and "--claim-certificate" in half.stderr
    typo = site.provision("sensor-01")
    assert typo.returncode == 2 and 'did you mean "sensor-001"' in typo.stderr
    nowhere = site.provision("sensor-001", "--template", "nowhere")
    assert nowhere.returncode == 1 and "provisioning-templates/nowhere" in nowhere.stderr, nowhere.stderr
    site.cloud.ctl("provisioning", "refuse", "stolen")
    hook = site.provision("sensor-001", "--parameter", "SerialNumber=stolen")
    assert hook.returncode == 1 and "its hook" in hook.stderr, hook.stderr
    foreign = site.provision("sensor-001", "--parameter", "ThingName=sensor-999", "--replace")
    assert foreign.returncode == 1 and "sensor-999" in foreign.stderr and "sensor-999" not in site.cloud.registry(), foreign.stderr
    body = json.loads(site.written("template"))
    body["Resources"]["thing"]["Properties"]["ThingName"] = {"Ref": "ThingName"}
    site.use_template(json.dumps(body))
    other = site.provision("sensor-001", "--parameter", "ThingName=sensor-999", "--replace")
    assert other.returncode == 1 and 'calls this thing "sensor-999"' in other.stderr, other.stderr
    site.cloud.may_deny = True  # the certificate is tried before another is asked for; the template that the claim may not use
    again = site.provision("sensor-001", "--parameter", "ThingName=sensor-999")
    misnamed = [c["certificateId"] for c in site.cloud.certificates() if c["thing"] == "sensor-999"]
    assert again.returncode == 1 and len(misnamed) == 1 and misnamed[0] in again.stderr, again.stderr
    site.cloud.deactivate(next(c["certificateId"] for c in site.cloud.certificates() if c["role"].lower() == "claim"))
    dead = site.provision("sensor-001", "--replace")
    assert dead.returncode == 1 and "with the claim certificate" in dead.stderr, dead.stderr


@pytest.mark.parametrize("answers_before", [0, 1], ids=["waiting for the certificate", "waiting for the registration"])
def test_a_command_that_is_killed_is_resumed(site, answers_before):
    """The cloud does its work and the answer is lost; the command is killed while it waits for it."""
    site.cloud.ctl("provisioning", "fault", "drop", 1, answers_before)
    process = subprocess.Popen(site.command("provision", "sensor-001", *site.claim()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: site.cloud.summary()["provisioning"]["faults"]["dropped"] == 1, 20, "the lost answer")
        assert process.poll() is None, "it waits for the answer"
    finally:
        process.kill()
        process.wait(10)
    site.cloud.ctl("provisioning", "fault", "none")
    done = site.provision("sensor-001")
    assert done.returncode == 0, done.stderr
    assert site.active("sensor-001") == {site.in_use("sensor-001")}, "one certificate, and it is the one in use"
    assert site.leftovers() == []


def test_a_key_made_by_cert_csr_is_used(site):
    assert site.run("cert", "csr", "sensor-001", "--out", site.gateway.folder, "--rsa").returncode == 0
    key = site.file("sensor-001", ".pem.key").read_text()
    assert site.provision("sensor-001").returncode == 0
    assert site.file("sensor-001", ".pem.key").read_text() == key


def seqs_without_a_gap(site, thing, limit=20):
    """Waits until everything stored has arrived, and answers the sequence numbers."""
    wait_for(lambda: site.gateway.thing(thing)["backlog"] <= 2, limit, "the backlog is gone")

    def complete():
        # The newest goes first, so for a moment it is there and those before it are on their way.
        seqs = sorted(site.cloud.seqs(thing))
        return seqs if seqs == list(range(seqs[0], seqs[-1] + 1)) else None

    return wait_for(complete, limit, "no reading is missing")


def test_the_running_daemon_rotates_and_loses_nothing(site):
    assert site.provision("--all").returncode == 0
    site.gateway.start()
    site.publishing(["sensor-001"])
    before = site.in_use("sensor-001")
    done = site.run("--socket", site.gateway.run / "api.sock", "cert", "rotate", "sensor-001", "--json")
    assert done.returncode == 0, done.stderr
    thing = json.loads(done.stdout)["things"][0]
    assert thing["old_certificate_id"] == before
    assert thing["certificate_id"] == site.in_use("sensor-001") != before
    site.cloud.deactivate(before)  # as its backend does once the new one is in use
    seen = len(site.cloud.seqs("sensor-001"))
    wait_for(lambda: len(site.cloud.seqs("sensor-001")) > seen + 10, 30, "readings with the new certificate")
    seqs_without_a_gap(site, "sensor-001")
    assert site.leftovers() == []
    certificates = site.gateway.status()["certificates"]
    assert [c["certificate_id"] for c in certificates if c["thing"] == "sensor-001"] == [thing["certificate_id"]]
    assert set(site.cloud.ends()["sensor-001"]) == {"CLIENT_INITIATED_DISCONNECT"}, "nobody takes the client id from its owner"
    # Files that are replaced under the daemon are picked up too.
    assert site.provision("sensor-001", "--replace").returncode == 0
    site.cloud.deactivate(thing["certificate_id"])
    seen = len(site.cloud.seqs("sensor-001"))
    wait_for(lambda: len(site.cloud.seqs("sensor-001")) > seen + 10, 60, "readings with the provisioned certificate")


@pytest.mark.parametrize("moment", ["journal.certificate", "certificate.answered", "journal.register", "registration.answered",
                                    "journal.install", "install.key_moved"])
def test_a_daemon_that_dies_in_a_rotation_finishes_it(site, moment, tmp_path):
    assert site.provision("--all").returncode == 0
    armed = tmp_path / "armed"
    armed.touch()
    site.gateway.environment |= {"PENUMBRA_KILL_AT": moment, "PENUMBRA_KILL_ARMED": str(armed)}
    site.gateway.start(program=MORTAL_PENUMBRAD)
    site.publishing(["sensor-001"])
    before = site.in_use("sensor-001")
    site.run("--socket", site.gateway.run / "api.sock", "cert", "rotate", "sensor-001")
    assert site.gateway.process.wait(20) == -signal.SIGKILL
    armed.unlink()
    site.gateway.start()
    wait_for(lambda: site.leftovers() == [] and site.in_use("sensor-001") != before, 40, "the rotation is finished")
    assert site.active("sensor-001") == {before, site.in_use("sensor-001")}
    wait_for(lambda: site.gateway.thing("sensor-001")["link"] == "online", 20, "online again")
    seqs_without_a_gap(site, "sensor-001")


def test_a_rotation_without_a_daemon(site):
    assert site.provision("sensor-001").returncode == 0
    before = site.in_use("sensor-001")
    done = site.run("cert", "rotate", "sensor-001")
    assert done.returncode == 0, done.stderr
    assert site.in_use("sensor-001") != before
    assert f"--certificate-id {before}" in done.stdout


@pytest.mark.parametrize("told", ["from the start", "by a reload"])
def test_a_daemon_rotates_by_itself_before_the_end(tmp_path, told):
    """The stand-in's certificates live a day."""
    wanted = {"template": "penumbra"} | ({"rotate_before": "30d"} if told == "from the start" else {})
    with Site(tmp_path, ["sensor-001"], credentials=wanted, gateway=None) as site:
        assert site.provision("sensor-001").returncode == 0
        before = site.in_use("sensor-001")
        site.gateway.start()
        if told == "by a reload":
            site.publishing(["sensor-001"])
            text = site.gateway.config.read_text()
            site.gateway.config.write_text(text.replace('template = "penumbra"\n', 'template = "penumbra"\nrotate_before = "30d"\n'))
            done = site.gateway.cli("reload")
            assert done.returncode == 0 and "rotate_before" in done.stdout, done.stdout + done.stderr
        wait_for(lambda: site.in_use("sensor-001") != before, 30, "a new certificate")
        assert "credentials.expiring" in site.gateway.tail(100_000)
        assert "expires within 1 day;" in site.gateway.tail(100_000)
        site.publishing(["sensor-001"])
        wait_for(lambda: "expires on" in site.gateway.status()["certificates"][0]["trouble"], 30, "`status` warns of the new one's end")
        assert "expires on" in site.gateway.cli("status").stdout
        assert "expires on" in site.run("cert", "show").stdout
