"""SIGKILL at each moment of an order's life, whichever way it came: a command, a job, an execution; a reboot, an update_config, a set.

Each test walks through the moments with one gateway: the daemon that recovers from one kill is the one that dies at the next. What is checked is
what the sender and the machine can see: nothing is done twice that must not be, the final answer comes and says what is true, and what was said
after it says the same."""
import json
import signal
import time

import pytest
from harness import MORTAL_PENUMBRAD, wait_for
from order_stage import GATEWAY, THING, Stage

BEFORE_ACTING = ["order-before-commit", "order-committed", "order-announced", "order-before-act"]
ENDING = ["order-acted", "order-before-answer", "order-answered", "order-confirmed"]
SET_ON_ITS_WAY = ["before-commit", "committed", "before-write", "written", "before-read", "read-back", "before-publish", "published"]
REBOOT_STEP = {"name": "Reboot", "type": "runHandler", "input": {"handler": "reboot.sh", "args": [], "path": ""}, "runAsUser": ""}
MANAGED_REBOOT = {"version": "1.0", "steps": [{"action": REBOOT_STEP}]}


@pytest.fixture
def stage(tmp_path):
    # A device that was silent is asked again soon.
    with Stage(tmp_path, bus={"timeout": "200ms", "retries": 0, "breaker": {"failures": 3, "open": "200ms", "max_open": "500ms"}}) as ready:
        yield ready


def dies(stage, moment):
    code = wait_for(lambda: stage.gateway.process.poll(), 30, f"the daemon dies at {moment}: {stage.gateway.tail()}")
    assert code == -signal.SIGKILL, f"{moment}: {code}; {stage.gateway.tail()}"
    stage.armed.unlink()


def walk(stage, moments, ask, again, settle):
    """Kills at each moment of one order each; again: what a sender without an answer does; settle: waits for the end and judges it."""
    stage.start(kill_at=moments[0])
    for moment, following in zip(moments, moments[1:] + [None]):
        stage.armed.touch()
        ask(moment)
        dies(stage, moment)
        stage.start(kill_at=following)
        again(moment)
        settle(moment)


def one_end(answers, is_final, moment):
    """The final answer; whatever follows it is the same answer again."""
    finals = [answer for answer in answers if is_final(answer)]
    first = answers.index(finals[0])
    assert all(answer == finals[0] for answer in answers[first:]), f"{moment}: {answers}"
    return finals[0]


def job_updates(stage, job, thing):
    """What the gateway said of a job, without what differs from one message to the next."""
    told = [m["payload"] for m in stage.messages(f"$aws/things/{thing}/jobs/{job}/update")]
    return [{key: update.get(key) for key in ("status", "statusDetails")} for update in told]


def job_end(stage, job, thing, moment):
    execution = wait_for(lambda: (lambda e: e if e["status"] not in ("QUEUED", "IN_PROGRESS") else None)(stage.cloud.job(job, thing)), 30,
                         f"{moment}: the job ends: {stage.cloud.job(job, thing)}; {stage.gateway.tail()}")
    end = one_end(job_updates(stage, job, thing), lambda update: update["status"] != "IN_PROGRESS", moment)
    assert end == {"status": execution["status"], "statusDetails": execution["statusDetails"]}, moment
    assert execution["executionNumber"] == 1, moment
    return execution


# --- reboot ---

def reboots_once(stage, moment, ask, end):
    """One order to reboot from the moment it is sent until its end, with SIGKILL at `moment`. end(): its final answer, None before."""
    before = stage.reboot_count()
    stage.start(kill_at=moment)
    stage.settle(GATEWAY)  # or the last order's answer is confirmed only now, and the daemon dies of that
    stage.armed.touch()
    ask()
    if moment in ENDING:
        # They come in the boot that the order made.
        wait_for(lambda: stage.reboot_count() > before, 20, f"{moment}: it is told to reboot: {stage.gateway.tail()}")
        stage.gateway.kill()
        stage.boot += 1
        stage.gateway.environment["PENUMBRA_BOOT_ID"] = f"boot-{stage.boot}"
        stage.gateway.start(program=MORTAL_PENUMBRAD, wait=False)
    dies(stage, moment)
    stage.start()
    ask()
    # Killed right before it: nobody knows whether the machine was told. It is not told again, and only another boot is a success.
    told = before + (0 if moment == "order-before-act" else 1)
    if moment in BEFORE_ACTING:
        wait_for(lambda: stage.reboot_count() == told, 20, f"{moment}: it goes on: {stage.gateway.tail()}")
        time.sleep(0.3)
        assert end() is None, f"{moment}: answered in the same boot: {end()}"
        stage.gateway.kill()
        stage.boot += 1
        stage.start()
    answer = wait_for(end, 30, f"{moment}: it ends: {stage.gateway.tail()}")
    assert stage.reboot_count() == told, f"{moment}: rebooted twice"
    stage.gateway.kill()
    return answer


def test_a_kill_at_each_moment_of_a_reboot_command_costs_no_answer_and_no_second_reboot(stage):
    for moment in BEFORE_ACTING + ENDING:
        def end(command=f"reboot-{moment}"):
            return next((ack for ack in stage.acks(command, GATEWAY) if ack["status"] != "accepted"), None)
        answer = reboots_once(stage, moment, lambda moment=moment: stage.ask(GATEWAY, action="reboot", id=f"reboot-{moment}"), end)
        assert answer["status"] == "succeeded", f"{moment}: {answer}"
        one_end(stage.acks(f"reboot-{moment}", GATEWAY), lambda ack: ack["status"] != "accepted", moment)


@pytest.mark.parametrize("document", [{"operation": "reboot"}, MANAGED_REBOOT], ids=["ours", "managed"])
def test_a_kill_at_each_moment_of_a_reboot_job_costs_no_answer_and_no_second_reboot(stage, document):
    for moment in BEFORE_ACTING + ENDING:
        job = f"reboot-{moment}"

        def ask(job=job):
            if stage.cloud.job(job, GATEWAY) is None:
                stage.cloud.create_job(job, GATEWAY, document)

        def end(job=job):
            execution = stage.cloud.job(job, GATEWAY)
            return None if execution["status"] in ("QUEUED", "IN_PROGRESS") else execution
        reboots_once(stage, moment, ask, end)
        execution = job_end(stage, job, GATEWAY, moment)
        assert execution["status"] == "SUCCEEDED" and execution["statusDetails"] == {"boot": "changed"}, f"{moment}: {execution}"


# --- update_config ---

def overrides(stage):
    file = stage.gateway.state / "overrides.json"
    return json.loads(file.read_text()) if file.exists() else {}


def interval_in_force(stage):
    values = stage.gateway.json("config", "show", "--effective")["values"]
    return float(next(v["value"] for v in values if v["key"] == f"thing.{THING}.sample_interval"))


def test_a_kill_at_each_moment_of_an_update_config_job_leaves_it_in_force_and_answered(stage):
    moments = BEFORE_ACTING + ["config-swapped", "config-loaded", "config-kept"] + ENDING
    seconds = {moment: 1 + number for number, moment in enumerate(moments)}

    def ask(moment):
        stage.cloud.create_job(f"update-{moment}", THING, {"operation": "update_config", "config": {"sample_interval": seconds[moment]}})

    def settle(moment):
        execution = job_end(stage, f"update-{moment}", THING, moment)
        assert execution["status"] == "SUCCEEDED", f"{moment}: {execution}; {stage.gateway.tail()}"
        assert overrides(stage) == {THING: {"sample_interval": seconds[moment]}}, moment
        assert not (stage.gateway.state / "overrides.json.before").exists(), moment
        assert interval_in_force(stage) == seconds[moment], moment

    walk(stage, moments, ask, lambda moment: None, settle)


def test_a_kill_at_each_moment_of_an_update_config_that_does_not_work_leaves_what_was_before(stage):
    stage.gateway.environment["PENUMBRA_CONFIG_PATIENCE"] = "1"
    stage.start()
    stage.ask(THING, action="update_config", id="before", config={"sample_interval": 1})
    assert stage.final("before")["status"] == "succeeded"
    stage.gateway.kill()
    moments = ["config-swapped", "config-loaded", "config-taken-back", "order-acted"]  # behind them it is an outcome like any other

    def ask(moment):
        order = {"operation": "update_config", "config": {"sample_interval": 2}}
        stage.falls_silent_on_trial(lambda: stage.cloud.create_job(f"update-{moment}", THING, order))

    def settle(moment):
        execution = job_end(stage, f"update-{moment}", THING, moment)
        assert execution["status"] == "FAILED" and "does not answer" in execution["statusDetails"]["reason"], f"{moment}: {execution}"
        assert overrides(stage) == {THING: {"sample_interval": 1}}, moment
        assert not (stage.gateway.state / "overrides.json.before").exists(), moment
        assert interval_in_force(stage) == 1, moment
        stage.unit.mode = "ok"
        wait_for(lambda: stage.gateway.json("things")["things"][0]["state"] == "ok", 20, "it answers again")

    walk(stage, moments, ask, lambda moment: None, settle)


def test_a_kill_at_each_moment_of_taking_back_a_cancelled_update_config_takes_it_back(stage):
    stage.start()
    stage.ask(THING, action="update_config", id="before", config={"sample_interval": 1})
    assert stage.final("before")["status"] == "succeeded"
    stage.gateway.kill()
    for number, moment in enumerate(["order-before-commit", "order-committed", "order-before-act", "config-taken-back", "order-confirmed"]):
        stage.unit.mode = "ok"
        stage.start(kill_at=moment)
        job, order = f"cancelled-{moment}", {"operation": "update_config", "config": {"sample_interval": 2 + number}}
        stage.falls_silent_on_trial(lambda job=job, order=order: stage.cloud.create_job(job, THING, order))
        assert overrides(stage) == {THING: {"sample_interval": 2 + number}}, f"{moment}: on trial"
        stage.armed.touch()
        stage.cloud.ctl("jobs", "cancel", job, "force")
        dies(stage, moment)
        stage.start()
        order = wait_for(lambda job=job: next((o for o in stage.gateway.json("orders", THING)["orders"] if o["id"] == job and o["state"] == "answered"), None),
                         20, f"{moment}: it is over: {stage.gateway.tail()}")
        assert order["verdict"] == "cancelled", f"{moment}: {order}"
        assert overrides(stage) == {THING: {"sample_interval": 1}}, moment
        assert not (stage.gateway.state / "overrides.json.before").exists(), moment
        assert interval_in_force(stage) == 1, moment
        assert stage.cloud.job(job, THING)["status"] == "CANCELED", moment
        stage.gateway.kill()


# --- set ---

def tenths(moments):
    """Another value for each moment, as the register has it."""
    return {moment: 101 + number for number, moment in enumerate(moments)}


def shadow_state(stage):
    """As the cloud has it; empty before anybody has told it anything."""
    return (stage.cloud.ctl("shadow", "get", THING) or {}).get("state", {})


def judge_set(stage, moment, value, succeeded, reason):
    """The answer and the register say the same, and the register was written as often as a resumed write may be."""
    written = [v for _, v, _ in stage.unit.writes if v == value]
    if succeeded:
        assert stage.register() == value, moment
        assert 1 <= len(written) <= 2, f"{moment}: {stage.unit.writes}"
        wait_for(lambda: shadow_state(stage).get("desired") == {"setpoint": value / 10}, 10, f"{moment}: desired follows")
        wait_for(lambda: shadow_state(stage).get("reported", {}).get("setpoint") == value / 10, 10, f"{moment}: reported, too")
        # The next kill is the next order's.
        wait_for(lambda: not stage.gateway.json("shadow", "get", THING)["pending"], 10, f"{moment}: nothing is left of it")
    else:
        assert "restarted before it was handed over" in reason, f"{moment}: {reason}"
        assert not written, f"{moment}: answered failed, and done"


def test_a_kill_at_each_moment_of_a_set_command_leaves_answer_and_register_of_one_mind(stage):
    moments = BEFORE_ACTING + SET_ON_ITS_WAY + ENDING
    values = tenths(moments)
    orders = {}

    def send(moment):
        stage.ask(THING, **orders[moment])

    def ask(moment):
        orders[moment] = {"action": "set", "id": f"set-{moment}", "timestamp": int(time.time() * 1000), "values": {"setpoint": values[moment] / 10}}
        send(moment)

    def settle(moment):
        stage.final(f"set-{moment}", limit=30)
        # Asked twice, and once answered before it: what is still on its way says the same.
        end = one_end(stage.acks(f"set-{moment}"), lambda ack: ack["status"] != "accepted", moment)
        judge_set(stage, moment, values[moment], end["status"] == "succeeded", end["reason"])
        lost = moment in ("order-before-act", "before-commit")  # begun, and not handed over: nobody may do it later
        assert end["status"] == ("failed" if lost else "succeeded"), f"{moment}: {end}"

    walk(stage, moments, ask, send, settle)


def test_a_kill_at_each_moment_of_an_execution_leaves_answer_and_register_of_one_mind(stage):
    moments = BEFORE_ACTING + ENDING
    values = tenths(moments)
    executions = {}

    def ask(moment):
        order = {"action": "set", "timestamp": int(time.time() * 1000), "values": {"setpoint": values[moment] / 10}}
        executions[moment] = stage.cloud.start_command(THING, order, timeout_s=60)

    def again(moment):
        stage.cloud.ctl("commands", "resend", executions[moment])

    def settle(moment):
        execution = wait_for(lambda: (lambda e: e if e["final"] else None)(stage.cloud.command(executions[moment])), 30,
                             f"{moment}: it ends: {stage.gateway.tail()}")
        told = [m["payload"] for m in stage.messages(f"$aws/commands/things/{THING}/executions/{executions[moment]}/response/json")]
        end = one_end(told, lambda answer: answer["status"] != "IN_PROGRESS", moment)
        assert end["status"] == execution["status"] == ("FAILED" if moment == "order-before-act" else "SUCCEEDED"), f"{moment}: {execution}"
        reason = (execution["statusReason"] or {}).get("reasonDescription", "")
        judge_set(stage, moment, values[moment], execution["status"] == "SUCCEEDED", reason)

    walk(stage, moments, ask, again, settle)


# --- what has arrived and is not stored ---

def test_an_order_that_was_not_stored_when_the_daemon_died_comes_again_by_itself(stage):
    """Nobody asks twice here: it is the cloud's session that still has it, because nothing was acknowledged before it was stored."""
    stage.start(kill_at="order-before-commit")
    for number in range(3):
        stage.armed.touch()
        stage.ask(THING, action="read_now", id=f"read-{number}")
        dies(stage, "order-before-commit")
        stage.start(kill_at="order-before-commit")
        assert stage.final(f"read-{number}")["status"] == "succeeded", number
    stage.armed.touch()
    execution = stage.cloud.start_command(THING, {"action": "ping"}, timeout_s=60)
    dies(stage, "order-before-commit")
    stage.start()
    ended = wait_for(lambda: (lambda e: e if e["final"] else None)(stage.cloud.command(execution)), 20, f"it ends: {stage.gateway.tail()}")
    assert ended["status"] == "SUCCEEDED", ended
    # Without an id it cannot be recognised, and still nothing is lost or done twice.
    stage.gateway.kill()
    stage.start(kill_at="order-before-commit")
    stage.armed.touch()
    stage.ask(GATEWAY, action="reboot")
    dies(stage, "order-before-commit")
    stage.start()
    wait_for(lambda: stage.reboot_count() == 1, 20, f"it reboots: {stage.gateway.tail()}")
    stage.gateway.kill()
    stage.boot += 1
    stage.start()
    wait_for(lambda: any(m["payload"]["status"] == "succeeded" for m in stage.messages(f"sensors/{GATEWAY}/command/ack")), 30, "it is answered")
    assert stage.reboot_count() == 1
