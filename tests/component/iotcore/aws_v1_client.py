"""Clients with the behaviour of AWS's first Python SDK (AWSIoTMQTTClient, AWSIoTMQTTShadowClient), on paho-mqtt.

That SDK is what AWS's guide uses, so devices in the field speak like this: MQTT 3.1.1, clean session, keep-alive
600 s, QoS 0 for every publish and subscribe, only accepted, rejected and delta, a pause after each subscribe instead
of waiting for SUBACK, a UUID as clientToken, answers of unknown tokens ignored, one callback per kind of action, and
the known fault that an accepted answer which is not newer resets the version to -1. A lost connection is made anew (after 1 s, doubling
to 32 s); meanwhile the shadow client refuses to publish, and the plain one keeps what is published in memory and lets it go two a second,
live messages behind the backlog. Names are the SDK's own. Source: aws-iot-core.md, section 10.
"""
import json
import queue
import threading
import uuid

import paho.mqtt.client as mqtt

SUBSCRIBE_PAUSE_S = 2.0  # the SDK's


class publishQueueDisabledException(Exception):
    pass


class publishTimeoutException(Exception):
    pass


class subscribeTimeoutException(Exception):
    pass


def make_client(client_id):
    client = mqtt.Client(client_id, clean_session=True, protocol=mqtt.MQTTv311)
    client.reconnect_delay_set(1, 32)
    return client


class AWSIoTMQTTShadowClient:
    def __init__(self, client_id):
        self._client = make_client(client_id)
        self._handlers = {}
        self._online = False
        self._connack = queue.Queue()
        self._connect_timeout_s = 30
        self.subscribed = []  # what went out, for the tests: (filter, qos)
        self.published = []   # (topic, payload, qos)

    def configureEndpoint(self, host, port):
        self._host, self._port = host, port

    def configureCredentials(self, root_ca, key, certificate):
        self._client.tls_set(root_ca, certificate, key)

    def configureAutoReconnectBackoffTime(self, base, maximum, stable):
        assert 0 <= base < stable and maximum >= 0

    def configureConnectDisconnectTimeout(self, seconds):
        self._connect_timeout_s = seconds

    def configureMQTTOperationTimeout(self, seconds):
        self._operation_timeout_s = seconds

    def connect(self):
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.connect(self._host, self._port, keepalive=600)
        self._client.loop_start()
        self._connack.get(timeout=self._connect_timeout_s)  # a refusing code counts as connected, as in the SDK
        return True

    def disconnect(self):
        self._client.disconnect()
        self._client.loop_stop()

    def createShadowHandlerWithName(self, thing, persistent):
        assert persistent, "the guide subscribes once and keeps it"
        return DeviceShadow(thing, self)

    def _subscribe(self, topics, handler):
        for topic in topics:
            self._handlers[topic] = handler
            self.subscribed.append((topic, 0))
            self._client.subscribe(topic, 0)
        threading.Event().wait(SUBSCRIBE_PAUSE_S)

    def _on_connect(self, client, userdata, flags, code):
        for topic in self._handlers:  # a clean session knows none of them
            client.subscribe(topic, 0)
        self._online = True
        self._connack.put(code)

    def _on_disconnect(self, client, userdata, code):
        self._online = False

    def _publish(self, topic, payload):
        if not self._online:
            raise publishQueueDisabledException()
        self.published.append((topic, payload, 0))
        self._client.publish(topic, payload, qos=0)

    def _on_message(self, client, userdata, message):
        # The SDK starts a thread for each callback, so that a callback may subscribe and publish.
        handler = self._handlers.get(message.topic)
        if handler:
            threading.Thread(target=handler, args=(message.topic, message.payload.decode()), daemon=True).start()


class DeviceShadow:
    def __init__(self, thing, client):
        self._prefix = f"$aws/things/{thing}/shadow"
        self._client = client
        self._subscribed = set()
        self._callbacks = {}
        self._timers = {}
        self._lock = threading.Lock()
        self.version = -1

    def shadowRegisterDeltaCallback(self, callback):
        self._callbacks["delta"] = callback
        self._client._subscribe([f"{self._prefix}/update/delta"], self._on_delta)

    def shadowGet(self, callback, timeout):
        return self._request("get", {}, callback, timeout)

    def shadowUpdate(self, payload, callback, timeout):
        return self._request("update", json.loads(payload), callback, timeout)

    def shadowDelete(self, callback, timeout):
        return self._request("delete", {}, callback, timeout)

    def _request(self, action, body, callback, timeout):
        token = str(uuid.uuid4())
        self._callbacks[action] = callback
        if action not in self._subscribed:
            self._subscribed.add(action)
            self._client._subscribe([f"{self._prefix}/{action}/accepted", f"{self._prefix}/{action}/rejected"],
                                    self._on_answer)
        timer = threading.Timer(timeout, self._timed_out, (action, token))
        timer.daemon = True
        with self._lock:
            self._timers[token] = timer
        timer.start()
        self._client._publish(f"{self._prefix}/{action}", json.dumps({**body, "clientToken": token}))
        return token

    def _timed_out(self, action, token):
        with self._lock:
            if self._timers.pop(token, None) is None:
                return
        self._callbacks[action]("REQUEST TIME OUT", "timeout", token)

    def _on_answer(self, topic, payload):
        action, status = topic.split("/")[4:6]  # classic shadows only: the SDK splits by index
        body = json.loads(payload)
        token = body.get("clientToken")
        with self._lock:
            timer = self._timers.pop(token, None)
        if timer is None:
            return
        timer.cancel()
        if status == "accepted" and action != "delete":
            self.version = body["version"] if body["version"] > self.version else -1
        elif status == "accepted":
            self.version = -1
        self._callbacks[action](payload, status, token)

    def _on_delta(self, topic, payload):
        body = json.loads(payload)
        if body["version"] > self.version:
            self.version = body["version"]
            self._callbacks["delta"](payload, topic.split("/")[5], body.get("clientToken"))


class AWSIoTMQTTClient:
    """The plain client: clean session, QoS 1 where asked for, a callback for each subscription, a queue in memory for offline times."""

    def __init__(self, client_id):
        self._client = make_client(client_id)
        self._connack, self._done = queue.Queue(), queue.Queue()
        self._subscriptions = {}
        self._online = False
        self._offline = []  # what was published while there was no connection, or while this drains
        self._lock = threading.Lock()

    configureEndpoint = AWSIoTMQTTShadowClient.configureEndpoint
    configureCredentials = AWSIoTMQTTShadowClient.configureCredentials
    configureAutoReconnectBackoffTime = AWSIoTMQTTShadowClient.configureAutoReconnectBackoffTime
    configureConnectDisconnectTimeout = AWSIoTMQTTShadowClient.configureConnectDisconnectTimeout
    configureMQTTOperationTimeout = AWSIoTMQTTShadowClient.configureMQTTOperationTimeout
    disconnect = AWSIoTMQTTShadowClient.disconnect

    def configureOfflinePublishQueueing(self, size, behaviour=0):
        assert size == -1

    def configureDrainingFrequency(self, hertz):
        self._drain_pause_s = 1 / hertz

    def connect(self):
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = lambda client, userdata, mid, granted: self._done.put(granted)
        self._client.connect(self._host, self._port, keepalive=600)
        self._client.loop_start()
        self._connack.get(timeout=self._connect_timeout_s)
        return True

    def _on_connect(self, client, userdata, flags, code):
        for topic, qos in self._subscriptions.items():
            client.subscribe(topic, qos)
        with self._lock:
            self._online = True
            if self._offline:
                threading.Thread(target=self._drain, daemon=True).start()
        self._connack.put(code)

    def _on_disconnect(self, client, userdata, code):
        with self._lock:
            self._online = False

    def _drain(self):
        while True:
            with self._lock:
                if not self._online or not self._offline:
                    return
                topic, payload, qos = self._offline.pop(0)
            self._client.publish(topic, payload, qos)
            threading.Event().wait(self._drain_pause_s)

    def subscribe(self, topic, qos, callback):
        def call(client, userdata, message):
            threading.Thread(target=callback, args=(client, userdata, message), daemon=True).start()
        self._client.message_callback_add(topic, call)
        self._client.subscribe(topic, qos)
        try:
            granted = self._done.get(timeout=self._operation_timeout_s)
        except queue.Empty:
            raise subscribeTimeoutException() from None
        assert granted[0] < 0x80, "subackError"
        self._subscriptions[topic] = qos
        return True

    def publish(self, topic, payload, qos):
        with self._lock:
            if not self._online or self._offline:
                self._offline.append((topic, payload, qos))
                return False
        sent = self._client.publish(topic, payload, qos)
        sent.wait_for_publish(self._operation_timeout_s)
        if not sent.is_published():
            raise publishTimeoutException()
        return True
