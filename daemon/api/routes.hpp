// What each path answers. Knows nothing of sockets: the session brings method and target and takes a Response, so that
// tests need no server. Loop thread.
//
//   GET  /v1/status                  render.hpp, RenderStatus
//   GET  /v1/things                  {"things":[row]}
//   GET  /v1/things/<t>              one thing with its points
//   POST /v1/things/<t>/read         poll now; the reading
//   POST /v1/things/<t>/rotate       a new key and certificate, once they are in use; up to five minutes. Body: none,
//                                    or {"template","parameters","rsa"} where they are not to be the configured ones
//   GET  /v1/readings/<t>            ?since_ms= &until_ms= &after_seq= &limit= (1..1000, default 100) &newest=1
//   GET  /v1/explain/<t>/<point>     explain.hpp
//   GET  /v1/shadows/<t>             ?name=; RenderShadow
//   GET  /v1/shadows/<t>/diff        ?name=; RenderShadowDiff
//   POST /v1/shadows/<t>/desired     ?name=; the body merges into desired, null removes; answers as the first
//   GET  /v1/buses  /v1/outbox  /v1/config
//   POST /v1/buses/<bus>/ask         ?timeout_ms= (1..600000, default 5000); body: the question, one JSON object;
//                                    {"bus","answer":[object]}
//   GET  /v1/store                   render.hpp, RenderStore
//   POST /v1/store/vacuum            {"started","bytes"}; "vacuuming" of GET /v1/store says when it is over
//   POST /v1/reload                 ?dry_run=1; reload_report.hpp, Render. 200 also when the file is refused: "result"
//   GET  /metrics                    Prometheus text
//
// Errors: JSON {"error","hint"}; 400 bad target or parameter, 404 unknown, 405 with Allow, 500/503 what the gateway
// could not do (503: try again).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "api/gateway_view.hpp"
#include "api/server.hpp"

namespace penumbra::api {

inline constexpr std::size_t kMaxRows = 1000;  // readings in one answer
inline constexpr std::size_t kDefaultRows = 100;
inline constexpr std::size_t kMaxRowBytes = 1024 * 1024;  // of rows in one answer; the rest with the next request

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;  // with 405
};

using Respond = std::function<void(Response)>;

Response ErrorResponse(int status, std::string_view error, std::string_view hint = {});

// Answers through `respond`, exactly once if the view keeps its promise, now or later. `method` is "GET", "POST", ...
// `body` is looked at by POST only, and is foreign bytes like the target.
void Handle(GatewayView& view, const ApiCounters& counters, std::string_view method, std::string_view target,
            std::string_view body, Respond respond);

// How long the answer to this may take: `usual`, or more: a rotation, or where the request says so itself (a question
// to a driver).
Duration AnswerTime(std::string_view target, Duration usual);

}  // namespace penumbra::api
