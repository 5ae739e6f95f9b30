#include "cloud/script.hpp"

#include <fmt/format.h>

#include "model/defender.hpp"

namespace penumbra::cloud {
namespace {

constexpr std::string_view kHead = R"sh(#!/usr/bin/env bash
# Written by `penumbra aws cli` from the gateway's configuration. Needs the AWS CLI with rights to IoT, IAM, DynamoDB,
# CloudWatch Logs and Lambda. Can be run again, also after it was interrupted: what exists is left as it is, but for
# things, policies, rules and the provisioning template, which get what is new in them. With KEEP=1 the last three stay,
# too: where another gateway of this account made them.
set -euo pipefail
export AWS_PAGER=
cd "$(dirname "$0")"
mkdir -p certificates

# exists COMMAND...: a describe or get that succeeds. Anything else than "not found" would show again in what follows.
exists() { "$@" >/dev/null 2>&1; }

# differs FILE COMMAND...: the command prints something else than the file has, white space aside. Never with KEEP.
differs() {
  local file=$1
  shift
  [ -z "${KEEP-}" ] && [ "$("$@" --output text | tr -d '[:space:]')" != "$(tr -d '[:space:]' <"$file")" ]
}
)sh";

constexpr const char* kAccount = "${account}";

// Text for a here document in which the shell fills in the two words of ours and nothing else.
std::string HereDocument(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    const bool ours = rest.starts_with(ScriptArnHead()) || rest.starts_with(kAccount);
    if (text[i] == '\\' || text[i] == '`' || (text[i] == '$' && !ours)) out += '\\';
    out += text[i];
  }
  return out;
}

class Writer {
 public:
  Writer(const Infrastructure& plan, const DevicePolicy& policy) : plan_(plan), policy_(policy) {}

  std::string Write() {
    text_ = kHead;
    if (!plan_.provisioning) {
      text_ +=
          "# First, on the gateway: `penumbra cert csr --all --out csr` makes keys that never leave it, and the "
          "CSRs.\n";
    }
    for (const std::string& note : plan_.notes) text_ += "# Note: " + note + ".\n";
    text_ += fmt::format("export AWS_DEFAULT_REGION={}\n", plan_.region);
    text_ += plan_.account.empty() ? "account=$(aws sts get-caller-identity --query Account --output text)\n"
                                   : fmt::format("account={}\n", plan_.account);
    text_ += fmt::format("iot_arn=\"{}\"\n\n", IotArnHead(plan_.region, kAccount));
    for (const ThingType& type : plan_.types) Type(type);
    for (const std::string& group : plan_.groups) {
      Unless("aws iot describe-thing-group --thing-group-name " + ShellWord(group),
             "aws iot create-thing-group --thing-group-name " + ShellWord(group));
    }
    text_ += '\n';
    Policy("policy.json", plan_.policy_name, policy_);
    for (const PlannedThing& thing : plan_.things) {
      Thing(thing);
      if (!plan_.provisioning) Certificate(thing);
    }
    if (plan_.provisioning) FleetProvisioning(*plan_.provisioning);
    if (plan_.defender_metrics) DefenderMetrics();
    if (!plan_.rules.empty()) Rules();
    text_ +=
        "\necho \"the endpoint for [upstream]: $(aws iot describe-endpoint --endpoint-type iot:Data-ATS --query "
        "endpointAddress --output text)\"\n";
    text_ += plan_.provisioning
                 ? "echo \"on the gateway: penumbra provision --all --claim-certificate certificates/claim.pem.crt "
                   "--claim-key KEY\"\n"
                 : "echo \"the certificates are in certificates/: copy them to the gateway's credentials folder\"\n";
    return std::move(text_);
  }

 private:
  std::string Arn(std::string_view service, std::string_view resource) const {
    return fmt::format("arn:{}:{}:{}:{}:{}", Partition(plan_.region), service, plan_.region, kAccount, resource);
  }

  void Unless(const std::string& test, const std::string& command) {
    text_ += fmt::format("exists {} ||\n  {} >/dev/null\n", test, command);
  }

  void Type(const ThingType& type) {
    std::string properties = "thingTypeDescription=Sensors behind a Penumbra gateway";
    if (!type.searchable.empty()) {
      properties += fmt::format(",searchableAttributes={}", fmt::join(type.searchable, ","));
    }
    Unless("aws iot describe-thing-type --thing-type-name " + ShellWord(type.name),
           fmt::format("aws iot create-thing-type --thing-type-name {} --thing-type-properties {}",
                       ShellWord(type.name), ShellWord(properties)));
  }

  void Policy(const std::string& file, const std::string& name, const DevicePolicy& policy) {
    text_ += fmt::format(
        "cat > {1} <<EOF\n{2}\nEOF\n"
        "if ! exists aws iot get-policy --policy-name {0}; then\n"
        "  aws iot create-policy --policy-name {0} --policy-document file://{1} >/dev/null\n"
        "elif differs {1} aws iot get-policy --policy-name {0} --query policyDocument; then\n"
        "  # AWS keeps five versions: when this fails, delete-policy-version makes room.\n"
        "  aws iot create-policy-version --policy-name {0} --policy-document file://{1} --set-as-default >/dev/null\n"
        "fi\n",
        ShellWord(name), file, HereDocument(policy.Document(ScriptArnHead()).dump(2)));
  }

  void Thing(const PlannedThing& thing) {
    const std::string name = ShellWord(thing.name);
    text_ += fmt::format("\n# {}\n", thing.name);
    // `merge` is for what exists: attributes that somebody else has set stay.
    const auto what = [&thing](bool merge) {
      std::string words = thing.type.empty() ? "" : " --thing-type-name " + ShellWord(thing.type);
      if (thing.attributes.empty()) return words;
      OrderedJson payload{{"attributes", thing.attributes}};
      if (merge) payload["merge"] = true;
      return words + " --attribute-payload " + ShellWord(payload.dump());
    };
    Unless("aws iot describe-thing --thing-name " + name, "aws iot create-thing --thing-name " + name + what(false));
    if (!what(true).empty()) text_ += fmt::format("aws iot update-thing --thing-name {}{}\n", name, what(true));
    for (const std::string& group : thing.groups) {
      text_ += fmt::format("aws iot add-thing-to-thing-group --thing-name {} --thing-group-name {}\n", name,
                           ShellWord(group));
    }
  }

  // Interrupted anywhere, it goes on where it was: the ARN is kept before the certificate counts as there.
  void CertificateFor(const std::string& name, const std::string& csr, const std::string& policy,
                      const std::string& attach) {
    text_ += fmt::format(
        "if [ ! -s {0} ]; then\n"
        "  aws iot create-certificate-from-csr --set-as-active --certificate-signing-request file://{2} \\\n"
        "    --certificate-pem-outfile {0}.new --query certificateArn --output text > {1}.new\n"
        "  mv {1}.new {1}\n"
        "  mv {0}.new {0}\n"
        "fi\n"
        "if [ -s {1} ]; then\n"
        "  arn=$(cat {1})\n"
        "  aws iot attach-policy --policy-name {3} --target \"$arn\"\n"
        "{4}fi\n",
        ShellWord("certificates/" + name + ".pem.crt"), ShellWord("certificates/" + name + ".arn"), ShellWord(csr),
        ShellWord(policy), attach);
  }

  void Certificate(const PlannedThing& thing) {
    CertificateFor(thing.name, thing.csr, plan_.policy_name,
                   fmt::format("  # Without this the policy's thing name stays unresolved and CONNECT is refused.\n"
                               "  aws iot attach-thing-principal --thing-name {} --principal \"$arn\"\n",
                               ShellWord(thing.name)));
  }

  // That AWS IoT of this account may take on.
  void Role(std::string_view name) {
    text_ += fmt::format(
        "exists aws iam get-role --role-name {0} ||\n"
        "  aws iam create-role --role-name {0} --assume-role-policy-document \"$(cat <<EOF\n"
        "{{\"Version\": \"2012-10-17\", \"Statement\": [{{\"Effect\": \"Allow\", \"Action\": \"sts:AssumeRole\",\n"
        "  \"Principal\": {{\"Service\": \"iot.amazonaws.com\"}},\n"
        "  \"Condition\": {{\"StringEquals\": {{\"aws:SourceAccount\": \"$account\"}}}}}}]}}\n"
        "EOF\n)\" >/dev/null\n",
        name);
  }

  void FleetProvisioning(const Provisioning& provisioning) {
    const std::string name = ShellWord(provisioning.name);
    text_ += "\n# Fleet provisioning: `penumbra provision` gets the certificates through this template\n";
    Role(plan_.provisioning_role);
    text_ += fmt::format(
        "aws iam attach-role-policy --role-name {} \\\n"
        "  --policy-arn {}\n",
        plan_.provisioning_role, RegistrationPolicyArn(plan_.region));
    text_ += fmt::format("cat > template.json <<'EOF'\n{}\nEOF\n", provisioning.body.dump());
    text_ += fmt::format(
        "if ! exists aws iot describe-provisioning-template --template-name {0}; then\n"
        "  aws iot create-provisioning-template --template-name {0} --enabled --template-body file://template.json \\\n"
        "    --provisioning-role-arn \"arn:{2}:iam::$account:role/{1}\" >/dev/null\n"
        "elif differs template.json aws iot describe-provisioning-template --template-name {0} --query templateBody; "
        "then\n"
        "  # AWS keeps five versions: when this fails, delete-provisioning-template-version makes room.\n"
        "  aws iot create-provisioning-template-version --template-name {0} --template-body file://template.json \\\n"
        "    --set-as-default >/dev/null\n"
        "fi\n",
        name, plan_.provisioning_role, Partition(plan_.region));
    Policy("claim-policy.json", provisioning.claim_policy_name, provisioning.claim);
    text_ += std::string(
        "# A claim that gateways may share, from csr/claim.csr if it is there. Without it, `aws iot\n"
        "# create-provisioning-claim` gives a trusted user one for five minutes.\n"
        "if [ -s csr/claim.csr ]; then\n");
    CertificateFor("claim", "csr/claim.csr", provisioning.claim_policy_name, "");
    text_ += "fi\n";
  }

  void DefenderMetrics() {
    text_ += "\n# Device Defender takes a report only if its custom metrics exist\n";
    for (const CustomMetric& metric : kCustomMetrics) {
      Unless(fmt::format("aws iot describe-custom-metric --metric-name {}", metric.name),
             fmt::format("aws iot create-custom-metric --metric-name {} --metric-type {} --display-name {}",
                         metric.name, metric.type, ShellWord(metric.title)));
    }
  }

  void RolePolicy(std::string_view name, const std::vector<std::string>& actions,
                  const std::vector<std::string>& resources) {
    const OrderedJson statement{{"Effect", "Allow"}, {"Action", actions}, {"Resource", resources}};
    const OrderedJson document{{"Version", "2012-10-17"}, {"Statement", OrderedJson::array({statement})}};
    text_ += fmt::format(
        "aws iam put-role-policy --role-name {} --policy-name penumbra-{} --policy-document \"$(cat "
        "<<EOF\n{}\nEOF\n)\"\n",
        plan_.rules_role, name, HereDocument(document.dump()));
  }

  void Rules() {
    const std::string group = ShellWord(plan_.log_group);
    text_ += "\n# Rules, and the role that they act in\n";
    Role(plan_.rules_role);
    text_ += fmt::format("role_arn=\"arn:{}:iam::$account:role/{}\"\n", Partition(plan_.region), plan_.rules_role);
    text_ += fmt::format(
        "[ \"$(aws logs describe-log-groups --log-group-name-prefix {0} \\\n"
        "  --query \"length(logGroups[?logGroupName=={0}])\" --output text)\" != 0 ] ||\n"
        "  aws logs create-log-group --log-group-name {0}\n"
        "aws logs put-retention-policy --log-group-name {0} --retention-in-days 14\n",
        group);
    RolePolicy("errors", {"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
               {Arn("logs", "log-group:" + plan_.log_group + ":*")});
    std::vector<std::string> arns;
    for (const std::string& table : plan_.tables) {
      Table(table);
      arns.push_back(Arn("dynamodb", "table/" + table));
    }
    if (!arns.empty()) RolePolicy("tables", {"dynamodb:PutItem"}, arns);
    arns.clear();
    for (const std::string& topic : plan_.topics) {
      arns.push_back(ScriptArnHead() + "topic/" + topic);
    }
    if (!arns.empty()) RolePolicy("topics", {"iot:Publish"}, arns);
    for (const RuleSettings& rule : plan_.rules) Rule(rule);
  }

  void Table(const std::string& table) {
    const std::string name = ShellWord(table);
    text_ += fmt::format(
        "if ! exists aws dynamodb describe-table --table-name {0}; then\n"
        "  aws dynamodb create-table --table-name {0} --billing-mode PAY_PER_REQUEST \\\n"
        "    --attribute-definitions AttributeName=device_id,AttributeType=S AttributeName=timestamp,AttributeType=N "
        "\\\n"
        "    --key-schema AttributeName=device_id,KeyType=HASH AttributeName=timestamp,KeyType=RANGE >/dev/null\n"
        "fi\n"
        "aws dynamodb wait table-exists --table-name {0}\n"
        "if [ \"$(aws dynamodb describe-time-to-live --table-name {0} --output text \\\n"
        "  --query TimeToLiveDescription.TimeToLiveStatus)\" = DISABLED ]; then\n"
        "  aws dynamodb update-time-to-live --table-name {0} --time-to-live-specification "
        "Enabled=true,AttributeName=ttl >/dev/null\n"
        "fi\n",
        name);
  }

  // The payload goes through a file, so that quotes of the SQL need no second thought.
  void Rule(const RuleSettings& rule) {
    OrderedJson action;
    const std::string role = "@ROLE@";
    if (rule.action == "dynamodb") {
      action = {{"dynamoDBv2", {{"roleArn", role}, {"putItem", {{"tableName", rule.target}}}}}};
    } else if (rule.action == "lambda") {
      action = {{"lambda", {{"functionArn", "@FUNCTION@"}}}};
    } else {
      action = {{"republish", {{"roleArn", role}, {"topic", rule.target}, {"qos", 1}}}};
    }
    const OrderedJson payload{
        {"sql", rule.sql},
        {"awsIotSqlVersion", "2016-03-23"},
        {"ruleDisabled", false},
        {"actions", OrderedJson::array({action})},
        {"errorAction", {{"cloudwatchLogs", {{"roleArn", role}, {"logGroupName", plan_.log_group}}}}}};
    const std::string function = Arn("lambda", "function:" + rule.target);
    text_ += fmt::format(
        "\nsed -e \"s|@ROLE@|$role_arn|\" -e \"s|@FUNCTION@|{0}|\" > rule-{1}.json <<'EOF'\n{2}\nEOF\n"
        "if ! exists aws iot get-topic-rule --rule-name {1}; then\n"
        "  aws iot create-topic-rule --rule-name {1} --topic-rule-payload file://rule-{1}.json\n"
        "elif [ -z \"${{KEEP-}}\" ]; then\n"
        "  aws iot replace-topic-rule --rule-name {1} --topic-rule-payload file://rule-{1}.json\n"
        "fi\n",
        rule.action == "lambda" ? function : "-", rule.name, payload.dump(2));
    if (rule.action != "lambda") return;
    text_ += fmt::format(
        "# Without this permission the call is refused and lost without a word.\n"
        "aws lambda add-permission --function-name {0} --statement-id penumbra-{1} --action lambda:InvokeFunction \\\n"
        "  --principal iot.amazonaws.com --source-arn \"${{iot_arn}}rule/{1}\" --source-account \"$account\" "
        ">/dev/null "
        "2>&1 ||\n  aws lambda get-policy --function-name {0} | grep -q penumbra-{1}\n",
        ShellWord(rule.target), rule.name);
  }

  const Infrastructure& plan_;
  const DevicePolicy& policy_;
  std::string text_;
};

}  // namespace

std::string ScriptArnHead() {
  return "${iot_arn}";
}

std::string ShellWord(std::string_view text) {
  std::string out = "'";
  for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}

std::string WriteScript(const Infrastructure& plan, const DevicePolicy& policy) {
  return Writer(plan, policy).Write();
}

}  // namespace penumbra::cloud
