// Reads shadow-vectors.json and runs its service cases against anything that answers like the Device Shadow service:
// the stand-in's core in-process, or the stand-in behind a broker. How a case is read stands in the file itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace penumbra::test {

// The whole file. Aborts the test program with a message when it cannot be read: no vectors must never mean no faults.
const Json& ShadowVectors();

// A service under test, holding the shadows of one thing.
class ShadowBench {
 public:
  struct Answer {
    std::string kind;  // "update/accepted", "get/rejected", ...: the topic behind the shadow's prefix
    Json body;
  };
  virtual ~ShadowBench() = default;
  // Empty service with these limits, clock at `now_s`. `shadow` "" is the classic one everywhere.
  virtual void Reset(std::int64_t now_s, std::size_t max_document_bytes) = 0;
  virtual void Load(const std::string& shadow, const Json& state, std::int64_t version, std::int64_t leaf_time_s) = 0;
  virtual void LoadTombstone(const std::string& shadow, std::int64_t version, std::int64_t age_s) = 0;
  virtual void AdvanceClock(std::int64_t seconds) = 0;
  // Publishes a request and answers every message that follows from it.
  virtual std::vector<Answer> Send(const std::string& shadow, const std::string& operation,
                                   const std::string& payload) = 0;
  // {"state","metadata","version"}, {"deleted":true,"version"}, or null.
  virtual Json Peek(const std::string& shadow) = 0;
};

// The bytes a request of a case stands for.
std::string RequestPayload(const Json& request);

// Runs all service cases with GoogleTest expectations; answers how many requests were made.
int RunServiceCases(ShadowBench& bench);

}  // namespace penumbra::test
