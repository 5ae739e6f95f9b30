"""The guide's own programs, policy and files with the faults that AWS lets show, and our daemon in the same place without them. One test for
each fault that shows on the wire; those of rules, policies and Terraform are in unit/cloud (SeedFault) and terraform_test.py."""
import json
import re
import signal
import subprocess
import time

import pytest
from guide_program import start, text_for
from harness import ROOT, SIM_POINTS, Cloud, Gateway, wait_for

THING = "sensor-001"
FAST = {"reconnect": {"base": "200ms", "max": "1s", "stable": "5s"}, "limits": {"connect_rate": 50, "publish_rate": 50}}
# As the guide writes it, but for the account.
GUIDE_POLICY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:iot:us-east-1:123456789012:{resource}"}
    for action, resource in (("iot:Connect", "client/${iot:Connection.Thing.ThingName}"),
                             ("iot:Publish", "topic/sensors/${iot:Connection.Thing.ThingName}/*"),
                             ("iot:Subscribe", "topicfilter/commands/${iot:Connection.Thing.ThingName}/*"),
                             ("iot:Receive", "topic/commands/${iot:Connection.Thing.ThingName}/*"),
                             ("iot:GetThingShadow", "thing/${iot:Connection.Thing.ThingName}"),
                             ("iot:UpdateThingShadow", "thing/${iot:Connection.Thing.ThingName}"))]}


class Guide:
    """One of the guide's programs, faster than it was written: its pauses of 60 and 30 seconds are `pause`."""

    def __init__(self, name, cloud, folder, pause=0.3, steady=False):
        text = text_for(name, cloud, THING)
        text, paused = re.subn(r"time\.sleep\((?:60|30)\)", f"time.sleep({pause})", text)
        assert paused == 1
        if steady:
            text = re.sub(r"random\.uniform\([^)]*\)", "0", text)
        folder.mkdir(exist_ok=True)
        self.program, self.output = folder / name, folder / f"{name}.out"
        self.program.write_text(text, encoding="utf-8")
        self.start()

    def start(self):
        self.process = start(self.program, self.output)

    def said(self):
        return self.output.read_text()

    def says(self, words, limit=20):
        wait_for(lambda: words in self.said(), limit, f"\"{words}\"; it says: {self.said()}")

    def stop(self, how=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


class Stage:
    def __init__(self, folder):
        self.folder = folder
        self.gateway = Gateway(folder / "gateway")
        self.cloud = Cloud(folder / "cloud", [THING], self.gateway.state)

    def __enter__(self):
        self.cloud.__enter__()
        return self

    def __exit__(self, *rest):
        self.gateway.__exit__(*rest)
        self.cloud.__exit__(*rest)

    def guide(self, name, **more):
        return Guide(name, self.cloud, self.folder / "guide", **more)

    def our_daemon(self, points=SIM_POINTS, **upstream):
        self.gateway.configure(
            buses=[{"name": "sim", "driver": "sim"}],
            things=[{"name": THING, "bus": "sim", "sample_interval": "200ms", "topic": "sensors/{thing}/temperature", "points": points}],
            upstream={**self.cloud.upstream(), **FAST, **upstream}, store={"commit_interval": "200ms"})
        self.gateway.start()
        self.online()

    def online(self):
        wait_for(lambda: self.gateway.thing(THING)["link"] == "online", 30, f"our daemon is online: {self.gateway.tail()}")

    def on(self, topic):
        with open(self.cloud.record, encoding="utf-8") as lines:
            messages = [json.loads(line) for line in lines if line.endswith("\n")]
        return [message["payload"] for message in messages if message["topic"] == topic]

    def answers(self, command, status):
        return [a for a in self.on(f"sensors/{THING}/command/ack") if (a["id"], a["status"]) == (command, status)]

    def telemetry(self):
        return self.on(f"sensors/{THING}/temperature")

    def updates(self):
        return len(self.on(f"$aws/things/{THING}/shadow/update"))

    def reported(self):
        return (self.cloud.ctl("shadow", "get", THING) or {}).get("state", {}).get("reported", {})


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as stage:
        yield stage


def test_the_guides_policy_denies_its_own_shadow_client_and_ours_lets_it_work(stage):
    stage.cloud.may_deny = True
    policy = stage.folder / "policy.json"
    policy.write_text(json.dumps(GUIDE_POLICY))
    stage.cloud.ctl("policy", policy)
    with stage.guide("shadow_client.py") as guide:
        wait_for(lambda: any("shadow/update/delta" in denial for denial in stage.cloud.denials()), 20, "its first SUBSCRIBE is denied")
        time.sleep(3)
        assert "accepted" not in guide.said(), guide.said()
    stage.our_daemon()  # under the policy that it writes itself
    wait_for(lambda: "temperature" in stage.reported(), 20, "our report is in the shadow")
    denied = len(stage.cloud.denials())
    with stage.guide("shadow_client.py") as guide:  # the guide's program under our policy; it takes over the connection
        stage.gateway.stop()
        guide.says("Shadow update accepted")
    assert len(stage.cloud.denials()) == denied


def test_two_programs_with_one_client_id_evict_each_other_and_our_one_connection_does_both(stage):
    with stage.guide("device_client.py"), stage.guide("shadow_client.py"):
        wait_for(lambda: len(stage.cloud.connects()) >= 5, 30, "they take the connection from each other again and again")
    wait_for(lambda: sum(stage.cloud.ends()[THING].values()) == len(stage.cloud.connects()), 20, "both have gone")
    evicted = stage.cloud.ends()[THING]["DUPLICATE_CLIENTID"]
    assert evicted >= 3
    connects = len(stage.cloud.connects())
    stage.our_daemon()
    wait_for(lambda: len(stage.telemetry()) > 5 and "temperature" in stage.reported(), 20, "telemetry and shadow")
    time.sleep(3)
    assert len(stage.cloud.connects()) == connects + 1
    assert stage.cloud.ends()[THING]["DUPLICATE_CLIENTID"] == evicted


def test_what_waits_offline_is_lost_with_the_guides_process_and_not_with_ours(stage):
    with stage.guide("device_client.py") as guide:
        wait_for(lambda: len(stage.telemetry()) >= 2, 20, "telemetry")
        stage.cloud.ctl("cut")
        before = guide.said().count("Published:")
        wait_for(lambda: guide.said().count("Published:") > before + 5, 20, f"it goes on measuring: {guide.said()}")
        guide.stop(signal.SIGKILL)
        measured = guide.said().count("Published:")
        stage.cloud.ctl("uncut")
        arrived = len(stage.telemetry())
        guide.start()
        wait_for(lambda: len(stage.telemetry()) >= arrived + 3, 20, "it measures anew")
        assert arrived < measured - 3, "what waited was in memory only"
        guide.stop()
    stage.our_daemon()
    stage.cloud.wait(lambda s: s["things"].get(THING, {}).get("distinct", 0) >= 3, 20, "our telemetry")
    stage.cloud.ctl("cut")
    wait_for(lambda: stage.gateway.thing(THING)["backlog"] >= 10, 20, "a backlog")
    time.sleep(1)  # the durability window
    waiting = {r["seq"] for r in stage.gateway.json("readings", THING, "--since", "10m")["readings"]}
    stage.gateway.kill()
    stage.cloud.ctl("uncut")
    stage.gateway.start()
    wait_for(lambda: waiting <= stage.cloud.seqs(THING), 30, f"all that was stored arrives: {waiting - stage.cloud.seqs(THING)}")


def test_what_is_ordered_while_nobody_is_there_is_lost_to_the_guide_and_done_by_us_as_command_and_as_job(stage):
    order = {"action": "update_config", "config": {"sample_interval": 7}}
    with stage.guide("device_client.py") as guide:
        guide.says("Subscribed to")
        stage.cloud.ctl("publish", f"commands/{THING}/do", json.dumps({**order, "n": 1}))
        guide.says("Command payload: {'action': 'update_config', 'config': {'sample_interval': 7}, 'n': 1}")
        guide.stop()
        stage.cloud.ctl("publish", f"commands/{THING}/do", json.dumps({**order, "n": 2}))
        guide.start()
        wait_for(lambda: guide.said().count("Subscribed to") == 2, 20, "it is back")
        stage.cloud.ctl("publish", f"commands/{THING}/do", json.dumps({**order, "n": 3}))
        guide.says("'n': 3}")
        assert "'n': 2}" not in guide.said(), "a clean session keeps nothing"
    stage.our_daemon()
    stage.gateway.stop()
    stage.cloud.ctl("publish", f"commands/{THING}/do", json.dumps({"action": "read_now", "id": "while-away"}))
    stage.cloud.create_job("while-away", THING, order)
    stage.gateway.start()
    wait_for(lambda: stage.answers("while-away", "succeeded"), 30, f"the very command of the guide's row: {stage.gateway.tail()}")
    wait_for(lambda: stage.cloud.job("while-away", THING)["status"] == "SUCCEEDED", 30, f"{stage.cloud.job('while-away', THING)}")


def test_with_a_clean_session_as_the_guide_has_it_our_daemon_would_lose_the_command_too(stage):
    """So it is the kept session that the test before shows, and not some other way to us."""
    stage.our_daemon(session_expiry="0s")
    stage.gateway.stop()
    stage.cloud.ctl("publish", f"commands/{THING}/do", json.dumps({"action": "ping", "id": "while-away"}))
    stage.gateway.start()
    stage.online()
    stage.cloud.ctl("publish", f"commands/{THING}/do", json.dumps({"action": "ping", "id": "now"}))
    wait_for(lambda: stage.answers("now", "succeeded"), 20, "a command while we are there")
    assert not stage.answers("while-away", "succeeded")


def test_the_guides_shadow_loop_ends_at_the_first_update_offline_and_ours_tells_it_later(stage):
    with stage.guide("shadow_client.py") as guide:
        guide.says("Shadow update accepted")
        stage.cloud.ctl("cut")
        wait_for(lambda: guide.process.poll() not in (None, 0), 20, f"an exception ends it: {guide.said()}")
        assert "publishQueueDisabledException" in guide.said()
    stage.cloud.ctl("uncut")
    stage.our_daemon()
    wait_for(lambda: stage.reported().get("sample_interval") == 0.2, 20, "our report")
    stage.cloud.ctl("cut")
    assert stage.gateway.cli("shadow", "set", THING, "sample_interval=0.5").returncode == 0
    wait_for(lambda: stage.gateway.json("shadow", "get", THING)["state"]["reported"]["sample_interval"] == 0.5, 20, "done while offline")
    stage.cloud.ctl("uncut")
    wait_for(lambda: stage.reported().get("sample_interval") == 0.5, 30, "and told afterwards")


def test_the_guide_updates_the_shadow_in_every_round_and_ours_when_something_changed(stage):
    with stage.guide("shadow_client.py", steady=True) as guide:
        guide.says("Shadow update accepted")
        before = stage.updates()
        time.sleep(4)
        assert stage.updates() - before >= 7, "the same values, again and again"
        guide.stop()
    stage.our_daemon(points=[{"name": "temperature", "kind": "temperature", "report": {"deadband": 50.0}}])
    wait_for(lambda: stage.reported().get("status") == "ok", 20, "our report")
    time.sleep(2)
    before, polls = stage.updates(), len(stage.telemetry())
    time.sleep(4)
    assert len(stage.telemetry()) - polls >= 12 and stage.updates() - before <= 1


def test_no_shadow_yet_means_rejected_to_the_guide_and_a_new_shadow_to_us(stage):
    with stage.guide("shadow_client.py") as guide:
        guide.says("Shadow get rejected")
        guide.stop()
    stage.cloud.ctl("shadow", "delete", THING)
    assert stage.cloud.ctl("shadow", "get", THING) is None
    stage.our_daemon()
    wait_for(lambda: {"temperature", "sample_interval", "status"} <= set(stage.reported()), 20, "our daemon made it")
    assert stage.gateway.thing(THING)["last_error"] == "" and "rejected" not in stage.gateway.tail()


def test_the_guides_one_root_knows_no_chain_of_amazons_elliptic_curves_and_ours_knows_all_four(stage):
    bundle = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", (ROOT / "config" / "amazon-roots.pem").read_text(), re.S)
    names = {}
    for pem in bundle:
        shown = subprocess.run(["openssl", "x509", "-noout", "-subject", "-text"], input=pem, capture_output=True, text=True, check=True).stdout
        names[re.search(r"CN ?= ?(Amazon Root CA \d)", shown).group(1)] = (pem, "id-ecPublicKey" in shown)
    assert sorted(names) == [f"Amazon Root CA {n}" for n in (1, 2, 3, 4)] and [names[n][1] for n in sorted(names)] == [False, False, True, True]
    one = stage.folder / "AmazonRootCA1.pem"
    one.write_text(names["Amazon Root CA 1"][0])

    def trusted(roots, pem):
        done = subprocess.run(["openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile", roots], input=pem, capture_output=True, text=True)
        return done.returncode == 0

    for name, (pem, _) in names.items():
        assert trusted(one, pem) == (name == "Amazon Root CA 1")
        assert trusted(ROOT / "config" / "amazon-roots.pem", pem), name
