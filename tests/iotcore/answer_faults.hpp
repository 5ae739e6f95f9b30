// What a service's answers suffer on command: dropped, doubled, delayed, or replaced by an error. Counts instead of
// probabilities, so that a test strikes exactly the answer it means. The shadow service has its own (shadow_host.hpp).
// Pure, one thread. Times are Unix milliseconds, handed in.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "iotcore/service.hpp"

namespace penumbra::iotcore {

class AnswerFaults {
 public:
  static constexpr std::size_t kMaxWaiting = 100'000;  // delayed answers; beyond that they are lost and counted
  static constexpr std::int64_t kMaxDelayMs = 600'000;
  static constexpr std::size_t kMaxCount = 10'000;

  // drop COUNT [AFTER] | duplicate COUNT | delay MS | inject CODE [COUNT] | none. Error kGiveUp: none of these.
  // AFTER: so many answers go out before.
  Status OnCommand(const std::vector<std::string>& words);
  static const char* Usage() { return "fault none|drop COUNT [AFTER]|duplicate COUNT|delay MS|inject CODE [COUNT]"; }

  // The code that the next request shall be refused with, once each time it was asked for.
  std::optional<std::string> TakeInjected();
  // What of `answers` goes out now; the rest waits for OnTick or is lost.
  std::vector<Message> Pass(std::vector<Message> answers, std::int64_t now_ms);
  std::optional<std::int64_t> NextDue() const;
  std::vector<Message> OnTick(std::int64_t now_ms);
  // {"dropped","duplicated","delayed","injected","lost_queue_full"}
  Json Summary() const;

 private:
  std::size_t drop_ = 0, drop_after_ = 0, duplicate_ = 0, inject_ = 0;
  std::int64_t delay_ms_ = 0;
  std::string code_;
  std::multimap<std::int64_t, Message> waiting_;
  std::uint64_t dropped_ = 0, duplicated_ = 0, delayed_ = 0, injected_ = 0, lost_queue_full_ = 0;
};

}  // namespace penumbra::iotcore
