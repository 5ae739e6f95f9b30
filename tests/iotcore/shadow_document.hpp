// One stored shadow of the stand-in: values and their timestamps in one tree, so that metadata cannot drift from state.
// Written apart from daemon/model/shadow_document.* on purpose: a fault in one of the two must not hide in both.
// Source: device-shadow.md, sections 2-4. Any thread, pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/json.hpp"

namespace penumbra::iotcore {

// An object with children, or a leaf (scalar or whole array) with the time it was last named in an update.
struct ShadowNode {
  bool is_object = false;
  std::map<std::string, ShadowNode> members;
  Json leaf;
  std::int64_t timestamp_s = 0;

  Json State() const;
  Json Metadata() const;
};

struct ShadowDocument {
  std::map<std::string, ShadowNode> sections;  // "desired", "reported"; absent when without keys
  std::int64_t version = 0;

  // Merges the `state` of an update (already checked).
  void Apply(const Json& state, std::int64_t now_s);
  Json State() const;     // {"desired":..,"reported":..}
  Json Metadata() const;  // the same shape
  // desired minus reported, with desired's timestamps; nullopt when there is no difference.
  struct Difference {
    Json state, metadata;
  };
  std::optional<Difference> Delta() const;
  std::size_t Bytes() const;
};

// The metadata of `accepted`: a timestamp for everything that the request names, nulls included.
Json StampLikeRequest(const Json& state, std::int64_t now_s);

// Equal as the service compares: numbers by value, never true == 1.
bool ServiceEqual(const Json& a, const Json& b);

}  // namespace penumbra::iotcore
