#!/usr/bin/python3
"""The stand-in cloud beside a virtual machine, for guest scripts that need one: it outlives the guest's reboots, and keeps the record.

  cloud.py IOTCORE FOLDER SHARE THING...

IOTCORE: the program of the package penumbra-sim. FOLDER: where it works; FOLDER/guest is made for the guest (environment file,
credentials, root certificate), and is complete when FOLDER/ready is there. SHARE: the folder that the guest sees as /test, where
a file cloud/N.req with one line is a question, answered by cloud/N.ok. Questions: `story THING ID`, what became of an order in
between the connections of its thing, as a JSON array; anything else is a control command of iotcore. Runs until SIGTERM.
"""
import json
import pathlib
import shutil
import signal
import sys
import time

IOTCORE = pathlib.Path(__file__).resolve().parents[1] / "iotcore"
sys.path.insert(0, str(IOTCORE))
from iotcore import IotCore, IotCoreError  # noqa: E402

HOST_AS_SEEN_BY_GUEST = "10.0.2.2"
NAME = "cloud.test"


def messages(record):
    with open(record, encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):  # else it is being written
                yield json.loads(line)


def story(record, thing, order):
    """["online", "accepted", "offline", "online", "succeeded"], and the last reason at the end if there is one."""
    told, reason = [], ""
    for message in messages(record):
        payload = message["payload"]
        if message["topic"] == f"status/{thing}":
            told.append("online" if payload["connected"] else "offline")
        elif message["topic"] == f"sensors/{thing}/command/ack" and payload["id"] == order:
            told.append(payload["status"])
            reason = payload.get("reason") or ""
    once = [word for n, word in enumerate(told) if n == 0 or word != told[n - 1] or word not in ("online", "offline")]
    return once + ([reason] if reason else [])


def prepare_guest(cloud, folder):
    guest = folder / "guest"
    shutil.copytree(cloud.credentials, guest / "credentials", ignore=shutil.ignore_patterns("claims"))
    shutil.copy(cloud.root_ca, guest / "root-ca.pem")
    (guest / "cloud.env").write_text(f"CLOUD_HOST={NAME}\nCLOUD_ADDRESS={HOST_AS_SEEN_BY_GUEST}\nCLOUD_PORT={cloud.port}\n")
    (folder / "ready").touch()


def answer(cloud, question):
    words = question.split(" ", 2)
    if words[0] == "story":
        return story(cloud.record, words[1], words[2])
    return cloud.ctl(question)


def serve(cloud, queue):
    while True:
        for request in sorted(queue.glob("*.req")):
            try:
                result = json.dumps(answer(cloud, request.read_text().strip()))
            except IotCoreError as error:
                result = f"ERR {error}"
            request.rename(request.with_suffix(".done"))
            half = request.with_suffix(".tmp")
            half.write_text(result + "\n")
            half.rename(request.with_suffix(".ok"))
        time.sleep(0.1)


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    program, folder, share = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with IotCore(program, sys.argv[4:], folder=folder / "iotcore", server_names=[NAME], record=folder / "messages.jsonl",
                 policy=IOTCORE / "policy.json", claim_policy=IOTCORE / "claim_policy.json") as cloud:
        prepare_guest(cloud, folder)
        serve(cloud, share / "cloud")


if __name__ == "__main__":
    main()
