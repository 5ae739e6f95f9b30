"""`penumbra aws`: what it writes is what a shell reads, and says everything that the gateway needs. Its Terraform: terraform_test.py."""
import json
import os
import re
import subprocess

import pytest
from harness import COUNTER_POINTS, IOTCORE, PENUMBRA, SIM_POINTS, Gateway, IotCore, wait_for

THINGS = ["sensor-001", "sensor-002"]


@pytest.fixture
def gateway(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1"}],
            things=[{"name": name, "type": "TemperatureSensor", "attributes": {"location": "warehouse-a", "floor": "1"},
                     "groups": ["warehouse-sensors"], "bus": "hall", "unit": unit, "points": COUNTER_POINTS}
                    for unit, name in enumerate(THINGS, 1)],
            upstream={"endpoint": "example-ats.iot.us-east-1.amazonaws.com"}, gateway="gateway-01")
        yield gateway


def aws(gateway, *arguments):
    return subprocess.run([PENUMBRA, "--config", gateway.config, "aws", *arguments], capture_output=True, text=True, timeout=30)


def test_the_policy_is_a_document_that_aws_takes_with_a_reason_for_each_line(gateway):
    done = aws(gateway, "policy", "--account", "123456789012")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {s["Action"] for s in document["Statement"]} == {"iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"}
    assert len(re.sub(r"\s", "", done.stdout)) <= 2048
    assert "last will" in done.stderr and "of 2048 characters" in done.stderr


class Account:
    """Where `aws cli`'s script runs: a command line tool in place of AWS's that remembers what it was asked. Of what is looked for nothing
    exists but what `knows` (a pattern) names; what `fails` names fails."""

    def __init__(self, folder):
        self.folder = folder
        self.script = folder / "deploy" / "deploy.sh"
        self.log = folder / "aws.log"
        (folder / "deploy" / "csr").mkdir(parents=True)
        (folder / "deploy" / "csr" / "claim.csr").write_text("a request")
        (folder / "bin").mkdir()
        fake = folder / "bin" / "aws"
        fake.write_text('#!/bin/bash\nprintf "%s\\n" "$*" >> "$AWS_LOG"\n'
                        '[[ -n "$AWS_FAILS" && "$*" == *$AWS_FAILS* ]] && exit 1\n'
                        'while [ $# -gt 0 ]; do [ "$1" = --certificate-pem-outfile ] && echo PEM > "$2"; all+="$1 "; shift; done\n'
                        'case "$all" in *describe-endpoint*) echo x-ats; exit 0;; '
                        '  *describe-log-groups*) echo 0;; *describe-time-to-live*) echo DISABLED;; *get-caller-identity*) echo 123456789012;;\n'
                        '  *create-certificate-from-csr*) echo "arn:cert";;\n'
                        '  *describe-*|*get-policy*|*get-role*|*get-topic-rule*)\n'
                        '    [[ -n "$AWS_KNOWS" && "$all" == *$AWS_KNOWS* ]] || exit 1; printf "%s\\n" "${AWS_SAYS-what is there already}";; esac\n'
                        'exit 0\n')
        fake.chmod(0o755)

    def run(self, text, fails="", knows="", **env):
        """Whether it came to its end, and what was asked."""
        self.script.write_text(text)
        self.log.write_text("")
        ran = subprocess.run(["bash", self.script], capture_output=True, text=True, timeout=60,
                             env={**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "AWS_LOG": str(self.log),
                                  "AWS_FAILS": fails, "AWS_KNOWS": knows, **env})
        assert (ran.returncode == 0) == (fails == ""), ran.stderr
        return self.log.read_text()


def script_of(gateway, *arguments):
    done = aws(gateway, "cli", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_script(gateway, tmp_path, *arguments):
    account = Account(tmp_path / "account")
    asked = account.run(script_of(gateway, *arguments))
    return account.script.parent, asked


def test_the_script_is_one_that_a_shell_reads_and_attaches_every_certificate_to_its_thing(gateway, tmp_path):
    folder, asked = run_script(gateway, tmp_path)
    for name in THINGS + ["gateway-01"]:
        assert f"iot attach-thing-principal --thing-name {name} --principal arn:cert" in asked
        assert f"file://csr/{name}.csr" in asked
    assert "lambda add-permission --function-name anomaly-handler" in asked
    assert re.search(r'create-thing --thing-name sensor-001 .*"location":"warehouse-a"\}\}\n', asked), "CreateThing takes no merge"
    policy = json.loads((folder / "policy.json").read_text())
    assert "arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}" in json.dumps(policy)
    rule = json.loads((folder / "rule-StoreSensorData.json").read_text())
    assert rule["actions"][0]["dynamoDBv2"]["roleArn"] == "arn:aws:iam::123456789012:role/penumbra-gateway-01-rules"


def test_a_script_that_stopped_is_typed_again_and_goes_on(gateway, tmp_path):
    account, script = Account(tmp_path / "account"), script_of(gateway)
    for step in ("create-certificate-from-csr", "attach-policy", "attach-thing-principal"):
        account.run(script, fails=step)
    assert "update-time-to-live" not in account.run(script, fails="wait table-exists")
    asked = account.run(script, knows="describe-table")
    for name in THINGS + ["gateway-01"]:
        assert f"iot attach-thing-principal --thing-name {name} --principal arn:cert" in asked, "no certificate is left without its thing"
        assert "iot attach-policy --policy-name PenumbraDevicePolicy --target arn:cert" in asked
    assert "create-certificate-from-csr" not in asked, "all were there when the table was waited for"
    assert "create-table" not in asked and "update-time-to-live --table-name sensor-data" in asked


def test_what_exists_gets_what_is_new_unless_it_is_another_gateways(gateway, tmp_path):
    account, script = Account(tmp_path / "account"), script_of(gateway)
    policy = account.run(script, knows="iot get-policy")
    assert "iot create-policy-version --policy-name PenumbraDevicePolicy --policy-document file://policy.json --set-as-default" in policy
    assert "iot create-policy --" not in policy
    assert "replace-topic-rule --rule-name StoreSensorData" in account.run(script, knows="get-topic-rule")
    there = json.dumps(json.loads((account.script.parent / "policy.json").read_text()))
    assert "create-policy-version" not in account.run(script, knows="iot get-policy", AWS_SAYS=there), "white space is no difference"
    assert 'iot update-thing --thing-name sensor-001 --thing-type-name TemperatureSensor --attribute-payload ' \
        '{"attributes":{"floor":"1","location":"warehouse-a"},"merge":true}' in policy
    for kind in ("iot get-policy", "get-topic-rule"):
        kept = account.run(script, knows=kind, KEEP="1")
        assert "replace-topic-rule" not in kept and "create-policy-version" not in kept


def test_no_word_of_the_configuration_becomes_one_of_the_shells(gateway, tmp_path):
    text = gateway.config.read_text().replace('name = "sensor-001"', 'name = "sensor-001"\ntopic = "a`touch ran`$(touch ran)/{thing}/\\"$HOME\\\\"')
    gateway.config.write_text(text)
    with_rules(gateway, ("Again", "SELECT *, '$(touch ran)`touch ran`' AS x FROM 'a'", "republish", "b/$(touch ran)`touch ran`/${topic(1)}"))
    folder, asked = run_script(gateway, tmp_path)
    assert not (folder / "ran").exists()
    resources = [r for s in json.loads((folder / "policy.json").read_text())["Statement"] for r in s["Resource"]]
    assert 'arn:aws:iot:us-east-1:123456789012:topic/a`touch ran`$(touch ran)/${iot:ClientId}/"$HOME\\' in resources
    assert '"arn:aws:iot:us-east-1:123456789012:topic/b/$(touch ran)`touch ran`/*"' in asked
    assert json.loads((folder / "rule-Again.json").read_text())["actions"][0]["republish"]["topic"] == "b/$(touch ran)`touch ran`/${topic(1)}"


def test_with_a_template_the_script_sets_up_fleet_provisioning_instead(gateway, tmp_path):
    folder, asked = run_script(gateway, tmp_path, "--template", "fleet")
    assert json.loads((folder / "template.json").read_text()) == json.loads(aws(gateway, "template", "--template", "fleet").stdout)
    told = aws(gateway, "claim-policy", "--template", "fleet", "--account", "123456789012")
    assert json.loads((folder / "claim-policy.json").read_text()) == json.loads(told.stdout)
    role = "arn:aws:iam::123456789012:role/penumbra-gateway-01-provisioning"
    assert re.search(rf"iot create-provisioning-template --template-name fleet --enabled .*file://template.json.* {role}", asked)
    assert "iam attach-role-policy --role-name penumbra-gateway-01-provisioning --policy-arn arn:aws:iam::aws:policy/service-role/AWS" in asked
    assert asked.count("create-certificate-from-csr") == 1 and "iot attach-policy --policy-name fleet-claim --target arn:cert" in asked
    assert "iot create-thing --thing-name sensor-001" in asked and "attach-thing-principal" not in asked
    without = aws(gateway, "template")
    assert without.returncode == 2 and "--template NAME" in without.stderr


def test_the_cost_is_a_table_for_people_and_numbers_for_programs(gateway):
    done = aws(gateway, "cost")
    assert done.returncode == 0 and "Basic Ingest" in done.stdout and "prices of" in done.stdout, done.stderr
    cost = json.loads(aws(gateway, "cost", "--json").stdout)
    # Two things every 30 s for 30 days.
    assert next(r for r in cost["rows"] if r["what"].startswith("messages"))["count"] == {"least": 172800.0, "most": 172800.0}


def test_wrong_words_say_what_instead(gateway, tmp_path):
    assert (aws(gateway, "terrafrom").returncode, "did you mean" in aws(gateway, "terrafrom").stderr) == (2, True)
    assert aws(gateway, "policy", "--account", "12").returncode == 2
    (tmp_path / "prices.json").write_text("{}")
    broken = aws(gateway, "cost", "--prices", str(tmp_path / "prices.json"))
    assert broken.returncode == 78 and "as_of" in broken.stderr


def test_keys_stay_and_requests_come_back_as_certificates_that_fit(gateway, tmp_path):
    def cert(*arguments):
        return subprocess.run([PENUMBRA, "--config", gateway.config, "cert", *arguments], capture_output=True, text=True, timeout=30)

    assert cert("show").returncode == 1
    made = cert("csr", "--all", "--out", str(tmp_path / "csr"))
    assert made.returncode == 0, made.stderr
    key = gateway.state / "credentials" / "sensor-001.pem.key"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_text()
    assert cert("csr", "sensor-001", "--out", str(tmp_path / "csr")).returncode == 0
    assert key.read_text() == before, "a key is never made anew"

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path, timeout=30)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "9")
    certificates = {}
    for name in THINGS + ["gateway-01"]:
        openssl("x509", "-req", "-in", f"csr/{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{name}.crt", "-days", "9")
        certificates[name] = (tmp_path / f"{name}.crt").read_text()
    answer = tmp_path / "certificates.json"
    # One that belongs to another key is refused, and nothing of it stays.
    answer.write_text(json.dumps({"sensor-001": certificates["sensor-002"]}))
    refused = cert("install", str(answer))
    assert refused.returncode == 1 and "sensor-001" in refused.stderr
    assert not list((gateway.state / "credentials").glob("*.crt*"))
    answer.write_text(json.dumps(certificates))
    assert cert("install", str(answer)).returncode == 0
    shown = json.loads(cert("show", "--json").stdout)["certificates"]
    assert [c["usable"] for c in shown] == [True] * 3 and all("CN" in c["subject"] for c in shown)


def rules_test(gateway, *arguments):
    return aws(gateway, "rules", "test", *arguments)


def with_rules(gateway, *rules):
    text = gateway.config.read_text()
    for name, sql, action, target in rules:
        text += f'\n[[rule]]\nname = "{name}"\nsql = {json.dumps(sql)}\naction = "{action}"\ntarget = "{target}"\n'
    gateway.config.write_text(text)


def test_rules_are_tried_offline_and_say_what_would_fire(gateway):
    done = rules_test(gateway, "--json")
    assert done.returncode == 0, done.stderr
    rules = {rule["name"]: rule for rule in json.loads(done.stdout)["rules"]}
    stored = rules["StoreSensorData"]["results"]
    assert [result["outcome"] for result in stored] == ["fired"] * 2 and stored[0]["source"] == "example"
    assert stored[0]["input"]["device_id"] == "sensor-001" and stored[0]["destination"] == "sensor-data"
    assert rules["AnomalyDetection"]["would_fire"]["input"]["value"] == 41
    table = rules_test(gateway)
    assert table.returncode == 0 and "would fire" in table.stdout and "sensors/sensor-002/temperature" in table.stdout


def test_rules_that_do_nothing_are_told_before_they_are_deployed(gateway, tmp_path):
    with_rules(gateway, ("Typo", "SELECT * FROM 'sensors/+/temperature' WHERE temprature > 40", "lambda", "f"),
               ("Nowhere", "SELECT * FROM 'sensor/+/temperature'", "lambda", "f"),
               ("Keyless", "SELECT temperature FROM 'sensors/+/temperature'", "dynamodb", "t"))
    done = rules_test(gateway, "--json")
    assert done.returncode == 1, done.stdout
    findings = {rule["name"]: " ".join(rule["findings"]) for rule in json.loads(done.stdout)["rules"]}
    assert "did you mean `temperature`?" in findings["Typo"]
    assert "did you mean 'sensors/+/temperature'?" in findings["Nowhere"]
    assert "device_id" in findings["Keyless"]
    assert "problem:" in rules_test(gateway).stdout


def test_a_rule_that_is_none_says_where_and_one_of_the_cloud_that_it_is(gateway):
    with_rules(gateway, ("Cloud", "SELECT aws_lambda('arn', *) AS x FROM 'a'", "lambda", "f"))
    assert rules_test(gateway).returncode == 1
    with_rules(gateway, ("Broken", "SELECT * FROM 'a' WHERE x LIKE 'y'", "lambda", "f"))
    broken = rules_test(gateway)
    assert broken.returncode == 78 and "column 27: there is no LIKE" in broken.stderr and "penumbra.toml:" in broken.stderr


def test_a_message_can_be_given(gateway, tmp_path):
    (tmp_path / "m.json").write_text('{"device_id":"x","timestamp":1,"value":99}')
    given = rules_test(gateway, "--json", "--payload", str(tmp_path / "m.json"), "--topic", "sensors/sensor-009/temperature")
    assert given.returncode == 0, given.stdout + given.stderr
    rules = {rule["name"]: rule for rule in json.loads(given.stdout)["rules"]}
    assert rules["AnomalyDetection"]["results"][0]["input"]["value"] == 99
    assert rules["StoreSensorData"]["results"][0]["input"]["device_id"] == "sensor-009"
    (tmp_path / "lines.json").write_text('{"value":\n9}\n')
    shown = rules_test(gateway, "--payload", str(tmp_path / "lines.json"), "--topic", "sensors/sensor-009/temperature").stdout
    assert '{"value": 9}\n' in shown, shown
    assert rules_test(gateway, "--payload", str(tmp_path / "m.json")).returncode == 2
    assert rules_test(gateway, "--payload", str(tmp_path / "none"), "--topic", "a").returncode == 1
    assert aws(gateway, "rules").returncode == 2 and aws(gateway, "policy", "test").returncode == 2


def test_the_stand_in_runs_the_rules_on_what_a_daemon_really_sends_and_the_tool_agrees(tmp_path):
    """One daemon, its readings through the broker into the rules; and the same rules on the same readings by the tool."""
    rules = [{"name": "Store", "sql": "SELECT *, topic(2) AS device_id FROM 'sensors/+/temperature'", "action": "dynamodb", "target": "t"},
             {"name": "Hot", "sql": "SELECT seq, temperature FROM 'sensors/+/temperature' WHERE value > -300", "action": "republish",
              "target": "alarm/${topic(2)}"},
             {"name": "Seen", "sql": "SELECT * FROM 'alarm/+'", "action": "lambda", "target": "f"}]
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    with IotCore(IOTCORE, things=["sensor-001"], rules=tmp_path / "rules.json") as cloud, Gateway(tmp_path / "gateway") as gateway:
        gateway.configure(buses=[{"name": "sim", "driver": "sim"}],
                          things=[{"name": "sensor-001", "bus": "sim", "sample_interval": "200ms", "primary": "temperature",
                                   "points": SIM_POINTS}],
                          upstream=cloud.upstream())
        with_rules(gateway, *[(r["name"], r["sql"], r["action"], r["target"]) for r in rules])
        cloud.lend_credentials(gateway.state)
        gateway.start()
        wait_for(lambda: len(cloud.ctl("rules", "inputs", "Seen")) >= 3, 30, "three alarms seen by the third rule")
        tool = json.loads(rules_test(gateway, "--json", "--limit", "1000").stdout)["rules"]
        received = {row["input"]["seq"]: row["input"] for row in cloud.ctl("rules", "inputs", "Store")}
        assert cloud.ctl("rules", "errors", "Store") == []
    stored = [result for result in tool[0]["results"] if result["source"] == "stored"]
    same = [result["input"] for result in stored if result["input"]["seq"] in received]
    assert len(same) >= 3
    for row in same:
        assert received[row["seq"]] == row
