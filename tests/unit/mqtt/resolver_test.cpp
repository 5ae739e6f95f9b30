#include "mqtt/resolver.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "mqtt/interposed.hpp"
#include "support/virtual_loop.hpp"

#include <netdb.h>

namespace penumbra::mqtt {
namespace {

using test::VirtualLoop;

// A name service whose answers the test lets go.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int inside = 0;
  std::atomic<int> calls{0};

  Result<Addresses> operator()(const std::string& host) {
    ++calls;
    std::unique_lock lock(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
    --inside;
    changed.notify_all();
    if (host.rfind("bad", 0) == 0) return Fail(Action::kBackOff, "no such name");
    return Addresses{"192.0.2.1"};
  }
  void WaitFor(int count) {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return inside == count; }));
  }
  void Open() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

TEST(Resolver, AHangingNameDoesNotHoldUpOthersAndThreadsAreBounded) {
  VirtualLoop loop;
  auto gate = std::make_shared<Gate>();
  Resolver resolver(loop, [gate](const std::string& host) -> Result<Addresses> {
    if (host == "quick") return Addresses{"192.0.2.9"};
    return (*gate)(host);
  });
  int answered = 0;
  for (int i = 0; i < 3; ++i) resolver.Resolve("slow-" + std::to_string(i), [&](const auto&) { ++answered; });
  gate->WaitFor(3);
  bool quick = false;
  resolver.Resolve("quick", [&](const Result<Addresses>& result) { quick = result.has_value(); });
  EXPECT_TRUE(loop.RunUntil([&] { return quick; }));
  for (int i = 3; i < 20; ++i) resolver.Resolve("slow-" + std::to_string(i), [&](const auto&) { ++answered; });
  EXPECT_EQ(resolver.threads(), Resolver::kMaxThreads);
  gate->Open();
  EXPECT_TRUE(loop.RunUntil([&] { return answered == 20; }));
  EXPECT_EQ(resolver.threads(), 0u);
}

TEST(Resolver, TooManyWaitingNamesFailAtOnce) {
  VirtualLoop loop;
  auto gate = std::make_shared<Gate>();
  Resolver resolver(loop, [gate](const std::string& host) { return (*gate)(host); });
  for (std::size_t i = 0; i < Resolver::kMaxThreads + Resolver::kMaxWaitingNames; ++i) {
    resolver.Resolve("n" + std::to_string(i), [](const auto&) {});
  }
  std::optional<Error> error;
  resolver.Resolve("one-too-many", [&](const Result<Addresses>& result) { error = result.error(); });
  EXPECT_FALSE(error) << "never inside the call";
  loop.RunReady();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->action, Action::kBackOff);
  gate->Open();
  EXPECT_TRUE(loop.RunUntil([&] { return resolver.threads() == 0; }));
}

TEST(Resolver, AnswersAreKeptForAWhileAndFailuresAreNot) {
  VirtualLoop loop;
  auto gate = std::make_shared<Gate>();
  gate->Open();
  Resolver resolver(loop, [gate](const std::string& host) { return (*gate)(host); });
  const auto ask = [&](const std::string& host) {
    bool done = false;
    resolver.Resolve(host, [&](const auto&) { done = true; });
    EXPECT_TRUE(loop.RunUntil([&] { return done; }));
  };
  ask("good");
  ask("good");
  EXPECT_EQ(gate->calls, 1);
  loop.Advance(Resolver::kKeep + std::chrono::seconds(1));
  ask("good");
  EXPECT_EQ(gate->calls, 2);
  ask("bad");
  ask("bad");
  EXPECT_EQ(gate->calls, 4);
  ask("192.0.2.7");
  EXPECT_EQ(gate->calls, 4) << "an address is no name";
}

TEST(Resolver, ThoseWhoAskForTheSameNameShareOneLookup) {
  VirtualLoop loop;
  auto gate = std::make_shared<Gate>();
  Resolver resolver(loop, [gate](const std::string& host) { return (*gate)(host); });
  int answered = 0;
  for (int i = 0; i < 10; ++i) resolver.Resolve("good", [&](const auto&) { ++answered; });
  gate->Open();
  EXPECT_TRUE(loop.RunUntil([&] { return answered == 10; }));
  EXPECT_EQ(gate->calls, 1);
}

TEST(Resolver, ALookupThatOutlivesTheResolverEndsIntoNothing) {
  VirtualLoop loop;
  auto gate = std::make_shared<Gate>();
  bool called = false;
  {
    Resolver resolver(loop, [gate](const std::string& host) { return (*gate)(host); });
    resolver.Resolve("good", [&](const auto&) { called = true; });
    gate->WaitFor(1);
  }
  gate->Open();
  gate->WaitFor(0);
  loop.RunReady();
  EXPECT_FALSE(called);
}

std::string Lookup(const char* host) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host, nullptr, &hints, &found) != 0) return "";
  char text[NI_MAXHOST];
  ::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  ::freeaddrinfo(found);
  return text;
}

TEST(NameLease, AnswersForTheLeasedNameAndNoOther) {
  EXPECT_EQ(Lookup("leased.invalid"), "");
  {
    const NameLease first("leased.invalid", "192.0.2.1");
    EXPECT_EQ(Lookup("leased.invalid"), "192.0.2.1");
    {
      const NameLease second("leased.invalid", "192.0.2.2");
      EXPECT_EQ(Lookup("leased.invalid"), "192.0.2.2");
    }
    EXPECT_EQ(Lookup("leased.invalid"), "192.0.2.1");
    EXPECT_EQ(Lookup("127.0.0.1"), "127.0.0.1");
  }
  EXPECT_EQ(Lookup("leased.invalid"), "");
}

}  // namespace
}  // namespace penumbra::mqtt
