// `penumbra bus plan|scan|self-test|ask BUS`: questions to the driver of a bus, through the running daemon, or, when
// there is none, through a driver host of our own. Each answers the exit code. Blocking; one thread.
#pragma once

#include "base/json.hpp"
#include "cli/client.hpp"
#include "cli/options.hpp"
#include "cli/table.hpp"

namespace penumbra::cli {

// The verb: words are the question, the bus and key=value pairs that go into the question.
int Bus(const Invocation& invocation);

// Asks the driver of `bus`: the daemon at --socket or --config, else, when nobody listens there, the driver itself
// (said on standard error). Ok: `json` is the array of answer objects; else it has complained and `exit_code` says
// which way. For verbs that show an answer in their own way.
struct BusAnswer {
  int exit_code = 0;
  OrderedJson json = OrderedJson::array();
};
BusAnswer AskBus(const Invocation& invocation, const std::string& bus, const Json& question, Duration timeout);

// {"from":1,"name":"x"} of {"from=1","name=x"}: values that are JSON as such, others as text. Error: no "=" or no key.
Result<Json> ParseArguments(const std::vector<std::string>& words);

// Objects as a table: a column for each key in the order of first appearance; what is no number or text as JSON.
std::string ObjectsView(const OrderedJson& objects, const Style& style);

}  // namespace penumbra::cli
