// What the functions of AWS IoT SQL do. Pure, but for the time zones of the machine; any thread.
// Source: AWS IoT developer guide, "Functions"; aws-iot-core.md section 8.
#pragma once

#include <span>
#include <vector>

#include "rules/environment.hpp"
#include "rules/functions.hpp"
#include "rules/value.hpp"

namespace penumbra::rules {

using Arguments = std::vector<Value>;
// The number of arguments is right when it is called.
using Implementation = Value (*)(const Arguments& arguments, Environment& environment);

struct FunctionEntry {
  Function function;
  Implementation run;
};
// A group a file.
std::span<const FunctionEntry> NumberFunctions();
std::span<const FunctionEntry> TextFunctions();
std::span<const FunctionEntry> DataFunctions();
std::span<const FunctionEntry> FactFunctions();

// Undefined for a wrong number of arguments, or wrong types. get_or_default() is the evaluator's.
Value CallFunction(Function function, const Arguments& arguments, Environment& environment);

// The standard conversion to text, paid for. nullopt: Undefined.
std::optional<std::string> TextOf(const Value& value, Environment& environment);

}  // namespace penumbra::rules
