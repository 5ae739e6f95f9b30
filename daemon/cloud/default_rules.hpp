// The two rules that everybody needs, over this gateway's messages: every reading into a table, and a function called
// when the primary value is outside 0..40. Pure; any thread.
// Source: the guide's two rules; aws-iot-core.md sections 8 and 9 ("Seed against reality").
#pragma once

#include <string>
#include <vector>

#include "model/aws_settings.hpp"
#include "model/settings.hpp"

namespace penumbra::cloud {

// StoreSensorData and AnomalyDetection, and the same two with a number for each further form of topic ("plant/+/t"
// beside "sensors/+/temperature"). Things that publish straight to one of them (Basic Ingest) need none of their own.
std::vector<RuleSettings> DefaultRules(const Settings& settings);

// What an operator should know of `rules` where things publish straight to a rule, one line each.
std::vector<std::string> IngestNotes(const Settings& settings, const std::vector<RuleSettings>& rules);

}  // namespace penumbra::cloud
