#include "mqtt/resolver.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <mutex>
#include <system_error>
#include <thread>

#include "mqtt/interposed.hpp"

namespace penumbra::mqtt {

// How a look-up thread reaches the resolver, or finds that it is gone.
struct Resolver::Bridge {
  Lookup lookup;
  std::mutex mutex;
  EventLoop* loop = nullptr;  // null when the resolver is gone
  Resolver* resolver = nullptr;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);  // loop thread

  void Answer(const std::string& host, Result<Addresses> result) {
    const std::lock_guard lock(mutex);
    if (!loop) return;
    loop->Post([token = alive, to = resolver, host, answer = std::move(result)] {
      if (*token) to->Finish(host, answer);
    });
  }
};

Result<Addresses> SystemLookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int code = RealGetaddrinfo(host.c_str(), nullptr, &hints, &found); code != 0) {
    return Fail(Action::kBackOff, "looking up " + host + ": " + ::gai_strerror(code));
  }
  Addresses addresses;
  for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text);
    }
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return Fail(Action::kBackOff, "looking up " + host + ": the name has no address");
  return addresses;
}

namespace {

bool IsNumeric(const std::string& host) {
  in6_addr any{};
  return ::inet_pton(AF_INET, host.c_str(), &any) == 1 || ::inet_pton(AF_INET6, host.c_str(), &any) == 1;
}

}  // namespace

Resolver::Resolver(EventLoop& loop, Lookup lookup) : loop_(loop), bridge_(std::make_shared<Bridge>()) {
  bridge_->lookup = std::move(lookup);
  bridge_->loop = &loop;
  bridge_->resolver = this;
}

Resolver::~Resolver() {
  *bridge_->alive = false;
  const std::lock_guard lock(bridge_->mutex);
  bridge_->loop = nullptr;
}

void Resolver::Resolve(const std::string& host, Done done) {
  const auto answer = [this, &done](Result<Addresses> result) {
    loop_.Post([token = bridge_->alive, done = std::move(done), result = std::move(result)] {
      if (*token) done(result);
    });
  };
  if (IsNumeric(host)) return answer(Addresses{host});
  if (const auto cached = cache_.find(host); cached != cache_.end()) {
    if (loop_.Now() < cached->second.until) return answer(cached->second.addresses);
    cache_.erase(cached);
  }
  if (const auto asking = asking_.find(host); asking != asking_.end()) {
    asking->second.push_back(std::move(done));
    return;
  }
  if (waiting_.size() >= kMaxWaitingNames) {
    return answer(Fail(Action::kBackOff, "looking up " + host + ": too many look-ups wait for the name service"));
  }
  asking_[host].push_back(std::move(done));
  waiting_.push_back(host);
  StartNext();
}

void Resolver::StartNext() {
  while (running_ < kMaxThreads && !waiting_.empty()) {
    const std::string host = std::move(waiting_.front());
    waiting_.pop_front();
    try {
      std::thread([bridge = bridge_, host] { bridge->Answer(host, bridge->lookup(host)); }).detach();
      ++running_;
    } catch (const std::system_error& error) {
      ++running_;  // Finish counts it down
      bridge_->Answer(host, Fail(Action::kBackOff, "looking up " + host + ": " + error.what()));
    }
  }
}

void Resolver::Finish(const std::string& host, const Result<Addresses>& result) {
  --running_;
  if (result) {
    std::erase_if(cache_, [now = loop_.Now()](const auto& entry) { return entry.second.until <= now; });
    cache_[host] = {*result, loop_.Now() + kKeep};
  }
  auto asking = asking_.extract(host);
  StartNext();
  const auto token = bridge_->alive;
  for (const Done& done : asking.mapped()) {
    if (*token) done(result);
  }
}

}  // namespace penumbra::mqtt
