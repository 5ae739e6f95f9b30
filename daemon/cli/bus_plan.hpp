// `penumbra bus plan`: what a driver says of its transfers, added up to the load of its bus. Pure.
#pragma once

#include <map>
#include <string>

#include "base/duration.hpp"
#include "base/json.hpp"
#include "cli/table.hpp"

namespace penumbra::cli {

// {"bus","requests":[...],"things":[{...,"interval_ms","load"}],"load","overloaded"}: the driver's objects, those of
// transfers ("answer":"request") and those of things ("answer":"thing") apart, with the share of its interval that each
// thing takes. Null when the answer has no such objects (a driver that predicts no times).
OrderedJson PlanJson(const std::string& bus, const OrderedJson& answer,
                     const std::map<std::string, Duration>& intervals);
std::string PlanView(const OrderedJson& plan, const Style& style);
// For standard error; empty when the bus keeps up.
std::string PlanWarning(const OrderedJson& plan);

}  // namespace penumbra::cli
