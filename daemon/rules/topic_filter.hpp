// Topic filters as AWS IoT has them: '+' is one level, '#' the levels below, at least one. Pure; any thread.
// Source: aws-iot-core.md sections 2 and 8.
#pragma once

#include <string_view>

#include "base/error.hpp"

namespace penumbra::rules {

// Error kFixConfig: what of it AWS refuses.
Status CheckFilter(std::string_view filter);

// "a/#" takes "a/" and what is below, not "a" itself.
bool FilterTakes(std::string_view filter, std::string_view topic);

// Is there a topic that both take? For filters against topics whose thing is not known.
bool FiltersMeet(std::string_view a, std::string_view b);

// "$aws/rules/NAME/a/b" (Basic Ingest): the rule that alone gets it, and the topic that it sees. Without that prefix
// `rule` is empty.
struct Ingest {
  std::string_view rule, topic;
};
Ingest SplitIngest(std::string_view topic);

// Does rule `name`, whose FROM is `filter` (empty: none), see messages on `topic`?
bool RuleSees(std::string_view name, std::string_view filter, std::string_view topic);

}  // namespace penumbra::rules
