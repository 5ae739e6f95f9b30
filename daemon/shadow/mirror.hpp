// The cloud's shadow document as last learned from its messages, whatever their order: one version rule per kind of
// message. Pure; knows nothing of what the device wants. Payloads come from the network and may be anything.
// Source: device-shadow.md, sections 6 and 10 (rules 4, 5, 9, 10); client cases of shadow-vectors.json.
#pragma once

#include <cstdint>

#include "base/json.hpp"

namespace penumbra::shadow {

// What a message did to the mirror.
enum class Verdict {
  kTaken,      // the mirror changed, or at least its version did
  kDropped,    // old or a duplicate
  kGap,        // something was missed: ask with GET unless the missing messages come soon
  kMalformed,  // not a message of its kind
};

struct Mirror {
  bool exists = false;
  std::int64_t version = 0;             // of the document; after a delete the last one known
  std::int64_t timestamp = 0;           // service clock, seconds, of the newest message taken
  Json state = Json::object();          // {"desired":..,"reported":..}, sections absent when empty
  Json desired_times = Json::object();  // key of desired -> newest service time of anything below it, seconds
  std::int64_t delta_version = 0;       // newest update/delta seen: its own counter

  const Json& desired() const;   // {} when absent
  const Json& reported() const;  // {} when absent

  Verdict OnDocuments(const Json& body);
  Verdict OnUpdateAccepted(const Json& body);
  Verdict OnGetAccepted(const Json& body);
  Verdict OnDeleteAccepted(const Json& body);
  // A wake-up only: kTaken for the first sight of a version, kDropped for a repetition.
  Verdict OnDelta(const Json& body);
  // GET said 404.
  void OnMissing();

 private:
  struct Envelope {
    std::int64_t version, timestamp;
  };
  static bool Read(const Json& body, const Json& versioned, Envelope& out);
  void Take(const Json& document, Envelope envelope);
  void Vanish();
};

}  // namespace penumbra::shadow
