// The shadow service as the stand-in hosts it: answers that are due later wait here, and an operator (the demo, a
// test) changes shadows and faults by command. One thread (iotcore's loop). The semantics are shadow_service.hpp's.
#pragma once

#include <map>

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
  // fault shuffle|duplicate|drop|delay|jitter VALUE      0 ends it; delay and jitter in milliseconds
  // fault inject CODE [COUNT]           refuses the next updates; `fault lie CODE [COUNT]` applies them all the same
  // fault none
  Result<Reply> OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) override;
  Json Summary() const override;

  ShadowService& service() { return service_; }

 private:
  Result<Reply> Request(const std::string& operation, const std::vector<std::string>& words, std::int64_t now_ms);
  Status SetFault(const std::vector<std::string>& words);

  ShadowService service_;
  std::multimap<std::int64_t, Message> waiting_;
  std::uint64_t lost_queue_full_ = 0;
};

}  // namespace penumbra::iotcore
