"""A desired value that does not arrive must fail the demo, whichever end it is missing at."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import shadows  # noqa: E402


class FakeCloud:
    def __init__(self, set_point, interval):
        self.reported = {"hall-north": {"setpoint": set_point}, "office": {"sample_interval": interval}}

    def ctl(self, service, verb, thing, *_):
        return {"state": {"reported": self.reported[thing]}} if verb == "get" else None


class FakeWorld:
    modbus_port = 0

    def __init__(self, set_point, interval):
        self.cloud = FakeCloud(set_point, interval)


@pytest.mark.parametrize("register, reported, interval, arrives",
                         [(235, 23.5, 1, True), (215, 23.5, 1, False), (235, 21.5, 1, False), (235, 23.5, 2, False)])
def test_both_ends_have_to_have_it(monkeypatch, register, reported, interval, arrives):
    monkeypatch.setattr(shadows, "LIMIT_S", 0.1)
    monkeypatch.setattr(shadows, "read_holding_register", lambda *_: register)
    followed = shadows.Shadows(FakeWorld(reported, interval))
    followed.desire(23.5, 1)
    assert (followed.wait() is not None) == arrives
    assert followed.summary()["converged"] == arrives


def test_a_rate_that_does_not_follow_the_interval_is_noticed(monkeypatch):
    followed = shadows.Shadows(FakeWorld(23.5, 1))
    followed.desire(23.5, 1)
    monkeypatch.setattr(followed, "polls_a_second", lambda: 2.0)
    followed.check_rate()
    assert not followed.summary()["converged"]
