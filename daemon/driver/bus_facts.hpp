// What the driver of one bus has learned and wants to know again after a restart (penumbra_host.remember): bounded, and
// checked, since it comes from foreign code. Pure; loop thread. Where it is kept is the owner's business (FactKeeper).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/json.hpp"

namespace penumbra {

// The way to a store, which `driver` does not know. JSON text by key.
struct FactKeeper {
  std::function<std::map<std::string, std::string>(const std::string& bus)> load;
  // nullopt: forget it.
  std::function<void(const std::string& bus, const std::string& key, std::optional<std::string> json)> save;
};

class BusFacts {
 public:
  static constexpr std::size_t kMaxFacts = 64;

  // What was kept; what is not (any more) allowed is left out.
  explicit BusFacts(const std::map<std::string, std::string>& kept = {});

  // Takes `json` for `key`; empty forgets it. False: that is what was known already. Error kGiveUp: not JSON, or one
  // more than kMaxFacts.
  Result<bool> Set(const std::string& key, const std::string& json);

  // {key:value}
  const Json& json() const { return facts_; }

 private:
  Json facts_ = Json::object();
};

}  // namespace penumbra
