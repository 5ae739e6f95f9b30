"""What the process tests of orders share: a cloud, a gateway with a thing of its own, and one device; and a machine that "reboots" by leaving a
line in a file."""
import itertools
import json

from counting_bus import CountingBus
from harness import COUNTER_POINTS, MORTAL_PENUMBRAD, Cloud, Gateway, wait_for

THING, GATEWAY = "hall-1", "gateway-01"
REGISTER = 10
SET_POINT = {"name": "setpoint", "table": "holding", "address": REGISTER, "type": "s16", "scale": 0.1,
             "writable": {"min": -5.0, "max": 30.0, "ttl": "10m"}}


class Stage:
    """A gateway with a thing of its own and one device; "rebooting" leaves a line in a file."""

    def __init__(self, tmp_path, bus=None, upstream=None):
        """bus, upstream: further keys of theirs."""
        self.folder = tmp_path
        self.upstream_keys = upstream or {}
        self.bus_keys = bus or {}
        self.bus = CountingBus(units=[1])
        self.unit = self.bus.units[1]
        self.gateway = Gateway(tmp_path / "gateway")
        self.cloud = Cloud(tmp_path / "cloud", [THING, GATEWAY], self.gateway.state)
        self.armed, self.hold = tmp_path / "armed", tmp_path / "hold"
        self.reboots = tmp_path / "reboots"
        self.boot = 1
        self.pings = itertools.count()

    def __enter__(self):
        self.bus.__enter__()
        self.cloud.__enter__()
        script = self.folder / "reboot.sh"
        script.write_text(f"#!/bin/sh\necho $1 >> {self.reboots}\n")
        script.chmod(0o755)
        self.gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": self.bus.port,
                    **self.bus_keys}],
            things=[{"name": THING, "bus": "hall", "unit": 1, "sample_interval": "200ms", "points": COUNTER_POINTS + [SET_POINT]}],
            gateway=GATEWAY,
            upstream={**self.cloud.upstream(), "reconnect": {"base": "100ms", "max": "500ms", "stable": "5s"},
                      "limits": {"connect_rate": 50, "publish_rate": 100}, **self.upstream_keys},
            store={"commit_interval": "200ms"})
        with open(self.gateway.config, "a", encoding="utf-8") as config:
            config.write(f'[orders]\nreboot_command = "{script} now"\n[health]\ninterval = "2s"\ndefender = true\n')
        self.gateway.environment |= {"PENUMBRA_KILL_ARMED": str(self.armed), "PENUMBRA_HOLD": str(self.hold)}
        return self

    def __exit__(self, *_):
        self.gateway.__exit__()
        self.cloud.__exit__()
        self.bus.__exit__()

    def start(self, kill_at=None):
        self.gateway.environment["PENUMBRA_KILL_AT"] = kill_at or "never"
        self.gateway.environment["PENUMBRA_BOOT_ID"] = f"boot-{self.boot}"
        before = self.times_online(GATEWAY)
        self.gateway.start(program=MORTAL_PENUMBRAD)
        wait_for(lambda: all(self.gateway.thing(t)["link"] == "online" for t in (THING,)), 20, "online")
        # A new message: the last one may be of a daemon that was killed and whose will the broker has not sent yet.
        wait_for(lambda: self.times_online(GATEWAY) > before, 20, "the gateway's own thing is online")

    def falls_silent_on_trial(self, ask):
        """ask() orders an update_config, with which the device falls silent: it answers until the new configuration is there, and not from then on.
        (One that is silent before has nothing to lose, and its configuration is kept.)"""
        wait_for(lambda: self.gateway.json("things")["things"][0]["state"] == "ok", 20, "it answers")
        self.hold.touch()
        ask()
        reached = self.hold.with_name("hold.reached")
        wait_for(reached.exists, 20, f"on trial: {self.gateway.tail()}")
        self.unit.mode = "silent"
        reached.unlink()

    def online(self, thing):
        return any(m["payload"]["connected"] for m in self.messages(f"status/{thing}")[-1:])

    def times_online(self, thing):
        return sum(m["payload"]["connected"] for m in self.messages(f"status/{thing}"))

    def settle(self, thing):
        """Until whatever was asked of a thing before is over, also what only comes now because the last daemon was killed over it."""
        # In its session it stands before this ping.
        ping = f"ping-{next(self.pings)}"
        self.ask(thing, action="ping", id=ping)

        def over():
            orders = self.gateway.json("orders", thing)["orders"]
            return any(o["id"] == ping for o in orders) and all(o["state"] == "answered" for o in orders)
        wait_for(over, 20, f"{thing} has nothing left to do: {self.gateway.tail()}")

    def messages(self, topic):
        """All messages on a topic as the cloud got them."""
        found = []
        with open(self.cloud.record, encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    message = json.loads(line)
                    if message["topic"] == topic:
                        found.append(message)
        return found

    def acks(self, command, thing=THING):
        return [m["payload"] for m in self.messages(f"sensors/{thing}/command/ack") if m["payload"]["id"] == command]

    def ask(self, thing, **command):
        self.cloud.ctl("publish", f"commands/{thing}/do", json.dumps(command))

    def final(self, command, thing=THING, limit=20):
        def ended():
            return [ack for ack in self.acks(command, thing) if ack["status"] != "accepted"]
        return wait_for(ended, limit, f"an answer to {command}: {self.acks(command, thing)}; {self.gateway.tail()}")[-1]

    def defended(self):
        """What Device Defender in the cloud has counted."""
        return self.cloud.summary()["defender"]

    def defender_answer(self):
        """What the gateway knows of it."""
        return self.gateway.json("status")["gateway"]["defender"]["answer"]

    def reboot_count(self):
        return len(self.reboots.read_text().splitlines()) if self.reboots.exists() else 0

    def register(self):
        value = self.unit.holding[REGISTER]
        return value - 0x10000 if value & 0x8000 else value
