#include "app/watchdog.hpp"

#include <gtest/gtest.h>

#include "support/virtual_loop.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

class WatchdogTest : public testing::Test {
 protected:
  // A thread that answers what it was asked when the test says so.
  struct FakeThread {
    std::vector<std::function<void()>> asked;
    bool answers = true;

    Watchdog::Member AsMember(std::string name) {
      return {std::move(name), [this](std::function<void()> answer) {
                if (answers) return answer();
                asked.push_back(std::move(answer));
              }};
    }
    void AnswerAll() {
      for (const auto& answer : std::exchange(asked, {})) answer();
    }
  };

  std::unique_ptr<Watchdog> Make() {
    return std::make_unique<Watchdog>(loop, 30s, std::vector{store.AsMember("store"), mqtt.AsMember("mqtt")},
                                      [this] { ++fed; });
  }

  test::VirtualLoop loop;
  FakeThread store, mqtt;
  int fed = 0;
};

TEST_F(WatchdogTest, IsNotFedWhileOneThreadHangs) {
  store.answers = false;
  const auto watchdog = Make();
  fed = 0;
  loop.Advance(10min);
  EXPECT_EQ(fed, 0);
}

TEST_F(WatchdogTest, AsksAHangingThreadOnlyOnce) {
  mqtt.answers = false;
  const auto watchdog = Make();
  loop.Advance(10min);
  EXPECT_EQ(mqtt.asked.size(), 1U);
}

TEST_F(WatchdogTest, IsFedAtOnceWhenTheLastHangingThreadAnswers) {
  store.answers = mqtt.answers = false;
  const auto watchdog = Make();
  loop.Advance(45s);
  fed = 0;
  store.AnswerAll();
  EXPECT_EQ(fed, 0);
  mqtt.AnswerAll();
  EXPECT_EQ(fed, 1);
}

TEST_F(WatchdogTest, IsFedEveryIntervalWhileAllAnswer) {
  const auto watchdog = Make();
  fed = 0;
  loop.Advance(5min);
  EXPECT_EQ(fed, 10);
}

TEST_F(WatchdogTest, IgnoresAnAnswerThatComesAfterItsEnd) {
  store.answers = false;
  auto watchdog = Make();
  loop.Advance(45s);
  watchdog.reset();
  fed = 0;
  store.AnswerAll();
  EXPECT_EQ(fed, 0);
}

}  // namespace
}  // namespace penumbra
