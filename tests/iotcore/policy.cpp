#include "iotcore/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/json.hpp"

namespace penumbra::iotcore {
namespace {

constexpr std::string_view kThingVariable = "${iot:Connection.Thing.ThingName}";
constexpr std::string_view kClientVariable = "${iot:ClientId}";
constexpr std::string_view kAttachedKey = "iot:Connection.Thing.IsAttached";

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string Resolve(std::string resource, const Principal& principal) {
  if (principal.attached) ReplaceAll(resource, kThingVariable, principal.thing);
  ReplaceAll(resource, kClientVariable, principal.client_id);
  return resource;
}

bool HasAction(const Statement& statement, std::string_view action) {
  return std::any_of(statement.actions.begin(), statement.actions.end(),
                     [&](const std::string& pattern) { return AwsMatch(Lower(pattern), Lower(action)); });
}

// A string, or a list of strings, as IAM writes them.
Result<std::vector<std::string>> Strings(const Json& statement, const char* key) {
  const auto it = statement.find(key);
  if (it == statement.end()) return Fail(Action::kFixConfig, fmt::format("{} is missing", key));
  std::vector<std::string> strings;
  const Json list = it->is_array() ? *it : Json::array({*it});
  for (const Json& item : list) {
    if (!item.is_string()) return Fail(Action::kFixConfig, fmt::format("{} must be a string or strings", key));
    strings.push_back(item.get<std::string>());
  }
  if (strings.empty()) return Fail(Action::kFixConfig, fmt::format("{} is empty", key));
  return strings;
}

// "arn:aws:iot:us-east-1:123456789012:topic/x" -> "topic/x"; "*" stays.
Result<std::string> WithoutArnHead(const std::string& resource) {
  if (resource == "*") return resource;
  std::size_t at = 0;
  for (int colons = 0; colons < 5; ++colons) {
    at = resource.find(':', at);
    if (at == std::string::npos) {
      return Fail(Action::kFixConfig, fmt::format("'{}' is no ARN (arn:aws:iot:REGION:ACCOUNT:TYPE/NAME)", resource));
    }
    ++at;
  }
  if (!resource.starts_with("arn:aws") || resource.find(":iot:") == std::string::npos) {
    return Fail(Action::kFixConfig, fmt::format("'{}' is no ARN of AWS IoT", resource));
  }
  return resource.substr(at);
}

Result<std::optional<bool>> Attached(const Json& statement) {
  const auto condition = statement.find("Condition");
  if (condition == statement.end()) return std::optional<bool>{};
  const auto unsupported = Fail(
      Action::kFixConfig, fmt::format("only Condition {{\"Bool\":{{\"{}\":\"true\"}}}} is understood", kAttachedKey));
  if (!condition->is_object() || condition->size() != 1 || !condition->contains("Bool")) return unsupported;
  const Json& keys = (*condition)["Bool"];
  if (!keys.is_object() || keys.size() != 1 || !keys.contains(kAttachedKey)) return unsupported;
  Json value = keys[std::string(kAttachedKey)];
  if (value.is_array() && value.size() == 1) value = Json(value[0]);
  if (value == "true" || value == true) return std::optional<bool>{true};
  if (value == "false" || value == false) return std::optional<bool>{false};
  return unsupported;
}

Result<Statement> ParseStatement(const Json& json) {
  if (!json.is_object()) return Fail(Action::kFixConfig, "is no object");
  constexpr std::array kKnown = {"Sid", "Effect", "Action", "Resource", "Condition"};
  for (const auto& [key, value] : json.items()) {
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end()) {
      return Fail(Action::kFixConfig, fmt::format("'{}' is not understood", key));
    }
  }
  const auto effect = GetString(json, "Effect");
  if (effect != "Allow" && effect != "Deny") return Fail(Action::kFixConfig, "Effect must be Allow or Deny");
  Statement statement{.allow = effect == "Allow"};
  auto actions = Strings(json, "Action");
  if (!actions) return Fail(actions.error());
  statement.actions = std::move(*actions);
  const auto resources = Strings(json, "Resource");
  if (!resources) return Fail(resources.error());
  for (const std::string& arn : *resources) {
    auto resource = WithoutArnHead(arn);
    if (!resource) return Fail(resource.error());
    statement.resources.push_back(std::move(*resource));
  }
  const auto attached = Attached(json);
  if (!attached) return Fail(attached.error());
  statement.is_attached = *attached;
  return statement;
}

// The resources of `statement` of one type ("topic/"), without it; "*" means all of them.
std::vector<std::string> OfType(const Statement& statement, std::string_view type) {
  std::vector<std::string> names;
  for (const std::string& resource : statement.resources) {
    if (resource == "*") {
      names.push_back("*");
    } else if (resource.starts_with(type)) {
      names.push_back(resource.substr(type.size()));
    }
  }
  return names;
}

// A Subscribe resource read as the topics its subscriptions can deliver: the literal filter "a/#" delivers "a/*", and
// "a/+/b" delivers "a/*/b" (as far as '+' goes, see MosquittoFilters).
std::string DeliveredBy(std::string filter) {
  if (filter == "#") return "*";
  if (filter.ends_with("/#")) filter.back() = '*';
  std::replace(filter.begin(), filter.end(), '+', '*');
  return filter;
}

// What both patterns match, when one of them is the narrower one.
std::optional<std::string> Narrower(const std::string& delivered, const std::string& received) {
  if (AwsMatch(delivered, received)) return received;
  if (AwsMatch(received, delivered)) return delivered;
  return std::nullopt;
}

}  // namespace

bool AwsMatch(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<Policy> Policy::Parse(std::string_view text) {
  const auto json = ParseJson(text);
  if (!json) return Fail(json.error().WithContext("policy"));
  if (!json->is_object() || GetString(*json, "Version") != "2012-10-17") {
    return Fail(Action::kFixConfig, "policy: Version must be \"2012-10-17\"");
  }
  if (!json->contains("Statement")) return Fail(Action::kFixConfig, "policy: Statement is missing");
  const Json& list = (*json)["Statement"];
  Policy policy;
  int number = 0;
  for (const Json& item : list.is_array() ? list : Json::array({list})) {
    ++number;
    auto statement = ParseStatement(item);
    if (!statement) return Fail(statement.error().WithContext(fmt::format("policy: statement {}", number)));
    policy.statements_.push_back(std::move(*statement));
  }
  return policy;
}

bool Policy::Allows(std::string_view action, std::string_view resource, const Principal& principal) const {
  bool allowed = false;
  for (const Statement& statement : statements_) {
    if (statement.is_attached && *statement.is_attached != principal.attached) continue;
    if (!HasAction(statement, action)) continue;
    const bool matches =
        std::any_of(statement.resources.begin(), statement.resources.end(),
                    [&](const std::string& pattern) { return AwsMatch(Resolve(pattern, principal), resource); });
    if (matches && !statement.allow) return false;
    allowed |= matches;
  }
  return allowed;
}

Result<std::vector<std::string>> MosquittoFilters(std::string_view resource) {
  const auto refuse = [&](std::string_view why) {
    return Fail(Action::kFixConfig,
                fmt::format("topic/{} has no exact form in mosquitto's access list: {}", resource, why));
  };
  std::string filter(resource);
  if (filter.empty()) return refuse("it is empty");
  if (filter.find_first_of("%+#") != std::string::npos) return refuse("it contains a literal %, + or #");
  if (std::any_of(filter.begin(), filter.end(), [](unsigned char c) { return c <= ' '; })) {
    return refuse("it contains a space or control character");
  }
  ReplaceAll(filter, kThingVariable, "%u");
  ReplaceAll(filter, kClientVariable, "%c");
  if (filter.find("${") != std::string::npos) return refuse("unknown variable");
  if (filter.find('?') != std::string::npos) return refuse("'?' stands for one character");
  // A whole level in the middle: '+' is the nearest that mosquitto has, and stricter, since AWS's '*' crosses levels.
  for (std::size_t level = filter.find("/*/"); level != std::string::npos; level = filter.find("/*/", level)) {
    filter[level + 1] = '+';
  }
  const std::size_t star = filter.find('*');
  if (star == std::string::npos) return std::vector{filter};
  if (filter == "*") return std::vector<std::string>{"#", "$aws/#"};  // '#' never matches '$'; AWS has no other '$'
  if (star + 1 != filter.size()) return refuse("'*' as part of a level in the middle");
  if (filter[star - 1] != '/') return refuse("'*' after part of a level");
  // "a/*" matches "a/" and below but not "a", which "a/#" would match too.
  return std::vector{filter.substr(0, star) + "+/#"};
}

Result<std::string> Policy::MosquittoAcl() const {
  std::string acl = "# Made from the AWS IoT policy document; not for editing.\n";
  const auto add = [&](std::string_view access, const std::string& name) -> Status {
    const auto filters = MosquittoFilters(name);
    if (!filters) return Fail(filters.error());
    for (const std::string& filter : *filters) acl += fmt::format("pattern {} {}\n", access, filter);
    return {};
  };
  std::vector<std::string> delivered;
  for (const Statement& statement : statements_) {
    if (!statement.allow || statement.is_attached == false || !HasAction(statement, "iot:Subscribe")) continue;
    for (const std::string& name : OfType(statement, "topicfilter/")) delivered.push_back(DeliveredBy(name));
  }
  for (const Statement& statement : statements_) {
    if (statement.is_attached == false) continue;  // every certificate of the stand-in is attached
    const bool publish = HasAction(statement, "iot:Publish"), receive = HasAction(statement, "iot:Receive");
    if (!statement.allow) {
      if (HasAction(statement, "iot:Subscribe") || publish != receive) {
        return Fail(Action::kFixConfig,
                    "a Deny has an exact form in mosquitto's access list only for iot:Publish and iot:Receive "
                    "together, and without iot:Subscribe");
      }
    }
    for (const std::string& name : OfType(statement, "topic/")) {
      if (publish || !statement.allow) {
        if (const Status added = add(statement.allow ? "write" : "deny", name); !added) return Fail(added.error());
      }
      if (!receive || !statement.allow) continue;
      for (const std::string& filter : delivered) {
        const auto readable = Narrower(filter, name);
        if (!readable) continue;
        if (const Status added = add("read", *readable); !added) return Fail(added.error());
      }
    }
  }
  return acl;
}

}  // namespace penumbra::iotcore
