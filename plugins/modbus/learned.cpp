#include "modbus/learned.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace penumbra::modbus {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kAddresses = 65536;
constexpr int kTables = 4;
constexpr std::size_t kMaxKey = 64;

// A list of lists of `width` whole numbers, each from 0 to below its bound.
template <typename Take>
bool Numbers(const Json& object, const char* key, std::vector<std::int64_t> bounds, const Take& take) {
  const auto list = object.find(key);
  if (list == object.end()) return true;
  if (!list->is_array() || list->size() > Learned::kMaxEntries) return false;
  for (const Json& entry : *list) {
    if (!entry.is_array() || entry.size() != bounds.size()) return false;
    std::vector<std::int64_t> numbers;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      if (!entry[i].is_number_integer() || entry[i] < 0 || entry[i] >= bounds[i]) return false;
      numbers.push_back(entry[i].get<std::int64_t>());
    }
    if (!take(numbers)) return false;
  }
  return true;
}

bool Limit(const Json& object, const char* key, std::uint16_t most, std::optional<std::uint16_t>& limit) {
  const auto value = object.find(key);
  if (value == object.end()) return true;
  if (!value->is_number_integer() || *value < 1 || *value > most) return false;
  limit = value->get<std::uint16_t>();
  return true;
}

template <typename List, typename Make>
void Put(Json& object, const char* key, const List& list, const Make& make) {
  if (list.empty()) return;
  Json& out = object[key] = Json::array();
  for (std::size_t i = 0; i < std::min(list.size(), Learned::kMaxEntries); ++i) out.push_back(make(list[i]));
}

std::string ToText(const Learned& learned) {
  Json object{{"checked_s", learned.checked_s}};
  if (learned.max_words) object["max_words"] = *learned.max_words;
  if (learned.max_bits) object["max_bits"] = *learned.max_bits;
  Put(object, "holes", learned.holes, [](const Range& hole) {
    return Json{static_cast<int>(hole.table), hole.first, hole.last};
  });
  Put(object, "seams", learned.seams, [](const Seam& seam) { return Json{static_cast<int>(seam.table), seam.before}; });
  Put(object, "refused", learned.refused, [](const RefusedItem& refused) {
    return Json{static_cast<int>(refused.item.table), refused.item.address, refused.item.count, refused.exception};
  });
  return object.dump();
}

}  // namespace

std::string ToJson(Learned learned) {
  // What does not fit is found out again; first go the refused points, which cost the least to find.
  while (true) {
    std::string text = ToText(learned);
    if (text.size() <= Learned::kMaxText) return text;
    if (!learned.refused.empty()) {
      learned.refused.pop_back();
    } else if (!learned.holes.empty()) {
      learned.holes.pop_back();
    } else {
      learned.seams.pop_back();
    }
  }
}

std::optional<Learned> LearnedFromJson(std::string_view text) {
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  Learned learned;
  const auto checked = object.find("checked_s");
  if (checked == object.end() || !checked->is_number_integer()) return std::nullopt;
  learned.checked_s = checked->get<std::int64_t>();
  const bool sound = Limit(object, "max_words", kMaxReadWords, learned.max_words) &&
                     Limit(object, "max_bits", kMaxReadBits, learned.max_bits) &&
                     Numbers(object, "holes", {kTables, kAddresses, kAddresses},
                             [&](const auto& n) {
                               learned.holes.push_back({static_cast<Table>(n[0]), static_cast<std::uint32_t>(n[1]),
                                                        static_cast<std::uint32_t>(n[2])});
                               return n[1] <= n[2];
                             }) &&
                     Numbers(object, "seams", {kTables, kAddresses},
                             [&](const auto& n) {
                               learned.seams.push_back({static_cast<Table>(n[0]), static_cast<std::uint32_t>(n[1])});
                               return n[1] > 0;
                             }) &&
                     Numbers(object, "refused", {kTables, kAddresses, kMaxReadWords + 1, 256}, [&](const auto& n) {
                       learned.refused.push_back({{static_cast<Table>(n[0]), static_cast<std::uint16_t>(n[1]),
                                                   static_cast<std::uint16_t>(n[2])},
                                                  static_cast<std::uint8_t>(n[3])});
                       return n[2] > 0;
                     });
  if (!sound) return std::nullopt;
  return learned;
}

std::string LearnedKey(std::string_view thing) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == ':' || c == '-';
  };
  const std::string prefix = "learned:";
  if (prefix.size() + thing.size() <= kMaxKey && std::ranges::all_of(thing, allowed))
    return prefix + std::string(thing);
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : thing) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  std::string key = prefix + "..";
  for (int shift = 60; shift >= 0; shift -= 4) key += "0123456789abcdef"[(hash >> shift) & 15];
  return key;
}

}  // namespace penumbra::modbus
