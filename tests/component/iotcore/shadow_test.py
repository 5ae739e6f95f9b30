"""The shadow service over a real connection: every topic, and everything it does wrong on request.

The documents themselves are proven by shadow_vectors_test.cpp. A request to a shadow that is never there marks the
end: the service works in order, so when its answer has come, no other answer is still under way.
"""
import json
import time

import pytest

from device import LIMIT_S, PROGRAM, THING, Device, IotCore

PREFIX = f"$aws/things/{THING}/shadow"
KINDS = ["update/accepted", "update/rejected", "update/delta", "update/documents", "get/accepted", "get/rejected",
         "delete/accepted", "delete/rejected"]


@pytest.fixture(scope="module")
def shared():
    with IotCore(PROGRAM, [THING]) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared):
    for words in (("fault", "none"), ("forget",), ("clock", "real"), ("limit", "in-flight", 10)):
        shared.ctl("shadow", *words)
    return shared


class ShadowDevice(Device):
    """A device that hears every kind of answer of its classic shadow and of all named ones."""

    def connect(self):
        super().connect()
        self.client.subscribe([(f"{PREFIX}/+/+", 1), (f"{PREFIX}/name/+/+/+", 1)])
        self.expect("subscribed")
        return self

    def ask(self, operation, body=None, name=None):
        prefix = f"{PREFIX}/name/{name}" if name else PREFIX
        self.publish(f"{prefix}/{operation}", "" if body is None else json.dumps(body))

    def report(self, value, token=None, **more):
        self.ask("update", {"state": {"reported": {"t": value}}, **({"clientToken": token} if token else {}), **more})

    def answers(self, count, limit=LIMIT_S):
        """The next messages as (kind, body)."""
        end = time.monotonic() + limit
        found = []
        for _ in range(count):
            topic, payload = self.messages.get(timeout=max(0.01, end - time.monotonic()))
            found.append((topic.removeprefix(PREFIX + "/"), json.loads(payload)))
        return found

    def all_answers(self, limit=LIMIT_S):
        """Everything that came until the marker's answer."""
        self.ask("get", name="never-there")
        end = time.monotonic() + limit
        found = []
        while True:
            topic, payload = self.messages.get(timeout=max(0.01, end - time.monotonic()))
            if topic == f"{PREFIX}/name/never-there/get/rejected":
                return found
            found.append((topic.removeprefix(PREFIX + "/"), json.loads(payload)))


@pytest.fixture
def device(cloud):
    with ShadowDevice(cloud).connect() as connected:
        yield connected


def test_every_topic_is_answered_for_classic_and_named_shadows(device):
    for name in (None, "config"):
        head = f"name/{name}/" if name else ""
        device.ask("update", {"state": {"desired": {"a": 1}}}, name)
        device.ask("update", {"state": 5}, name)
        device.ask("get", None, name)
        device.ask("delete", None, name)
        device.ask("delete", None, name)
        device.ask("get", {"clientToken": "x"}, name)
        kinds = [kind for kind, _ in device.all_answers()]
        assert kinds == [head + kind for kind in
                         ("update/accepted", "update/delta", "update/documents", "update/rejected", "get/accepted",
                          "delete/accepted", "delete/rejected", "get/rejected")]


@pytest.mark.parametrize("payload, code", [(b"{", 400), (b"[]", 400), (b"{}", 400), (b'{"state":{"other":{}}}', 400),
                                           (b'{"state":{},"version":7}', 409), (b'{"state":{"reported":{"a":"\xff"}}}', 415)])
def test_a_wrong_update_is_refused_with_its_code(device, payload, code):
    device.publish(f"{PREFIX}/update", payload)
    [(kind, body)] = device.all_answers()
    assert (kind, body["code"]) == ("update/rejected", code)


def test_a_document_above_8_kb_is_refused_with_413(device):
    device.report("x" * 8200)
    [(kind, body)] = device.all_answers()
    assert (kind, body["code"]) == ("update/rejected", 413)


def test_versions_run_on_over_a_delete_and_restart_after_48_hours(cloud, device):
    for value in range(3):
        device.report(value)
    device.ask("delete")
    device.report(4)
    versions = [body["version"] for kind, body in device.all_answers() if kind.endswith("accepted")]
    assert versions == [1, 2, 3, 3, 5]
    device.ask("delete")
    device.all_answers()
    cloud.ctl("shadow", "clock", "advance", 48 * 3600 + 1)
    device.report(5)
    assert [body["version"] for kind, body in device.all_answers() if kind.endswith("accepted")] == [1]


def test_a_shadow_starts_from_the_document_that_a_test_loads(cloud, device):
    cloud.ctl("shadow", "load", f"{THING}/cfg", 41, 1000, '{"desired": {"rate": 5}}')
    device.ask("get", name="cfg")
    [(kind, body)] = device.all_answers()
    assert kind == "name/cfg/get/accepted"
    assert (body["version"], body["state"]["delta"]) == (41, {"rate": 5})
    assert body["metadata"] == {"desired": {"rate": {"timestamp": 1000}}}


def test_the_eleventh_unanswered_request_gets_429_and_slots_come_back(cloud, device):
    cloud.ctl("shadow", "fault", "delay", 4000)  # all eleven are asked within it, also on a busy machine
    for value in range(11):
        device.report(value, token=f"r{value}")
    answers = device.answers(21)
    refused = [body for kind, body in answers if kind == "update/rejected"]
    assert [(body["code"], body["clientToken"]) for body in refused] == [(429, "r10")]
    cloud.ctl("shadow", "fault", "none")
    device.report(99)
    assert [kind for kind, _ in device.all_answers()] == ["update/accepted", "update/documents"]


def test_a_delayed_answer_comes_late_and_whole(cloud, device):
    cloud.ctl("shadow", "fault", "delay", 400)
    begin = time.monotonic()
    device.report(1)
    assert [kind for kind, _ in device.answers(2)] == ["update/accepted", "update/documents"]
    assert time.monotonic() - begin >= 0.4


def test_a_duplicated_answer_comes_twice(cloud, device):
    cloud.ctl("shadow", "fault", "duplicate", 1)
    cloud.ctl("shadow", "fault", "only", "update/accepted")
    device.report(1)
    assert sorted(kind for kind, _ in device.all_answers()) == ["update/accepted"] * 2 + ["update/documents"]


def test_reordered_answers_come_in_every_order(cloud, device):
    cloud.ctl("shadow", "fault", "shuffle", 1)
    orders = set()
    for value in range(60):
        device.ask("update", {"state": {"desired": {"a": value}}})
        orders.add(tuple(kind for kind, _ in device.all_answers()))
    assert len(orders) == 6 and {tuple(sorted(order)) for order in orders} == {
        ("update/accepted", "update/delta", "update/documents")}


def test_a_dropped_answer_never_comes_although_the_update_was_applied(cloud, device):
    cloud.ctl("shadow", "fault", "drop", 1)
    cloud.ctl("shadow", "fault", "only", "update/accepted")
    device.report(7)
    assert [kind for kind, _ in device.all_answers()] == ["update/documents"]
    assert cloud.ctl("shadow", "get", THING)["state"] == {"reported": {"t": 7}}


@pytest.mark.parametrize("code", [409, 429, 500])
def test_an_injected_refusal_applies_nothing_and_is_used_up(cloud, device, code):
    cloud.ctl("shadow", "fault", "inject", code)
    device.report(1, token="first")
    device.report(2, token="second")
    answers = device.all_answers()
    assert [(kind, body.get("code"), body["clientToken"]) for kind, body in answers] == [
        ("update/rejected", code, "first"), ("update/accepted", None, "second"), ("update/documents", None, "second")]
    assert cloud.ctl("shadow", "get", THING)["version"] == 1


def test_an_injected_refusal_can_lie(cloud, device):
    cloud.ctl("shadow", "fault", "lie", 500)
    device.report(1)
    assert [kind for kind, _ in device.all_answers()] == ["update/documents", "update/rejected"]
    assert cloud.ctl("shadow", "get", THING)["version"] == 1


def test_a_get_can_be_refused_too(cloud, device):
    device.report(1)
    cloud.ctl("shadow", "fault", "inject", 500, 1, "get")
    device.ask("get")
    device.ask("get")
    assert [kind for kind, _ in device.all_answers()][2:] == ["get/rejected", "get/accepted"]


def test_the_service_of_one_thing_does_not_speak_to_another(cloud):
    with IotCore(PROGRAM, [THING, "sensor-002"]) as own:
        other = "$aws/things/sensor-002/shadow"
        with ShadowDevice(own).connect() as device:
            device.client.subscribe(f"{other}/+/+", 1)
            device.expect("subscribed")
            own.ctl("shadow", "update", "sensor-002", '{"desired": {"a": 1}}')
            assert device.all_answers() == []
