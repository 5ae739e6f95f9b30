// Topics of readings as users write them. Pure; any thread. Limits: AWS IoT Core message broker quotas.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace penumbra {

inline constexpr std::size_t kMaxTopicBytes = 256;
inline constexpr int kMaxTopicSlashes = 7;

// `pattern` with {thing} replaced. Error kFixConfig: an unknown placeholder, a wildcard, a leading $, too long, too
// many slashes, or a topic that the gateway itself uses for this thing.
Result<std::string> ExpandTopic(std::string_view pattern, const std::string& thing);

}  // namespace penumbra
