#include "store/time_keeper.hpp"

#include <charconv>

#include "base/log.hpp"

namespace penumbra {
namespace {

constexpr const char* kBeforeJump = "clock/before_jump_ms";

std::int64_t BeforeJump(const Store& store) {
  const std::string text = store.Setting(kBeforeJump).value_or("");
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 ? value : 0;
}

}  // namespace

TimeKeeper::TimeKeeper(EventLoop& loop, const ClockSettings& settings, Store& store)
    : loop_(loop),
      store_(store),
      trust_(loop.clock(), TimeTrust::Options{.always = settings.always_trusted,
                                              .patience = settings.patience,
                                              .newest_seen_ms = store.NewestTrustedMs(),
                                              .before_jump_ms = BeforeJump(store),
                                              .history = store.WallHistoryOf(loop.clock().BootId())}) {
  trust_.OnChange([this] { Keep(); });
  Watch();
}

void TimeKeeper::Watch() {
  trust_.Sample();
  timer_ = loop_.After(TimeTrust::kSamplePeriod, [this] { Watch(); });
}

void TimeKeeper::Keep() {
  store_.PutWallHistory(trust_.history());
  const std::int64_t before_jump = trust_.before_jump_ms();
  if (before_jump != BeforeJump(store_)) {
    store_.PutSetting(kBeforeJump, before_jump == 0 ? std::nullopt : std::optional(std::to_string(before_jump)), {});
  }
  const ClockStatus clock = trust_.Status();
  const std::int64_t ahead_ms = store_.NewestTrustedMs() - clock.now_ms;
  if (!clock.trusted || ahead_ms <= kNewestSlackMs) return;
  // A clock that once ran ahead has left times that no true one would reach for long: they are no measure of anything.
  log::Notice("clock.store_ahead", "the store holds later times than now; they were wrong", {{"by_ms", ahead_ms}});
  store_.LowerNewestTrusted(clock.now_ms);
}

}  // namespace penumbra
