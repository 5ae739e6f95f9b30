"""Every wrong configuration of tests/unit/config/wrong through the real programs and the real drivers: exit code 78, and a message with file,
line and what to write instead."""
import pathlib
import re
import subprocess

import pytest
from harness import DRIVER_HOST, DRIVERS, PENUMBRA, PENUMBRAD, ROOT, Gateway, SIM_POINTS, table, wait_for

WRONG = sorted((ROOT / "tests" / "unit" / "config" / "wrong").glob("*.toml"))
EXPECT = re.compile(r"^# expect: (\d+): (.*)$", re.M)


def test_there_are_at_least_forty():
    assert len(WRONG) >= 40


@pytest.mark.parametrize("path", WRONG, ids=lambda p: p.stem)
def test_is_refused_with_its_line_and_a_cure(path, tmp_path):
    text = path.read_text(errors="surrogateescape")
    config = tmp_path / "penumbra.toml"
    config.write_text(text, errors="surrogateescape")
    # The paths of the build tree come from a drop-in, so that the line numbers of the file stay its own.
    drop_in = tmp_path / "conf.d"
    drop_in.mkdir()
    (drop_in / "paths.toml").write_text(
        table("[paths]", {"state": tmp_path / "state", "run": tmp_path / "run", "drivers": DRIVERS,
                          "driver_host": DRIVER_HOST, "profiles": ROOT / "config" / "profiles"}))
    expected = EXPECT.findall(text)
    assert expected, f"{path.name} says no '# expect: LINE: TEXT'"
    for program in ([PENUMBRAD, "--config", config, "--check"], [PENUMBRA, "--config", config, "config", "check"]):
        done = subprocess.run(program, capture_output=True, text=True, errors="replace", timeout=20)
        output = done.stdout + done.stderr
        assert done.returncode == 78, f"exit {done.returncode}: {output}"
        for line, words in expected:
            assert re.search(rf"penumbra\.toml:{line}:\d+: error: .*{re.escape(words)}", output) or (
                line == "0" and words in output), f"no '{line}: {words}' in:\n{output}"


def test_a_missing_certificate_is_said_and_does_not_stop_polling_and_storing(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.configure(
            buses=[{"name": "sim", "driver": "sim"}],
            things=[{"name": "sensor-001", "bus": "sim", "sample_interval": "100ms", "points": SIM_POINTS}],
            upstream={"endpoint": "localhost", "port": 1, "root_ca": tmp_path / "nowhere.pem"})
        checked = subprocess.run([PENUMBRAD, "--config", gateway.config, "--check"], capture_output=True, text=True, timeout=20)
        assert checked.returncode == 0
        assert "sensor-001.pem.crt" in checked.stderr
        gateway.start()
        wait_for(lambda: len(gateway.json("readings", "sensor-001")["readings"]) >= 5, 20, "readings are stored")
        thing = gateway.thing("sensor-001")
        assert thing["link"] == "unprovisioned"
        assert "sensor-001.pem.crt" in thing["last_error"]


def test_a_second_daemon_on_the_same_state_is_refused(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.configure(buses=[{"name": "sim", "driver": "sim"}],
                          things=[{"name": "sensor-001", "bus": "sim", "points": SIM_POINTS}])
        gateway.start()
        second = subprocess.run([PENUMBRAD, "--config", gateway.config], capture_output=True, text=True, timeout=20)
        assert second.returncode == 78
        assert "another penumbrad" in second.stderr
        assert gateway.try_status()
