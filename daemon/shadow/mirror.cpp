#include "shadow/mirror.hpp"

#include <algorithm>

#include "model/shadow_document.hpp"

namespace penumbra::shadow {
namespace {

const Json& Member(const Json& object, const char* key) {
  static const Json absent;
  if (!object.is_object()) return absent;
  const auto it = object.find(key);
  return it == object.end() ? absent : *it;
}

const Json& ObjectMember(const Json& object, const char* key) {
  static const Json empty = Json::object();
  const Json& member = Member(object, key);
  return member.is_object() ? member : empty;
}

// Metadata is a tree whose leaves are {"timestamp":T}; a data key may itself be called "timestamp" and is then an
// object.
std::int64_t NewestTime(const Json& metadata) {
  if (!metadata.is_structured()) return 0;
  std::int64_t newest = 0;
  if (const Json& time = Member(metadata, "timestamp"); time.is_number()) {
    newest = static_cast<std::int64_t>(std::clamp(time.get<double>(), 0.0, 9e15));
  }
  for (const Json& member : metadata) newest = std::max(newest, NewestTime(member));
  return newest;
}

// desired and reported of a document, nulls and empty sections left out; false when they have another shape.
bool ReadState(const Json& state, Json& out) {
  if (!state.is_object()) return false;
  Json clean = Json::object();
  for (const char* name : {"desired", "reported"}) {
    const Json& section = Member(state, name);
    if (!section.is_object() && !section.is_null()) return false;
    if (section.is_object()) clean[name] = section;
  }
  out = Json::object();
  MergeState(out, clean);
  return true;
}

bool PatchShape(const Json& state) {
  if (state.is_null()) return true;
  if (!state.is_object()) return false;
  return std::all_of(state.begin(), state.end(), [](const Json& s) { return s.is_object() || s.is_null(); });
}

}  // namespace

const Json& Mirror::desired() const {
  return ObjectMember(state, "desired");
}

const Json& Mirror::reported() const {
  return ObjectMember(state, "reported");
}

bool Mirror::Read(const Json& body, const Json& versioned, Envelope& out) {
  const auto version = GetInt(versioned, "version");
  // Some tools print the time as a float.
  const auto timestamp = GetNumber(body, "timestamp");
  if (!version || *version < 0 || !timestamp || *timestamp < 0 || *timestamp > 9e15) return false;
  out = {*version, static_cast<std::int64_t>(*timestamp)};
  return true;
}

void Mirror::Take(const Json& document, Envelope envelope) {
  exists = true;
  // The line of versions began again: so does the line of deltas.
  if (envelope.version < version) delta_version = 0;
  version = envelope.version;
  timestamp = envelope.timestamp;
  ReadState(Member(document, "state"), state);
  desired_times = Json::object();
  const Json& times = ObjectMember(ObjectMember(document, "metadata"), "desired");
  for (const auto& [key, value] : desired().items()) {
    const auto it = times.find(key);
    if (it != times.end()) desired_times[key] = NewestTime(*it);
  }
}

void Mirror::Vanish() {
  exists = false;
  state = Json::object();
  desired_times = Json::object();
}

Verdict Mirror::OnDocuments(const Json& body) {
  const Json& current = Member(body, "current");
  Envelope envelope{};
  Json ignored;
  if (!Read(body, current, envelope) || !ReadState(Member(current, "state"), ignored)) return Verdict::kMalformed;
  if (envelope.version <= version) {
    if (envelope.version == version || envelope.timestamp <= timestamp) return Verdict::kDropped;
    if (exists) return Verdict::kGap;
  }
  Take(current, envelope);
  return Verdict::kTaken;
}

Verdict Mirror::OnUpdateAccepted(const Json& body) {
  Envelope envelope{};
  const Json& patch = Member(body, "state");
  if (!body.is_object() || !body.contains("state") || !PatchShape(patch) || !Read(body, body, envelope)) {
    return Verdict::kMalformed;
  }
  if (envelope.version <= version) {
    const bool restarted = envelope.version < version && envelope.timestamp > timestamp;
    return restarted ? Verdict::kGap : Verdict::kDropped;
  }
  // The first update after a delete is a whole document, but which number it has is not documented well enough.
  if (envelope.version != version + 1) return Verdict::kGap;
  exists = true;
  version = envelope.version;
  timestamp = envelope.timestamp;
  MergeState(state, patch);
  const Json& times = ObjectMember(ObjectMember(body, "metadata"), "desired");
  for (const auto& [key, value] : times.items()) {
    if (desired().contains(key)) desired_times[key] = NewestTime(value);
  }
  for (auto it = desired_times.begin(); it != desired_times.end();) {
    it = desired().contains(it.key()) ? std::next(it) : desired_times.erase(it);
  }
  return Verdict::kTaken;
}

Verdict Mirror::OnGetAccepted(const Json& body) {
  Envelope envelope{};
  Json ignored;
  if (!Read(body, body, envelope) || !ReadState(Member(body, "state"), ignored)) return Verdict::kMalformed;
  if (exists && envelope.version == version) {
    timestamp = std::max(timestamp, envelope.timestamp);
    return Verdict::kDropped;
  }
  // Asked after the fact, so a lower version is a line that began again, unless the answer is an old one.
  if (envelope.version <= version && envelope.timestamp <= timestamp) return Verdict::kDropped;
  Take(body, envelope);
  return Verdict::kTaken;
}

Verdict Mirror::OnDeleteAccepted(const Json& body) {
  Envelope envelope{};
  if (!Read(body, body, envelope)) return Verdict::kMalformed;
  if (envelope.version < version) {
    return exists && envelope.timestamp > timestamp ? Verdict::kGap : Verdict::kDropped;
  }
  if (!exists && envelope.version == version) return Verdict::kDropped;
  Vanish();
  version = envelope.version;
  timestamp = envelope.timestamp;
  return Verdict::kTaken;
}

Verdict Mirror::OnDelta(const Json& body) {
  Envelope envelope{};
  if (!Read(body, body, envelope) || !Member(body, "state").is_object()) return Verdict::kMalformed;
  if (envelope.version <= delta_version) return Verdict::kDropped;
  delta_version = envelope.version;
  return Verdict::kTaken;
}

void Mirror::OnMissing() {
  Vanish();
}

}  // namespace penumbra::shadow
