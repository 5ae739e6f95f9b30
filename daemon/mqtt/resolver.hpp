// Name look-ups away from the loop and away from Paho.
//
// Paho C (1.3.12, Socket.c) calls getaddrinfo while it holds the one mutex of all its clients, so a name server that
// does not answer would stop every healthy connection. Here each name is looked up on a thread of its own, answers are
// kept for kKeep, and only then does Paho connect (interposed.hpp makes its own look-up instant).
// Deliberately without a timeout: the caller has one for the whole connect. Loop thread, except the look-up itself.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "event/loop.hpp"

namespace penumbra::mqtt {

using Addresses = std::vector<std::string>;  // numeric, the name service's preference first

// getaddrinfo(3) for TCP. Blocks. Error: kBackOff with the reason.
Result<Addresses> SystemLookup(const std::string& host);

class Resolver {
 public:
  using Lookup = std::function<Result<Addresses>(const std::string& host)>;
  using Done = std::function<void(const Result<Addresses>&)>;

  // A look-up cannot be interrupted: one that hangs keeps its thread. Other names get on as long as fewer hang.
  static constexpr std::size_t kMaxThreads = 4;
  // Names waiting for a thread; more fail at once.
  static constexpr std::size_t kMaxWaitingNames = 64;
  static constexpr std::chrono::seconds kKeep{30};

  Resolver(EventLoop& loop, Lookup lookup);
  // Never blocks; a look-up that still hangs ends into nothing.
  ~Resolver();

  // `done` is called on the loop, never inside this call, and not after the resolver is gone. A name that is being
  // looked up already is not looked up twice.
  void Resolve(const std::string& host, Done done);

  std::size_t threads() const { return running_; }

 private:
  struct Cached {
    Addresses addresses;
    BootTime until;
  };
  struct Bridge;  // outlives the resolver in the threads
  void StartNext();
  void Finish(const std::string& host, const Result<Addresses>& result);

  EventLoop& loop_;
  std::shared_ptr<Bridge> bridge_;
  std::map<std::string, Cached> cache_;
  std::map<std::string, std::vector<Done>> asking_;  // by name, also those that wait for a thread
  std::deque<std::string> waiting_;
  std::size_t running_ = 0;
};

}  // namespace penumbra::mqtt
