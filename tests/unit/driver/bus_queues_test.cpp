#include "driver/bus_queues.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class BusQueuesTest : public ::testing::Test {
 protected:
  BusQueues::Write Write(std::uint32_t thing, Value raw, BootTime asked = BootTime{}) {
    return {thing, 0, asked, std::move(raw), [this](const Status& s) { told.push_back(s ? "ok" : s.error().message); }};
  }
  void Read(std::uint32_t thing, BootTime asked = BootTime{}) {
    queues.AddRead(thing, asked, [this](const Result<Reading>& r) { told.push_back(r ? "ok" : r.error().message); });
  }
  void Question(BootTime asked) {
    queues.Add(BusQueues::Question{.text = "{}", .name = "plan", .asked = asked, .done = [this](const auto& answer) {
                                     told.push_back(answer ? "ok" : answer.error().message);
                                   }});
  }

  std::vector<std::string> told;
  BusQueues queues{"b"};
};

TEST_F(BusQueuesTest, WhatWaitedTooLongIsAnsweredInEveryQueueAlsoBehindWritesThatDoNot) {
  const BootTime late = BootTime{} + BusQueues::kMaxTime + 1ns;
  queues.Add(Write(0, std::int64_t{1}, late));
  Read(0);
  Question(BootTime{});
  queues.FailLate(late);
  EXPECT_THAT(told, ElementsAre("waited too long for the bus", "waited too long for the bus"));
  EXPECT_EQ(queues.TakeWrites(16).size(), 1U);
  EXPECT_FALSE(queues.TakeRead());
  EXPECT_FALSE(queues.TakeQuestion());
}

TEST_F(BusQueuesTest, AFullQueueRefusesAndKeepsWhatItHas) {
  for (std::size_t i = 0; i <= BusQueues::kMaxWrites; ++i) queues.Add(Write(0, std::int64_t{1}));
  for (std::uint32_t thing = 0; thing <= BusQueues::kMaxReads; ++thing) Read(thing);
  for (std::size_t i = 0; i <= BusQueues::kMaxQuestions; ++i) Question(BootTime{});
  EXPECT_THAT(
      told, ElementsAre("bus b has 64 writes waiting", "bus b has 64 reads waiting", "bus b has 8 questions waiting"));
  EXPECT_EQ(queues.TakeWrites(1000).size(), BusQueues::kMaxWrites);
}

TEST_F(BusQueuesTest, WritesOfOneThingGoTogetherButTextsAlone) {
  queues.Add(Write(0, std::int64_t{1}));
  queues.Add(Write(0, 2.0));
  queues.Add(Write(0, std::string("text")));
  queues.Add(Write(0, std::int64_t{3}));
  queues.Add(Write(1, std::int64_t{4}));
  std::vector<std::size_t> sizes;
  for (auto taken = queues.TakeWrites(16); !taken.empty(); taken = queues.TakeWrites(16)) sizes.push_back(taken.size());
  EXPECT_THAT(sizes, ElementsAre(2, 1, 1, 1));
}

TEST_F(BusQueuesTest, ReadsOfOneThingAreOneRead) {
  Read(7);
  Read(7);
  const auto read = queues.TakeRead();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->done.size(), 2U);
  EXPECT_FALSE(queues.TakeRead());
}

TEST_F(BusQueuesTest, AnotherConfigurationKeepsWhatIsOfThingsThatStay) {
  queues.Add(Write(0, std::int64_t{1}));
  queues.Add(Write(1, std::int64_t{2}));
  Read(0);
  Read(1);
  queues.Renumber([](std::uint32_t thing) { return thing == 1 ? std::optional(0U) : std::nullopt; },
                  {Action::kRetry, "changed"});
  EXPECT_THAT(told, ElementsAre("changed", "changed"));
  const auto writes = queues.TakeWrites(16);
  ASSERT_EQ(writes.size(), 1U);
  EXPECT_EQ(writes[0].thing, 0U);
  EXPECT_EQ(writes[0].raw, Value(std::int64_t{2}));
  EXPECT_EQ(queues.TakeRead()->thing, 0U);
}

TEST_F(BusQueuesTest, WhoIsRefusedMayAskAgainAtOnce) {
  int asked = 0;
  std::function<void()> again = [&] {
    queues.AddRead(0, BootTime{}, [&](const Result<Reading>&) {
      if (++asked < 3) again();
    });
  };
  again();
  queues.FailAll({Action::kBackOff, "down"});
  EXPECT_EQ(asked, 1);
  queues.FailAll({Action::kBackOff, "down"});
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace penumbra::test
