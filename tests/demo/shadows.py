"""The demo's set point and poll interval: changed in the cloud's shadow, and looked for at the device itself.

Whether they have arrived is read from the two ends only, never from the gateway in between: the register over a Modbus
connection of our own, the poll rate from the sensor's read counter, and what the cloud's shadow says is reported.
"""

import json
import socket
import struct
import time

SET_POINT_THING, SET_POINT_UNIT, SET_POINT_REGISTER = "hall-north", 1, 10
INTERVAL_THING = "office"
LIMIT_S = 60.0


def read_holding_register(port, unit, address, limit_s=5.0):
    """One Modbus TCP exchange (function 3); a signed 16-bit value."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as link:
        link.sendall(struct.pack(">HHHBBHH", 1, 0, 6, unit, 3, address, 1))
        answer = b""
        while len(answer) < 11:
            part = link.recv(256)
            if not part or (len(answer) >= 8 and answer[7] != 3):
                raise OSError(f"unit {unit} refuses to show register {address}")
            answer += part
    return struct.unpack(">h", answer[9:11])[0]


class Shadows:
    """What was last desired, and whether device and cloud have it."""

    def __init__(self, world):
        self.world = world
        self.set_point = None
        self.interval = None
        self.changes = 0
        self.converged = True
        self.slowest_s = 0.0

    def desire(self, set_point, interval):
        """As an application in the cloud does it; works also while the gateway cannot reach the cloud."""
        self.set_point, self.interval = set_point, interval
        self.changes += 1
        for thing, desired in ((SET_POINT_THING, {"setpoint": set_point}), (INTERVAL_THING, {"sample_interval": interval})):
            self.world.cloud.ctl("shadow", "update", thing, json.dumps({"desired": desired}))

    def reported(self, thing):
        return (self.world.cloud.ctl("shadow", "get", thing) or {}).get("state", {}).get("reported", {})

    def register(self):
        return read_holding_register(self.world.modbus_port, SET_POINT_UNIT, SET_POINT_REGISTER) / 10

    def polls_a_second(self, seconds=4.0):
        """Of the thing whose interval is desired, by the numbers its sensor gave its answers."""
        def newest():
            row = self.world.ask("readings", INTERVAL_THING, "--limit", "1")["readings"][-1]
            return row["values"]["reads"], row["time_ms"] / 1000

        reads, begin = newest()
        time.sleep(seconds)
        more, end = newest()
        return (more - reads) / max(end - begin, 0.001)

    def arrived(self):
        return (self.register() == self.set_point
                and self.reported(SET_POINT_THING).get("setpoint") == self.set_point
                and self.reported(INTERVAL_THING).get("sample_interval") == self.interval)

    def wait(self):
        """Until device and cloud have what is desired; answers the seconds it took, or None when they do not get there."""
        begin = time.monotonic()
        while not self.arrived():
            if time.monotonic() - begin > LIMIT_S:
                self.converged = False
                return None
            time.sleep(0.1)
        took = time.monotonic() - begin
        self.slowest_s = max(self.slowest_s, took)
        return took

    def check_rate(self):
        """The rate follows the interval; answers it."""
        rate = self.polls_a_second()
        self.converged = self.converged and abs(rate * self.interval - 1) < 0.4
        return rate

    def summary(self):
        return {"converged": self.converged, "changes": self.changes, "slowest_s": round(self.slowest_s, 1)}
