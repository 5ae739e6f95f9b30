"""The demo's bookkeeping must notice a loss wherever it happens; else its "lost: 0" means nothing."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import account  # noqa: E402
from world import DemoError  # noqa: E402


class FakeCloud:
    def __init__(self, delivered, conflicts=0, duplicates=0):
        self.delivered, self.conflicts, self.duplicates = delivered, conflicts, duplicates

    def seqs(self, thing):
        return set(self.delivered)

    def summary(self):
        return {"duplicates": self.duplicates, "conflicts": self.conflicts, "things": {"t": {"publish_per_second_max": 3}}}


class FakeWorld:
    """One thing "t" with these stored rows (seq, number that the sensor gave)."""

    things = ["t"]

    def __init__(self, rows, delivered, failed_polls=0, **cloud):
        self.rows, self.failed_polls, self.cloud = rows, failed_polls, FakeCloud(delivered, **cloud)

    def status(self):
        return {"gateway": {"resident_bytes": 12_000_000}}

    def ask(self, verb, *words):
        if verb == "things":
            return {"failed_polls": self.failed_polls}
        return {"readings": [{"seq": seq, "values": {} if reads is None else {"reads": reads}} for seq, reads in self.rows]}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(account, "SETTLE_LIMIT_S", 0)


def figures(*arguments, **more):
    result = account.take_account(FakeWorld(*arguments, **more))
    return tuple(result[key] for key in ("taken", "stored", "delivered", "lost"))


def test_a_stored_reading_that_never_arrived_is_lost():
    assert figures([(10, 1), (11, 2), (12, 3)], {10, 12}) == (3, 3, 2, 1)


def test_a_read_that_the_sensor_answered_and_the_store_never_saw_is_lost():
    assert figures([(10, 1), (11, 2), (12, 4)], {10, 11, 12}) == (4, 3, 3, 1)


def test_a_poll_that_failed_is_no_reading():
    assert figures([(10, 1), (11, 2), (12, 4)], {10, 11, 12}, failed_polls=1) == (3, 3, 3, 0)


def test_what_arrived_after_the_account_was_opened_does_not_count():
    assert figures([(10, 1), (11, 2)], {10, 11, 12, 13}) == (2, 2, 2, 0)


def test_a_reading_without_values_counts_without_a_number():
    assert figures([(10, None), (11, 1), (12, None), (13, 2)], {10, 11, 12, 13}) == (4, 4, 4, 0)


def test_an_empty_store_is_an_error_and_not_a_success():
    with pytest.raises(DemoError):
        account.take_account(FakeWorld([], set()))


def test_conflicts_and_duplicates_come_from_the_cloud():
    result = account.take_account(FakeWorld([(1, 1)], {1}, conflicts=2, duplicates=5))
    assert (result["conflicts"], result["duplicates"]) == (2, 5)
