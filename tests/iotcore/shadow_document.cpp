#include "iotcore/shadow_document.hpp"

namespace penumbra::iotcore {
namespace {

Json Stamp(std::int64_t now_s) {
  return Json{{"timestamp", now_s}};
}

Json ArrayStamps(const Json& array, std::int64_t now_s) {
  Json stamps = Json::array();
  for (const Json& element : array) stamps.push_back(StampLikeRequest(element, now_s));
  return stamps;
}

ShadowNode EmptyObjectNode() {
  ShadowNode node;
  node.is_object = true;
  return node;
}

void MergeInto(ShadowNode& object, const Json& patch, std::int64_t now_s);

// A value for a place where there was nothing. nullopt: only nulls, nothing to create.
std::optional<ShadowNode> Fresh(const Json& value, std::int64_t now_s) {
  if (value.is_null()) return std::nullopt;
  if (!value.is_object()) {
    ShadowNode node;
    node.leaf = value;
    node.timestamp_s = now_s;
    return node;
  }
  ShadowNode node = EmptyObjectNode();
  MergeInto(node, value, now_s);
  if (node.members.empty() && !value.empty()) return std::nullopt;
  return node;
}

void MergeInto(ShadowNode& object, const Json& patch, std::int64_t now_s) {
  for (const auto& [key, value] : patch.items()) {
    const auto it = object.members.find(key);
    const bool there = it != object.members.end();
    if (value.is_null()) {
      if (there) object.members.erase(it);
    } else if (there && it->second.is_object && value.is_object()) {
      MergeInto(it->second, value, now_s);
    } else if (auto node = Fresh(value, now_s)) {
      object.members.insert_or_assign(key, std::move(*node));
    } else if (there) {
      it->second = EmptyObjectNode();  // an all-null object in the place of a scalar
    }
  }
}

// Whether `desired` differs from `reported`; the differing part goes to `out`.
bool Differs(const ShadowNode& desired, const ShadowNode* reported, ShadowNode& out) {
  if (reported == nullptr) {
    out = desired;
    return true;
  }
  if (desired.is_object && reported->is_object) {
    out = EmptyObjectNode();
    for (const auto& [key, wanted] : desired.members) {
      const auto it = reported->members.find(key);
      ShadowNode part;
      if (Differs(wanted, it == reported->members.end() ? nullptr : &it->second, part)) {
        out.members.emplace(key, std::move(part));
      }
    }
    return !out.members.empty();
  }
  out = desired;
  return !ServiceEqual(desired.State(), reported->State());
}

}  // namespace

Json ShadowNode::State() const {
  if (!is_object) return leaf;
  Json json = Json::object();
  for (const auto& [key, member] : members) json[key] = member.State();
  return json;
}

Json ShadowNode::Metadata() const {
  if (!is_object) return leaf.is_array() ? ArrayStamps(leaf, timestamp_s) : Stamp(timestamp_s);
  Json json = Json::object();
  for (const auto& [key, member] : members) json[key] = member.Metadata();
  return json;
}

void ShadowDocument::Apply(const Json& state, std::int64_t now_s) {
  if (state.is_null()) {
    sections.clear();
    return;
  }
  for (const auto& [name, patch] : state.items()) {
    if (patch.is_null()) {
      sections.erase(name);
      continue;
    }
    ShadowNode& section = sections.try_emplace(name, EmptyObjectNode()).first->second;
    MergeInto(section, patch, now_s);
    if (section.members.empty()) sections.erase(name);
  }
}

Json ShadowDocument::State() const {
  Json json = Json::object();
  for (const auto& [name, section] : sections) json[name] = section.State();
  return json;
}

Json ShadowDocument::Metadata() const {
  Json json = Json::object();
  for (const auto& [name, section] : sections) json[name] = section.Metadata();
  return json;
}

std::optional<ShadowDocument::Difference> ShadowDocument::Delta() const {
  const auto desired = sections.find("desired");
  if (desired == sections.end()) return std::nullopt;
  const auto reported = sections.find("reported");
  ShadowNode difference;
  if (!Differs(desired->second, reported == sections.end() ? nullptr : &reported->second, difference)) {
    return std::nullopt;
  }
  return Difference{difference.State(), difference.Metadata()};
}

std::size_t ShadowDocument::Bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, section] : sections) bytes += section.State().dump().size();
  return bytes;
}

Json StampLikeRequest(const Json& state, std::int64_t now_s) {
  if (state.is_array()) return ArrayStamps(state, now_s);
  if (!state.is_object()) return Stamp(now_s);
  Json json = Json::object();
  for (const auto& [key, value] : state.items()) json[key] = StampLikeRequest(value, now_s);
  return json;
}

bool ServiceEqual(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    // long double (x86-64 and arm64 alike: at least 64 bits of mantissa) holds every 64-bit integer exactly.
    const auto wide = [](const Json& n) -> long double {
      if (n.is_number_unsigned()) return static_cast<long double>(n.get<std::uint64_t>());
      if (n.is_number_integer()) return static_cast<long double>(n.get<std::int64_t>());
      return n.get<double>();
    };
    return wide(a) == wide(b);
  }
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (a.is_array()) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (!ServiceEqual(a[i], b[i])) return false;
    }
    return true;
  }
  if (!a.is_object()) return a == b;
  for (const auto& [key, value] : a.items()) {
    const auto it = b.find(key);
    if (it == b.end() || !ServiceEqual(value, *it)) return false;
  }
  return true;
}

}  // namespace penumbra::iotcore
