#include "cli/aws_verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "base/text.hpp"
#include "cli/aws_rules.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"
#include "cloud/cost.hpp"
#include "cloud/script.hpp"
#include "cloud/terraform.hpp"

namespace penumbra::cli {
namespace {

constexpr const char* kUnknownAccount = "ACCOUNT_ID";

int Policy(const Invocation& invocation, const LoadedConfig& loaded, const cloud::Infrastructure& plan) {
  const std::string account = plan.account.empty() ? kUnknownAccount : plan.account;
  const std::string head = cloud::IotArnHead(plan.region, account);
  const auto policy = cloud::MakePolicy(loaded.settings, head, loaded.duties);
  if (!policy) {
    Complain(policy.error());
    return kExitConfig;
  }
  if (invocation.json) {
    OrderedJson lines = OrderedJson::array();
    for (const cloud::PolicyLine& line : policy->lines) {
      lines.push_back({{"action", line.action}, {"resource", head + line.resource}, {"why", line.why}});
    }
    Print(OrderedJson{{"document", policy->Document(head)},
                      {"characters", policy->Characters(head)},
                      {"lines", std::move(lines)}}
              .dump() +
          "\n");
    return kExitOk;
  }
  // The document alone on standard output, so that `> policy.json` gives a file that AWS takes.
  std::string why;
  for (const cloud::PolicyLine& line : policy->lines) {
    why += fmt::format("{:<18} {}\n{:<18}   {}\n", line.action, line.resource, "", fmt::join(line.why, "; "));
  }
  why += fmt::format("{} of {} characters\n", policy->Characters(head), cloud::kMaxPolicyCharacters);
  for (const std::string& topic : policy->shared_topics) {
    why +=
        fmt::format("warning: {} does not name its thing, so every thing of this gateway may publish there\n", topic);
  }
  if (plan.account.empty()) why += fmt::format("replace {} or give --account\n", kUnknownAccount);
  fmt::print(stderr, "{}", why);
  Print(policy->Document(head).dump(2) + "\n");
  return kExitOk;
}

// The document alone on standard output, as a file that AWS takes; what it is for on standard error.
int PrintProvisioning(const cloud::Infrastructure& plan, bool claim) {
  const cloud::Provisioning& provisioning = *plan.provisioning;
  const std::string head = cloud::IotArnHead(plan.region, plan.account.empty() ? kUnknownAccount : plan.account);
  std::string why = claim ? fmt::format("policy {} of the claim certificate\n", provisioning.claim_policy_name)
                          : fmt::format("provisioning template {}, {} of {} bytes\n", provisioning.name,
                                        provisioning.body.dump().size(), cloud::kMaxTemplateBytes);
  for (const cloud::PolicyLine& line : claim ? provisioning.claim.lines : std::vector<cloud::PolicyLine>()) {
    why += fmt::format("{:<18} {}\n{:<18}   {}\n", line.action, line.resource, "", fmt::join(line.why, "; "));
  }
  if (claim && plan.account.empty()) why += fmt::format("replace {} or give --account\n", kUnknownAccount);
  if (!claim && !provisioning.names_things) why += "warning: it does not say which things may be registered\n";
  fmt::print(stderr, "{}", why);
  const OrderedJson document = claim ? provisioning.claim.Document(head) : provisioning.body;
  // White space counts in a template.
  const std::string text = document.dump(2);
  Print((!claim && text.size() > cloud::kMaxTemplateBytes ? document.dump() : text) + "\n");
  return kExitOk;
}

using Writer = std::string (*)(const cloud::Infrastructure&, const cloud::DevicePolicy&);

int Write(const LoadedConfig& loaded, const cloud::Infrastructure& plan, Writer writer) {
  // The length that counts is the one with the account's number in it.
  const auto policy = cloud::MakePolicy(loaded.settings, cloud::IotArnHead(plan.region, "123456789012"), loaded.duties);
  if (!policy) {
    Complain(policy.error());
    return kExitConfig;
  }
  Print(writer(plan, *policy));
  return kExitOk;
}

Result<std::string> PriceText(const Invocation& invocation) {
  if (!invocation.prices) return std::string(cloud::kBuiltInPrices);
  std::ifstream file(*invocation.prices);
  if (!file) return Fail(Action::kFixConfig, ErrnoMessage("cannot read " + *invocation.prices, errno));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string RangeText(cloud::Range range, const char* format) {
  const std::string least = fmt::format(fmt::runtime(format), range.least);
  const std::string most = fmt::format(fmt::runtime(format), range.most);
  return least == most ? least : least + " .. " + most;
}

int Costs(const Invocation& invocation, const LoadedConfig& loaded, const cloud::Infrastructure& plan) {
  const auto text = PriceText(invocation);
  const auto prices = text ? cloud::ParsePrices(*text) : Fail(text.error());
  if (!prices) {
    Complain(prices.error());
    return kExitConfig;
  }
  const cloud::Cost cost = cloud::Estimate(loaded.settings, plan.rules, *prices, loaded.duties);
  if (invocation.json) {
    Print(cloud::Render(cost, *prices).dump() + "\n");
    return kExitOk;
  }
  Table rows({{"A MONTH OF 30 DAYS"}, {"COUNT", true}, {"DOLLARS", true}});
  for (const cloud::CostRow& row : cost.rows) {
    rows.Row({{row.what}, {RangeText(row.count, "{:.0f}")}, {RangeText(row.price, "{:.2f}")}});
  }
  rows.Row({{"in all"}, {""}, {RangeText(cost.total, "{:.2f}")}});
  const Style style = OutputStyle(invocation.no_color);
  std::string out = rows.Text(style);
  out += fmt::format(
      "\nleast: nothing changes; most: every poll does (a shadow tells it once a minute), and a session lasts a day.\n"
      "Without DynamoDB, Lambda, CloudWatch and data transfer. Whether AWS meters {}\n"
      "is not settled: {} more.\n",
      cost.unsettled.what, RangeText(cost.unsettled.price, "{:.2f}"));
  if (!cost.savings.empty()) {
    Table savings({{"EACH OF THESE WOULD MAKE IT"}, {"DOLLARS", true}});
    for (const cloud::Saving& saving : cost.savings) {
      savings.Row({{saving.how}, {RangeText(saving.price, "{:.2f}")}});
    }
    out += "\n" + savings.Text(Style{});
  }
  out += fmt::format("\nprices of {} for {}: {}\n", prices->as_of, prices->region, prices->source);
  Print(out);
  return kExitOk;
}

}  // namespace

int Aws(const Invocation& invocation) {
  const std::string& what = invocation.words[0];
  static const std::vector<std::string> kKnown = {"policy", "terraform", "cli",         "cost",
                                                  "rules",  "template",  "claim-policy"};
  if (std::find(kKnown.begin(), kKnown.end(), what) == kKnown.end()) {
    const auto near = Suggest(what, kKnown);
    Complain(near ? fmt::format("aws {}: did you mean \"{}\"?", what, *near)
                  : fmt::format("aws {}: there are policy, terraform, cli, template, claim-policy, cost and rules test",
                                what));
    return kExitUsage;
  }
  const bool rules = what == "rules";
  if (rules ? invocation.words.size() != 2 || invocation.words[1] != "test" : invocation.words.size() != 1) {
    Complain(rules ? "usage: penumbra aws rules test" : fmt::format("aws {} takes no further word", what));
    return kExitUsage;
  }
  const auto digits = [](const std::string& text) {
    return text.size() == 12 && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
  };
  if (invocation.account && !digits(*invocation.account)) {
    Complain(fmt::format("--account: \"{}\" is not an account number of twelve digits", *invocation.account));
    return kExitUsage;
  }
  auto loaded = LoadWhole(invocation);
  if (!loaded) return kExitConfig;
  const Settings& settings = loaded->settings;
  if (invocation.account) loaded->aws.account = *invocation.account;
  if (invocation.region) loaded->aws.region = *invocation.region;
  if (invocation.template_name) loaded->settings.credentials.template_name = *invocation.template_name;
  if (rules) return AwsRulesTest(invocation, *loaded);
  const bool provisioning = what == "template" || what == "claim-policy";
  if (provisioning && settings.credentials.template_name.empty()) {
    Complain("which provisioning template? give --template NAME, or add template = \"NAME\" to [credentials]");
    return kExitUsage;
  }
  const auto plan = cloud::Plan(settings, loaded->aws, loaded->duties);
  if (!plan) {
    Complain(plan.error());
    return kExitConfig;
  }
  if (what == "policy") return Policy(invocation, *loaded, *plan);
  if (provisioning) return PrintProvisioning(*plan, what == "claim-policy");
  if (what == "cost") return Costs(invocation, *loaded, *plan);
  return Write(*loaded, *plan, what == "cli" ? &cloud::WriteScript : &cloud::WriteTerraform);
}

}  // namespace penumbra::cli
