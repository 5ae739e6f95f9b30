// Sees that a thing's certificate, key or root certificates are replaced while its session is up. Not before the files
// have rested for one look are they believed (somebody may be copying one after the other), and not before the contents
// are others (they may just have been written again) and the
// transport finds them usable: what cannot be used is told of, once, and the session goes on with what it has. Loop
// thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "event/loop.hpp"
#include "mqtt/transport.hpp"

namespace penumbra {

class CredentialWatch {
 public:
  static constexpr Duration kLook = std::chrono::seconds(15);

  struct Eyes {
    std::function<std::string()> fingerprint;  // of the files as they are now (credential_files.hpp)
    std::function<std::string()> contents;     // a digest of what is in them
    std::function<mqtt::ConnectOptions()> options;
    std::function<void()> changed;  // other files, usable; the watch is over
  };
  CredentialWatch(EventLoop& loop, mqtt::Transport& transport, std::string thing, Eyes eyes);

  // The session came up with the files of this fingerprint.
  void Begin(std::string in_use);
  void End();

 private:
  void Look();
  void Judge(const std::string& fingerprint);

  EventLoop& loop_;
  mqtt::Transport& transport_;
  const std::string thing_;
  const Eyes eyes_;
  std::string in_use_, seen_, judged_;
  std::string contents_;  // of those in use; empty: not known
  SubscriptionPtr timer_;
  std::shared_ptr<bool> watching_;  // false: the watch of this token is over
};

}  // namespace penumbra
