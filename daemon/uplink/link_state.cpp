#include "uplink/link_state.hpp"

#include <algorithm>
#include <array>

namespace penumbra {
namespace {

struct Transition {
  LinkState from;
  LinkEvent on;
  LinkState to;
};

using S = LinkState;
using E = LinkEvent;

constexpr std::array kTransitions = {
    Transition{S::kOffline, E::kStart, S::kWaiting},
    Transition{S::kOffline, E::kShutdown, S::kClosed},
    Transition{S::kUnprovisioned, E::kLookAgain, S::kWaiting},
    Transition{S::kUnprovisioned, E::kShutdown, S::kClosed},
    Transition{S::kWaiting, E::kNoCredentials, S::kUnprovisioned},
    Transition{S::kWaiting, E::kGateOpened, S::kConnecting},
    Transition{S::kWaiting, E::kShutdown, S::kClosed},
    Transition{S::kConnecting, E::kNoCredentials, S::kUnprovisioned},
    Transition{S::kConnecting, E::kOtherVersion, S::kWaiting},
    Transition{S::kConnecting, E::kConnected, S::kSubscribing},
    Transition{S::kConnecting, E::kDown, S::kBackoff},
    Transition{S::kConnecting, E::kShutdown, S::kClosed},
    Transition{S::kSubscribing, E::kSubscribed, S::kOnline},
    Transition{S::kSubscribing, E::kDown, S::kBackoff},
    Transition{S::kSubscribing, E::kShutdown, S::kClosing},
    Transition{S::kOnline, E::kDown, S::kBackoff},
    Transition{S::kOnline, E::kShutdown, S::kClosing},
    Transition{S::kBackoff, E::kLookAgain, S::kWaiting},
    Transition{S::kBackoff, E::kShutdown, S::kClosed},
    Transition{S::kClosing, E::kDown, S::kClosed},
    Transition{S::kClosed, E::kStart, S::kWaiting},
};

}  // namespace

std::optional<LinkState> NextState(LinkState state, LinkEvent event) {
  const auto* found = std::find_if(kTransitions.begin(), kTransitions.end(),
                                   [&](const Transition& t) { return t.from == state && t.on == event; });
  if (found == kTransitions.end()) return std::nullopt;
  return found->to;
}

std::string_view LinkWord(LinkState state) {
  switch (state) {
    case S::kUnprovisioned:
      return "unprovisioned";
    case S::kWaiting:
    case S::kBackoff:
      return "waiting";
    case S::kConnecting:
    case S::kSubscribing:
      return "connecting";
    case S::kOnline:
    case S::kClosing:
      return "online";
    case S::kOffline:
    case S::kClosed:
      break;
  }
  return "offline";
}

}  // namespace penumbra
