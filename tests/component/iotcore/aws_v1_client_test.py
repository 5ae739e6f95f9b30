"""The flow of shadow_client.py in AWS's guide, line by line, against the stand-in: such a client works unchanged."""
import json
import queue

import pytest

from aws_v1_client import AWSIoTMQTTShadowClient
from device import LIMIT_S, PROGRAM, THING, IotCore


@pytest.fixture(scope="module")
def cloud():
    with IotCore(PROGRAM, [THING]) as running:
        yield running


class GuideProgram:
    """main() of the guide's program with its callbacks; what they print goes into queues."""

    def __init__(self, cloud):
        self.updates, self.gets, self.deltas = queue.Queue(), queue.Queue(), queue.Queue()
        self.sample_interval = None
        self.client = AWSIoTMQTTShadowClient(THING)
        self.client.configureEndpoint("localhost", cloud.port)
        self.client.configureCredentials(str(cloud.root_ca), f"{cloud.credentials}/{THING}.pem.key",
                                         f"{cloud.credentials}/{THING}.pem.crt")
        self.client.configureAutoReconnectBackoffTime(1, 32, 20)
        self.client.configureConnectDisconnectTimeout(LIMIT_S)
        self.client.configureMQTTOperationTimeout(LIMIT_S)
        self.client.connect()
        self.shadow = self.client.createShadowHandlerWithName(THING, True)
        self.shadow.shadowRegisterDeltaCallback(self.on_delta)

    def on_delta(self, payload, status, token):
        state = json.loads(payload)["state"]
        if "sample_interval" in state:
            self.sample_interval = state["sample_interval"]
        self.deltas.put(state)
        self.report(state)

    def get(self):
        self.shadow.shadowGet(lambda payload, status, token: self.gets.put((status, payload)), LIMIT_S)
        return self.gets.get(timeout=LIMIT_S)

    def report(self, state):
        return self.shadow.shadowUpdate(json.dumps({"state": {"reported": state}}),
                                        lambda payload, status, token: self.updates.put((status, payload, token)), LIMIT_S)


@pytest.fixture(scope="module")
def program(cloud):
    running = GuideProgram(cloud)
    yield running
    running.client.disconnect()


def test_the_guides_program_works_against_the_stand_in_unchanged(cloud, program):
    status, payload = program.get()
    assert (status, json.loads(payload)["code"]) == ("rejected", 404)  # first boot

    token = program.report({"temperature": 21.5, "humidity": 48.0, "timestamp": 1700000000})
    status, payload, answered = program.updates.get(timeout=LIMIT_S)
    assert (status, answered) == ("accepted", token)
    assert json.loads(payload)["state"]["reported"]["temperature"] == 21.5

    cloud.ctl("shadow", "update", THING, '{"desired": {"sample_interval": 10}}')
    assert program.deltas.get(timeout=LIMIT_S) == {"sample_interval": 10}
    assert program.updates.get(timeout=LIMIT_S)[0] == "accepted"
    assert program.sample_interval == 10
    assert program.get()[0] == "accepted"
    document = cloud.ctl("shadow", "get", THING)
    assert document["state"]["reported"]["sample_interval"] == 10

    # Nothing beyond what the SDK does: QoS 0, and neither documents nor named shadows.
    prefix = f"$aws/things/{THING}/shadow"
    assert program.client.subscribed == [(f"{prefix}/{kind}", 0) for kind in (
        "update/delta", "get/accepted", "get/rejected", "update/accepted", "update/rejected")]
    assert {qos for _, _, qos in program.client.published} == {0}


def test_answers_to_others_are_ignored_by_token(cloud, program):
    while not program.updates.empty():
        program.updates.get_nowait()
    cloud.ctl("shadow", "update", THING, '{"reported": {"by": "another"}}')
    token = program.report({"temperature": 22.0})
    assert program.updates.get(timeout=LIMIT_S)[2] == token
    assert program.updates.empty()


def test_a_lost_answer_becomes_a_timeout(cloud, program):
    cloud.ctl("shadow", "fault", "drop", 1)
    cloud.ctl("shadow", "fault", "only", "update/accepted")
    answers = queue.Queue()
    program.shadow.shadowUpdate('{"state": {"reported": {"t": 1}}}',
                                lambda payload, status, token: answers.put((payload, status)), 1)
    assert answers.get(timeout=LIMIT_S) == ("REQUEST TIME OUT", "timeout")
    cloud.ctl("shadow", "fault", "none")
