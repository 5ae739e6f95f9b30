"""A store that nobody can open any more: its first pages are gone. The daemon begins a new one at once, and every reading of the old one that waits
for the cloud arrives all the same, once, with the seq that it had."""
import json
import os
import time

import pytest
from harness import SIM_POINTS, Cloud, Gateway, wait_for

THINGS = ["sensor-a", "sensor-b"]


def stored(gateway):
    """(thing, seq) of everything that `penumbra store export` gives."""
    export = gateway.cli("store", "export", "--format", "jsonl")
    assert export.returncode == 0, export.stderr
    return {(o["thing"], o["seq"]) for o in map(json.loads, export.stdout.splitlines())}


@pytest.mark.parametrize("destroyed", [100, 4096], ids=["header", "first four pages"])
def test_a_store_without_its_first_pages_gives_every_reading_to_the_cloud(tmp_path, destroyed):
    with Gateway(tmp_path / "gateway") as gateway, Cloud(tmp_path / "cloud", THINGS, gateway.state) as cloud:
        gateway.configure(
            buses=[{"name": "sim", "driver": "sim"}],
            things=[{"name": name, "bus": "sim", "sample_interval": "50ms", "points": SIM_POINTS} for name in THINGS],
            upstream={**cloud.upstream(), "limits": {"connect_rate": 50, "publish_rate": 200}},
            store={"commit_interval": "200ms"})
        cloud.ctl("cut")
        gateway.start()
        wait_for(lambda: gateway.status()["store"]["readings"] >= 400, 60, "readings are stored while the cloud is away")
        before = stored(gateway)
        assert len(before) >= 400
        before |= stored(gateway)
        assert gateway.stop()[0] == 0  # which leaves nothing in the WAL that would cover the damage

        database = gateway.state / "penumbra.db"
        with open(database, "r+b") as file:
            file.write(os.urandom(destroyed))
        cloud.ctl("uncut")
        begun = time.monotonic()
        gateway.start()
        assert time.monotonic() - begun < 20, "nobody waits for the salvage"

        def arrived():
            return {(r["device_id"], r["seq"]) for r in cloud.readings() if "seq" in r}

        wait_for(lambda: before <= arrived(), 150, lambda: f"all arrive: {len(before - arrived())} of {len(before)} are missing")
        assert cloud.summary()["conflicts"] == 0, "a seq carried two different readings"
