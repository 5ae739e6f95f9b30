"""What `penumbra aws cost` proposes to save money is an option that works, under the policy that `penumbra aws policy` writes for it: Basic
Ingest reaches its rule without the broker, batches bring every reading once in a tenth of the messages, on_report sends changes only."""
import json

from harness import SIM_POINTS, Cloud, Gateway, wait_for

FAST = {"reconnect": {"base": "200ms", "max": "1s", "stable": "5s"}, "limits": {"connect_rate": 50, "publish_rate": 50}}


def test_basic_ingest_batches_and_on_report_do_what_the_cost_says(tmp_path):
    things = {"plain": {}, "ingest": {"topic": "$aws/rules/StoreSensorData/sensors/{thing}/temperature"},
              "batched": {"batch": "4.5KiB", "batch_interval": "2s"}, "quiet": {"telemetry": "on_report"}}
    with Gateway(tmp_path / "gateway") as gateway, Cloud(tmp_path / "cloud", list(things), gateway.state) as cloud:
        gateway.configure(
            buses=[{"name": "sim", "driver": "sim"}],
            things=[{"name": name, "bus": "sim", "sample_interval": "200ms", **more,
                     "points": [{**point, "report": {"deadband": 50.0}} for point in SIM_POINTS]} for name, more in things.items()],
            upstream={**cloud.upstream(), **FAST}, store={"commit_interval": "200ms"})
        gateway.start()

        def arrived():
            with open(cloud.record, encoding="utf-8") as lines:
                return [m for m in (json.loads(line) for line in lines if line.endswith("\n"))]

        wait_for(lambda: len(cloud.seqs("plain")) >= 40, 40, "forty readings of the plain thing")
        wait_for(lambda: len(cloud.seqs("batched")) >= 30, 20, "and most of them in batches")
        batches = [m["payload"] for m in arrived() if m["topic"] == "sensors/batched/batch"]
        sizes = [len(batch) for batch in batches]
        assert not [m for m in arrived() if m["topic"] == "sensors/batched/temperature"]
        # 2 s at 200 ms; the first is what was there when the session began.
        assert all(size >= 8 for size in sizes[1:]), sizes
        seqs = [reading["seq"] for batch in batches for reading in batch]
        assert len(seqs) == len(set(seqs)), "each reading once"
        # Past the broker: nobody who subscribes sees it, and the outbox is empty because it was acknowledged.
        assert not [m for m in arrived() if m["topic"] == "sensors/ingest/temperature"]
        wait_for(lambda: gateway.thing("ingest")["backlog"] <= 5, 10, "Basic Ingest is acknowledged")
        assert len(cloud.seqs("quiet")) <= 3, "nothing changed by 50 degrees"
        assert cloud.denials() == []
