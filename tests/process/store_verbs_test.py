"""`penumbra store stats|export|vacuum` and the sqlite3 shell, on a daemon that runs and on what it leaves behind."""
import csv
import io
import json
import sqlite3
import subprocess
import time

from harness import BUILD, SIM_POINTS, Gateway, wait_for

POINTS = [dict(SIM_POINTS[0], unit="Cel"), SIM_POINTS[1]]


def test_data_comes_out_while_the_daemon_runs_and_afterwards(tmp_path):
    with Gateway(tmp_path / "gateway") as gateway:
        gateway.configure(
            buses=[{"name": "sim", "driver": "sim"}],
            things=[{"name": name, "bus": "sim", "sample_interval": "50ms", "points": POINTS} for name in ("sensor-a", "sensor-b")],
            store={"commit_interval": "200ms", "write_budget": "100MiB", "endurance": "1000GiB"})
        gateway.start()
        begin_ms = int(time.time() * 1000)
        wait_for(lambda: gateway.status()["store"]["readings"] >= 200, 30, "readings are stored")

        store = gateway.json("store", "stats")
        assert 0 < store["write_bytes_per_day"] < 100e9 and store["process_written_bytes"] > 0
        assert store["forecast"]["years_left"] > 0 and store["page_size"] == 1024
        assert store["commit_interval_ms"] == 200, "never longer than the promise"
        people = gateway.cli("store", "stats")
        assert people.returncode == 0 and "a year" in people.stdout

        done = gateway.cli("store", "export", "--thing", "sensor-a")
        assert done.returncode == 0, done.stderr
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert len(rows) >= 100 and {r["thing"] for r in rows} == {"sensor-a"}
        assert {r["unit"] for r in rows if r["point"] == "temperature"} == {"Cel"}
        seqs = [int(r["seq"]) for r in rows if r["point"] == "temperature"]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "in order and without a gap"

        middle = begin_ms + 1500
        late = gateway.cli("store", "export", "--format", "jsonl", "--from", str(middle))
        objects = [json.loads(line) for line in late.stdout.splitlines()]
        assert objects and all(o["time_ms"] >= middle for o in objects) and {o["thing"] for o in objects} == {"sensor-a", "sensor-b"}

        for_programs = gateway.cli("store", "export", "--json", "--thing", "sensor-b", "--to", str(middle))
        assert {json.loads(line)["thing"] for line in for_programs.stdout.splitlines()} == {"sensor-b"}

        copy = tmp_path / "copy.db"
        assert gateway.cli("store", "export", "--format", "sqlite", "--output", copy).returncode == 0
        with sqlite3.connect(copy) as database:
            assert database.execute("SELECT count(*) FROM reading WHERE thing = 'sensor-b'").fetchone()[0] >= 200
        assert gateway.cli("store", "export", "--format", "sqlite", "--output", copy).returncode == 2, "nothing is overwritten"
        assert "did you mean" in gateway.cli("store", "export", "--thing", "sensor-aa").stderr
        assert gateway.cli("store", "export", "--format", "xml").returncode == 2
        assert gateway.cli("store", "shrink").returncode == 2

        vacuum = gateway.json("store", "vacuum")
        assert vacuum["given_back_bytes"] >= 0
        assert gateway.status()["store"]["trouble"] == ""

        database = gateway.state / "penumbra.db"
        shell = ["sqlite3", "-readonly", "-batch", database, f".load {BUILD}/lib/penumbra_reading"]
        query = "SELECT count(*) FROM reading WHERE thing = 'sensor-a' AND point = 'humidity'"
        live = subprocess.run([*shell, query], capture_output=True, text=True, timeout=20)
        assert live.returncode == 0 and int(live.stdout) >= 100, live.stderr

        gateway.stop()
        offline = gateway.cli("--config", gateway.config, "store", "export", "--thing", "sensor-a")
        assert offline.returncode == 0, offline.stderr
        assert len(list(csv.DictReader(io.StringIO(offline.stdout)))) >= len(rows)
        still = subprocess.run([*shell, query], capture_output=True, text=True, timeout=20)
        assert int(still.stdout) >= int(live.stdout)
        assert gateway.cli("store", "stats").returncode == 69
