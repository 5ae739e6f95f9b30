// From a driver's raw value to a point's value: sentinels, scale, offset, rounding, plausibility. Pure.
#pragma once

#include "model/reading.hpp"
#include "model/settings.hpp"

namespace penumbra {

// `raw` is what the driver decoded. Never answers NaN, an infinity, or a number outside the point's min..max: those are
// Bad with a reason. An unscaled integer stays an integer; a scaled value is rounded to the decimals of its scale.
PointValue Convert(const PointSettings& point, const Value& raw);

// The inverse for writing: the raw value whose Convert is nearest to `value`. Integers stay exact when unscaled.
// Error kGiveUp when the value is not a number where one is needed or does not scale to a finite one.
Result<Value> ToRaw(const PointSettings& point, const Value& value);

// Digits after the decimal point of a number's shortest text: 0.1 -> 1, 0.25 -> 2, 10 -> 0, 1e-3 -> 3. At most 9.
int DecimalsOf(double number);

}  // namespace penumbra
