"""Fleet provisioning over real connections: a claim certificate becomes a thing's own, and stops being good on command."""
import json
import subprocess

import pytest

from device import LIMIT_S, PROGRAM, THING, Device, IotCore, publish_code

CSR = "$aws/certificates/create-from-csr/json"
PROVISION = "$aws/provisioning-templates/penumbra/provision/json"
NEW = "sensor-900"


@pytest.fixture(scope="module")
def cloud():
    with IotCore(PROGRAM, [THING], claims=["claim"]) as running:
        yield running


class Claimant(Device):
    """A device that has nothing but the claim certificate."""

    def __init__(self, cloud):
        super().__init__(cloud, "claim", client_id="gateway-0815", folder=cloud.claims)

    def connect(self):
        super().connect()
        self.client.subscribe([(f"{topic}/{outcome}", 1) for topic in (CSR, PROVISION)
                               for outcome in ("accepted", "rejected")])
        self.expect("subscribed")
        return self

    def ask(self, topic, body):
        self.publish(topic, json.dumps(body))
        answered, payload = self.messages.get(timeout=LIMIT_S)
        return answered.rsplit("/", 1)[1], json.loads(payload)


def signing_request(folder, name, algorithm=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    key = folder / f"{name}.pem.key"
    done = subprocess.run(["openssl", "req", "-new", *algorithm, "-nodes", "-keyout", key, "-subj", "/CN=ignored"],
                          capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return done.stdout


def provision(cloud, claimant, folder, thing):
    """Creates and registers; answers the certificate's id. Key and certificate are then in `folder`."""
    _, created = claimant.ask(CSR, {"certificateSigningRequest": signing_request(folder, thing)})
    (folder / f"{thing}.pem.crt").write_text(created["certificatePem"])
    outcome, registered = claimant.ask(PROVISION, {"certificateOwnershipToken": created["certificateOwnershipToken"],
                                                   "parameters": {"ThingName": thing, "SerialNumber": "4711"}})
    assert (outcome, registered["thingName"]) == ("accepted", thing), registered
    return created["certificateId"]


def test_a_claim_becomes_a_thing_whose_certificate_works(cloud, tmp_path):
    with Claimant(cloud).connect() as claimant:
        certificate = provision(cloud, claimant, tmp_path, NEW)
    code, text = publish_code(cloud, NEW, f"sensors/{NEW}/temperature", folder=tmp_path)
    assert code == 0 and "RC:0" in text, text
    assert cloud.registry()[NEW] == {"serial": "4711"}
    assert [(c["certificateId"], c["status"]) for c in cloud.certificates(NEW)] == [(certificate, "ACTIVE")]


def test_a_certificate_does_not_connect_before_its_thing_is_registered(cloud, tmp_path):
    with Claimant(cloud).connect() as claimant:
        _, created = claimant.ask(CSR, {"certificateSigningRequest": signing_request(tmp_path, "sensor-901")})
    (tmp_path / "sensor-901.pem.crt").write_text(created["certificatePem"])
    code, text = publish_code(cloud, "sensor-901", "sensors/sensor-901/t", folder=tmp_path)
    assert code != 0 and "CONNACK" not in text
    assert {c["status"] for c in cloud.certificates() if c["certificateId"] == created["certificateId"]} == {"PENDING_ACTIVATION"}


def test_a_claim_has_no_other_rights(cloud):
    with Claimant(cloud).connect() as claimant:
        assert claimant.client.publish(f"sensors/{THING}/temperature", "{}", qos=1)
    cloud.wait(lambda s: any("gateway-0815" in d for d in s["connections"]["denials"]), LIMIT_S, "the denial")


def test_wrong_requests_are_refused(cloud, tmp_path):
    weak = signing_request(tmp_path, "weak", ("-newkey", "rsa:1024"))
    with Claimant(cloud).connect() as claimant:
        for csr in ("rubbish", weak):
            outcome, body = claimant.ask(CSR, {"certificateSigningRequest": csr})
            assert (outcome, body["statusCode"]) == ("rejected", 400)
        outcome, body = claimant.ask(PROVISION, {"certificateOwnershipToken": "unknown", "parameters": {"ThingName": "x"}})
        assert (outcome, body["errorCode"]) == ("rejected", "InvalidCertificateOwnershipToken")


def test_rsa_requests_are_signed_too(cloud, tmp_path):
    csr = signing_request(tmp_path, "rsa", ("-newkey", "rsa:2048"))
    with Claimant(cloud).connect() as claimant:
        assert claimant.ask(CSR, {"certificateSigningRequest": csr})[0] == "accepted"


def test_rotation_two_certificates_and_the_old_one_is_switched_off(cloud, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(), new.mkdir()
    thing = "sensor-902"
    with Claimant(cloud).connect() as claimant:
        first = provision(cloud, claimant, old, thing)
        second = provision(cloud, claimant, new, thing)
    assert {c["certificateId"] for c in cloud.certificates(thing)} == {first, second}
    with Device(cloud, thing, folder=old).connect() as device:
        cloud.deactivate(first)
        device.expect("down")
    code, text = publish_code(cloud, thing, f"sensors/{thing}/t", folder=old)
    assert code != 0 and "CONNACK" not in text
    assert publish_code(cloud, thing, f"sensors/{thing}/t", folder=new)[0] == 0
    cloud.ctl("provisioning", "activate", first)
    assert publish_code(cloud, thing, f"sensors/{thing}/t", folder=old)[0] == 0


def test_a_device_may_rotate_with_its_own_certificate(cloud, tmp_path):
    with Device(cloud).connect() as device:
        device.client.subscribe([(f"{topic}/accepted", 1) for topic in (CSR, PROVISION)])
        device.expect("subscribed")
        device.publish(CSR, json.dumps({"certificateSigningRequest": signing_request(tmp_path, THING)}))
        created = json.loads(device.messages.get(timeout=LIMIT_S)[1])
        device.publish(PROVISION, json.dumps({"certificateOwnershipToken": created["certificateOwnershipToken"],
                                              "parameters": {"ThingName": THING}}))
        assert json.loads(device.messages.get(timeout=LIMIT_S)[1])["thingName"] == THING
    (tmp_path / f"{THING}.pem.crt").write_text(created["certificatePem"])
    assert publish_code(cloud, THING, f"sensors/{THING}/t", folder=tmp_path)[0] == 0


def test_a_lost_answer_leaves_the_thing_registered(cloud, tmp_path):
    thing = "sensor-903"
    with Claimant(cloud).connect() as claimant:
        _, created = claimant.ask(CSR, {"certificateSigningRequest": signing_request(tmp_path, thing)})
        (tmp_path / f"{thing}.pem.crt").write_text(created["certificatePem"])
        cloud.ctl("provisioning", "fault", "drop", 1)
        claimant.publish_acked(PROVISION, json.dumps({"certificateOwnershipToken": created["certificateOwnershipToken"],
                                                      "parameters": {"ThingName": thing}}))
        cloud.wait(lambda s: s["provisioning"]["faults"]["dropped"] == 1, LIMIT_S, "the lost answer")
    assert publish_code(cloud, thing, f"sensors/{thing}/t", folder=tmp_path)[0] == 0
