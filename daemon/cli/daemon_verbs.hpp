// The verbs that ask the running daemon. Each answers the exit code. Blocking; one thread.
#pragma once

#include "base/json.hpp"
#include "cli/client.hpp"
#include "cli/options.hpp"

namespace penumbra::cli {

int Status(const Client& client, const Invocation& invocation);
int Things(const Client& client, const Invocation& invocation);
int Explain(const Client& client, const Invocation& invocation);
int Buses(const Client& client, const Invocation& invocation);
int Outbox(const Client& client, const Invocation& invocation);
int Orders(const Client& client, const Invocation& invocation);
// In reload.cpp.
int Reload(const Client& client, const Invocation& invocation);
// In shadow.cpp.
int Shadow(const Client& client, const Invocation& invocation);
// In readings.cpp: pages through the store, and follows.
int Readings(const Client& client, const Invocation& invocation);

// Says what the daemon said instead of an answer, its hint on a line of its own; the exit code.
int ComplainOf(const Answer& answer);

// A 200's body as JSON and as text; else the exit code, after it has complained.
struct Fetched {
  int exit_code = 0;  // kExitOk: `json` and `body` are there
  Json json;
  std::string body;
};
Fetched Judge(const Client& client, Result<Answer> answer);
Fetched Fetch(const Client& client, const std::string& target);
Fetched Send(const Client& client, const std::string& target, std::string body);

}  // namespace penumbra::cli
