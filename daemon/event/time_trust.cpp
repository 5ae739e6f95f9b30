#include "event/time_trust.hpp"

#include <cstdlib>
#include <utility>

#include "base/log.hpp"

namespace penumbra {

TimeTrust::TimeTrust(Clock& clock, Options options)
    : clock_(clock),
      options_(std::move(options)),
      history_(options_.history),
      before_jump_ms_(options_.before_jump_ms) {
  wall_ms_ = WallOffset();
  // An earlier run of this boot knows more than a clock that nobody vouches for now.
  if (history_.boot_id == clock_.BootId() && !history_.eras.empty()) {
    offset_ms_ = history_.eras.back().true_offset_ms;
    if (history_.eras.back().trusted) source_ = Source::kHeld;
  } else {
    history_ = {clock_.BootId(), {}};
    NewEra(wall_ms_, false);
  }
}

void TimeTrust::OnChange(std::function<void()> handler) {
  changed_ = std::move(handler);
  Changed();
}

void TimeTrust::Changed() {
  if (changed_) changed_();
}

// Two clocks are read one after the other; on a busy machine much can lie between. The tightest of a few tries counts.
std::int64_t TimeTrust::WallOffset() const {
  constexpr int kTries = 4;
  constexpr Duration kTight = std::chrono::milliseconds(1);
  std::int64_t offset = 0;
  Duration tightest = Duration::max();
  for (int i = 0; i < kTries && tightest > kTight; ++i) {
    const BootTime before = clock_.Now();
    const std::int64_t unix_ms = clock_.UnixMs();
    const Duration width = clock_.Now() - before;
    if (width >= tightest) continue;
    tightest = width;
    offset = unix_ms - (before + width / 2).ns / 1'000'000;
  }
  // Kept off the processor through all tries: that is no news of the clock.
  return sampled_ && tightest > std::chrono::milliseconds(kNoiseMs) ? wall_ms_ : offset;
}

// Compared with the last look, not with what is believed: a step that is not followed is one event, not one a second.
bool TimeTrust::Moved() const {
  return std::abs(WallOffset() - wall_ms_) >= kNoiseMs;
}

void TimeTrust::SampleIfDue() {
  if (!sampled_ || clock_.Now() - *sampled_ >= kSamplePeriod || Moved()) Sample();
}

bool TimeTrust::Trusted() {
  SampleIfDue();
  return source_ != Source::kNothing && !doubt_;
}

std::int64_t TimeTrust::UnixMs() {
  SampleIfDue();
  return clock_.Now().ns / 1'000'000 + offset_ms_;
}

bool TimeTrust::InDoubt() {
  SampleIfDue();
  return doubt_.has_value();
}

std::int64_t TimeTrust::Believed() const {
  return sampled_->ns / 1'000'000 + offset_ms_;
}

void TimeTrust::Sample() {
  sampled_ = clock_.Now();
  const std::int64_t wall = WallOffset();
  if (options_.always) {
    Configured(wall);
  } else if (clock_.Synchronised()) {
    Synchronised(wall);
  } else if (source_ != Source::kNothing) {
    Unvouched(wall);
  } else if (BatteryVouches()) {
    Adopt(wall, Source::kBattery);
  } else {
    FollowUntrusted(wall);
  }
  wall_ms_ = wall;
}

void TimeTrust::Configured(std::int64_t wall) {
  const std::int64_t by = wall - offset_ms_;
  if (source_ != Source::kConfigured || std::abs(by) >= kStepMs) {
    Adopt(wall, Source::kConfigured);
  } else if (std::abs(by) >= kNoiseMs) {
    Drift(wall);
  }
}

// A battery clock alone proves nothing on a first start: there must be something in the store to compare with.
bool TimeTrust::BatteryVouches() const {
  if (options_.newest_seen_ms <= 0 || !clock_.SetFromBattery()) return false;
  const std::int64_t now = clock_.UnixMs();
  return now >= options_.newest_seen_ms || (before_jump_ms_ > 0 && now >= before_jump_ms_);
}

// The latest word is the best there is, also for what was dated before it.
void TimeTrust::FollowUntrusted(std::int64_t wall) {
  const std::int64_t by = wall - offset_ms_;
  if (std::abs(by) < kNoiseMs) return;
  NoteStep(by);
  history_.Correct(by, false);
  NewEra(wall, false);
  Changed();
}

void TimeTrust::Synchronised(std::int64_t wall) {
  const std::int64_t by = std::abs(wall - offset_ms_);
  const std::int64_t free_ms = synchronised_ ? (*sampled_ - *synchronised_).count() / 1'000'000 : 0;
  if (source_ == Source::kHeld && by <= kStepMs) source_ = Source::kSynchronised;
  if (source_ != Source::kSynchronised) {
    Adopt(wall, Source::kSynchronised);
  } else if (by < kNoiseMs) {
    if (doubt_) log::Notice("clock.returned", "the clock is back where it was; the step is forgotten");
    doubt_.reset();
  } else if (by <= kStepMs + free_ms * kDriftPpm / 1'000'000) {
    doubt_.reset();
    Drift(wall);
  } else {
    DoubtStep(wall);
  }
  if (!doubt_) synchronised_ = sampled_;
}

void TimeTrust::DoubtStep(std::int64_t wall) {
  if (!doubt_) {
    log::Warning("clock.jumped", "a synchronised clock has jumped; readings wait to see whether it stays there",
                 {{"by_ms", wall - offset_ms_}, {"patience_s", options_.patience / std::chrono::seconds(1)}});
    doubt_ = Doubt{*sampled_, wall};
  }
  doubt_->offset_ms = wall;
  if (*sampled_ - doubt_->since >= options_.patience) Adopt(wall, Source::kSynchronised);
}

void TimeTrust::Unvouched(std::int64_t wall) {
  doubt_.reset();
  const std::int64_t moved = wall - wall_ms_;
  if (std::abs(moved) < kNoiseMs) return;
  steps_ += 1;
  last_step_ms_ = moved;
  last_step_at_ms_ = Believed();
  log::Warning("clock.step_ignored", "the wall clock was set and nobody vouches for it; time goes on as it was",
               {{"by_ms", moved}, {"off_ms", wall - offset_ms_}});
}

void TimeTrust::Adopt(std::int64_t wall, Source source) {
  const std::int64_t by = wall - offset_ms_;
  const bool trusted_before = std::exchange(source_, source) != Source::kNothing;
  doubt_.reset();
  if (!trusted_before) {
    log::Notice("clock.trusted", "the clock is trusted; readings of this boot are dated by it",
                {{"source", Status().source}, {"by_ms", by}});
  }
  if (trusted_before && by >= kJumpMs) before_jump_ms_ = Believed();
  if (trusted_before && by <= -kJumpMs) before_jump_ms_ = 0;
  if (std::abs(by) >= kStepMs) NoteStep(by);
  history_.Correct(std::abs(by) >= kNoiseMs ? by : 0, true);
  if (std::abs(by) >= kNoiseMs) NewEra(wall, true);
  Changed();
}

void TimeTrust::Drift(std::int64_t wall) {
  const std::int64_t by = wall - offset_ms_;
  drift_ms_ += by;
  if (std::abs(by) >= kStepMs) log::Notice("clock.drift", "the clock had drifted and was put right", {{"by_ms", by}});
  NewEra(wall, true);
  Changed();
}

void TimeTrust::NoteStep(std::int64_t by_ms) {
  steps_ += 1;
  last_step_ms_ = by_ms;
  last_step_at_ms_ = Believed() + by_ms;
  log::Notice("clock.stepped", "the clock was put right; readings of this boot are dated anew", {{"by_ms", by_ms}});
}

void TimeTrust::NewEra(std::int64_t wall, bool trusted) {
  offset_ms_ = wall;
  history_.Begin(clock_.Now().ns, wall, trusted);
}

ClockStatus TimeTrust::Status() {
  static constexpr std::string_view kNames[] = {"nothing", "battery", "held", "synchronised", "configured"};
  return {source_ != Source::kNothing && !doubt_,
          kNames[static_cast<std::size_t>(source_)],
          doubt_.has_value(),
          clock_.Now().ns / 1'000'000 + offset_ms_,
          steps_,
          last_step_ms_,
          last_step_at_ms_,
          drift_ms_};
}

}  // namespace penumbra
