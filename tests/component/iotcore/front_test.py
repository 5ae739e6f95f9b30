"""The front: what AWS refuses is refused as AWS refuses it, and PUBACKs misbehave on command."""
import json
import subprocess
import time

import paho.mqtt.client as mqtt
import pytest

from device import LIMIT_S, OTHER, PROGRAM, ROOT, THING, Device, IotCore, publish_code

TOPIC = f"sensors/{THING}/temperature"
PROGRAM_POLICY = ROOT / "tests" / "iotcore" / "policy.json"


@pytest.fixture(scope="module")
def shared():
    with IotCore(PROGRAM, [THING, OTHER]) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared):
    shared.ctl("puback", "none")
    shared.ctl("denied-subscribe", "close")
    shared.ctl("clear")
    return shared


def codes(cloud, version, filters, folder=None):
    """(exit code, output) of mosquitto_sub, which prints the codes of its SUBACK."""
    folder = folder or cloud.credentials
    topics = [word for topic in filters for word in ("-t", topic)]
    done = subprocess.run(["mosquitto_sub", "-V", version, "-h", "localhost", "-p", str(cloud.port), "--cafile", str(cloud.root_ca),
                           "--cert", f"{folder}/{THING}.pem.crt", "--key", f"{folder}/{THING}.pem.key", "-i", THING, "-q", "1",
                           "-d", "-E", *topics], capture_output=True, text=True, timeout=LIMIT_S)
    return done.returncode, done.stdout + done.stderr


def test_a_client_id_that_is_not_allowed_gets_no_connack_in_3_1_1_and_0x87_in_5(cloud):
    with Device(cloud, THING, client_id=OTHER, version=mqtt.MQTTv311) as device:
        device.client.connect("localhost", cloud.port)
        device.client.loop_start()
        device.expect("down")
        assert device.silent("connected", 0.1)
    with Device(cloud, THING, client_id=OTHER) as device:
        device.client.connect("localhost", cloud.port)
        device.client.loop_start()
        assert device.expect("connected") == 0x87


def test_a_will_on_a_foreign_topic_refuses_the_connection(cloud):
    with Device(cloud) as device:
        device.client.will_set(f"status/{OTHER}", "{}", qos=1)
        device.client.connect("localhost", cloud.port)
        device.client.loop_start()
        assert device.expect("connected") == 0x87


def test_a_denied_publish_is_not_acknowledged_in_3_1_1(cloud):
    with Device(cloud, version=mqtt.MQTTv311).connect() as device:
        device.publish(f"sensors/{OTHER}/temperature")
        device.expect("down")
        assert device.silent("acked", 0.1)
    assert cloud.summary()["messages"] == 0


def test_a_denied_subscribe_gets_0x87_in_5_and_the_rest_is_granted(cloud):
    code, text = codes(cloud, "5", [f"sensors/{OTHER}/#", f"commands/{THING}/#"])
    assert "Subscribed (mid: 1): 135, 1" in text, text
    code, text = codes(cloud, "5", [f"sensors/{OTHER}/#"])
    assert "135" in text, text


def test_a_denied_subscribe_closes_in_3_1_1_or_gets_0x80_on_command(cloud):
    with Device(cloud, version=mqtt.MQTTv311).connect() as device:
        device.client.subscribe(f"sensors/{OTHER}/#", 1)
        device.expect("down")
    cloud.ctl("denied-subscribe", "suback")
    code, text = codes(cloud, "311", [f"sensors/{OTHER}/#"])
    assert "128" in text, text


def test_a_message_that_may_not_be_received_is_withheld(tmp_path):
    policy = json.loads(PROGRAM_POLICY.read_text())
    policy["Statement"].append({"Effect": "Allow", "Action": "iot:Subscribe",
                                "Resource": "arn:aws:iot:us-east-1:123456789012:topicfilter/wide/*"})
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(policy))
    with IotCore(PROGRAM, [THING], policy=file) as own, Device(own).connect() as device:
        device.client.subscribe([("wide/#", 1), (f"commands/{THING}/#", 1)])
        device.expect("subscribed")
        own.ctl("publish", "wide/x", "{}")
        own.ctl("publish", f"commands/{THING}/x", "{}")
        assert device.messages.get(timeout=LIMIT_S)[0] == f"commands/{THING}/x"
        assert own.summary()["front"]["withheld_deliveries"] == 1


def test_qos_2_is_never_answered_in_3_1_1(cloud):
    with Device(cloud, version=mqtt.MQTTv311).connect() as device:
        device.client.publish(TOPIC, "{}", qos=2)
        assert device.silent("acked", 0.3)
        device.publish_acked(TOPIC, '{"n": 1}')


def test_retain_on_a_reserved_topic_and_a_large_payload_end_the_connection(cloud):
    with Device(cloud).connect() as device:
        device.client.publish(f"$aws/things/{THING}/shadow/update", "{}", qos=1, retain=True)
        device.expect("down")
    with Device(cloud).connect() as device:
        device.publish(TOPIC, "x" * (128 * 1024 + 1))
        device.expect("down")
    with Device(cloud).connect() as device:
        device.publish_acked(TOPIC, "x" * 128 * 1024)


def test_retain_needs_a_right_of_its_own(cloud):
    with Device(cloud, version=mqtt.MQTTv311).connect() as device:
        device.client.publish(TOPIC, "{}", qos=1, retain=True)
        device.expect("down")


def test_more_than_eight_filters_in_one_subscribe_are_refused(cloud):
    with Device(cloud).connect() as device:
        device.client.subscribe([(f"commands/{THING}/{n}", 1) for n in range(8)])
        device.expect("subscribed")
        device.client.subscribe([(f"commands/{THING}/{n}", 1) for n in range(9)])
        device.expect("down")


def test_the_second_connection_of_a_client_id_evicts_the_first(cloud):
    with Device(cloud).connect() as first, Device(cloud).connect():
        first.expect("down")


def test_a_will_is_published_when_the_network_goes_and_not_after_a_disconnect(cloud):
    with Device(cloud) as device:
        device.client.will_set(f"status/{THING}", json.dumps({"thing": THING, "connected": False}), qos=1)
        device.connect()
    # The clean end above published nothing; the next one is cut.
    assert cloud.ctl("presence") == {}
    with Device(cloud) as device:
        device.client.will_set(f"status/{THING}", json.dumps({"thing": THING, "connected": False}), qos=1)
        device.connect()
        cloud.ctl("reset")
        device.expect("down")
    cloud.wait(lambda summary: cloud.ctl("presence").get(THING), LIMIT_S, "the will")
    assert cloud.ctl("presence")[THING]["count"] == 1


def test_pubacks_are_lost_and_the_message_is_there_all_the_same(cloud):
    with Device(cloud).connect() as device:
        cloud.ctl("puback", "drop", 1)
        device.publish(TOPIC, json.dumps({"device_id": THING, "seq": 1}))
        device.publish_acked(TOPIC, json.dumps({"device_id": THING, "seq": 2}))
        assert device.silent("acked", 0.3)
    assert cloud.seqs(THING) == {1, 2}


def test_pubacks_come_in_reverse_order(cloud):
    with Device(cloud).connect() as device:
        cloud.ctl("puback", "reorder", 3)
        sent = [device.client.publish(TOPIC, "{}", qos=1).mid for _ in range(3)]
        assert [device.expect("acked") for _ in range(3)] == sent[::-1]


def test_pubacks_come_late(cloud):
    with Device(cloud).connect() as device:
        cloud.ctl("puback", "delay", 400)
        begin = time.monotonic()
        device.publish_acked(TOPIC)
        assert time.monotonic() - begin >= 0.4


def test_a_puback_that_comes_twice_does_no_harm(cloud):
    with Device(cloud).connect() as device:
        cloud.ctl("puback", "duplicate", 1)
        device.publish_acked(TOPIC)
        device.publish_acked(TOPIC)
    assert cloud.summary()["front"]["pubacks"]["duplicated"] >= 1


def test_a_revoked_certificate_loses_its_session_and_the_others_do_not(tmp_path):
    with IotCore(PROGRAM, [THING, OTHER]) as own, Device(own).connect() as device, Device(own, OTHER).connect() as other:
        own.ctl("revoke", THING)
        device.expect("down")
        code, text = publish_code(own, THING, TOPIC)
        assert code != 0 and "CONNACK" not in text
        other.publish_acked(f"sensors/{OTHER}/temperature")


def test_the_stand_in_says_which_grants_nobody_used(cloud):
    with Device(cloud).connect() as device:
        device.publish_acked(TOPIC)
    use = cloud.ctl("policy")
    grant = "iot:Publish topic/sensors/${iot:Connection.Thing.ThingName}/*"
    assert use["used"][grant] >= 1 and grant not in use["unused"]
    assert "iot:Publish topic/$aws/things/${iot:Connection.Thing.ThingName}/defender/metrics/*" in use["unused"]
