#include "uplink/suspect_memory.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace penumbra {

// [[message, seconds of its last pause], ...]
void SuspectMemory::Recall(Suspects& suspects, BootTime now) const {
  const auto kept = ParseJson(store_.Setting(key_).value_or("[]"));
  if (!kept || !kept->is_array()) return;
  for (const Json& one : *kept) {
    if (!one.is_array() || one.size() != 2 || !one[0].is_number_unsigned() || !one[1].is_number_unsigned()) continue;
    const auto pause_s =
        std::min<std::uint64_t>(one[1].get<std::uint64_t>(), Suspects::kMaxPause / std::chrono::seconds(1));
    suspects.Recall(one[0].get<std::uint64_t>(), std::chrono::seconds(pause_s), now);
  }
}

void SuspectMemory::Keep(const Suspects& suspects) {
  auto all = suspects.Costly();
  if (all.size() > kMax) all.erase(all.begin(), all.end() - kMax);
  Json json = Json::array();
  for (const auto& [message, pause] : all) {
    json.push_back({message, static_cast<std::uint64_t>(pause / std::chrono::seconds(1))});
  }
  const std::optional<std::string> text = all.empty() ? std::nullopt : std::optional(Dump(json));
  if (text != store_.Setting(key_)) store_.PutSetting(key_, text, {});
}

}  // namespace penumbra
