"""Jobs and Commands over a real connection; their rules are proven by the unit tests of the services."""
import json

import pytest

from device import LIMIT_S, PROGRAM, THING, Device, IotCore

JOBS = f"$aws/things/{THING}/jobs"
EXECUTIONS = f"$aws/commands/things/{THING}/executions"


@pytest.fixture(scope="module")
def cloud():
    with IotCore(PROGRAM, [THING]) as running:
        yield running


@pytest.fixture
def device(cloud):
    with Device(cloud).connect() as connected:
        yield connected


def answer(device, topic):
    """The next message on this topic; others before it are passed over."""
    while True:
        found, payload = device.messages.get(timeout=LIMIT_S)
        if found == topic:
            return json.loads(payload)


def test_a_job_goes_from_the_cloud_to_the_device_and_back(cloud, device):
    device.client.subscribe([(f"{JOBS}/notify-next", 1), (f"{JOBS}/start-next/+", 1), (f"{JOBS}/+/update/+", 1)])
    device.expect("subscribed")
    cloud.create_job("reboot-1", THING, {"operation": "reboot"}, timeout_minutes=5)
    assert answer(device, f"{JOBS}/notify-next")["execution"]["jobId"] == "reboot-1"
    device.publish(f"{JOBS}/start-next", '{"clientToken": "s"}')
    execution = answer(device, f"{JOBS}/start-next/accepted")["execution"]
    assert (execution["status"], execution["jobDocument"]) == ("IN_PROGRESS", {"operation": "reboot"})
    device.publish(f"{JOBS}/reboot-1/update", json.dumps({"status": "SUCCEEDED", "expectedVersion": 9}))
    assert answer(device, f"{JOBS}/reboot-1/update/rejected")["code"] == "VersionMismatch"
    device.publish(f"{JOBS}/reboot-1/update", json.dumps({"status": "SUCCEEDED", "expectedVersion": execution["versionNumber"],
                                                          "statusDetails": {"boot": "changed"}}))
    answer(device, f"{JOBS}/reboot-1/update/accepted")
    assert "execution" not in answer(device, f"{JOBS}/notify-next")
    known = cloud.job("reboot-1", THING)
    assert (known["status"], known["statusDetails"]) == ("SUCCEEDED", {"boot": "changed"})


def test_a_job_answer_can_be_lost(cloud, device):
    device.client.subscribe(f"{JOBS}/#", 1)
    device.expect("subscribed")
    cloud.create_job("lost-1", THING, {})
    answer(device, f"{JOBS}/notify-next")
    cloud.ctl("jobs", "fault", "drop", 1)
    device.publish(f"{JOBS}/lost-1/update", '{"status": "REJECTED"}')
    device.publish(f"{JOBS}/get", "{}")
    assert answer(device, f"{JOBS}/get/accepted")["queuedJobs"] == []
    assert cloud.job("lost-1", THING)["status"] == "REJECTED"


def test_a_command_execution_is_answered(cloud, device):
    device.client.subscribe([(f"{EXECUTIONS}/+/request/json", 1), (f"{EXECUTIONS}/+/response/+/json", 1)])
    device.expect("subscribed")
    execution = cloud.start_command(THING, {"action": "ping"}, timeout_s=30)
    assert answer(device, f"{EXECUTIONS}/{execution}/request/json") == {"action": "ping"}
    device.publish(f"{EXECUTIONS}/{execution}/response/json",
                   json.dumps({"status": "SUCCEEDED", "result": {"pong": {"b": True}}}))
    assert answer(device, f"{EXECUTIONS}/{execution}/response/accepted/json") == {"executionId": execution}
    assert cloud.command(execution)["status"] == "SUCCEEDED"
