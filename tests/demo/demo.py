"""What demo.sh shows: readings arriving in the cloud, an outage survived, and a summary that counts everything.

  demo.py --build FOLDER                     the guided tour
  demo.py --build FOLDER --for 60s [--json]  unattended: a third calm, a third without the cloud, a third to catch up
  demo.py --installed ...                    the programs of the packages instead of a build tree's

Exit code 0: nothing lost, nothing changed, every desired value at its device. 1: something was, or was not. 2: wrong usage. 3: the stage could not be set up.
"""

import argparse
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from account import take_account  # noqa: E402
from shadows import INTERVAL_THING, SET_POINT_THING, Shadows  # noqa: E402
from world import DEAD_THING, THINGS, DemoError, IotCoreError, Places, World, until  # noqa: E402

DRAIN_LIMIT_S = 120.0
CONNECT_LIMIT_S = 60.0


class Screen:
    """Prints for people; on standard error when standard output carries the result as JSON."""

    def __init__(self, json_wanted):
        self.out = sys.stderr if json_wanted else sys.stdout
        self.colour = self.out.isatty()

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def say(self, text=""):
        print(text, file=self.out, flush=True)

    def chapter(self, text):
        self.say()
        self.say(self.paint("1", f"== {text}"))

    def command(self, world, *words):
        """Shows a command of the tool and what it answers."""
        self.say()
        self.say(self.paint("1;34", f"$ penumbra {' '.join(words)}"))
        self.say(world.cli(*words)[1].rstrip())


class Feed:
    """What arrives in the cloud, read from the stand-in's recording as it grows."""

    def __init__(self, file):
        self.file = open(file, encoding="utf-8")
        self.latest = {}
        self.count = 0
        self.partial = ""

    def poll(self):
        """Reads what is new; answers how many readings came."""
        new = 0
        for line in (self.partial + self.file.read()).splitlines(keepends=True):
            if not line.endswith("\n"):
                self.partial = line
                break
            self.partial = ""
            message = json.loads(line)
            payload = message.get("payload")
            if message["topic"].startswith("sensors/") and isinstance(payload, dict) and "seq" in payload:
                new += 1
                known = self.latest.get(payload["device_id"])
                if known is None or payload["seq"] > known["seq"]:
                    self.latest[payload["device_id"]] = payload
        self.count += new
        return new


def value_of(reading):
    value = (reading or {}).get("temperature")
    return "-" if value is None else f"{value:.1f}"


def watch(screen, world, feed, seconds, cut):
    """One line a second: what came, what waits, and the newest value of each thing as the cloud knows it."""
    feed.poll()  # what came before is not of this second
    begin = time.monotonic()
    for tick in range(1, max(1, round(seconds)) + 1):
        time.sleep(max(0.0, begin + tick - time.monotonic()))
        new = feed.poll()
        status = world.status()
        state = screen.paint("31", "cloud away") if cut else screen.paint("32", "cloud up  ")
        values = "  ".join(f"{thing[0]} {value_of(feed.latest.get(thing[0]))}" for thing in THINGS)
        screen.say(f"{time.strftime('%H:%M:%S')}  {state}  arrived {new:>3}/s  backlog {world.backlog(status):>4}   {values} °C")


def wait_connected(world):
    def connected():
        upstream = world.status()["upstream"]
        return upstream["connected"] == upstream["things"]

    until(connected, CONNECT_LIMIT_S, "all things connect to the cloud")


def drain(screen, world, feed):
    """Watches until nothing but the newest readings waits."""
    few = 2 * len(world.things)
    end = time.monotonic() + DRAIN_LIMIT_S
    while world.backlog() > few:
        if time.monotonic() > end:
            raise DemoError(f"the backlog does not drain: {world.status()['things']}")
        watch(screen, world, feed, 1, False)


def outage(screen, world, feed, seconds, shadows):
    world.cloud.ctl("cut")
    watch(screen, world, feed, seconds / 2, True)
    screen.say(f"          in the cloud's shadow, unseen by the gateway: {SET_POINT_THING}.setpoint = 18.5, "
               f"{INTERVAL_THING}.sample_interval = 0.5")
    shadows.desire(set_point=18.5, interval=0.5)
    watch(screen, world, feed, seconds / 2, True)
    waiting = world.backlog()
    world.cloud.ctl("uncut")
    return waiting


def report(screen, account):
    screen.chapter("Summary")
    screen.say(f"  taken      {account['taken']:>7}   readings that the sensors answered, by their own count")
    screen.say(f"  stored     {account['stored']:>7}   in the gateway's database")
    screen.say(f"  delivered  {account['delivered']:>7}   arrived in the cloud, each counted once")
    screen.say(f"  lost       {account['lost']:>7}")
    screen.say(f"  duplicates {account['duplicates']:>7}   delivered more than once, with the same seq")
    screen.say(f"  changed    {account['conflicts']:>7}   the same seq with other content")
    screen.say(f"  backlog    {account['backlog_peak']:>7}   at the end of the outage")
    shadow = account["shadow"]
    screen.say(f"  shadows    {shadow['changes']:>7}   changes of desired values, {'all' if shadow['converged'] else 'NOT all'} "
               f"at the device and reported, the slowest {shadow['slowest_s']} s after it could")
    screen.say(f"  memory     {account['resident_mb']:>7.1f}   MB resident, the daemon")


def change_shadows(screen, shadows):
    screen.say(f"          in the cloud's shadow: {SET_POINT_THING}.setpoint = 23.5, {INTERVAL_THING}.sample_interval = 1")
    shadows.desire(set_point=23.5, interval=1)
    follow_shadows(screen, shadows)


def follow_shadows(screen, shadows):
    took = shadows.wait()
    if took is None:
        return screen.say(f"          not there: register {shadows.register()}, reported {shadows.reported(SET_POINT_THING)}")
    rate = shadows.check_rate()
    screen.say(f"          after {took:.1f} s: register {shadows.register()}, reported "
               f"{shadows.reported(SET_POINT_THING)['setpoint']}; {INTERVAL_THING} is polled {rate:.1f} times a second")


def unattended(screen, world, feed, seconds, shadows):
    begin = time.monotonic()
    wait_connected(world)
    feed.poll()
    change_shadows(screen, shadows)
    watch(screen, world, feed, max(1.0, seconds / 3 - (time.monotonic() - begin)), False)
    peak = outage(screen, world, feed, seconds / 3, shadows)
    follow_shadows(screen, shadows)
    watch(screen, world, feed, max(1.0, seconds - (time.monotonic() - begin)), False)
    drain(screen, world, feed)
    return peak


def guided(screen, world, feed, shadows):
    screen.chapter("Three units on Modbus TCP, one on a serial line, one simulated, two emulated I2C chips: each with its own connection to the cloud")
    wait_connected(world)
    feed.poll()
    watch(screen, world, feed, 12, False)
    screen.command(world, "status")
    screen.command(world, "readings", "hall-north", "--limit", "5")

    screen.chapter(f"{DEAD_THING[0]} does not answer. The others keep their rate, and one command says why it is silent")
    screen.command(world, "explain", f"{DEAD_THING[0]}.temperature")
    screen.command(world, "explain", "boiler-room.temperature")

    screen.chapter("Somebody changes a set point and a poll interval in the cloud")
    change_shadows(screen, shadows)
    screen.command(world, "shadow", "get", SET_POINT_THING)

    screen.chapter("The driver of the simulated bus crashes. Only its own process dies, and it is started again")
    world.crash_the_simulated_driver()
    watch(screen, world, feed, 4, False)
    screen.command(world, "buses")

    screen.chapter("The cloud goes away for 20 seconds: readings wait on disk, and somebody changes desired values meanwhile")
    peak = outage(screen, world, feed, 20, shadows)
    screen.command(world, "outbox")
    screen.command(world, "shadow", "diff", SET_POINT_THING)

    screen.chapter("The cloud is back: the newest readings first, the backlog behind them, at most 6 messages a second each")
    follow_shadows(screen, shadows)
    drain(screen, world, feed)
    watch(screen, world, feed, 5, False)
    screen.command(world, "outbox")
    return peak


def seconds_of(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", text)
    if not match:
        raise argparse.ArgumentTypeError(f'"{text}" is no duration; write 60s, 5m or 1h')
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    if seconds < 15:
        raise argparse.ArgumentTypeError("less than 15s shows nothing")
    return seconds


def arguments():
    program = "penumbra-sim demo" if "--installed" in sys.argv else "./demo.sh"
    parser = argparse.ArgumentParser(prog=program, usage="%(prog)s [--for 60s] [--json] [--keep]", description="""\
Penumbra with a cloud in a box and simulated sensors: without options a guided tour of about 90 seconds. Exit code 0: nothing was lost and every
desired value reached its device; 1: something was, or did not; 2: wrong usage; 3: it could not run; 130: interrupted.""")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    where.add_argument("--installed", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--for", dest="seconds", type=seconds_of, metavar="60s",
                        help="run unattended for so long, the middle third without the cloud")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object, and the rest on stderr")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder and say where it is")
    parser.add_argument("--check-arguments", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    options = arguments()
    if options.check_arguments:
        return 0
    screen = Screen(options.json)
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, interrupted)
    try:
        with World(Places(options.build), with_dead_unit=options.seconds is None, keep=options.keep) as world:
            feed = Feed(world.messages)
            shadows = Shadows(world)
            if options.seconds is None:
                peak = guided(screen, world, feed, shadows)
            else:
                peak = unattended(screen, world, feed, options.seconds, shadows)
            account = take_account(world) | {"backlog_peak": peak, "shadow": shadows.summary()}
            report(screen, account)
            if options.keep:
                screen.say(f"  everything is kept in {world.folder}")
    except KeyboardInterrupt:
        screen.say("interrupted")
        return 130
    except (DemoError, IotCoreError, OSError, subprocess.TimeoutExpired) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 3
    if options.json:
        print(json.dumps(account))
    return 0 if account["lost"] == 0 and account["conflicts"] == 0 and account["shadow"]["converged"] else 1


if __name__ == "__main__":
    sys.exit(main())
