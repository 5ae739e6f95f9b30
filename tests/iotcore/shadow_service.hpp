// The Device Shadow service of the stand-in cloud, without any I/O: a published request goes in with the time, the
// messages to publish come out, each with the time it is due. Classic and named shadows of any thing.
//
// Deliberately not here: the broker connection (iotcore's host), policies, the HTTPS side, persistence.
// One thread. Source: device-shadow.md, part 1 and section 11; passes tests/conformance/shadow-vectors.json.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "iotcore/shadow_document.hpp"

namespace penumbra::iotcore {

struct ShadowLimits {
  std::size_t max_document_bytes = 8192;
  int max_depth = 6;
  std::size_t max_client_token_bytes = 64;
  std::size_t max_shadow_name_bytes = 64;
  int max_in_flight = 10;                       // unanswered requests per thing; more gets 429
  std::int64_t tombstone_ms = 48LL * 3600'000;  // how long a deleted shadow keeps its version line
};

// What the service does wrong on request. Defaults: nothing.
struct ShadowFaults {
  bool shuffle = false;         // the messages of one request come in a random order
  double duplicate = 0;         // probability that a message comes twice
  double drop = 0;              // probability that a message never comes
  std::int64_t delay_ms = 0;    // every message comes this much later
  std::int64_t jitter_ms = 0;   // plus a random part up to this
  std::vector<int> inject;      // codes for the next updates, in turn: 409, 429, 500 instead of applying them
  bool inject_applies = false;  // the injected answer lies: the update was applied all the same
  std::vector<int> inject_get;  // codes for the next gets, in turn
  std::string only;             // drop, duplicate and delay touch only this kind ("update/accepted"); empty: all
};

struct ShadowMessage {
  std::string topic;
  std::string payload;
  std::int64_t due_ms = 0;  // on the caller's clock; publish QoS 1, never retained
};

struct ShadowCounters {
  std::uint64_t requests = 0, accepted = 0, rejected = 0, ignored_names = 0, throttled = 0, dropped = 0, injected = 0;
  std::map<int, std::uint64_t> rejected_by_code;
};

class ShadowService {
 public:
  explicit ShadowService(ShadowLimits limits = {}, std::uint64_t seed = 1) : limits_(limits), random_(seed) {}

  ShadowFaults faults;

  // The filters a host has to subscribe.
  static std::vector<std::string> Filters();

  // Handles one publish. Topics that are not requests, and invalid names, give nothing. `now_ms`: Unix milliseconds.
  std::vector<ShadowMessage> Handle(std::string_view topic, std::string_view payload, std::int64_t now_ms);

  // Starts from a given document: `state` as in GET; every leaf gets `timestamp_s`.
  void Load(const std::string& thing, const std::string& shadow, const Json& state, std::int64_t version,
            std::int64_t timestamp_s);
  void LoadTombstone(const std::string& thing, const std::string& shadow, std::int64_t version,
                     std::int64_t deleted_at_ms);
  void Clear() { shadows_.clear(); }

  // What is stored: {"state","metadata","version"}, {"deleted":true,"version"} within the 48 h, or null.
  Json Peek(const std::string& thing, const std::string& shadow, std::int64_t now_ms) const;

  void SetLimits(const ShadowLimits& limits) { limits_ = limits; }
  const ShadowCounters& counters() const { return counters_; }

 private:
  struct Entry {
    std::optional<ShadowDocument> document;  // nullopt: tombstone
    std::int64_t version = 0;                // of the tombstone
    std::int64_t deleted_at_ms = 0;
  };
  using Key = std::pair<std::string, std::string>;
  struct Request;

  void Update(const Request& request, std::string_view payload, std::vector<ShadowMessage>& out);
  void Get(const Request& request, std::vector<ShadowMessage>& out);
  void Delete(const Request& request, std::vector<ShadowMessage>& out);
  void ApplyUpdate(const Request& request, const Json& body, std::vector<ShadowMessage>& out);
  void Reject(const Request& request, int code, const std::string& message, std::vector<ShadowMessage>& out);
  // The live document, and the version that an update may name; expired tombstones are removed.
  Entry* Find(const Key& key, std::int64_t now_ms);
  void RejectInjected(const Request& request, std::vector<int>& codes, std::vector<ShadowMessage>& out);
  bool TakeSlot(const std::string& thing, std::int64_t now_ms);
  void Schedule(const std::string& thing, std::int64_t now_ms, std::vector<ShadowMessage>& out);

  ShadowLimits limits_;
  std::mt19937_64 random_;
  std::map<Key, Entry> shadows_;
  std::map<std::string, std::deque<std::int64_t>> in_flight_;  // thing -> times at which answers become due
  ShadowCounters counters_;
};

}  // namespace penumbra::iotcore
