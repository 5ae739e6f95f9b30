"""`penumbra aws terraform`: what it writes is what Terraform's own parser reads and what the AWS provider takes, in the last release of each
major version that it allows. Without the tools of install_terraform_tools.sh nothing is checked, and ctest lists the test as skipped."""
import copy
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from harness import COUNTER_POINTS, PENUMBRA, Gateway
from provider_schema import Provider, faults

THINGS = ["sensor-001", "sensor-002"]
TOOLS = pathlib.Path(os.environ["PENUMBRA_BUILD"]) / "npm"
HCL2JSON = TOOLS / "node_modules" / "@cdktf" / "hcl2json"
PROVIDERS = sorted(TOOLS.glob("provider-aws-*"))

if not HCL2JSON.exists() or not PROVIDERS or not shutil.which("node"):
    pytest.skip("NOT CHECKED: Terraform's parser or the provider's schema is not there; run "
                f"tests/process/install_terraform_tools.sh {TOOLS.parent}", allow_module_level=True)


def parse(text):
    script = "const {parse} = require(process.argv[1]); let t = ''; process.stdin.on('data', d => t += d)" \
             ".on('end', () => parse('main.tf', t).then(r => console.log(JSON.stringify(r))));"
    done = subprocess.run(["node", "-e", script, str(HCL2JSON)], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Site:
    def __init__(self, folder):
        self.gateway = Gateway(folder)

    def write(self, things=None, more="", credentials=None):
        """The configuration; `more` is TOML behind it."""
        self.gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1"}],
            things=things or [{"name": name, "type": "TemperatureSensor", "attributes": {"location": "warehouse-a", "floor": "1"},
                               "groups": ["warehouse-sensors"], "bus": "hall", "unit": unit, "points": COUNTER_POINTS}
                              for unit, name in enumerate(THINGS, 1)],
            upstream={"endpoint": "example-ats.iot.us-east-1.amazonaws.com"}, gateway="gateway-01", credentials=credentials)
        with open(self.gateway.config, "a") as file:
            file.write(more)
        return self

    def terraform(self, *arguments):
        done = subprocess.run([PENUMBRA, "--config", self.gateway.config, "aws", "terraform", *arguments], capture_output=True, text=True,
                              timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def parsed(self, *arguments):
        return parse(self.terraform(*arguments))


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture(params=PROVIDERS, ids=[p.name for p in PROVIDERS])
def provider(request):
    return Provider(request.param)


EVERY_ACTION = '''
[aws]
account = "123456789012"
[[rule]]
name = "Stored"
sql = "SELECT * FROM 'sensors/+/temperature'"
action = "dynamodb"
target = "readings"
[[rule]]
name = "Called"
sql = "SELECT * FROM 'sensors/+/temperature' WHERE value > 40"
action = "lambda"
target = "look"
[[rule]]
name = "Repeated"
sql = "SELECT * FROM 'status/+'"
action = "republish"
target = "$$aws/things/${topic(2)}/shadow/update"
'''


DEFENDER = "[health]\ndefender = true\n"


def test_terraforms_parser_reads_it_and_finds_every_resource(site):
    parsed = site.write().parsed()
    resources = parsed["resource"]
    names = THINGS + ["gateway-01"]
    for kind in ("aws_iot_thing", "aws_iot_certificate", "aws_iot_thing_principal_attachment", "aws_iot_policy_attachment"):
        assert sorted(resources[kind]) == sorted(names), kind
    for name in names:
        assert resources["aws_iot_certificate"][name][0]["csr"].endswith(f'csr/{name}.csr")}}')
        assert resources["aws_iot_thing_principal_attachment"][name][0]["principal"] == \
            f"${{aws_iot_certificate.{name}.arn}}"
    assert resources["aws_iot_thing_type"]["TemperatureSensor"][0]["properties"][0]["searchable_attributes"] == ["floor", "location"]
    assert len(resources["aws_iot_thing_group_membership"]) == 2
    rules = {rule[0]["name"]: rule[0] for rule in resources["aws_iot_topic_rule"].values()}
    assert set(rules) == {"StoreSensorData", "AnomalyDetection"}
    for rule in rules.values():
        assert rule["sql_version"] == "2016-03-23" and "error_action" in rule
    assert "aws_lambda_permission" in resources
    assert resources["aws_dynamodb_table"]["sensor-data"][0]["hash_key"] == "device_id"
    assert "private_key" not in json.dumps(parsed)


@pytest.mark.parametrize("more", ["", EVERY_ACTION, DEFENDER], ids=["the two rules", "every action", "device defender"])
def test_the_provider_takes_every_resource(site, provider, more):
    assert faults(site.write(more=more).parsed(), provider) == []


def test_the_custom_metrics_of_device_defender_come_through_cloudformation(site):
    stack = site.write(more=DEFENDER).parsed()["resource"]["aws_cloudformation_stack"]["defender_metrics"][0]
    made = [(r["Type"], r["Properties"]["MetricName"], r["Properties"]["MetricType"])
            for r in encoded(stack["template_body"])["Resources"].values()]
    assert made == [("AWS::IoT::CustomMetric", name, "number") for name in ("backlog", "oldest_unsent_s", "bus_load")]


def test_the_provider_takes_a_gateway_of_plain_things(site, provider):
    """No type, no attributes, no group."""
    things = [{"name": "9-plain", "bus": "hall", "unit": 1, "points": COUNTER_POINTS}]
    assert faults(site.write(things=things).parsed("--account", "123456789012"), provider) == []


def test_the_provider_takes_names_that_differ_in_one_odd_character(site, provider):
    names = ["a:b", "a_b", "9x", "n_9x", "-x", "L" * 127 + "1", "L" * 127 + "2"]
    things = [{"name": name, "type": name, "groups": [name, "c", "b--c"], "bus": "hall", "unit": unit, "points": COUNTER_POINTS,
               "topic": "hall `x` $(y) 'z'/{thing}/?"} for unit, name in enumerate(names, 1)]
    parsed = site.write(things=things, more=EVERY_ACTION).parsed()
    assert faults(parsed, provider) == []
    for kind, resources in parsed["resource"].items():
        for label, bodies in resources.items():
            assert len(bodies) == 1, f"{kind}.{label} stands there {len(bodies)} times"
    assert sorted(body[0]["name"] for body in parsed["resource"]["aws_iot_thing"].values()) == sorted([*names, "gateway-01"])
    assert len(parsed["resource"]["aws_iot_thing_group_membership"]) == 3 * len(names)


def test_with_a_provisioning_template_certificates_come_through_it(site, provider):
    parsed = site.write(credentials={"template": "fleet", "parameters": {"Batch": "7"}}).parsed()
    assert faults(parsed, provider) == []
    resources = parsed["resource"]
    assert set(resources["aws_iot_certificate"]) == set(resources["aws_iot_policy_attachment"]) == {"claim"}
    assert "aws_iot_thing_principal_attachment" not in resources
    assert resources["aws_iam_role_policy_attachment"]["provisioning"][0]["policy_arn"].endswith("/AWSIoTThingsRegistration")
    template = resources["aws_iot_provisioning_template"]["fleet"][0]
    assert template["enabled"] is True and template["name"] == "fleet"
    body = encoded(template["template_body"])
    told = subprocess.run([PENUMBRA, "--config", site.gateway.config, "aws", "template"], capture_output=True, text=True, timeout=30)
    assert body == json.loads(told.stdout) and len(json.dumps(body)) <= 10240
    # What process.provision gives to the stand-in is this body.
    assert {"ThingName", "ParentThing", "Batch", "AWS::IoT::Certificate::Id"} <= set(body["Parameters"])
    assert set(body["Mappings"]["Things"]) == {*THINGS, "gateway-01"}
    for thing in resources["aws_iot_thing"].values():
        assert thing[0]["attributes"]["gateway"] == "gateway-01", "a plan after provisioning changes nothing"


def encoded(expression):
    """The document of a jsonencode(...) that holds literals only: HCL differs from JSON in '=' and trailing commas."""
    text = re.fullmatch(r"\$\{jsonencode\((.*)\)\}", expression, re.S).group(1)
    return json.loads(re.sub(r",(\s*[\]}])", r"\1", re.sub(r'("\s*)=', r"\1:", re.sub(r'("|\]|\}|true|false)\n(\s*")', r"\1,\n\2", text))))


def broken(parsed, change):
    parsed = copy.deepcopy(parsed)
    change(parsed)
    return parsed


def test_what_the_provider_does_not_take_is_found(site, provider):
    """The check itself: each of the ways in which a resource can be wrong."""
    good = site.write(more=EVERY_ACTION).parsed()

    def of(change):
        return " | ".join(faults(broken(good, change), provider))

    def body(parsed, kind, name):
        return parsed["resource"][kind][name][0]

    def rename(kind, name, before, after):
        return lambda p: body(p, kind, name).__setitem__(after, body(p, kind, name).pop(before))

    assert "aws_iot_thing.sensor-001: there is no argument thing_type" in of(rename("aws_iot_thing", "sensor-001", "thing_type_name",
                                                                                   "thing_type"))
    missing = of(rename("aws_iot_topic_rule", "Stored", "sql_version", "version"))
    assert "there is no argument version" in missing and "aws_iot_topic_rule.Stored: sql_version is required" in missing
    nested = of(lambda p: body(p, "aws_iot_topic_rule", "Stored")["dynamodbv2"][0].pop("role_arn"))
    assert "aws_iot_topic_rule.Stored.dynamodbv2: role_arn is required" in nested
    as_attribute = of(lambda p: body(p, "aws_iot_thing_type", "TemperatureSensor").__setitem__("properties", {"description": "x"}))
    assert "properties is a block and was written as an attribute" in as_attribute
    as_block = of(lambda p: body(p, "aws_iot_thing", "sensor-001").__setitem__("attributes", [{"floor": "1"}]))
    assert "attributes is an attribute and was written as a block" in as_block
    twice = of(lambda p: body(p, "aws_iot_topic_rule", "Stored")["error_action"].append({}))
    assert "error_action may stand once" in twice
    number = of(lambda p: body(p, "aws_cloudwatch_log_group", "errors").__setitem__("retention_in_days", "two weeks"))
    assert "retention_in_days must be a number" in number
    listed = of(lambda p: body(p, "aws_iot_thing_type", "TemperatureSensor")["properties"][0].__setitem__("searchable_attributes", "x"))
    assert "searchable_attributes must be a set" in listed
    attribute = of(lambda p: body(p, "aws_iot_policy_attachment", "sensor-001").__setitem__("target",
                                                                                         "${aws_iot_certificate.sensor-001.pem}"))
    assert "aws_iot_certificate.sensor-001.pem: there is no such attribute" in attribute
    nobody = of(lambda p: body(p, "aws_iot_thing_principal_attachment", "sensor-001").__setitem__("thing", "${aws_iot_thing.nobody.name}"))
    assert "aws_iot_thing.nobody is referred to and not there" in nobody
    nothing = of(lambda p: p["resource"].__setitem__("aws_iot_thingy", {"a": [{}]}))
    assert "aws_iot_thingy.a: the provider has no such resource" in nothing
    wrong = of(lambda p: p["provider"]["aws"][0].__setitem__("regio", "x"))
    assert "provider.aws: there is no argument regio" in wrong
