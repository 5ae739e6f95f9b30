#include "model/shadow_document.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace penumbra::shadow {
namespace {

constexpr std::array kSections = {"desired", "reported"};

const Json& EmptyObject() {
  static const Json empty = Json::object();
  return empty;
}

// The section of a state, {} when the state or the section is absent.
const Json& Section(const Json& state, const char* name) {
  if (!state.is_object()) return EmptyObject();
  const auto it = state.find(name);
  return it == state.end() || !it->is_object() ? EmptyObject() : *it;
}

const Json* Find(const Json& object, const std::string& key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

bool SameInteger(const Json& a, const Json& b) {
  const bool a_unsigned = a.is_number_unsigned();
  const bool b_unsigned = b.is_number_unsigned();
  if (a_unsigned && b_unsigned) return a.get<std::uint64_t>() == b.get<std::uint64_t>();
  if (!a_unsigned && !b_unsigned) return a.get<std::int64_t>() == b.get<std::int64_t>();
  const auto negative_capable = a_unsigned ? b.get<std::int64_t>() : a.get<std::int64_t>();
  const auto natural = a_unsigned ? a.get<std::uint64_t>() : b.get<std::uint64_t>();
  return negative_capable >= 0 && static_cast<std::uint64_t>(negative_capable) == natural;
}

// A double equals an integer only if it is that integer exactly; casting the integer to double would round it.
bool SameIntegerAndDouble(const Json& integer, double number) {
  if (!std::isfinite(number) || std::trunc(number) != number) return false;
  if (integer.is_number_unsigned()) {
    return number >= 0 && number < 18446744073709551616.0 &&
           static_cast<std::uint64_t>(number) == integer.get<std::uint64_t>();
  }
  return number >= -9223372036854775808.0 && number < 9223372036854775808.0 &&
         static_cast<std::int64_t>(number) == integer.get<std::int64_t>();
}

bool SameNumber(const Json& a, const Json& b) {
  const bool a_float = a.is_number_float();
  const bool b_float = b.is_number_float();
  if (a_float && b_float) return a.get<double>() == b.get<double>();
  if (a_float) return SameIntegerAndDouble(b, a.get<double>());
  if (b_float) return SameIntegerAndDouble(a, b.get<double>());
  return SameInteger(a, b);
}

bool SameMembers(const Json& a, const Json& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a.items()) {
    const Json* other = Find(b, key);
    if (other == nullptr || !SameValue(value, *other)) return false;
  }
  return true;
}

bool SameOptional(const Json* a, const Json* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return SameValue(*a, *b);
}

// `value` without its null members. False: it consisted of nothing but nulls, so there is nothing to create.
bool WithoutNulls(const Json& value, Json& out) {
  if (!value.is_object()) {
    out = value;
    return !value.is_null();
  }
  out = Json::object();
  for (const auto& [key, member] : value.items()) {
    Json kept;
    if (WithoutNulls(member, kept)) out[key] = std::move(kept);
  }
  return value.empty() || !out.empty();
}

bool ObjectOrAbsent(const Json* value) {
  return value == nullptr || value->is_object();
}

// Calls visit(key) once for each key that any of the three has.
template <typename Visit>
void ForEachKey(const Json& a, const Json& b, const Json& c, Visit visit) {
  for (const auto& [key, value] : a.items()) visit(key);
  for (const auto& [key, value] : b.items()) {
    if (!a.contains(key)) visit(key);
  }
  for (const auto& [key, value] : c.items()) {
    if (!a.contains(key) && !b.contains(key)) visit(key);
  }
}

// Puts the merge of one member into `out`, or leaves it out when the member is to be absent.
void ThreeWayMember(const std::string& key, const Json* base, const Json* local, const Json* cloud, Owner owner,
                    Json& out) {
  const bool both_objects = local != nullptr && cloud != nullptr && local->is_object() && cloud->is_object();
  // One side removed the whole object while the other may have changed a part of it: still leaf by leaf.
  const bool one_removed = base != nullptr && base->is_object() && ObjectOrAbsent(local) && ObjectOrAbsent(cloud) &&
                           (local != nullptr || cloud != nullptr);
  if (both_objects || one_removed) {
    const Json& old = base != nullptr && base->is_object() ? *base : EmptyObject();
    Json merged = ThreeWaySection(old, local == nullptr ? EmptyObject() : *local,
                                  cloud == nullptr ? EmptyObject() : *cloud, owner);
    if (!merged.empty() || both_objects) out[key] = std::move(merged);
    return;
  }
  const Json* winner = owner == Owner::kLocal ? local : cloud;
  if (SameOptional(local, cloud) || SameOptional(cloud, base)) {
    winner = local;
  } else if (SameOptional(local, base)) {
    winner = cloud;
  }
  if (winner != nullptr) out[key] = *winner;
}

void StrictMember(const std::string& key, const Json* base, const Json* local, const Json* cloud, Json& out) {
  const bool cloud_object = cloud != nullptr && cloud->is_object();
  const Json& old = base != nullptr && base->is_object() ? *base : EmptyObject();
  if (local != nullptr) {
    out[key] = local->is_object() && cloud_object ? StrictSection(old, *local, *cloud) : *local;
  } else if (base == nullptr) {
    if (cloud != nullptr) out[key] = *cloud;
  } else if (base->is_object() && cloud_object) {
    Json kept = StrictSection(old, EmptyObject(), *cloud);
    if (!kept.empty()) out[key] = std::move(kept);
  }
}

}  // namespace

bool SameValue(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return SameNumber(a, b);
  if (a.type() != b.type()) return false;
  if (a.is_object()) return SameMembers(a, b);
  if (a.is_array()) return std::equal(a.begin(), a.end(), b.begin(), b.end(), SameValue);
  return a == b;
}

void MergeSection(Json& target, const Json& patch) {
  for (const auto& [key, value] : patch.items()) {
    if (value.is_null()) {
      target.erase(key);
      continue;
    }
    const auto existing = target.find(key);
    if (existing != target.end() && existing->is_object() && value.is_object()) {
      MergeSection(*existing, value);
      continue;
    }
    Json kept;
    if (WithoutNulls(value, kept) || existing != target.end()) target[key] = std::move(kept);
  }
}

void MergeState(Json& state, const Json& patch) {
  if (!state.is_object()) state = Json::object();
  if (patch.is_null()) {
    state = Json::object();
    return;
  }
  for (const char* name : kSections) {
    const Json* section_patch = Find(patch, name);
    if (section_patch == nullptr) continue;
    if (!section_patch->is_object()) {
      state.erase(name);
      continue;
    }
    Json& section = state[name];
    if (!section.is_object()) section = Json::object();
    MergeSection(section, *section_patch);
    if (section.empty()) state.erase(name);
  }
}

Json Delta(const Json& desired, const Json& reported) {
  Json delta = Json::object();
  if (!desired.is_object()) return delta;
  for (const auto& [key, wanted] : desired.items()) {
    const Json* actual = Find(reported, key);
    if (actual != nullptr && wanted.is_object() && actual->is_object()) {
      Json inner = Delta(wanted, *actual);
      if (!inner.empty()) delta[key] = std::move(inner);
    } else if (actual == nullptr || !SameValue(wanted, *actual)) {
      delta[key] = wanted;
    }
  }
  return delta;
}

Json DiffSection(const Json& from, const Json& to) {
  Json patch = Json::object();
  for (const auto& [key, value] : from.items()) {
    if (!to.contains(key)) patch[key] = nullptr;
  }
  for (const auto& [key, value] : to.items()) {
    const Json* old = Find(from, key);
    if (old != nullptr && old->is_object() && value.is_object()) {
      Json inner = DiffSection(*old, value);
      if (!inner.empty()) patch[key] = std::move(inner);
    } else if (old == nullptr || !SameValue(*old, value)) {
      patch[key] = value;
    }
  }
  return patch;
}

Json DiffState(const Json& from, const Json& to) {
  Json patch = Json::object();
  for (const char* name : kSections) {
    const Json& old = Section(from, name);
    const Json& now = Section(to, name);
    if (now.empty() && !old.empty()) {
      patch[name] = nullptr;
    } else if (Json inner = DiffSection(old, now); !inner.empty()) {
      patch[name] = std::move(inner);
    }
  }
  return patch;
}

Json ThreeWaySection(const Json& base, const Json& local, const Json& cloud, Owner owner) {
  Json merged = Json::object();
  ForEachKey(local, cloud, base, [&base, &local, &cloud, owner, &merged](const std::string& key) {
    ThreeWayMember(key, Find(base, key), Find(local, key), Find(cloud, key), owner, merged);
  });
  return merged;
}

Json StrictSection(const Json& base, const Json& local, const Json& cloud) {
  Json wanted = Json::object();
  ForEachKey(local, cloud, base, [&base, &local, &cloud, &wanted](const std::string& key) {
    StrictMember(key, Find(base, key), Find(local, key), Find(cloud, key), wanted);
  });
  return wanted;
}

SyncResult Synchronise(const Json& base, const Json& local, const Json& cloud, Policy policy) {
  SyncResult result;
  result.merged = Json::object();
  Json desired =
      ThreeWaySection(Section(base, "desired"), Section(local, "desired"), Section(cloud, "desired"), Owner::kCloud);
  Json reported = policy == Policy::kDeviceStrictReported
                      ? StrictSection(Section(base, "reported"), Section(local, "reported"), Section(cloud, "reported"))
                      : ThreeWaySection(Section(base, "reported"), Section(local, "reported"),
                                        Section(cloud, "reported"), Owner::kLocal);
  if (!desired.empty()) result.merged["desired"] = std::move(desired);
  if (!reported.empty()) result.merged["reported"] = std::move(reported);
  result.to_cloud = DiffState(cloud, result.merged);
  result.to_local = DiffState(local, result.merged);
  return result;
}

std::size_t SectionBytes(const Json& section) {
  return section.is_object() && !section.empty() ? Dump(section).size() : 0;
}

std::size_t StateBytes(const Json& state) {
  std::size_t bytes = 0;
  for (const char* name : kSections) bytes += SectionBytes(Section(state, name));
  return bytes;
}

int Depth(const Json& section) {
  if (!section.is_structured()) return 0;
  int deepest = 0;
  for (const Json& member : section) deepest = std::max(deepest, Depth(member));
  return deepest + 1;
}

void PruneEmptyObjects(Json& section) {
  if (!section.is_object()) return;
  for (auto it = section.begin(); it != section.end();) {
    PruneEmptyObjects(*it);
    it = it->is_object() && it->empty() ? section.erase(it) : std::next(it);
  }
}

bool HasNull(const Json& value) {
  if (value.is_null()) return true;
  if (!value.is_structured()) return false;
  return std::any_of(value.begin(), value.end(), HasNull);
}

}  // namespace penumbra::shadow
