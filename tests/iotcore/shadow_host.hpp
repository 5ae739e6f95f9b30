// The shadow service as the stand-in hosts it: answers that are due later wait here, and an operator (the demo, a
// test) changes shadows and faults by command. One thread (iotcore's loop). The semantics are shadow_service.hpp's.
#pragma once

#include <map>
#include <optional>

#include "iotcore/service.hpp"
#include "iotcore/shadow_service.hpp"

namespace penumbra::iotcore {

class ShadowHost : public Service {
 public:
  static constexpr std::size_t kMaxWaiting = 100'000;  // delayed answers; beyond that they are lost and counted

  explicit ShadowHost(std::uint64_t seed = 1) : service_({}, seed) {}

  std::string_view Name() const override { return "shadow"; }
  std::vector<std::string> Filters() const override { return ShadowService::Filters(); }
  std::vector<Message> OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) override;
  std::optional<std::int64_t> NextDue() const override;
  std::vector<Message> OnTick(std::int64_t now_ms) override;

  // get THING[/NAME]                    the stored shadow, null when there is none
  // update THING[/NAME] JSON            an update as an application makes it; {"state":...} or just {"desired":...}
  // delete THING[/NAME]
  // load THING[/NAME] VERSION LEAF_TIME_S STATE_JSON     starts from this document
  // tombstone THING[/NAME] VERSION AGE_S                 as if deleted so long ago
  // forget                              every shadow, as if none had ever been
  // limit document-bytes|in-flight N
  // clock freeze UNIX_S | advance S | real   the service's own clock: time stamps and the 48 h rule, not delays. While
  //                                     it is frozen a delayed answer keeps its in-flight slot.
  // fault shuffle|duplicate|drop|delay|jitter VALUE      0 ends it; delay and jitter in milliseconds
  // fault only KIND|any                 the former but shuffle touch only this kind of message: "update/accepted"
  // fault inject CODE [COUNT [get]]     refuses the next updates (or gets); `fault lie CODE [COUNT]` refuses updates
  //                                     that it applies all the same
  // fault none
  Result<Reply> OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) override;
  Json Summary() const override;

  ShadowService& service() { return service_; }

 private:
  Result<Reply> Request(const std::string& operation, const std::vector<std::string>& words, std::int64_t now_ms);
  Status SetFault(const std::vector<std::string>& words);
  Status Prepare(const std::vector<std::string>& words, std::int64_t now_ms);
  Status SetClock(const std::vector<std::string>& words);
  std::int64_t ServiceMs(std::int64_t now_ms) const { return frozen_ms_.value_or(now_ms + ahead_ms_); }

  ShadowService service_;
  ShadowLimits limits_;
  std::optional<std::int64_t> frozen_ms_;
  std::int64_t ahead_ms_ = 0;
  std::multimap<std::int64_t, Message> waiting_;
  std::uint64_t lost_queue_full_ = 0;
};

}  // namespace penumbra::iotcore
