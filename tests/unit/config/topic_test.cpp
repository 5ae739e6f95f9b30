#include "config/topic.hpp"

#include <gtest/gtest.h>

namespace penumbra {
namespace {

TEST(ExpandTopic, RefusesBracesWithoutPartnersAndUnknownPlaceholders) {
  for (const char* pattern : {"a/{thing", "a/thing}", "a/{", "}", "a/{}", "a/{Thing}", "a/{thing}{x}", "{{thing}}"}) {
    EXPECT_FALSE(ExpandTopic(pattern, "s").has_value()) << pattern;
  }
}

TEST(ExpandTopic, RefusesTopicsOfTheGatewayItself) {
  for (const char* topic : {"status/s", "sensors/s/batch", "sensors/s/command/ack", "commands/s", "commands/s/x"}) {
    EXPECT_FALSE(ExpandTopic(topic, "s").has_value()) << topic;
  }
  EXPECT_TRUE(ExpandTopic("commands/other", "s").has_value());
}

TEST(ExpandTopic, CountsBytesAfterReplacing) {
  EXPECT_TRUE(ExpandTopic(std::string(249, 'a') + "/{thing}", "sixsix").has_value());
  EXPECT_FALSE(ExpandTopic(std::string(250, 'a') + "/{thing}", "sixsix").has_value());
}

TEST(ExpandTopic, ReplacesEachPlaceholder) {
  EXPECT_EQ(ExpandTopic("{thing}/x/{thing}", "s").value(), "s/x/s");
  EXPECT_EQ(ExpandTopic("a/b/c/d/e/f/g/h", "s").value(), "a/b/c/d/e/f/g/h");
}

}  // namespace
}  // namespace penumbra
