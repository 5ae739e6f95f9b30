"""A changed configuration under a running daemon: what differs is applied, nothing else notices, and what is wrong changes nothing."""
import json
import signal
import socket
import time

import pytest
from counting_bus import CountingBus
from harness import COUNTER_POINTS, SIM_POINTS, Cloud, Gateway, wait_for

BUSES = [{"name": "first", "driver": "sim"}, {"name": "second", "driver": "sim"}]


def things(interval="30s", **changes):
    return [{"name": "quick", "bus": "first", "sample_interval": interval, "points": SIM_POINTS, **changes},
            {"name": "slow", "bus": "second", "sample_interval": "30s", "points": SIM_POINTS}]


@pytest.fixture
def gateway(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.configure(BUSES, things())
        gateway.start()
        yield gateway
        code, seconds = gateway.stop()
        assert code == 0 and seconds < 5


def hup(gateway):
    """Reloads, and answers what the log says of it."""
    before = len(gateway.log.read_text())
    gateway.process.send_signal(signal.SIGHUP)
    return wait_for(lambda: next((line for line in gateway.log.read_text()[before:].splitlines() if "event=daemon.reload" in line), None),
                    20, "the daemon says what became of the reload")


def interval(gateway):
    return gateway.json("things", "quick")["sample_interval_ms"]


def hosts(gateway):
    return {bus["bus"]: (bus["pid"], bus["restarts"]) for bus in gateway.json("buses")["buses"]}


def report(gateway, *options, code=0):
    done = gateway.cli("reload", *options, "--json")
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


def in_force(gateway):
    return gateway.status()["config"]["on_disk"]


def test_applies_an_interval_and_touches_nothing_else(gateway):
    before = hosts(gateway)
    gateway.configure(BUSES, things("100ms"))
    assert in_force(gateway) == "differs"
    assert "event=daemon.reloaded" in hup(gateway)
    assert interval(gateway) == 100
    wait_for(lambda: len(gateway.json("readings", "quick")["readings"]) >= 5, 20, "readings come at the new rate")
    assert hosts(gateway) == before
    assert in_force(gateway) == "in_force"


def test_refuses_a_wrong_file_as_a_whole(gateway):
    gateway.configure(BUSES, things("100ms", nonsense=1))
    line = hup(gateway)
    assert "event=daemon.reload_refused" in line and "nonsense" in line
    assert interval(gateway) == 30000
    status = gateway.status()["config"]
    assert status["on_disk"] == "refused" and "nonsense" in status["reason"] and "penumbra.toml:" in status["reason"]
    assert "was refused" in gateway.cli("status").stdout
    answer = report(gateway, code=78)
    wrong = next(d for d in answer["diagnostics"] if d["severity"] == "error")
    assert answer["result"] == "wrong" and wrong["line"] > 0 and "nonsense" in wrong["message"]
    gateway.configure(BUSES, things())
    assert report(gateway)["result"] == "unchanged"
    assert in_force(gateway) == "in_force"


def test_refuses_what_needs_a_restart_with_all_that_came_with_it(gateway):
    gateway.configure(BUSES, things("100ms"), store={"retention": "9d"})
    line = hup(gateway)
    assert "event=daemon.reload_refused" in line and "[store]: retention" in line
    assert interval(gateway) == 30000
    answer = report(gateway, "--dry-run", code=1)
    assert answer["result"] == "needs_restart"
    assert {(c["key"], c["effect"]) for c in answer["changes"]} == {("retention", "restart"), ("sample_interval", "live")}


def test_compares_the_next_file_with_what_is_in_force_and_not_with_what_was_refused(gateway):
    gateway.configure(BUSES, things("100ms"), store={"retention": "9d"})
    assert "event=daemon.reload_refused" in hup(gateway)
    gateway.configure(BUSES, things("200ms"))
    assert "event=daemon.reloaded" in hup(gateway)
    assert interval(gateway) == 200


def test_a_dry_run_shows_every_change_and_does_nothing(gateway):
    before = hosts(gateway)
    changed = things("100ms")
    changed[0]["points"] = SIM_POINTS[:1]
    gateway.configure(BUSES + [{"name": "third", "driver": "sim"}], changed[:1])
    answer = report(gateway, "--dry-run")
    assert answer["result"] == "would_apply"
    assert [(c["table"], c["name"], c["change"], c["effect"]) for c in answer["changes"]] == [
        ("bus", "third", "added", "live"), ("thing", "quick", "changed", "live"),
        ("thing.point", "quick.humidity", "removed", "reopen"), ("thing", "slow", "removed", "reopen")]
    table = gateway.cli("reload", "--dry-run").stdout
    assert "sample_interval" in table and "30s" in table and "100ms" in table and "a reload would apply this" in table
    assert hosts(gateway) == before and interval(gateway) == 30000


def test_a_trial_keeps_what_does_no_harm_and_takes_back_what_does(gateway):
    gateway.configure(BUSES, things("100ms"))
    assert report(gateway, "--trial", "5s")["result"] == "applied" and interval(gateway) == 100
    nowhere = {"name": "third", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": 9, "timeout": "200ms"}
    lost = {"name": "lost", "bus": "third", "unit": 1, "sample_interval": "200ms",
            "points": [{"name": "t", "table": "input", "address": 0, "type": "s16"}]}
    gateway.configure(BUSES + [nowhere], things("200ms") + [lost])
    answer = report(gateway, "--trial", "5s", code=1)
    assert answer["result"] == "rolled_back" and "lost" in answer["reason"], answer
    assert interval(gateway) == 100 and "third" not in hosts(gateway)
    assert in_force(gateway) == "refused"
    assert gateway.cli("reload", "--trial", "5s", "--dry-run").returncode == 2


def test_a_storm_of_signals_ends_with_the_last_file(gateway):
    before = hosts(gateway)
    for i in range(50):
        gateway.configure(BUSES, things(f"{1000 + i}ms"))
        gateway.process.send_signal(signal.SIGHUP)
        time.sleep(0.02)
    wait_for(lambda: interval(gateway) == 1049, 30, "the last file is in force")
    assert hosts(gateway) == before
    assert gateway.log.read_text().count("event=daemon.reloaded") <= 51


def test_a_signal_during_the_start_is_a_reload_and_one_during_the_stop_is_nothing(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.configure(BUSES, things())
        gateway.start(wait=False)
        # As soon as the program has blocked the signal, long before it is up.
        status = f"/proc/{gateway.process.pid}/status"
        wait_for(lambda: any(line.startswith("SigBlk") and int(line.split()[1], 16) & 1 for line in open(status)), 20, "SIGHUP is held back")
        gateway.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "event=daemon.reloaded" in gateway.tail(), 20, "the reload is done once the daemon is up")
        for _ in range(3):
            gateway.process.send_signal(signal.SIGHUP)
        gateway.process.send_signal(signal.SIGTERM)
        for _ in range(20):
            if gateway.process.poll() is None:
                gateway.process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        assert gateway.process.wait(10) == 0


def test_tells_the_service_manager_of_every_reload(tmp_path):
    with Gateway(tmp_path) as gateway, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        gateway.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        gateway.configure(BUSES, things())
        gateway.start()

        def until(word):
            said = []
            while not said or word not in said[-1]:
                said.append(manager.recv(4096).decode())
            return said

        until("READY=1")
        gateway.configure(BUSES, things(nonsense=1))
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        gateway.process.send_signal(signal.SIGHUP)
        reloading = until("RELOADING=1")[-1]
        usec = int(reloading.split("MONOTONIC_USEC=")[1].split("\n")[0])
        assert before <= usec / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC)
        said = until("READY=1")
        assert any("STATUS=" in text and "refused" in text and "nonsense" in text for text in said), said
        gateway.configure(BUSES, things("1s"))
        gateway.process.send_signal(signal.SIGHUP)
        until("RELOADING=1")
        said = until("READY=1")
        assert any("STATUS=" in text and "refused" not in text for text in said), said


def hall(bus, units, interval="200ms", name="hall"):
    """Things on a counting bus, polled five times a second."""
    return ([{"name": name, "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": bus.port}],
            [{"name": f"unit-{u}", "bus": name, "unit": u, "sample_interval": interval, "points": COUNTER_POINTS} for u in units])


def counters(cloud, thing):
    return [reading["counter"] for reading in cloud.readings() if reading["device_id"] == thing and "counter" in reading]


def missing(cloud, bus, unit):
    """Answers of a unit, but those of the last seconds, that the cloud does not have yet."""
    old = [n for n, t in bus.units[unit].answers if t < time.time() - 4]
    arrived = set(counters(cloud, f"unit-{unit}"))
    return [n for n in old if n not in arrived]


def lost(bus, unit, interval=0.2):
    """How many slots of its time table a unit was not polled in. A poll may be late on a busy machine; the table does not drift, so the
    least late of the first and of the last polls stand where slots are."""
    late = [t - number * interval for number, t in bus.units[unit].answers[5:]]
    return round((min(late[-10:]) - min(late[:10])) / interval)


def test_grows_from_two_things_to_four_and_shrinks_again(tmp_path):
    names = [f"unit-{u}" for u in range(1, 5)]
    with CountingBus(units=[1, 2, 3, 4]) as bus, CountingBus(units=[9]) as other, Gateway(tmp_path / "gateway") as gateway, \
            Cloud(tmp_path / "cloud", names + ["unit-9"], gateway.state) as cloud:
        limits = {**cloud.upstream(), "limits": {"connect_rate": 5}}
        far_bus, far_thing = hall(other, [9], name="far")

        def configure(units, **changes):
            buses, all_things = hall(bus, units)
            for thing in all_things:
                thing.update(changes.get(thing["name"].replace("-", "_"), {}))
            gateway.configure(buses + far_bus, all_things + far_thing, upstream=limits)
            cloud.use_policy_of(gateway)  # another topic takes another policy, as in the account

        configure([1, 2])
        gateway.start()
        wait_for(lambda: gateway.status()["upstream"]["connected"] == 3, 30, "three things are connected")
        time.sleep(2)
        before, connects = hosts(gateway), len(cloud.connects())

        # Four instead of two: the old ones keep their rhythm, their sessions and their numbers.
        configure([1, 2, 3, 4])
        assert [c["change"] for c in report(gateway)["changes"]] == ["added", "added"]
        wait_for(lambda: gateway.status()["upstream"]["connected"] == 5, 30, "the new things are connected")
        time.sleep(3)
        after = hosts(gateway)
        assert after["far"] == before["far"], "the other bus was touched"
        assert after["hall"][0] != before["hall"][0] and after["hall"][1] == 0
        assert len(cloud.connects()) == connects + 2, "a session that did not change connected anew"
        for unit in (1, 2):
            assert lost(bus, unit) == 0, f"unit {unit} lost polls"
        assert lost(other, 9) == 0
        wait_for(lambda: counters(cloud, "unit-3") and counters(cloud, "unit-4"), 20, "the new things are heard")

        # A change of a point's scale and of a topic touches no host and no session.
        scaled = [dict(COUNTER_POINTS[0]), {**COUNTER_POINTS[1], "scale": 1.0}, dict(COUNTER_POINTS[2])]
        configure([1, 2, 3, 4], unit_1={"points": scaled, "topic": "sensors/{thing}/other"})
        assert {c["effect"] for c in report(gateway)["changes"]} == {"live"}
        wait_for(lambda: any(r["device_id"] == "unit-1" and r.get("temperature", 0) >= 200 for r in cloud.readings()), 10,
                 "the new scale counts")
        assert hosts(gateway) == after and len(cloud.connects()) == connects + 2

        # Two go; what was read of them arrives, and the others go on.
        configure([1, 2], unit_1={"points": scaled, "topic": "sensors/{thing}/other"})
        report(gateway)
        answers = {u: len(bus.units[u].answers) for u in (3, 4)}
        wait_for(lambda: gateway.status()["upstream"]["connected"] == 3, 30, "the sessions of the removed things end")
        assert gateway.status()["upstream"]["things"] == 3
        time.sleep(1)
        for unit in (3, 4):
            assert len(bus.units[unit].answers) <= answers[unit] + 1, "a removed thing is polled"

            def outbox(unit=unit):
                return next(t for t in gateway.json("outbox")["things"] if t["thing"] == f"unit-{unit}")
            assert not outbox()["configured"]
            wait_for(lambda: outbox()["backlog"] == 0, 10, f"what was read of unit-{unit} has been acknowledged: {outbox()}")
        last = {t: max(r["seq"] for r in cloud.readings() if r["device_id"] == t) for t in names}

        # And come again: the numbers go on where they ended, without a gap.
        configure([1, 2, 3, 4], unit_1={"points": scaled, "topic": "sensors/{thing}/other"})
        report(gateway)
        wait_for(lambda: len(counters(cloud, "unit-3")) > 0 and max(r["seq"] for r in cloud.readings() if r["device_id"] == "unit-3") > last["unit-3"] + 3,
                 30, "unit-3 is heard again")

        def complete(thing):
            # The newest goes first, so for a moment it is there and those before it are on their way.
            seqs = sorted({r["seq"] for r in cloud.readings() if r["device_id"] == thing})
            return seqs == list(range(seqs[0], seqs[-1] + 1))

        for thing in names:
            wait_for(lambda: complete(thing), 20, f"{thing}: numbers without gaps")
        for unit in (1, 2):
            wait_for(lambda: missing(cloud, bus, unit) == [], 20, f"unit {unit} lost readings: {missing(cloud, bus, unit)}")
            assert lost(bus, unit) == 0, f"unit {unit} lost polls"
        code, seconds = gateway.stop()
        assert code == 0 and seconds < 5


def test_a_reload_during_an_outage_loses_nothing(tmp_path):
    names = ["unit-1", "unit-2", "unit-3"]
    with CountingBus(units=[1, 2, 3]) as bus, Gateway(tmp_path / "gateway") as gateway, \
            Cloud(tmp_path / "cloud", names, gateway.state) as cloud:
        limits = {**cloud.upstream(), "reconnect": {"base": "1s", "max": "2s"}, "limits": {"connect_rate": 5}}
        gateway.configure(*hall(bus, [1, 2]), upstream=limits)
        gateway.start()
        wait_for(lambda: gateway.status()["upstream"]["connected"] == 2, 30, "both are connected")
        cloud.ctl("cut")
        time.sleep(3)
        # unit-2 goes while its readings wait, unit-3 comes, unit-1 moves to a bus of another name.
        buses, all_things = hall(bus, [1, 3], name="hall-b")
        gateway.configure(buses, all_things, upstream=limits)
        assert report(gateway)["result"] == "applied"
        polled = len(bus.units[2].answers)
        wait_for(lambda: len(bus.units[3].answers) > 10, 20, "the new thing is polled without the cloud")
        assert list(hosts(gateway)) == ["hall-b"]
        assert gateway.json("things", "unit-1")["bus"] == "hall-b"
        cloud.ctl("uncut")
        wait_for(lambda: gateway.status()["upstream"]["connected"] == 2, 40, "what is configured is connected")
        wait_for(lambda: all(t["backlog"] < 5 for t in gateway.json("outbox")["things"]), 40, "everything is delivered")
        assert len(bus.units[2].answers) <= polled + 1
        for unit in (1, 2, 3):
            # The read in flight while its bus or thing goes is nobody's reading any more.
            wait_for(lambda: len(missing(cloud, bus, unit)) <= 1, 20, f"unit {unit} lost {missing(cloud, bus, unit)}")
        assert gateway.stop()[0] == 0
