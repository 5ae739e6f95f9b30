"""The service manager's watchdog: fed while every thread makes progress, starved by a disk or a loop that hangs, and fed again."""
import os
import socket
import time

import pytest
from harness import BUILD, SIM_POINTS, Gateway, wait_for

WATCHDOG_S = 2  # as WatchdogSec=2: a ping is due every second


class Manager:
    """What systemd is to the service: receives its notifications and notes when the watchdog was fed."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.fed = []

    def listen(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if "WATCHDOG=1" in self.socket.recv(4096).decode():
                    self.fed.append(time.monotonic())
            except BlockingIOError:
                time.sleep(0.02)

    def pings(self, seconds):
        """How often the watchdog was fed in the next so many seconds."""
        before = len(self.fed)
        self.listen(seconds)
        return len(self.fed) - before


@pytest.mark.parametrize("part,thread", [("DISK", "store"), ("LOOP", None)])
def test_what_hangs_starves_the_watchdog(tmp_path, part, thread):
    wedge = tmp_path / "wedge"
    manager = Manager(tmp_path / "notify")
    with Gateway(tmp_path / "gateway") as gateway, manager.socket:
        gateway.environment.update(LD_PRELOAD=str(BUILD / "tests" / "process" / "wedge.so"), NOTIFY_SOCKET=str(tmp_path / "notify"),
                                   WATCHDOG_USEC=str(WATCHDOG_S * 1_000_000))
        gateway.environment[f"PENUMBRA_WEDGE_{part}"] = str(wedge)
        gateway.configure([{"name": "b", "driver": "sim"}], [{"name": "t", "bus": "b", "sample_interval": "200ms", "points": SIM_POINTS}],
                          store={"commit_interval": "200ms"})
        gateway.start()
        assert manager.pings(3) >= 2, "a healthy daemon feeds it"
        wedge.touch()
        manager.listen(WATCHDOG_S)  # what was asked before may still be answered
        assert manager.pings(2 * WATCHDOG_S) == 0, f"fed while the {part.lower()} hangs: systemd would never restart it"
        if thread:
            assert "event=daemon.stalled" in gateway.tail() and f"thread={thread}" in gateway.tail()
            assert gateway.try_status(), "the loop goes on while the store hangs"
        os.unlink(wedge)
        assert manager.pings(4) >= 2, "fed again when it goes on"
        if thread:
            wait_for(lambda: "event=daemon.stall_over" in gateway.tail(), 5, "and said so")
        assert gateway.stop()[0] == 0
