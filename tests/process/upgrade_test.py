"""The real daemon opens a database as each older version would have left it, with everything in the middle of its way: readings that nobody has
sent, a desired value for a device that does not answer, a reboot that was ordered and not yet answered."""
import os
import pathlib
import stat
import subprocess
import tempfile

import pytest
from aged_store import NEWEST, make_old, set_version, version_of
from harness import PENUMBRAD, SIM_POINTS, Gateway, wait_for
from order_stage import GATEWAY, THING, Stage

SHADOWS_SINCE, ORDERS_SINCE = 2, 4  # schema


def stored(gateway):
    """Seqs of the thing, as `penumbra readings` has them."""
    return [row["seq"] for row in gateway.json("readings", THING, "--since", "1h")["readings"]]


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_what_was_on_its_way_arrives_after_an_upgrade(tmp_path, version):
    with Stage(tmp_path, bus={"timeout": "200ms", "retries": 0, "breaker": {"failures": 3, "open": "200ms", "max_open": "500ms"}}) as stage:
        gateway = stage.gateway
        database = gateway.state / "penumbra.db"
        stage.start()
        wait_for(lambda: len(stored(gateway)) > 5, 20, "readings")
        stage.unit.mode = "silent"
        stage.cloud.ctl("shadow", "update", THING, '{"desired": {"setpoint": 21.5}}')
        wait_for(lambda: gateway.json("shadow", "get", THING)["pending"], 20, "the wish waits for the device")
        stage.ask(GATEWAY, action="reboot", id="restart")
        wait_for(lambda: stage.reboot_count() == 1, 20, f"it is told to reboot: {gateway.tail()}")
        before = stored(gateway)
        gateway.kill()
        stage.boot += 1

        make_old(database, version)
        stage.unit.mode = "ok"
        stage.start()
        assert version_of(database) == NEWEST
        log = gateway.log.read_text()
        assert "store.migrated" in log and ".damaged" not in log
        if version >= SHADOWS_SINCE:
            wait_for(lambda: stage.register() == 215, 20, f"the wish reaches the device: {gateway.tail()}")
        if version >= ORDERS_SINCE:
            assert stage.final("restart", thing=GATEWAY)["status"] == "succeeded"
            assert stage.reboot_count() == 1

        wait_for(lambda: len(stored(gateway)) > len(before) + 3, 20, "new readings")
        after = stored(gateway)
        assert after[:len(before)] == before and after == sorted(set(after)), (before, after)

        def missing():
            return set(before) - {r["seq"] for r in stage.cloud.readings() if r["device_id"] == THING and "seq" in r}
        wait_for(lambda: not missing(), 20, "every reading is in the cloud")
        assert stage.cloud.summary()["conflicts"] == 0, "a seq carried two different readings"


@pytest.fixture
def closed(tmp_path):
    """A gateway without a cloud that has stored something and is stopped."""
    with Gateway(tmp_path / "gateway") as gateway:
        gateway.configure(buses=[{"name": "sim", "driver": "sim"}],
                          things=[{"name": THING, "bus": "sim", "sample_interval": "100ms", "points": SIM_POINTS}])
        gateway.start()
        wait_for(lambda: len(stored(gateway)) > 5, 20, "readings")
        assert gateway.stop()[0] == 0
        yield gateway


def as_somebody_else(folder, but):
    """For subprocess: root may write everything, so the daemon runs as nobody, who owns the folder's contents except `but`."""
    if os.geteuid() != 0:
        return {}
    nobody = 65534
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody, nobody)
    os.chown(but, 0, 0)
    for parent in folder.parents:
        if parent.is_relative_to(tempfile.gettempdir()) and parent != pathlib.Path(tempfile.gettempdir()):
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    return {"user": nobody, "group": nobody, "extra_groups": []}


def refusal(gateway, **how):
    done = subprocess.run([PENUMBRAD, "--config", gateway.config], capture_output=True, text=True, timeout=20, **how)
    assert done.returncode == 78, (done.returncode, done.stderr)
    return done.stderr


def test_an_older_version_refuses_the_database_of_a_newer_one_and_leaves_it_alone(closed):
    database = closed.state / "penumbra.db"
    set_version(database, NEWEST + 1)
    contents = database.read_bytes()
    said = refusal(closed)
    assert f"made by a newer Penumbra (schema {NEWEST + 1}, this one knows up to {NEWEST})" in said and "install that version" in said
    assert database.read_bytes() == contents
    assert not list(closed.state.glob("*.damaged-*"))
    set_version(database, NEWEST)
    closed.start()
    assert len(stored(closed)) > 5


def test_a_database_that_may_not_be_written_is_refused_with_its_name_and_not_set_aside(closed, tmp_path):
    database = closed.state / "penumbra.db"
    make_old(database, NEWEST - 1)
    database.chmod(0o444)
    contents = database.read_bytes()
    said = refusal(closed, **as_somebody_else(closed.folder, but=database))
    assert str(database) in said and ("read-only" in said or "readonly" in said), said
    assert database.read_bytes() == contents
    assert not list(closed.state.glob("*.damaged-*"))
