"""The demo's bookkeeping: what the sensors answered, what the gateway stored, what the cloud received.

Three independent counts: each sensor numbers the reads it answered ("reads" in every message), the store is asked through
the local API, and the cloud's recorder knows every (device_id, seq). A reading missing anywhere between sensor and cloud
shows as a hole in the sensor's numbers or as a stored seq that never arrived.
"""

import time

from world import DemoError

SETTLE_LIMIT_S = 30.0


def stored_rows(world, thing):
    return world.ask("readings", thing, "--since", "30d")["readings"]


def counter_of(row):
    return row.get("values", {}).get("reads")


def missing_numbers(rows):
    """How many of the sensor's numbers between the first and the last one have no row."""
    numbers = sorted(number for number in map(counter_of, rows) if number is not None)
    if not numbers:
        return 0
    return numbers[-1] - numbers[0] + 1 - len(set(numbers))


def failed_polls(world, thing):
    return world.ask("things", thing)["failed_polls"]


def await_delivery(world, wanted):
    """Waits until every seq of `wanted` ({thing: set}) has arrived; answers what has, restricted to `wanted`."""
    end = time.monotonic() + SETTLE_LIMIT_S
    while True:
        arrived = {thing: world.cloud.seqs(thing) & seqs for thing, seqs in wanted.items()}
        if arrived == wanted or time.monotonic() > end:
            return arrived
        time.sleep(0.2)


def take_account(world):
    """The figures at this moment: every reading stored until now, and what became of it. Raises when nothing was stored."""
    begin = world.status()
    rows = {thing: stored_rows(world, thing) for thing in world.things}
    stored = {thing: {row["seq"] for row in rows[thing]} for thing in world.things}
    if not any(stored.values()):
        raise DemoError("nothing was stored")
    arrived = await_delivery(world, stored)
    never_stored = 0
    for thing in world.things:
        # A read whose answer did not come in time was counted by the sensor, but is no reading: the gateway says so itself.
        never_stored += max(0, missing_numbers(rows[thing]) - failed_polls(world, thing))
    count = sum(map(len, stored.values()))
    delivered = sum(map(len, arrived.values()))
    summary = world.cloud.summary()
    return {
        "taken": count + never_stored,
        "stored": count,
        "delivered": delivered,
        "lost": count + never_stored - delivered,
        "duplicates": summary["duplicates"],
        "conflicts": summary["conflicts"],
        "things": len(world.things),
        "resident_mb": round(begin["gateway"].get("resident_bytes", 0) / 1e6, 1),
        "publish_per_second_max": max(summary["things"][thing]["publish_per_second_max"] for thing in world.things),
    }
