#include "driver/bus_facts.hpp"

#include <fmt/format.h>

#include "driver/wire.hpp"

namespace penumbra {

BusFacts::BusFacts(const std::map<std::string, std::string>& kept) {
  for (const auto& [key, json] : kept) {
    if (wire::IsFactKey(key) && json.size() <= wire::kMaxFactValue) static_cast<void>(Set(key, json));
  }
}

Result<bool> BusFacts::Set(const std::string& key, const std::string& json) {
  if (json.empty()) return facts_.erase(key) > 0;
  Result<Json> value = ParseJson(json);
  if (!value) return Fail(value.error().WithContext("fact " + key));
  const auto known = facts_.find(key);
  if (known != facts_.end() && *known == *value) return false;
  if (known == facts_.end() && facts_.size() >= kMaxFacts) {
    return Fail(Action::kGiveUp,
                fmt::format("fact {}: the driver keeps {} already, which is the most", key, kMaxFacts));
  }
  facts_[key] = std::move(*value);
  return true;
}

}  // namespace penumbra
