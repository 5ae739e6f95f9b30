#include "iotcore/shadow_host.hpp"

#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'100'000;

TEST(ShadowHostTest, RefusesUnknownCommandsWithUsage) {
  ShadowHost host;
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"frobnicate"},
                                                {"get"},
                                                {"update", "t1"},
                                                {"fault", "drop"},
                                                {"fault", "drop", "lots"},
                                                {"fault", "inject", "409", "1000000000"},
                                                {"update", "t1", "{not json"}}) {
    EXPECT_FALSE(host.OnCommand(words, kNowMs));
  }
}

TEST(ShadowHostTest, AnOperatorsUpdateIsPublishedToTheDeviceAndReadBack) {
  ShadowHost host;
  const auto reply = host.OnCommand({"update", "t1/config", R"({"desired":{"sample_interval":5}})"}, kNowMs);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->publish.size(), 3U);
  EXPECT_EQ(reply->publish[1].topic, "$aws/things/t1/shadow/name/config/update/delta");
  EXPECT_EQ(host.OnCommand({"get", "t1/config"}, kNowMs)->json["state"]["desired"]["sample_interval"], 5);
  EXPECT_EQ(host.OnCommand({"delete", "t1/config"}, kNowMs)->json["deleted"], true);
}

TEST(ShadowHostTest, DelayedAnswersComeWithTheTickWhenTheyAreDue) {
  ShadowHost host;
  ASSERT_TRUE(host.OnCommand({"fault", "delay", "300"}, kNowMs));
  EXPECT_TRUE(host.OnMessage("$aws/things/t1/shadow/get", "", kNowMs).empty());
  EXPECT_EQ(host.NextDue(), kNowMs + 300);
  EXPECT_TRUE(host.OnTick(kNowMs + 299).empty());
  EXPECT_EQ(host.OnTick(kNowMs + 300).size(), 1U);
  EXPECT_EQ(host.NextDue(), std::nullopt);
}

TEST(ShadowHostTest, AFaultsCountIsUsedUp) {
  ShadowHost host;
  ASSERT_TRUE(host.OnCommand({"fault", "inject", "429", "2"}, kNowMs));
  for (int i = 0; i < 3; ++i) host.OnMessage("$aws/things/t1/shadow/update", R"({"state":{}})", kNowMs);
  EXPECT_EQ(host.Summary()["rejected_by_code"]["429"], 2);
  EXPECT_EQ(host.Summary()["accepted"], 1);
}

}  // namespace
}  // namespace penumbra::iotcore
