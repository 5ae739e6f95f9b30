// The life of one thing's link, as a table. Pure; what happens on entering a state is link_session.cpp's business.
#pragma once

#include <optional>
#include <string_view>

namespace penumbra {

enum class LinkState {
  kOffline,        // no upstream configured, or not started
  kUnprovisioned,  // certificate or key missing or bad
  kWaiting,        // for the connect gate
  kConnecting,
  kSubscribing,
  kOnline,
  kBackoff,
  kClosing,  // says goodbye
  kClosed,   // until somebody starts it again
};

enum class LinkEvent {
  kStart,
  kGateOpened,
  kNoCredentials,
  kLookAgain,  // the backoff is over, or the credentials have changed
  kConnected,
  kSubscribed,
  kOtherVersion,  // the server refused the protocol version, and we have another
  kDown,
  kShutdown,
};

// nullopt: the event means nothing in this state (it came too late) and is ignored.
std::optional<LinkState> NextState(LinkState state, LinkEvent event);

// LinkStatus::link of a state.
std::string_view LinkWord(LinkState state);

}  // namespace penumbra
