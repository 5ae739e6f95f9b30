// The account's side of the configuration: what `penumbra aws` writes from. Apart from settings.hpp, because the daemon
// needs none of it.
#pragma once

#include <string>
#include <vector>

namespace penumbra {

// A rule of AWS IoT's rules engine, for the infrastructure that `penumbra aws` writes and for `penumbra aws rules`.
struct RuleSettings {
  std::string name;    // [a-zA-Z0-9_]
  std::string sql;     // 2016-03-23
  std::string action;  // "dynamodb", "lambda", "republish"
  std::string target;  // table, function or topic
  friend bool operator==(const RuleSettings&, const RuleSettings&) = default;
};

// Table [aws] and every [[rule]].
struct AwsSettings {
  std::string region;   // empty: the endpoint's
  std::string account;  // twelve digits; empty: asked at run time
  std::string policy = "PenumbraDevicePolicy";
  std::string log_group = "/aws/iot/rules/errors";
  std::vector<RuleSettings> rules;  // empty: the two that everybody needs, see cloud/rules.hpp
  friend bool operator==(const AwsSettings&, const AwsSettings&) = default;
};

}  // namespace penumbra
