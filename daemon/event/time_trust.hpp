// What time is it, and is that worth believing? Pis have no battery clock: after a boot without network it may be 1970,
// or last week; and a clock that was right may jump.
//
// Trusted (interfaces.md, "Clock"): when configured so; when the kernel or timesyncd says synchronised; or when a
// battery clock set it at boot and it is not before the newest time the store has seen. Then BootTime carries the time
// on, so:
// - A step for which nobody vouches (the kernel does not say synchronised) is not followed.
// - A step from one synchronised time to another is doubted for `patience`; meanwhile nothing of this boot is sent. If
//   it lasts, the clock was wrong before and everything of this boot is dated anew; if it goes back, nothing happened.
// - A correction no larger than drift can explain is followed, and what was dated before it stays as it is.
// - What was dated before the first synchronisation of a boot is dated anew by it.
//
// Deliberately without memory of its own: the store keeps the history (OnChange), and gives it back after a restart
// within the same boot. Loop thread.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "event/clock.hpp"
#include "event/wall_history.hpp"

namespace penumbra {

struct ClockStatus {
  bool trusted = false;
  // "configured", "synchronised", "battery", "held" (from an earlier run in this boot), or "nothing" vouches for it.
  std::string_view source;
  bool in_doubt = false;             // a step is being watched
  std::int64_t now_ms = 0;           // Unix time as it is believed
  std::uint64_t steps = 0;           // followed or not, since the daemon's start
  std::int64_t last_step_ms = 0;     // how far the wall clock moved then
  std::int64_t last_step_at_ms = 0;  // when, as the daemon believed; 0: never
  std::int64_t drift_ms = 0;         // sum of the small corrections since the daemon's start
};

class TimeTrust {
 public:
  static constexpr Duration kSamplePeriod = std::chrono::seconds(1);
  static constexpr std::int64_t kNoiseMs = 20;         // two clocks read one after the other
  static constexpr std::int64_t kStepMs = 1000;        // a larger correction is a step, unless drift explains it
  static constexpr std::int64_t kDriftPpm = 200;       // of a bad crystal, free running
  static constexpr std::int64_t kJumpMs = 86'400'000;  // a step ahead that is worth remembering: see before_jump_ms

  struct Options {
    bool always = false;
    Duration patience = std::chrono::minutes(2);
    // The newest trusted time of measurement in the store; 0 when there is none.
    std::int64_t newest_seen_ms = 0;
    // The time before the last jump ahead of a trusted clock, as OnChange reported it; 0: none. A battery clock that
    // goes on from there is as good as one that is past newest_seen_ms: the jump was false.
    std::int64_t before_jump_ms = 0;
    WallHistory history{};  // of this boot, when the daemon has run before in it
  };

  TimeTrust(Clock& clock, Options options);
  TimeTrust(Clock& clock, bool always, std::int64_t newest_seen_ms)
      : TimeTrust(clock, Options{.always = always, .newest_seen_ms = newest_seen_ms, .history = {}}) {}

  // Asked per reading; looks at the clocks itself when it is time.
  bool Trusted();
  // The wall time to date with: BootTime and what is known of the offset.
  std::int64_t UnixMs();
  // A step is being watched: what this boot has measured had better wait.
  bool InDoubt();
  // Looks at the clocks now. Whoever owns this object calls it every kSamplePeriod, so that no step goes unseen.
  void Sample();

  const WallHistory& history() const { return history_; }
  // See Options; 0: forget it.
  std::int64_t before_jump_ms() const { return before_jump_ms_; }
  ClockStatus Status();

  // Called when history() or before_jump_ms() has changed, and once at once. Set once.
  void OnChange(std::function<void()> handler);

 private:
  enum class Source { kNothing, kBattery, kHeld, kSynchronised, kConfigured };
  struct Doubt {
    BootTime since;
    std::int64_t offset_ms;
  };

  std::int64_t WallOffset() const;
  bool Moved() const;
  void SampleIfDue();
  bool BatteryVouches() const;
  void FollowUntrusted(std::int64_t wall);
  void Configured(std::int64_t wall);
  void Synchronised(std::int64_t wall);
  void Unvouched(std::int64_t wall);
  void Adopt(std::int64_t wall, Source source);
  void Drift(std::int64_t wall);
  std::int64_t Believed() const;  // at the last sample
  void DoubtStep(std::int64_t wall);
  void NoteStep(std::int64_t by_ms);
  void NewEra(std::int64_t wall, bool trusted);
  void Changed();

  Clock& clock_;
  const Options options_;
  std::function<void()> changed_;
  WallHistory history_;
  Source source_ = Source::kNothing;
  std::int64_t offset_ms_ = 0;  // what is believed
  std::int64_t wall_ms_ = 0;    // what the wall clock said at the last sample
  std::int64_t before_jump_ms_;
  std::optional<BootTime> sampled_;
  std::optional<BootTime> synchronised_;  // the last sample that was
  std::optional<Doubt> doubt_;
  std::uint64_t steps_ = 0;
  std::int64_t last_step_ms_ = 0;
  std::int64_t last_step_at_ms_ = 0;
  std::int64_t drift_ms_ = 0;
};

}  // namespace penumbra
