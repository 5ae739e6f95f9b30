"""The I2C drivers under the conformance check that their authors' drivers get, on an emulated bus behind the system calls: as they come, and
with their heaters on."""
import json
import os
import subprocess

import pytest

from harness import BUILD, DRIVER_HOST, DRIVERS, PENUMBRA

SUPPORT = BUILD / "tests" / "support" / "i2c"
NODE = "/dev/i2c-1"
CHIPS = {"aht20": 0x38, "bme280": 0x76, "hdc1080": 0x40, "hdc302x": 0x44, "htu21d": 0x40, "lm75": 0x48, "mcp9808": 0x18, "sht3x": 0x44,
         "sht4x": 0x44, "tmp102": 0x48}
HEATED = {"hdc1080": {"heater": True}, "hdc302x": {"heater": True, "heater_configuration": 1023}, "htu21d": {"heater": True},
          "sht3x": {"heater": True}, "sht4x": {"heater_mw": 20, "heater_interval_s": 2}}
LIMIT_S = 60


@pytest.fixture
def check(tmp_path):
    """check(chip, configuration=None): what `penumbra driver check` answers on a bus with that chip."""
    simulators = []

    def run(chip, configuration=None):
        socket = tmp_path / "bus"
        simulator = subprocess.Popen([SUPPORT / "i2c_simulator", "--socket", socket, f"{chip}@{CHIPS[chip]:#x}"],
                                     stdout=subprocess.PIPE, text=True)
        simulators.append(simulator)
        assert simulator.stdout.readline().strip() == "ready"
        arguments = [PENUMBRA, "driver", "check", DRIVERS / f"{chip}.so"]
        if configuration is not None:
            (tmp_path / "configuration.json").write_text(json.dumps(configuration))
            arguments.append(tmp_path / "configuration.json")
        return subprocess.run(arguments, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S,
                              env={**os.environ, "PENUMBRA_DRIVER_HOST": str(DRIVER_HOST), "I2C_SHIM_DEVICE": NODE,
                                   "I2C_SHIM_SOCKET": str(socket), "LD_PRELOAD": str(SUPPORT / "i2c_shim.so")})

    yield run
    for simulator in simulators:
        simulator.kill()
        simulator.wait(10)


def assert_passed(done):
    assert done.returncode == 0 and "failed" not in done.stdout, done.stdout
    # Nonsense on a bus of bits is the business of the fuzz targets: a serial line, which could be played, is no I2C bus.
    assert done.stdout.count("passed") == 11 and "garbage      skipped" in done.stdout, done.stdout


@pytest.mark.parametrize("chip", CHIPS)
def test_passes_on_its_chip(check, chip):
    assert_passed(check(chip))


@pytest.mark.parametrize("chip", HEATED)
def test_passes_with_its_heater_on(check, chip):
    thing = {"name": "warm", "points": [{"name": "temperature"}, {"name": "humidity"}], **HEATED[chip]}
    assert_passed(check(chip, {"bus": {"device": NODE}, "things": [thing]}))
