"""What the tests of the stand-in share: where the program is, and a paho client that knows nothing of it."""
import os
import pathlib
import queue
import subprocess
import sys
import time

import paho.mqtt.client as mqtt

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "iotcore"))
from iotcore import IotCore, IotCoreError  # noqa: E402, F401

LIMIT_S = 60  # for what must come: it says only that the machine is not dead
PROGRAM = os.environ.get("IOTCORE", ROOT / "build" / "dev" / "tests" / "iotcore" / "iotcore")
THING, OTHER = "sensor-001", "sensor-002"


class Device:
    """A paho client of one thing; every answer goes into a queue."""

    def __init__(self, cloud, thing=THING, client_id=None, version=mqtt.MQTTv5, folder=None, port=None):
        self.events = queue.Queue()
        self.messages = queue.Queue()
        self.client = mqtt.Client(client_id or thing, protocol=version, reconnect_on_failure=False)
        folder = folder or cloud.credentials
        self.client.tls_set(str(cloud.root_ca), f"{folder}/{thing}.pem.crt", f"{folder}/{thing}.pem.key")
        self.client.on_connect = lambda *a: self.events.put(("connected", getattr(a[3], "value", a[3])))
        self.client.on_disconnect = lambda *a: self.events.put(("down", None))
        self.client.on_publish = lambda client, userdata, mid: self.events.put(("acked", mid))
        self.client.on_subscribe = lambda *a: self.events.put(("subscribed", None))
        self.client.on_message = lambda client, userdata, message: self.messages.put((message.topic, message.payload))
        self.cloud, self.port = cloud, port or cloud.port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def connect(self):
        self.client.connect("localhost", self.port, keepalive=60)
        self.client.loop_start()
        self.expect("connected")
        return self

    def expect(self, kind, limit=LIMIT_S):
        end = time.monotonic() + limit
        while True:
            event = self.events.get(timeout=max(0.01, end - time.monotonic()))
            if event[0] == kind:
                return event[1]

    def silent(self, kind, seconds):
        """True when no event of this kind comes for so long."""
        try:
            self.expect(kind, seconds)
        except queue.Empty:
            return True
        return False

    def publish(self, topic, payload="{}"):
        self.client.publish(topic, payload, qos=1)

    def publish_acked(self, topic, payload="{}"):
        self.publish(topic, payload)
        self.expect("acked")


def publish_code(cloud, thing, topic, version="5", folder=None):
    """(exit code, what mosquitto_pub says): it prints the reason code of the PUBACK, which paho 1.6 does not give."""
    folder = folder or cloud.credentials
    done = subprocess.run(
        ["mosquitto_pub", "-V", version, "-h", "localhost", "-p", str(cloud.port), "--cafile", str(cloud.root_ca), "--cert",
         f"{folder}/{thing}.pem.crt", "--key", f"{folder}/{thing}.pem.key", "-i", thing, "-q", "1",
         "-t", topic, "-m", "{}", "-d"], capture_output=True, text=True, timeout=LIMIT_S)
    return done.returncode, done.stdout
