#include "cloud/terraform.hpp"

#include <fmt/format.h>

#include "cloud/hcl.hpp"
#include "model/defender.hpp"

namespace penumbra::cloud {
namespace {

std::string Reference(std::string_view type, const std::string& name, std::string_view attribute) {
  return fmt::format("{}.{}.{}", type, HclName(name), attribute);
}

// "a--b" with "c" and "a" with "b--c" are two.
std::string MembershipLabel(const std::string& thing, const std::string& group) {
  const bool plain = thing.find("--") == std::string::npos && group.find("--") == std::string::npos;
  return plain ? HclName(thing) + "--" + HclName(group) : HclName(thing + "/" + group);
}

std::string List(const std::vector<std::string>& expressions) {
  return fmt::format("[{}]", fmt::join(expressions, ", "));
}

std::string TextList(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back(HclString(text));
  return List(quoted);
}

// A JSON document as an argument of jsonencode(): objects and lists are spelled alike enough.
std::string Expression(const OrderedJson& json, const std::string& indent) {
  if (json.is_object()) {
    std::string out = "{\n";
    for (const auto& [key, value] : json.items()) {
      out += fmt::format("{}  {} = {}\n", indent, HclString(key), Expression(value, indent + "  "));
    }
    return out + indent + "}";
  }
  if (json.is_array()) {
    std::string out = "[\n";
    for (const OrderedJson& value : json) out += fmt::format("{}  {},\n", indent, Expression(value, indent + "  "));
    return out + indent + "]";
  }
  if (!json.is_string()) return json.dump();
  const std::string text = json.get<std::string>();
  // ARN heads are expressions; what follows them is literal, ${iot:...} included.
  const std::string head = TerraformArnHead();
  if (text.compare(0, head.size(), head) != 0) return HclString(text);
  const std::string rest = HclString(text.substr(head.size()));
  return "\"" + head + rest.substr(1);
}

class Writer {
 public:
  Writer(const Infrastructure& plan, const DevicePolicy& policy) : plan_(plan), policy_(policy) {}

  std::string Write() {
    Head();
    for (const ThingType& type : plan_.types) Type(type);
    for (const std::string& group : plan_.groups) Group(group);
    Policy();
    for (const PlannedThing& thing : plan_.things) Thing(thing);
    if (plan_.provisioning) {
      ProvisioningTemplate(*plan_.provisioning);
      Claim(*plan_.provisioning);
    } else {
      for (const PlannedThing& thing : plan_.things) Certificate(thing);
      Certificates();
    }
    Endpoint();
    if (plan_.defender_metrics) DefenderMetrics();
    if (!plan_.rules.empty()) Rules();
    return hcl_.Take();
  }

 private:
  void Head() {
    hcl_.Comment(
        "Written by `penumbra aws terraform` from the gateway's configuration; change that and write it again.");
    if (!plan_.provisioning) {
      hcl_.Comment(
          "First, on the gateway: `penumbra cert csr --all --out csr` makes keys that never leave it, and the CSRs.");
    }
    for (const std::string& note : plan_.notes) hcl_.Comment("Note: " + note + ".");
    hcl_.Blank();
    hcl_.Block("terraform").Block("required_providers").Object("aws");
    hcl_.Text("source", "hashicorp/aws").Text("version", ">= 5.0, < 7.0").End().End().End();
    hcl_.Block("provider", {"aws"}).Text("region", plan_.region);
    if (!plan_.account.empty()) hcl_.Raw("allowed_account_ids", TextList({plan_.account}));
    hcl_.End();
    hcl_.Block("data", {"aws_caller_identity", "current"}).End();
    hcl_.Block("locals").Comment("What every ARN of this gateway begins with.");
    hcl_.Raw("iot_arn", "\"" + IotArnHead(plan_.region, "${data.aws_caller_identity.current.account_id}") + "\"");
    hcl_.End();
  }

  void Type(const ThingType& type) {
    hcl_.Block("resource", {"aws_iot_thing_type", HclName(type.name)}).Text("name", type.name);
    hcl_.Block("properties").Text("description", "Sensors behind a Penumbra gateway");
    if (!type.searchable.empty()) hcl_.Raw("searchable_attributes", TextList(type.searchable));
    hcl_.End().End();
  }

  void Group(const std::string& group) {
    hcl_.Block("resource", {"aws_iot_thing_group", HclName(group)}).Text("name", group).End();
  }

  void Policy() {
    hcl_.Comment(fmt::format("{} of the {} characters that AWS allows, at the longest account number.",
                             policy_.Characters(IotArnHead(plan_.region, "123456789012")), kMaxPolicyCharacters));
    IotPolicy("device", plan_.policy_name, policy_);
  }

  void IotPolicy(const std::string& label, const std::string& name, const DevicePolicy& policy) {
    hcl_.Block("resource", {"aws_iot_policy", label}).Text("name", name);
    hcl_.Raw("policy", "jsonencode(" + Expression(policy.Document(TerraformArnHead()), "  ") + ")").End();
  }

  void Thing(const PlannedThing& thing) {
    const std::string name = HclName(thing.name);
    hcl_.Block("resource", {"aws_iot_thing", name}).Text("name", thing.name);
    if (!thing.type.empty()) hcl_.Raw("thing_type_name", Reference("aws_iot_thing_type", thing.type, "name"));
    if (!thing.attributes.empty()) {
      hcl_.Object("attributes");
      for (const auto& [key, value] : thing.attributes) hcl_.Text(HclString(key), value);
      hcl_.End();
    }
    hcl_.End();
    for (const std::string& group : thing.groups) {
      hcl_.Block("resource", {"aws_iot_thing_group_membership", MembershipLabel(thing.name, group)});
      hcl_.Raw("thing_name", Reference("aws_iot_thing", thing.name, "name"));
      hcl_.Raw("thing_group_name", Reference("aws_iot_thing_group", group, "name")).End();
    }
  }

  void Certificate(const PlannedThing& thing) {
    const std::string name = HclName(thing.name);
    hcl_.Block("resource", {"aws_iot_certificate", name});
    hcl_.Raw("csr", fmt::format("file(\"${{path.module}}/{}\")", thing.csr)).Raw("active", "true").End();
    const std::string arn = Reference("aws_iot_certificate", thing.name, "arn");
    hcl_.Block("resource", {"aws_iot_thing_principal_attachment", name});
    hcl_.Raw("thing", Reference("aws_iot_thing", thing.name, "name")).Raw("principal", arn).End();
    hcl_.Block("resource", {"aws_iot_policy_attachment", name});
    hcl_.Raw("policy", "aws_iot_policy.device.name").Raw("target", arn).End();
  }

  void Certificates() {
    hcl_.Comment("Certificates are public; `penumbra cert install FILE` takes `terraform output -json certificates`.");
    hcl_.Block("output", {"certificates"}).Object("value");
    for (const PlannedThing& thing : plan_.things) {
      hcl_.Raw(HclString(thing.name), Reference("aws_iot_certificate", thing.name, "certificate_pem"));
    }
    hcl_.End().Raw("sensitive", "true").End();
  }

  void ProvisioningTemplate(const Provisioning& provisioning) {
    Role("provisioning", plan_.provisioning_role);
    hcl_.Block("resource", {"aws_iam_role_policy_attachment", "provisioning"});
    hcl_.Raw("role", "aws_iam_role.provisioning.name");
    hcl_.Text("policy_arn", RegistrationPolicyArn(plan_.region)).End();
    hcl_.Block("resource", {"aws_iot_provisioning_template", "fleet"}).Text("name", provisioning.name);
    hcl_.Text("description", "Certificates for the things of a Penumbra gateway").Raw("enabled", "true");
    hcl_.Raw("provisioning_role_arn", "aws_iam_role.provisioning.arn");
    hcl_.Raw("template_body", "jsonencode(" + Expression(provisioning.body, "  ") + ")");
    hcl_.Raw("depends_on", "[aws_iot_policy.device, aws_iam_role_policy_attachment.provisioning]").End();
  }

  // The claim is made from a request, too, or not at all: a trusted user's temporary claim does as well.
  void Claim(const Provisioning& provisioning) {
    IotPolicy("claim", provisioning.claim_policy_name, provisioning.claim);
    hcl_.Comment("The request for a claim certificate, which many gateways may share:");
    hcl_.Comment("  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=claim \\");
    hcl_.Comment("    -keyout claim.pem.key -out claim.csr");
    hcl_.Comment("Without one, `aws iot create-provisioning-claim` gives a trusted user a claim for five minutes.");
    hcl_.Block("variable", {"claim_csr"}).Raw("type", "string").Text("default", "").End();
    const std::string_view wanted = "var.claim_csr == \"\" ? 0 : 1";
    hcl_.Block("resource", {"aws_iot_certificate", "claim"}).Raw("count", wanted);
    hcl_.Raw("csr", "file(var.claim_csr)").Raw("active", "true").End();
    hcl_.Block("resource", {"aws_iot_policy_attachment", "claim"}).Raw("count", wanted);
    hcl_.Raw("policy", "aws_iot_policy.claim.name").Raw("target", "aws_iot_certificate.claim[0].arn").End();
    hcl_.Block("output", {"claim_certificate"});
    hcl_.Raw("value", "one(aws_iot_certificate.claim[*].certificate_pem)").Raw("sensitive", "true").End();
  }

  void Endpoint() {
    hcl_.Block("data", {"aws_iot_endpoint", "data"}).Text("endpoint_type", "iot:Data-ATS").End();
    hcl_.Block("output", {"endpoint"}).Raw("value", "data.aws_iot_endpoint.data.endpoint_address").End();
  }

  void Allow(const std::string& name, const std::vector<std::string>& actions, const std::vector<std::string>& arns) {
    hcl_.Block("resource", {"aws_iam_role_policy", name}).Text("name", "penumbra-" + name);
    hcl_.Raw("role", "aws_iam_role.rules.id");
    hcl_.Line("policy = jsonencode({");
    hcl_.Line("  Version = \"2012-10-17\"");
    hcl_.Line(fmt::format("  Statement = [{{ Effect = \"Allow\", Action = {}, Resource = {} }}]", TextList(actions),
                          List(arns)));
    hcl_.Line("})").End();
  }

  // That AWS IoT of this account may take on.
  void Role(const std::string& label, const std::string& name) {
    hcl_.Block("resource", {"aws_iam_role", label}).Text("name", name);
    hcl_.Line("assume_role_policy = jsonencode({");
    hcl_.Line("  Version = \"2012-10-17\"");
    hcl_.Line("  Statement = [{");
    hcl_.Line(
        "    Effect    = \"Allow\", Action = \"sts:AssumeRole\", Principal = { Service = \"iot.amazonaws.com\" }");
    hcl_.Line("    # Only IoT of this account: without it, another account could use the role.");
    hcl_.Line(
        "    Condition = { StringEquals = { \"aws:SourceAccount\" = data.aws_caller_identity.current.account_id } }");
    hcl_.Line("  }]").Line("})").End();
  }

  // Of the provider's own resources none makes custom metrics (its issue 35185, open since 2024).
  void DefenderMetrics() {
    OrderedJson resources = OrderedJson::object();
    for (const CustomMetric& metric : kCustomMetrics) {
      std::string name = "metric";
      for (const char c : std::string_view(metric.name)) name += c == '_' ? "" : std::string(1, c);
      resources[name] = {
          {"Type", "AWS::IoT::CustomMetric"},
          {"Properties", {{"MetricName", metric.name}, {"MetricType", metric.type}, {"DisplayName", metric.title}}}};
    }
    hcl_.Comment("Device Defender takes a report only if its custom metrics exist. They belong to the account: where");
    hcl_.Comment("another gateway's Terraform or `penumbra aws cli` has made them, set this to false.");
    hcl_.Block("variable", {"defender_metrics"}).Raw("type", "bool").Raw("default", "true").End();
    hcl_.Comment("Through CloudFormation, because the AWS provider has no resource for them.");
    hcl_.Block("resource", {"aws_cloudformation_stack", "defender_metrics"});
    hcl_.Raw("count", "var.defender_metrics ? 1 : 0").Text("name", "penumbra-defender-metrics");
    hcl_.Raw("template_body", "jsonencode(" + Expression({{"Resources", std::move(resources)}}, "  ") + ")").End();
  }

  void Rules() {
    Role("rules", plan_.rules_role);
    hcl_.Block("resource", {"aws_cloudwatch_log_group", "errors"}).Text("name", plan_.log_group);
    hcl_.Raw("retention_in_days", "14").End();
    Allow("errors", {"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
          {"\"${aws_cloudwatch_log_group.errors.arn}:*\""});

    std::vector<std::string> tables;
    for (const std::string& table : plan_.tables) {
      Table(table);
      tables.push_back(Reference("aws_dynamodb_table", table, "arn"));
    }
    if (!tables.empty()) Allow("tables", {"dynamodb:PutItem"}, tables);
    std::vector<std::string> topics;
    for (const std::string& topic : plan_.topics) {
      topics.push_back("\"${local.iot_arn}topic/" + HclString(topic).substr(1));
    }
    if (!topics.empty()) Allow("topics", {"iot:Publish"}, topics);
    for (const std::string& function : plan_.functions) {
      hcl_.Block("data", {"aws_lambda_function", HclName(function)}).Text("function_name", function).End();
    }
    for (const RuleSettings& rule : plan_.rules) Rule(rule);
  }

  void Table(const std::string& table) {
    hcl_.Block("resource", {"aws_dynamodb_table", HclName(table)}).Text("name", table);
    hcl_.Text("billing_mode", "PAY_PER_REQUEST").Text("hash_key", "device_id").Text("range_key", "timestamp");
    for (const auto& [key, type] : {std::pair("device_id", "S"), std::pair("timestamp", "N")}) {
      hcl_.Block("attribute").Text("name", key).Text("type", type).End();
    }
    hcl_.Block("ttl").Text("attribute_name", "ttl").Raw("enabled", "true").End().End();
  }

  void Rule(const RuleSettings& rule) {
    hcl_.Block("resource", {"aws_iot_topic_rule", HclName(rule.name)}).Text("name", rule.name);
    hcl_.Raw("enabled", "true").Text("sql", rule.sql).Text("sql_version", "2016-03-23");
    if (rule.action == "dynamodb") {
      hcl_.Block("dynamodbv2").Raw("role_arn", "aws_iam_role.rules.arn");
      hcl_.Block("put_item").Raw("table_name", Reference("aws_dynamodb_table", rule.target, "name")).End().End();
    } else if (rule.action == "lambda") {
      hcl_.Block("lambda").Raw("function_arn", "data." + Reference("aws_lambda_function", rule.target, "arn")).End();
    } else {
      hcl_.Block("republish").Raw("role_arn", "aws_iam_role.rules.arn").Text("topic", rule.target);
      hcl_.Raw("qos", "1").End();
    }
    hcl_.Block("error_action").Block("cloudwatch_logs");
    hcl_.Raw("log_group_name", "aws_cloudwatch_log_group.errors.name").Raw("role_arn", "aws_iam_role.rules.arn");
    hcl_.End().End().End();
    if (rule.action != "lambda") return;
    hcl_.Comment("Without this permission the call is refused and lost without a word.");
    hcl_.Block("resource", {"aws_lambda_permission", HclName(rule.name)});
    hcl_.Text("action", "lambda:InvokeFunction").Text("principal", "iot.amazonaws.com");
    hcl_.Raw("function_name", "data." + Reference("aws_lambda_function", rule.target, "function_name"));
    hcl_.Raw("source_arn", Reference("aws_iot_topic_rule", rule.name, "arn"));
    hcl_.Raw("source_account", "data.aws_caller_identity.current.account_id").End();
  }

  const Infrastructure& plan_;
  const DevicePolicy& policy_;
  Hcl hcl_;
};

}  // namespace

std::string TerraformArnHead() {
  return "${local.iot_arn}";
}

std::string WriteTerraform(const Infrastructure& plan, const DevicePolicy& policy) {
  return Writer(plan, policy).Write();
}

}  // namespace penumbra::cloud
