#include "app/watchdog.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace penumbra {

struct Watchdog::State : std::enable_shared_from_this<Watchdog::State> {
  struct Asked {
    Member member;
    BootTime since{};
    bool waiting = false;
    bool told = false;
  };

  State(EventLoop& l, Duration i, std::function<void()> f) : loop(l), interval(i), feed(std::move(f)) {}

  bool AllAnswered() const {
    return std::none_of(members.begin(), members.end(), [](const Asked& asked) { return asked.waiting; });
  }

  void Ask(std::size_t index) {
    Asked& asked = members[index];
    asked.waiting = true;
    asked.since = loop.Now();
    asked.member.ask([weak = weak_from_this(), index] {
      if (const auto self = weak.lock()) self->Answered(index);
    });
  }

  void Answered(std::size_t index) {
    Asked& asked = members[index];
    asked.waiting = false;
    if (!asked.told) return;
    asked.told = false;
    log::Notice("daemon.stall_over", "the thread makes progress again",
                {{"thread", asked.member.name}, {"ms", (loop.Now() - asked.since) / std::chrono::milliseconds(1)}});
    if (AllAnswered()) feed();
  }

  void Tick() {
    if (AllAnswered()) feed();
    for (std::size_t i = 0; i < members.size(); ++i) {
      Asked& asked = members[i];
      if (!asked.waiting) {
        Ask(i);
      } else if (!asked.told) {
        asked.told = true;
        log::Error("daemon.stalled", "a thread makes no progress; the watchdog is not fed",
                   {{"thread", asked.member.name}, {"ms", (loop.Now() - asked.since) / std::chrono::milliseconds(1)}});
      }
    }
    timer = loop.After(interval, [this] { Tick(); });
  }

  EventLoop& loop;
  const Duration interval;
  std::function<void()> feed;
  std::vector<Asked> members;
  SubscriptionPtr timer;
};

Watchdog::Watchdog(EventLoop& loop, Duration interval, std::vector<Member> members, std::function<void()> feed)
    : state_(std::make_shared<State>(loop, interval, std::move(feed))) {
  for (Member& member : members) state_->members.push_back({.member = std::move(member)});
  state_->Tick();
}

Watchdog::~Watchdog() = default;

}  // namespace penumbra
