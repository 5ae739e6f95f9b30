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

}  // namespace

bool AwsMatch(std::string_view pattern, std::string_view text) {
  // "${*}", "${?}" and "${$}" are those characters and no wildcards.
  const auto escaped = [pattern](std::size_t at) {
    return pattern.substr(at, 2) == "${" && pattern.substr(at + 3, 1) == "}" &&
           std::string_view("*?$").find(pattern[at + 2]) != std::string_view::npos;
  };
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && escaped(p) && pattern[p + 2] == text[t]) {
      p += 4, ++t;
    } else if (p < pattern.size() && !escaped(p) && (pattern[p] == '?' || pattern[p] == text[t])) {
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
  return Grant(action, resource, principal).has_value();
}

std::optional<std::string> Policy::Grant(std::string_view action, std::string_view resource,
                                         const Principal& principal) const {
  std::optional<std::string> grant;
  for (const Statement& statement : statements_) {
    if (statement.is_attached && *statement.is_attached != principal.attached) continue;
    if (!HasAction(statement, action)) continue;
    const auto match =
        std::find_if(statement.resources.begin(), statement.resources.end(),
                     [&](const std::string& pattern) { return AwsMatch(Resolve(pattern, principal), resource); });
    if (match == statement.resources.end()) continue;
    if (!statement.allow) return std::nullopt;
    if (!grant) grant = *match;
  }
  return grant;
}

std::vector<std::string> Policy::Grants() const {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kKinds = {{{"iot:Connect", "client/"},
                                                                                    {"iot:Publish", "topic/"},
                                                                                    {"iot:RetainPublish", "topic/"},
                                                                                    {"iot:Receive", "topic/"},
                                                                                    {"iot:Subscribe", "topicfilter/"}}};
  std::vector<std::string> grants;
  for (const Statement& statement : statements_) {
    for (const auto& [action, type] : kKinds) {
      if (!statement.allow || !HasAction(statement, action)) continue;
      for (const std::string& resource : statement.resources) {
        if (resource == "*" || resource.starts_with(type)) grants.push_back(fmt::format("{} {}", action, resource));
      }
    }
  }
  return grants;
}

}  // namespace penumbra::iotcore
