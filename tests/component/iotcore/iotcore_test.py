"""The stand-in cloud against clients that know nothing of it: what it allows, what it refuses, how it misbehaves.

Every wait has a limit; nothing sleeps for a result.
"""
import json
import pathlib
import signal
import socket
import ssl
import subprocess
import time

import paho.mqtt.client as mqtt
import pytest

from device import LIMIT_S, OTHER, PROGRAM, THING, Device, IotCore, IotCoreError, publish_code

NOT_AUTHORIZED = 0x87
AWS_NAME = "example-ats.iot.us-east-1.amazonaws.com"


def reading(seq, **values):
    return json.dumps({"device_id": THING, "timestamp": 1, "seq": seq, **values})


TOPIC = f"sensors/{THING}/temperature"


@pytest.fixture(scope="module")
def shared():
    with IotCore(PROGRAM, [THING, OTHER], server_names=[AWS_NAME]) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared):
    shared.ctl("heal")
    shared.ctl("clear")
    return shared


def test_a_thing_may_not_publish_on_the_topic_of_another(cloud):
    _, text = publish_code(cloud, THING, f"sensors/{OTHER}/temperature")
    assert f"RC:{NOT_AUTHORIZED}" in text
    assert cloud.summary()["messages"] == 0
    assert f"{THING} sensors/{OTHER}/temperature" in cloud.summary()["connections"]["denials"]


def test_a_wildcard_of_aws_does_not_match_the_level_above(cloud):
    assert f"RC:{NOT_AUTHORIZED}" in publish_code(cloud, THING, f"sensors/{THING}")[1]


def test_a_thing_may_publish_on_its_own_topics(cloud):
    for topic in (TOPIC, f"status/{THING}", f"$aws/things/{THING}/shadow/update"):
        code, text = publish_code(cloud, THING, topic)
        assert code == 0 and "RC:0" in text, text


def test_over_3_1_1_a_denied_publish_closes_the_connection(cloud):
    with Device(cloud, version=mqtt.MQTTv311).connect() as device:
        device.publish(f"sensors/{OTHER}/temperature")
        device.expect("down")


def test_a_client_id_other_than_the_thing_is_closed(cloud):
    before = cloud.summary()["connections"]["refused"]
    with Device(cloud, THING, client_id=OTHER) as device:
        device.client.connect("localhost", cloud.port)
        device.client.loop_start()
        device.expect("down")
    assert cloud.summary()["connections"]["refused"] == before + 1


def test_a_thing_does_not_hear_the_commands_of_another(cloud):
    with Device(cloud).connect() as device:
        device.client.subscribe([(f"commands/{OTHER}/#", 1), (f"commands/{THING}/#", 1)])
        device.expect("subscribed")
        cloud.ctl("publish", f"commands/{OTHER}/x", '{"action":"reboot"}')
        cloud.ctl("publish", f"commands/{THING}/x", '{"action":"ping", "id": "1"}')
        assert device.messages.get(timeout=LIMIT_S) == (f"commands/{THING}/x", b'{"action":"ping", "id": "1"}')


def test_a_certificate_of_a_foreign_authority_is_refused(cloud):
    cloud.ctl("foreign", THING)
    code, text = publish_code(cloud, THING, TOPIC, folder=cloud.credentials / "foreign")
    assert code != 0 and "CONNACK" not in text


def test_a_connection_without_a_certificate_is_refused(cloud):
    done = subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(cloud.port), "--cafile", str(cloud.root_ca), "-t",
                           TOPIC, "-m", "x", "-q", "1"], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode != 0


def test_the_server_certificate_has_the_names_asked_for(cloud):
    context = ssl.create_default_context(cafile=str(cloud.root_ca))
    context.load_cert_chain(cloud.credentials / f"{THING}.pem.crt", cloud.credentials / f"{THING}.pem.key")

    for name in ("localhost", "127.0.0.1", AWS_NAME):
        with socket.create_connection(("127.0.0.1", cloud.port), 10) as raw:
            context.wrap_socket(raw, server_hostname=name).close()
    with socket.create_connection(("127.0.0.1", cloud.port), 10) as raw, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(raw, server_hostname="wrong.example.com")


def test_keys_are_for_their_owner_only(cloud):
    assert (cloud.credentials / f"{THING}.pem.key").stat().st_mode & 0o777 == 0o600


def test_the_recorder_counts_readings_duplicates_and_conflicts(cloud):
    with Device(cloud).connect() as device:
        for payload in (reading(1, t=1), reading(2, t=1), reading(2, t=1), reading(4, t=1), reading(4, t=2)):
            device.publish_acked(TOPIC, payload)
    summary = cloud.summary()
    assert (summary["readings"], summary["distinct"], summary["duplicates"], summary["conflicts"]) == (5, 3, 2, 1)
    assert cloud.seqs(THING) == {1, 2, 4}


def test_cut_drops_and_refuses_until_uncut(cloud):
    with Device(cloud).connect() as device:
        cloud.ctl("cut")
        device.expect("down")
    with Device(cloud) as device, pytest.raises(ConnectionRefusedError):
        device.client.connect("localhost", cloud.port)
    cloud.ctl("uncut")
    with Device(cloud).connect() as device:
        device.publish_acked(TOPIC, reading(1))


def test_a_stall_holds_everything_back_and_loses_nothing(cloud):
    with Device(cloud).connect() as device:
        cloud.ctl("stall")
        device.publish(TOPIC, reading(7))
        assert device.silent("acked", 0.5)
        assert cloud.seqs(THING) == set()
        cloud.ctl("heal")
        device.expect("acked")
        assert cloud.seqs(THING) == {7}


def test_a_black_hole_swallows_and_closes_when_it_ends(cloud):
    with Device(cloud).connect() as device:
        cloud.ctl("black-hole")
        device.publish(TOPIC, reading(7))
        assert device.silent("acked", 0.5)
        cloud.ctl("heal")
        device.expect("down")
    assert cloud.seqs(THING) == set()


def test_delay_applies_to_each_direction(cloud):
    with Device(cloud).connect() as device:
        cloud.ctl("delay", 200)
        begin = time.monotonic()
        device.publish_acked(TOPIC, reading(1))
        assert time.monotonic() - begin >= 0.4


def test_a_rate_limit_slows_a_large_message(cloud):
    with Device(cloud).connect() as device:
        cloud.ctl("rate", 20_000)
        begin = time.monotonic()
        device.publish_acked(TOPIC, reading(1, text="x" * 40_000))
        assert time.monotonic() - begin >= 1.0


def test_reset_ends_connections_and_accepts_new_ones(cloud):
    with Device(cloud).connect() as device:
        assert cloud.ctl("reset")["closed"] == 1
        device.expect("down")
    with Device(cloud).connect() as device:
        device.publish_acked(TOPIC, reading(1))


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_after_a_restart_of_the_broker_the_recorder_misses_nothing(cloud, how):
    port = cloud.port
    with Device(cloud).connect() as device:
        device.publish_acked(TOPIC, reading(1))
        cloud.ctl("broker", how)
        device.expect("down")
    for _ in range(1200):
        try:
            with Device(cloud).connect() as device:
                device.publish_acked(TOPIC, reading(2))
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    assert cloud.seqs(THING) == {1, 2}
    assert cloud.port == port


def test_connects_are_counted_with_their_times(cloud):
    before = len(cloud.connects())
    for _ in range(3):
        with Device(cloud).connect():
            pass
    assert len(cloud.connects()) == before + 3
    assert abs(cloud.connects()[-1] - time.time()) < 20


def test_the_hosted_shadow_service_answers(cloud):
    prefix = f"$aws/things/{THING}/shadow/update"
    with Device(cloud).connect() as device:
        device.client.subscribe([(f"{prefix}/accepted", 1), (f"{prefix}/delta", 1)])
        device.expect("subscribed")
        device.publish(prefix, '{"state":{"reported":{"t":1},"desired":{"t":2}}}')
        answers = dict(device.messages.get(timeout=LIMIT_S) for _ in range(2))
    assert json.loads(answers[f"{prefix}/delta"])["state"] == {"t": 2}


def test_an_unknown_command_says_what_there_is(cloud):
    with pytest.raises(IotCoreError, match="commands: info"):
        cloud.ctl("dance")


def test_a_revoked_certificate_no_longer_connects():
    with IotCore(PROGRAM, [THING, OTHER]) as own:
        own.ctl("revoke", THING)
        for _ in range(1200):
            try:
                with Device(own, OTHER).connect():
                    break
            except ConnectionRefusedError:
                time.sleep(0.05)
        code, _ = publish_code(own, THING, TOPIC)
        assert code != 0 and own.summary()["messages"] == 0


def test_messages_are_recorded_line_by_line(tmp_path):
    with IotCore(PROGRAM, [THING], record=tmp_path / "messages.jsonl") as own:
        with Device(own).connect() as device:
            device.publish_acked(TOPIC, reading(5, temperature=21.5))
        assert [(r["seq"], r["temperature"]) for r in own.readings()] == [(5, 21.5)]


def test_a_policy_that_cannot_be_judged_is_refused(tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "NotAction": "iot:Publish", "Resource": "*"}}))
    refused = IotCore(PROGRAM, [THING], policy=policy)
    with pytest.raises(IotCoreError, match="'NotAction' is not understood"):
        refused.start()
    assert not refused.folder.exists()


def test_nothing_is_left_after_the_end():
    own = IotCore(PROGRAM, [THING]).start()
    folder, process = own.folder, own.process
    own.stop()
    assert not folder.exists()
    assert process.returncode == 0


def command_line(pid):
    """Of a process that may end at any moment; then it has none."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_the_broker_dies_with_the_stand_in():
    own = IotCore(PROGRAM, [THING]).start()
    children = pathlib.Path(f"/proc/{own.process.pid}/task/{own.process.pid}/children").read_text().split()
    assert len(children) == 1
    own.process.send_signal(signal.SIGKILL)
    own.process.wait(LIMIT_S)
    end = time.monotonic() + LIMIT_S
    while b"mosquitto" in command_line(children[0]):
        assert time.monotonic() < end, "mosquitto outlived its parent"
        time.sleep(0.05)
    own.stop()
