"""Commands, jobs and executions from the cloud, by the real daemon: answers, refusals, restarts. Kills: order_kill_test.py."""
import hashlib
import json
import sqlite3
import time

import pytest
from harness import wait_for
from order_stage import GATEWAY, THING, Stage


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as ready:
        yield ready


def test_commands_do_what_the_contract_says_and_refuse_what_it_does_not(stage):
    stage.start()
    stage.ask(THING, action="ping", id="p1")
    assert stage.final("p1")["status"] == "succeeded"
    stage.ask(THING, action="read_now", id="r1")
    answer = stage.final("r1")
    assert answer["status"] == "succeeded" and "temperature" in answer["result"]
    stage.ask(THING, action="read_now", id="r1")
    wait_for(lambda: len(stage.acks("r1")) == 2, 10, "a repeated command is answered again")
    assert stage.acks("r1")[0] == stage.acks("r1")[1], "with the very same answer"

    stage.cloud.ctl("publish", f"commands/{THING}/do", "{nonsense")
    wait_for(lambda: stage.acks(None), 10, "bad JSON is answered")
    assert stage.acks(None)[0] | {"reason": ""} == {"id": None, "action": None, "status": "rejected", "reason": ""}
    shown = [o for o in stage.gateway.json("orders", THING)["orders"] if o["id"] is None]
    assert [o["verdict"] for o in shown] == ["rejected"], "the operator sees it, too"
    assert f"event=orders.refused msg=\"what was ordered is not done\" thing={THING} by=command" in stage.gateway.tail(1 << 20), "and in the log"
    stage.ask(THING, action="explode", id="x1")
    assert stage.final("x1")["status"] == "rejected" and "explode" in stage.final("x1")["reason"]
    stage.ask(THING, action="reboot", id="x2")
    assert "own thing" in stage.final("x2")["reason"], "children may not reboot the machine"

    # A set goes the way of every wish: to the register, read back, reported, and desired says so.
    now = int(time.time() * 1000)
    stage.ask(THING, action="set", id="s1", timestamp=now, values={"setpoint": 21.5})
    assert stage.final("s1")["status"] == "succeeded"
    assert stage.register() == 215
    wait_for(lambda: (stage.cloud.ctl("shadow", "get", THING) or {}).get("state", {}).get("desired") == {"setpoint": 21.5}, 10,
             "desired follows")
    for command, when, values, reason in (("s2", now - 700_000, {"setpoint": 5}, "expired"),
                                          ("s3", now - 5_000, {"setpoint": 5}, "overtaken"),
                                          ("s4", now + 1, {"setpoint": 99}, "above max 30"),
                                          ("s5", now + 1, {"temperature": 1}, "read-only")):
        stage.ask(THING, action="set", id=command, timestamp=when, values=values)
        answer = stage.final(command)
        assert answer["status"] == "rejected" and reason in answer["reason"], answer
    assert stage.register() == 215 and len(stage.unit.writes) == 1, "nothing stale and nothing wrong reaches the device"

    # The settings that a command may change, and the ones it may not.
    stage.ask(THING, action="update_config", id="u1", config={"sample_interval": 2})
    assert stage.final("u1")["status"] == "succeeded", stage.final("u1")
    overrides = json.loads((stage.gateway.state / "overrides.json").read_text())
    text = json.dumps(overrides[THING], sort_keys=True, separators=(",", ":"))
    assert stage.final("u1")["result"] == {"configHash": hashlib.sha256(text.encode()).hexdigest()}
    effective = stage.gateway.json("config", "show", "--effective")["values"]
    assert any(v["key"] == f"thing.{THING}.sample_interval" and v["origin"] == "update_config" for v in effective), effective
    stage.ask(THING, action="update_config", id="u2", config={"sample_interval": 2, "topic": "x"})
    assert stage.final("u2")["status"] == "rejected" and "topic" in stage.final("u2")["reason"]
    assert stage.gateway.stop()[0] == 0
    stage.start()
    effective = stage.gateway.json("config", "show", "--effective")["values"]
    assert any(v["key"] == f"thing.{THING}.sample_interval" and v["origin"] == "update_config" for v in effective), "it stays"


def test_of_sets_that_have_waited_the_newest_is_in_force_in_the_end(stage):
    # As after an outage: sent one after the other, done one after the other. The first one's wish gets the cloud's time when
    # it arrives there, which is later than when the second one was sent, and no newer wish for that.
    stage.start()
    now = int(time.time() * 1000)
    stage.ask(THING, action="set", id="first", timestamp=now - 9_000, values={"setpoint": 20})
    assert stage.final("first")["status"] == "succeeded"
    wait_for(lambda: (stage.cloud.ctl("shadow", "get", THING) or {}).get("state", {}).get("desired") == {"setpoint": 20}, 20, "the cloud knows")
    wait_for(lambda: not stage.gateway.json("shadow", "get", THING)["pending"], 20, "and the gateway knows that it does")
    stage.ask(THING, action="set", id="second", timestamp=now - 8_000, values={"setpoint": 21})
    assert stage.final("second")["status"] == "succeeded", stage.final("second")
    assert stage.register() == 210
    stage.ask(THING, action="set", id="late", timestamp=now - 8_500, values={"setpoint": 22})
    assert "overtaken" in stage.final("late")["reason"] and stage.register() == 210

    # What somebody else has desired since is newer, and stays.
    stage.cloud.ctl("shadow", "update", THING, json.dumps({"desired": {"setpoint": 23}}))
    wait_for(lambda: stage.register() == 230, 20, "a wish of the cloud is in force")
    stage.ask(THING, action="set", id="third", timestamp=now - 7_000, values={"setpoint": 24})
    assert "overtaken" in stage.final("third")["reason"] and stage.register() == 230


def test_a_configuration_with_which_the_device_falls_silent_is_taken_back(stage):
    stage.start()
    stage.falls_silent_on_trial(lambda: stage.ask(THING, action="update_config", id="u1", config={"sample_interval": 1}))
    answer = stage.final("u1", limit=60)
    assert answer["status"] == "failed" and "does not answer" in answer["reason"], answer
    stage.unit.mode = "ok"
    assert json.loads((stage.gateway.state / "overrides.json").read_text()) == {}


def cancelled(stage, job):
    """What the operator sees of a job that the cloud has ended."""
    def ended():
        return next((o for o in stage.gateway.json("orders", THING)["orders"] if o["id"] == job and o["state"] == "answered"), None)
    order = wait_for(ended, 20, f"{job} is over: {stage.gateway.tail()}")
    assert stage.cloud.job(job, THING)["status"] == "CANCELED"
    return order


def test_a_job_that_is_cancelled_while_it_is_under_way_is_taken_back_and_not_done_later(stage):
    stage.start()
    stage.ask(THING, action="update_config", id="before", config={"sample_interval": 1})
    assert stage.final("before")["status"] == "succeeded"
    overrides = stage.gateway.state / "overrides.json"
    # A device that falls silent keeps the configuration on trial for a while, and a set waiting for its turn.
    order = {"operation": "update_config", "config": {"sample_interval": 2}}
    stage.falls_silent_on_trial(lambda: stage.cloud.create_job("u1", THING, order))
    assert json.loads(overrides.read_text()) == {THING: {"sample_interval": 2}}, "on trial"
    stage.cloud.ctl("jobs", "cancel", "u1", "force")
    order = cancelled(stage, "u1")
    assert order["verdict"] == "cancelled" and order["reason"] == "ended by the cloud: CANCELED; what was before is in force again", order
    assert json.loads(overrides.read_text()) == {THING: {"sample_interval": 1}}
    values = stage.gateway.json("config", "show", "--effective")["values"]
    assert float(next(v["value"] for v in values if v["key"] == f"thing.{THING}.sample_interval")) == 1
    assert "cancelled" in stage.gateway.cli("orders", THING).stdout


def test_a_set_job_that_is_cancelled_before_it_was_written_never_reaches_the_device(tmp_path):
    # A device that was silent is asked again soon.
    with Stage(tmp_path, bus={"timeout": "200ms", "retries": 0, "breaker": {"failures": 3, "open": "200ms", "max_open": "500ms"}}) as stage:
        is_cancelled_before_it_was_written(stage)


def is_cancelled_before_it_was_written(stage):
    stage.start()
    stage.unit.mode = "silent"
    stage.cloud.create_job("s1", THING, {"operation": "set", "values": {"setpoint": 21.5}})
    wait_for(lambda: stage.gateway.json("shadow", "get", THING)["state"]["desired"] == {"setpoint": 21.5}, 10, "waits for the device")
    stage.cloud.ctl("jobs", "cancel", "s1", "force")
    order = cancelled(stage, "s1")
    assert order["verdict"] == "cancelled" and "nothing more of it is written" in order["reason"], order
    # What was on the wire at that moment comes to its end first: the bus does one thing at a time.
    tried = stage.gateway.json("buses")["buses"][0]["errors"]
    wait_for(lambda: stage.gateway.json("buses")["buses"][0]["errors"] >= tried + 3, 20, "polls that came after it")
    stage.unit.mode = "ok"
    wait_for(lambda: stage.gateway.json("things")["things"][0]["state"] == "ok", 20, "it answers again")
    wait_for(lambda: not stage.gateway.json("shadow", "get", THING)["pending"], 10, "nothing is left to be done")
    assert stage.gateway.json("shadow", "get", THING)["state"]["desired"] == {}
    assert stage.unit.writes == [], "a cancelled set never reaches the device"

    stage.cloud.create_job("p1", THING, {"operation": "ping"})
    wait_for(lambda: stage.cloud.job("p1", THING)["status"] == "SUCCEEDED", 20, "and the queue goes on")


def test_an_execution_that_is_no_json_is_rejected_in_time(stage):
    stage.start()
    for form in ("cbor", "text"):
        execution = stage.cloud.ctl("commands", "start", THING, "timeout=60", f"format={form}", "reboot-now")["executionId"]
        wait_for(lambda execution=execution: stage.cloud.command(execution)["status"] == "REJECTED", 10, f"{form}: {stage.gateway.tail()}")
        reason = stage.cloud.command(execution)["statusReason"]
        assert reason["reasonCode"] == "UNREADABLE" and "JSON" in reason["reasonDescription"], reason


def test_a_reboot_job_is_done_once_and_answered_after_it(stage):
    stage.start()
    stage.cloud.create_job("reboot-1", GATEWAY, {"operation": "reboot"})
    wait_for(lambda: stage.reboot_count() == 1, 20, f"the machine is told to reboot: {stage.gateway.tail()}")
    assert stage.cloud.job("reboot-1", GATEWAY)["status"] == "IN_PROGRESS"
    stage.gateway.kill()
    stage.start()
    time.sleep(1)
    assert stage.cloud.job("reboot-1", GATEWAY)["status"] == "IN_PROGRESS", "the daemon alone was started again"
    stage.gateway.kill()
    stage.boot = 2
    stage.start()
    wait_for(lambda: stage.cloud.job("reboot-1", GATEWAY)["status"] == "SUCCEEDED", 20, "answered after the boot")
    assert stage.reboot_count() == 1
    execution = stage.cloud.start_command(THING, {"action": "read_now"}, timeout_s=30)
    wait_for(lambda: stage.cloud.command(execution)["status"] == "SUCCEEDED", 20, "an execution of the Commands feature")
    assert "temperature" in stage.cloud.command(execution)["result"]


def test_health_and_presence_are_told(stage):
    stage.start()
    wait_for(lambda: (stage.cloud.ctl("shadow", "get", f"{GATEWAY}/health") or {}).get("state", {}).get("reported", {}).get("status") == "ok",
             20, "the named shadow health")
    assert stage.gateway.json("shadow", "get", GATEWAY, "--name", "health")["state"]["reported"]["version"]
    wait_for(lambda: any(m["payload"].get("sensor") == "ok" for m in stage.messages(f"status/{THING}")[-1:]), 20, "the sensor lives")
    stage.unit.mode = "silent"
    dead = wait_for(lambda: next((m["payload"] for m in stage.messages(f"status/{THING}") if m["payload"].get("sensor") == "unreachable"), None),
                    30, f"a dead sensor shows on its status: {stage.messages(f'status/{THING}')[-1]}")
    assert dead["connected"] is True and dead["reason"] and dead["since"] > 1_700_000_000_000, dead
    wait_for(lambda: stage.cloud.ctl("shadow", "get", f"{GATEWAY}/health")["state"]["reported"]["status"] == "degraded", 20, "health says so")
    stage.gateway.kill()
    for thing in (THING, GATEWAY):
        wait_for(lambda thing=thing: not stage.online(thing), 10, f"the last will of {thing}")
    assert stage.cloud.ends() == {thing: {"CONNECTION_LOST": 1} for thing in (THING, GATEWAY)}, "as the cloud's lifecycle events have it"
    stage.start()
    assert stage.gateway.stop()[0] == 0
    for thing in (THING, GATEWAY):
        # What it sent last is on its way through the cloud.
        wait_for(lambda thing=thing: not stage.online(thing), 10, f"{thing} says so itself")
        ended = wait_for(lambda thing=thing: stage.messages(f"$aws/events/presence/disconnected/{thing}")[1:], 10, f"{thing} has gone twice")
        assert ended[-1]["payload"]["clientInitiatedDisconnect"] is True and ended[-1]["payload"]["versionNumber"] == 1, ended


def test_device_defender_takes_the_report_for_which_the_generated_script_prepared_the_account(stage):
    stage.start()
    wait_for(lambda: stage.defender_answer() == "accepted", 20, f"the first report: {stage.defended()}; {stage.gateway.tail()}")
    told = stage.cloud.ctl("defender", "get", GATEWAY)
    assert told["accepted"] == 1 and told["rejected"] == 0, told
    assert set(told["report"]["custom_metrics"]) == {"backlog", "oldest_unsent_s", "bus_load"}, told
    assert abs(told["report"]["header"]["report_id"] - time.time()) < 60
    assert "defender  " not in stage.gateway.cli("status").stdout, "nothing to see"
    assert stage.gateway.stop()[0] == 0
    with sqlite3.connect(f"file:{stage.gateway.state / 'penumbra.db'}?mode=ro", uri=True) as store:
        kept = store.execute("SELECT value FROM setting WHERE key = 'defender/report_id'").fetchone()
    assert kept == (str(told["report"]["header"]["report_id"]),), "the next one's id is larger, and it does not come too early"


def test_a_report_that_device_defender_rejects_shows_in_the_log_and_in_status(stage):
    stage.cloud.prepared = False
    stage.start()
    wait_for(lambda: stage.defender_answer() == "rejected", 20, f"the first report: {stage.defended()}; {stage.gateway.tail()}")
    assert stage.cloud.ctl("defender", "get", GATEWAY)["answer"]["statusDetails"]["ErrorCode"] == "InvalidPayload"
    assert "health.defender_rejected" in stage.gateway.tail()
    assert "reports are rejected: InvalidPayload: Malformed metrics report: custom metric" in stage.gateway.cli("status").stdout


@pytest.mark.parametrize("ended, protocol", [("stopped", "5"), ("killed", "5"), ("killed", "3.1.1")])
def test_what_is_sent_while_the_daemon_is_away_is_done_once_if_it_is_fresh_and_refused_if_not(tmp_path, ended, protocol):
    with Stage(tmp_path, upstream={"protocol": protocol}) as stage:
        is_away_for_a_while(stage, ended)


def is_away_for_a_while(stage, ended):
    stage.start()
    if ended == "stopped":
        assert stage.gateway.stop()[0] == 0
    else:
        stage.gateway.kill()
    now = int(time.time() * 1000)
    stage.ask(THING, action="set", id="fresh", timestamp=now, values={"setpoint": 12.5})
    stage.ask(THING, action="set", id="stale", timestamp=now, ttl="1s", values={"setpoint": 25})
    stage.ask(THING, action="read_now", id="ageless", ttl="1s")
    stage.ask(THING, action="ping", id="patient")
    execution = stage.cloud.start_command(THING, {"action": "ping"}, timeout_s=60)
    assert not stage.acks("fresh")
    time.sleep(1.2)
    stage.start()
    assert stage.final("fresh")["status"] == "succeeded"
    stale, ageless = stage.final("stale"), stage.final("ageless")
    assert stale["status"] == "rejected" and stale["reason"] == "expired", stale
    assert ageless["status"] == "rejected" and "it may have waited" in ageless["reason"], ageless
    assert stage.final("patient")["status"] == "succeeded", "away for less than what it may wait"
    wait_for(lambda: stage.cloud.command(execution)["status"] == "SUCCEEDED", 10, "an execution waits, too")
    assert stage.register() == 125 and [value for _, value, _ in stage.unit.writes] == [125], "nothing stale reaches the device"
