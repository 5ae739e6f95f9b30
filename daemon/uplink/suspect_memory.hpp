// What a link knows of messages that cost the connection (suspects.hpp), kept in the store, so that a restart does not
// have to pay three connections for each of them again. Bounded: the newest kMax; the rest is found out anew. Loop
// thread. Deliberately not here: messages that are merely too large, because finding that out costs nothing.
#pragma once

#include <string>

#include "store/store.hpp"
#include "uplink/suspects.hpp"

namespace penumbra {

class SuspectMemory {
 public:
  static constexpr std::size_t kMax = 64;

  // `key` of the store's settings. The store outlives it.
  SuspectMemory(Store& store, std::string key) : store_(store), key_(std::move(key)) {}

  // What was kept last, in this process or an earlier one. What cannot be read is forgotten.
  void Recall(Suspects& suspects, BootTime now) const;
  // Writes if there is something to write: durable with the next commit.
  void Keep(const Suspects& suspects);

 private:
  Store& store_;
  const std::string key_;
};

}  // namespace penumbra
