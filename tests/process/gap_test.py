"""A gap that was noted before the gateway went down, and not told yet, reaches the cloud after the start: once, and is forgotten only then."""
import json
import sqlite3
import time

from harness import SIM_POINTS, Cloud, Gateway, wait_for

THING = "hall-1"
NOTED = {"reason": "thinned", "from_seq": 4711, "to_seq": 9422, "from_ms": 1763837600123, "to_ms": 1763841600123, "lost": 3301}


def messages(cloud, topic):
    with open(cloud.record, encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines if line.endswith("\n")]
    return [m["payload"] for m in found if m["topic"] == topic]


def gaps_in(database):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT count(*) FROM gap").fetchone()[0]


def test_a_noted_gap_is_told_once_and_then_forgotten(tmp_path):
    with Gateway(tmp_path / "gateway") as gateway, Cloud(tmp_path / "cloud", [THING], gateway.state) as cloud:
        gateway.configure(buses=[{"name": "sim", "driver": "sim"}],
                          things=[{"name": THING, "bus": "sim", "sample_interval": "100ms", "points": SIM_POINTS}],
                          upstream={**cloud.upstream(), "reconnect": {"base": "200ms", "max": "1s", "stable": "20s"}},
                          store={"commit_interval": "200ms"})
        cloud.ctl("cut")
        gateway.start()
        wait_for(lambda: gateway.thing(THING)["backlog"] >= 5, 30, "readings are stored")
        assert gateway.stop()[0] == 0
        database = gateway.state / "penumbra.db"
        with sqlite3.connect(database) as connection:
            connection.execute(f"INSERT INTO gap(thing, {', '.join(NOTED)}) SELECT id, {', '.join('?' * len(NOTED))} FROM thing WHERE name = ?",
                               (*NOTED.values(), THING))
        connection.close()

        gateway.start()
        assert gateway.cli("outbox").returncode == 0
        time.sleep(1)
        assert gaps_in(database) == 1, "it is kept while nobody has acknowledged it"
        cloud.ctl("uncut")
        told = wait_for(lambda: messages(cloud, f"sensors/{THING}/gap"), 40, f"the gap is told: {gateway.tail()}")
        assert {k: told[0]["gap"][k] for k in ("from_seq", "to_seq", "lost", "reason")} == \
            {k: NOTED[k] for k in ("from_seq", "to_seq", "lost", "reason")}
        wait_for(lambda: gaps_in(database) == 0, 20, "and forgotten when the cloud has it")
        wait_for(lambda: gateway.thing(THING)["backlog"] == 0, 30, "the readings drain")
        assert len(messages(cloud, f"sensors/{THING}/gap")) == 1, "once"
