// Every topic that this gateway uses, from its configuration, each with the reason: what the policy grants.
// The strings come from the modules that use them, where those have them. Pure; any thread. Source: interfaces.md,
// aws-iot-core.md sections 2, 5-7.
#pragma once

#include <string>
#include <vector>

#include "model/duty_settings.hpp"
#include "model/settings.hpp"

namespace penumbra::cloud {

enum class Use {
  kPublish,
  kSubscribe,  // `topic` is a filter; the answers it brings are received
};

struct CloudTopic {
  Use use = Use::kPublish;
  std::string topic;  // the thing's name replaced by `placeholder`
  std::string why;    // one line, for the operator
  bool retain = false;
};

// `placeholder` stands where a topic names the thing. A telemetry topic that does not contain the thing's name is there
// as it is. No duplicates.
std::vector<CloudTopic> TopicsOf(const Settings& settings, const std::string& placeholder,
                                 const DutySettings& duties = {});

// Where in a level of a topic the thing's name stands: "s1", "hall-s1", not "sensors1". npos: it does not.
std::size_t FindName(std::string_view level, std::string_view thing);

// The topic with the thing's name replaced wherever FindName sees it; by "+", which is a level or nothing, the level.
std::string WithPlaceholder(const std::string& topic, const std::string& thing, const std::string& placeholder);

}  // namespace penumbra::cloud
