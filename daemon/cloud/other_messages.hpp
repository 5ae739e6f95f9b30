// What a gateway publishes beside readings, for rules that are tried on it: presence, answers to commands, gaps. The
// payloads are made by who sends them. Pure; any thread. Source: interfaces.md, "Will and presence", "Commands".
#pragma once

#include <cstdint>
#include <vector>

#include "cloud/rule_trial.hpp"
#include "model/settings.hpp"

namespace penumbra::cloud {

// One of each kind, of the first thing: it came, its device fell silent, it was lost (the will), it answered a command,
// readings of it are gone for good; and of the gateway's own thing that it came and was lost. Source "example".
std::vector<TrialMessage> OtherMessages(const Settings& settings, std::int64_t now_ms);

}  // namespace penumbra::cloud
