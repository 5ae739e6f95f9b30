"""Every Modbus profile that is shipped reads a simulated unit with the registers of its documented example, through the real driver; and
`bus scan` recognises the units by them."""
import json
import struct
import subprocess

import pytest
from harness import PENUMBRA, PENUMBRAD, ROOT, Gateway
from modbus_units import Server

PROFILES = ROOT / "config" / "profiles"


def floats(**values):
    """{"0x0C": 1.5} as registers of floats, the high word first."""
    words = {}
    for address, value in values.items():
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        words |= {int(address[1:], 16): high, int(address[1:], 16) + 1: low}
    return words


def run(first, *words):
    return {first + i: word for i, word in enumerate(words)}


def low_first(address, value):
    return run(address, value & 0xFFFF, value >> 16 & 0xFFFF)


def wide(address, value):
    return run(address, *(value >> shift & 0xFFFF for shift in (48, 32, 16, 0)))


# Frames that the sources print stand first; what they do not print is written from their map: (table, registers, values).
EXAMPLES = {
    # "0xFF33 is -20.5" and "0x0131 is 30.5, 0x0222 is 54.6" of the transmitter's own description.
    "xy-md02": ("input", run(1, 0xFF33, 0x0222), {"temperature": -20.5, "humidity": 54.6}),
    "sht20-rs485": ("input", run(1, 0x0131, 0x0222), {"temperature": 30.5, "humidity": 54.6}),
    # ESPHome, pzemac.cpp: 08 D1 00 6C 00 00 00 F4 00 00 00 26 00 00 01 F4 00 64.
    "pzem-016": ("input", run(0, 0x08D1, 0x006C, 0, 0x00F4, 0, 0x0026, 0, 0x01F4, 0x0064),
                 {"voltage": 225.7, "current": 0.108, "power": 24.4, "energy": 38, "frequency": 50.0, "power_factor": 1.0}),
    # Tasmota, xnrg_06_pzem_dc.ino: 05 40 00 0A 00 0D 00 00 00 02 00 00.
    "pzem-017": ("input", run(0, 0x0540, 0x000A, 0x000D, 0, 0x0002, 0), {"voltage": 13.44, "current": 0.1, "power": 1.3, "energy": 2}),
    # Tasmota, xnrg_08_sdm120.ino: 43 66 33 34 is 230.2 V (230.20001 to be exact), and the values of its comments.
    "eastron-sdm120": ("input", run(0, 0x4366, 0x3334) | floats(x06=1.26, x0C=-196.3, x12=223.4, x1E=-0.91, x46=50.0, x48=478.492, x4A=6.216, x156=484.708),
                       {"voltage": 230.20001, "current": 1.26, "power": -196.3, "apparent_power": 223.4, "power_factor": -0.91, "frequency": 50.0,
                        "import": 478.492, "export": 6.216, "energy": 484.708}),
    "eastron-sdm230": ("input", run(0, 0x4366, 0x3334) | floats(x06=1.26, x0C=-196.3, x12=223.4, x1E=-0.91, x24=12.5, x46=50.0, x48=478.492, x4A=6.216, x156=484.708),
                       {"voltage": 230.20001, "current": 1.26, "power": -196.3, "apparent_power": 223.4, "power_factor": -0.91, "phase_angle": 12.5,
                        "frequency": 50.0, "import": 478.492, "export": 6.216, "energy": 484.708}),
    "eastron-sdm630": ("input", run(0, 0x4366, 0x3334) | floats(x02=231.5, x04=229.8, x06=1.5, x08=2.5, x0A=3.5, x0C=100.5, x0E=-200.5, x10=300.5, x1E=0.9,
                                                                x20=-0.8, x22=0.7, x34=200.5, x38=512.5, x46=49.98, x48=1000.5, x4A=20.25, x156=1020.75,
                                                                x15A=1.5, x15C=2.5, x15E=3.5, x160=4.5, x162=5.5, x164=6.5),
                       {"voltage_l1": 230.20001, "voltage_l2": 231.5, "voltage_l3": 229.8, "current_l1": 1.5, "current_l2": 2.5, "current_l3": 3.5,
                        "power_l1": 100.5, "power_l2": -200.5, "power_l3": 300.5, "power_factor_l1": 0.9, "power_factor_l2": -0.8,
                        "power_factor_l3": 0.7, "power": 200.5, "apparent_power": 512.5, "frequency": 49.98, "import": 1000.5, "export": 20.25,
                        "energy": 1020.75, "import_l1": 1.5, "import_l2": 2.5, "import_l3": 3.5, "export_l1": 4.5, "export_l2": 5.5, "export_l3": 6.5}),
    "eastron-sdm72d-m": ("input", floats(x34=1234.5, x48=1000.5, x4A=20.25, x156=1020.75),
                         {"power": 1234.5, "import": 1000.5, "export": 20.25, "energy": 1020.75}),
    "schneider-iem3000": ("holding", floats(xBB7=1.5, xBB9=2.5, xBBB=3.5, xBD3=230.2, xBD5=231.5, xBD7=229.8, xBED=0.1005, xBEF=-0.2005, xBF1=0.3005, xC25=49.98)
                          | wide(0xC83, 5_000_000_123) | wide(0xDBD, 1_000_001) | wide(0xDC1, 2_000_002) | wide(0xDC5, 3_000_003),
                          {"current_l1": 1.5, "current_l2": 2.5, "current_l3": 3.5, "voltage_l1": 230.2, "voltage_l2": 231.5, "voltage_l3": 229.8,
                           "power_l1": 0.1005, "power_l2": -0.2005, "power_l3": 0.3005, "frequency": 49.98, "import": 5_000_000_123,
                           "import_l1": 1_000_001, "import_l2": 2_000_002, "import_l3": 3_000_003}),
    # Tasmota, xnrg_09_dds2382.ino: 00 00 1C 7B ... 09 77 01 A6 03 F8 00 70 03 E1 13 8A.
    "hiking-dds238-2": ("holding", run(0, 0x0000, 0x1C7B) | run(0x0C, 0x0977, 0x01A6, 0x03F8, 0x0070, 0x03E1, 0x138A),
                        {"voltage": 242.3, "current": 4.22, "power": 1016, "power_factor": 0.993, "frequency": 50.02, "energy": 72.91}),
    "orno-or-we-516": ("holding", floats(x0E=230.2, x10=231.5, x12=229.8, x14=49.98, x16=1.5, x18=2.5, x1A=3.5, x1C=0.2005, x1E=0.1005, x20=-0.2005, x22=0.3005,
                                         x34=0.95, x36=0.9, x38=-0.8, x3A=0.7, x100=1020.75, x108=1000.5, x110=20.25),
                       {"voltage_l1": 230.2, "voltage_l2": 231.5, "voltage_l3": 229.8, "frequency": 49.98, "current_l1": 1.5, "current_l2": 2.5,
                        "current_l3": 3.5, "power": 0.2005, "power_l1": 0.1005, "power_l2": -0.2005, "power_l3": 0.3005, "power_factor": 0.95,
                        "power_factor_l1": 0.9, "power_factor_l2": -0.8, "power_factor_l3": 0.7, "energy": 1020.75, "import": 1000.5, "export": 20.25}),
    "carlo-gavazzi-em340": ("input", low_first(0, 2302) | low_first(2, 2315) | low_first(4, 2298) | low_first(0x12, 1005) | low_first(0x14, -2005)
                            | low_first(0x16, 70000) | low_first(0x28, 69000) | run(0x33, 500) | low_first(0x34, 123456) | low_first(0x4E, 789),
                            {"voltage_l1": 230.2, "voltage_l2": 231.5, "voltage_l3": 229.8, "power_l1": 100.5, "power_l2": -200.5, "power_l3": 7000.0,
                             "power": 6900.0, "frequency": 50.0, "import": 12345.6, "export": 78.9}),
    "carlo-gavazzi-em24": ("input", low_first(0, 2302) | low_first(2, 2315) | low_first(4, 2298) | low_first(0x0C, 1500) | low_first(0x0E, 2500)
                           | low_first(0x10, 66000) | low_first(0x12, 1005) | low_first(0x14, -2005) | low_first(0x16, 3005) | low_first(0x28, 2005)
                           | run(0x33, 500) | low_first(0x34, 123456) | low_first(0x40, 11) | low_first(0x42, 22) | low_first(0x44, 33)
                           | low_first(0x4E, 789) | run(0x0B, 1648),
                           {"voltage_l1": 230.2, "voltage_l2": 231.5, "voltage_l3": 229.8, "current_l1": 1.5, "current_l2": 2.5, "current_l3": 66.0,
                            "power_l1": 100.5, "power_l2": -200.5, "power_l3": 300.5, "power": 200.5, "frequency": 50.0, "import": 12345.6,
                            "import_l1": 1.1, "import_l2": 2.2, "import_l3": 3.3, "export": 78.9}),
    "wb-msw-v3": ("input", run(3, 4150, 2250, 5125) | run(8, 612, 0, 12345, 40),
                  {"temperature": 22.5, "humidity": 51.25, "co2": 612, "voc": 40, "sound_level": 41.5, "illuminance": 123.45}),
    "wb-m1w2": ("input", run(7, 0x0168, 0xFF5E) | run(121, 24100), {"temperature": 22.5, "temperature_2": -10.125, "supply_voltage": 24.1}),
    # The protocol's own example: 3000 W, "0x3002 is 0x93E0 and 0x3003 is 0x0004".
    "epever-tracer": ("input", run(0x3100, 3650, 1025, 0x93E0, 0x0004, 1342, 2050) | run(0x310C, 1340, 150) | low_first(0x310E, 2010) | run(0x3110, 0xFE0C, 3125)
                      | low_first(0x330A, 123456) | low_first(0x330C, 150) | low_first(0x3312, 234567) | low_first(0x331B, -250),
                      {"pv_voltage": 36.5, "pv_current": 10.25, "pv_power": 3000.0, "battery_voltage": 13.42, "charging_current": 20.5,
                       "load_voltage": 13.4, "load_current": 1.5, "load_power": 20.1, "battery_temperature": -5.0, "device_temperature": 31.25,
                       "battery_current": -2.5, "generated_today": 1.5, "generated": 2345.67, "consumed": 1234.56}),
}

# Two that one unit cannot tell apart are both suggested; these cannot be recognised at all.
NEVER_SUGGESTED = {"eastron-sdm72d-m", "pzem-017"}


def modbus_profiles():
    return sorted(f.stem for f in PROFILES.glob("*.toml") if 'driver = "modbus"' in f.read_text())


def close(ours, theirs):
    return isinstance(ours, (int, float)) and abs(ours - theirs) <= 1e-9 * max(1, abs(theirs))


@pytest.fixture
def units(tmp_path):
    image = {unit: {table: registers} for unit, (table, registers, _) in enumerate(EXAMPLES.values(), 1)}
    with Server(tmp_path, image) as server, Gateway(tmp_path) as gateway:
        gateway.configure([{"name": "line", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": server.port, "timeout": "2s"}],
                          [{"name": name, "bus": "line", "unit": unit, "profile": name} for unit, name in enumerate(EXAMPLES, 1)])
        yield gateway


def test_every_profile_has_an_example_and_a_source():
    assert modbus_profiles() == sorted(EXAMPLES)
    assert len(EXAMPLES) >= 12


def test_each_profile_decodes_its_documented_example(units):
    check = subprocess.run([PENUMBRA, "--config", units.config, "config", "check"], capture_output=True, text=True, timeout=60)
    assert check.returncode == 0, check.stdout + check.stderr
    done = subprocess.run([PENUMBRAD, "--config", units.config, "--once"], capture_output=True, text=True, timeout=60)
    readings = {r["device_id"]: r for r in map(json.loads, done.stdout.splitlines())}
    for name, (_, _, expected) in EXAMPLES.items():
        reading = readings.get(name, {})
        values = {k: v for k, v in reading.items() if k not in ("device_id", "timestamp", "seq", "value", "time")}
        assert values.keys() == expected.keys(), f"{name}: {reading} {done.stderr}"
        wrong = {k: (values[k], v) for k, v in expected.items() if not close(values[k], v)}
        assert not wrong, f"{name}: read and documented differ: {wrong}"


def test_a_scan_finds_the_units_and_suggests_their_profiles(units):
    units.start()
    done = subprocess.run([PENUMBRA, "--config", units.config, "bus", "scan", "line", "from=1", f"to={len(EXAMPLES) + 2}", "timeout_ms=1000", "--json"],
                          capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {o["unit"]: o for o in json.loads(done.stdout)}
    assert sorted(found) == list(range(1, len(EXAMPLES) + 1)), "every unit, and none of the two that are not there"
    for unit, name in enumerate(EXAMPLES, 1):
        suggested = [p["profile"] for p in found[unit]["profiles"]]
        assert found[unit]["thing"] == name
        assert (name in suggested) == (name not in NEVER_SUGGESTED), f"{name}: {suggested}"
        # No more than the relatives that have the same values at the same places.
        strangers = [s for s in suggested if s.split("-")[0] != name.split("-")[0] and {s, name} != {"xy-md02", "sht20-rs485"}]
        assert not strangers, f"{name} is also taken for {strangers}"


def test_a_guess_finds_out_how_a_value_is_coded(units):
    unit = list(EXAMPLES).index("carlo-gavazzi-em340") + 1
    done = subprocess.run([PENUMBRA, "--config", units.config, "bus", "read", "line", f"unit={unit}", "table=input", "address=0", "count=2",
                           "--guess", "230", "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    words, *decodes = json.loads(done.stdout)
    assert words["words"] == ["08FE", "0000"]
    assert any((d["type"], d["order"], d["scale"], d["value"]) == ("s32", "CDAB", 0.1, 230.2) for d in decodes[:8]), decodes
