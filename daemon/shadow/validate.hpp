// May a desired value go to the device? The checks before any write, and the comparison after it. Pure.
// Age is checked by commands.hpp, which knows when a value was wanted. Source: interfaces.md, "Shadows".
#pragma once

#include <optional>
#include <string>

#include "base/json.hpp"
#include "model/settings.hpp"

namespace penumbra::shadow {

// The value as the driver writes it, or a Fail(kGiveUp) whose message is the reason shown in reported.refused:
// "unknown key", "read-only", "wrong type: a number is needed", "below min 5", "above max 30", "not a multiple of 0.5",
// "out of range for s16".
Result<Value> ValidateDesired(const ThingSettings& thing, const std::string& key, const Json& value);

// desired.sample_interval in seconds, or why not.
Result<Duration> ValidateInterval(const Json& value);

// Whether what was read back is what was written, within what the point's scale can express.
bool ReadBackMatches(const PointSettings& point, const Value& written, const Value& read);

const PointSettings* FindPoint(const ThingSettings& thing, const std::string& key);

// A value as it stands in reported.refused: whole if it is small and flat, else shortened text.
Json ShortenedValue(const Json& value);

}  // namespace penumbra::shadow
