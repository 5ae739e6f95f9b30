#include "cli/daemon_verbs.hpp"

#include <fmt/format.h>

#include "api/target.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/views.hpp"

namespace penumbra::cli {
namespace {

constexpr int kServiceUnavailable = 503;

// Fetches and prints: the daemon's own JSON, or what `view` makes of it.
template <typename View>
int Show(const Client& client, const Invocation& invocation, const std::string& target, View view) {
  const Fetched fetched = Fetch(client, target);
  if (fetched.exit_code != kExitOk) return fetched.exit_code;
  Print(invocation.json ? fetched.body : view(fetched.json, OutputStyle(invocation.no_color)));
  return kExitOk;
}

}  // namespace

int ComplainOf(const Answer& answer) {
  const auto json = ParseJson(answer.body);
  const std::string error = json ? GetString(*json, "error").value_or("") : "";
  Complain(error.empty() ? fmt::format("penumbrad answered {}", answer.status) : error);
  if (json) {
    if (const auto hint = GetString(*json, "hint")) Complain(*hint);
  }
  return answer.status == kServiceUnavailable ? kExitUnavailable : kExitFailed;
}

Fetched Judge(const Client& client, Result<Answer> answer) {
  if (!answer) {
    Complain(answer.error());
    return {.exit_code = kExitUnavailable};
  }
  if (answer->status != 200) return {.exit_code = ComplainOf(*answer)};
  auto json = ParseJson(answer->body);
  if (!json) {
    Complain("penumbrad's answer is not JSON: is something else listening on " + client.socket().string() + "?");
    return {.exit_code = kExitFailed};
  }
  return {.exit_code = kExitOk, .json = std::move(*json), .body = std::move(answer->body)};
}

Fetched Fetch(const Client& client, const std::string& target) {
  return Judge(client, client.Get(target));
}

Fetched Send(const Client& client, const std::string& target, std::string body) {
  return Judge(client, client.Post(target, std::move(body)));
}

int Status(const Client& client, const Invocation& invocation) {
  return Show(client, invocation, "/v1/status",
              [](const Json& json, const Style& style) { return StatusView(json, style, NowMs()); });
}

int Things(const Client& client, const Invocation& invocation) {
  if (invocation.words.empty()) {
    return Show(client, invocation, "/v1/things",
                [](const Json& json, const Style& style) { return ThingsView(json, style, NowMs()); });
  }
  return Show(client, invocation, "/v1/things/" + api::PercentEncode(invocation.words[0]),
              [](const Json& json, const Style& style) { return ThingView(json, style, NowMs()); });
}

int Explain(const Client& client, const Invocation& invocation) {
  const auto point = SplitPoint(invocation.words[0]);
  if (!point) {
    Complain(fmt::format("\"{}\" is not THING.POINT, such as sensor-001.temperature", invocation.words[0]));
    return kExitUsage;
  }
  return Show(client, invocation,
              fmt::format("/v1/explain/{}/{}", api::PercentEncode(point->first), api::PercentEncode(point->second)),
              ExplainView);
}

int Buses(const Client& client, const Invocation& invocation) {
  return Show(client, invocation, "/v1/buses",
              [](const Json& json, const Style& style) { return BusesView(json, style, NowMs()); });
}

int Orders(const Client& client, const Invocation& invocation) {
  const std::string of = invocation.words.empty() ? "" : "/" + api::PercentEncode(invocation.words[0]);
  return Show(client, invocation, "/v1/orders" + of,
              [](const Json& json, const Style& style) { return OrdersView(json, style, NowMs()); });
}

int Outbox(const Client& client, const Invocation& invocation) {
  return Show(client, invocation, "/v1/outbox",
              [](const Json& json, const Style& style) { return OutboxView(json, style, NowMs()); });
}

}  // namespace penumbra::cli
