#include "event/asio_loop.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace penumbra {
namespace {

using namespace std::chrono_literals;

struct LoopTest : testing::Test {
  // No test of the loop may hang the suite.
  void RunLoop() {
    limit = loop.After(60s, [] { FAIL() << "the loop was not stopped"; });
    loop.Run();
  }
  SystemClock clock;
  AsioLoop loop{clock};
  SubscriptionPtr limit;
};

TEST_F(LoopTest, RunsPostedHandlersFromOtherThreadsInOrder) {
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.Post([&seen, i] { seen.push_back(i); });
    loop.Post([this] { loop.Stop(); });
  });
  RunLoop();
  other.join();
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST_F(LoopTest, ADestroyedTimerNeverFires) {
  bool fired = false;
  SubscriptionPtr timer = loop.After(1ms, [&fired] { fired = true; });
  loop.Post([&timer] { timer.reset(); });
  const SubscriptionPtr stop = loop.After(20ms, [this] { loop.Stop(); });
  RunLoop();
  EXPECT_FALSE(fired);
}

TEST_F(LoopTest, AHandlerMayDestroyItsOwnTimer) {
  SubscriptionPtr timer;
  timer = loop.After(1ms, [this, &timer] {
    timer.reset();
    loop.Stop();
  });
  RunLoop();
}

TEST_F(LoopTest, TellsReadableUntilTheWatchIsDestroyed) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  int calls = 0;
  SubscriptionPtr watch;
  watch = loop.WhenReadable(fds[0], [&] {
    char c = 0;
    ASSERT_EQ(::read(fds[0], &c, 1), 1);
    if (++calls == 2) {
      watch.reset();
      loop.Stop();
    }
  });
  ASSERT_EQ(::write(fds[1], "ab", 2), 2);
  RunLoop();
  EXPECT_EQ(calls, 2);
  ::close(fds[0]);
  ::close(fds[1]);
}

TEST_F(LoopTest, RemembersTheLongestHandler) {
  loop.Post([this] {
    const BootTime end = clock.Now() + 30ms;
    while (clock.Now() < end) {
    }
    loop.Stop();
  });
  RunLoop();
  EXPECT_GE(loop.TakeLongestHandler(), 30ms);
  EXPECT_EQ(loop.TakeLongestHandler(), 0ms);
}

}  // namespace
}  // namespace penumbra
