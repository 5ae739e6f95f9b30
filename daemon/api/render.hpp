// The JSON that programs read, from the plain structs of GatewayView. Pure; any thread.
// Shapes: interfaces.md, "Settled details" for status; the rest is documented here. Times are Unix milliseconds, 0
// when there is none; texts are "" when there is none; load is 0..1.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/gateway_view.hpp"
#include "base/json.hpp"

namespace penumbra::api {

// A configured thing with all that the modules say of it.
struct ThingFacts {
  std::string thing;
  std::optional<ThingStatus> status;  // nullopt: not on a bus
  std::optional<LinkStatus> link;     // nullopt: the uplink does not know it
  OutboxState outbox;
};

// What the store holds and costs: "file", sizes, counts, the write budget, and "forecast": {"bytes_per_day",
// "bytes_per_year", "years_left" and "endurance_per_year" (a share) when [store] endurance is given}.
OrderedJson RenderStore(const GatewayView& view);

// The link of `thing`, or nullopt.
std::optional<LinkStatus> FindLink(const std::vector<LinkStatus>& links, const std::string& thing);
ThingFacts Gather(const GatewayView& view, const std::vector<LinkStatus>& links, const std::string& thing);

// {"gateway","upstream","things","certificates","buses","store"} as in interfaces.md;
// "certificates":[{"thing","certificate_id","not_after_s","trouble","rotating","last_error"}]. upstream.things counts
// the configured sessions, the gateway's own included when it has a thing; upstream.connected how many of them are
// online.
OrderedJson RenderStatus(const GatewayView& view);

// {"bus","driver","state","reason","load","polls","errors","overruns","restarts","log_lines_dropped","pid"}
OrderedJson Render(const BusStatus& bus);
// {"link","protocol","last_error","connected_since_ms","next_attempt_ms","connects","published","acked","refused",
//  "in_flight","set_aside","set_aside_total","suspended_topics"}
OrderedJson Render(const LinkStatus& link);
// {"unsent","oldest_unsent_seq","oldest_unsent_ms","newest_seq","newest_ms"}
OrderedJson Render(const OutboxState& outbox);
// One row of `things`: {"thing","bus","state","reason","breaker","sample_interval_ms","last_reading_ms","polls",
//  "failed_polls","overruns","link","backlog"}
OrderedJson RenderThingRow(const ThingFacts& facts, const ThingSettings& settings);
// The row, with "type", "attributes", "groups", "topic", "outbox", "session" and
// "points":[{"point","value","unit","quality","reason","value_ms","attempt_ms","trouble"}] in the configured order.
OrderedJson RenderThing(const ThingFacts& facts, const ThingSettings& settings);
// {"things":[{"thing","backlog","oldest_unsent_ms","oldest_unsent_seq","newest_seq","newest_ms","in_flight","link",
//  "suspended_topics","set_aside","configured"}],"unsent"}
OrderedJson RenderOutbox(const GatewayView& view);
// {"orders":[{"thing","kind","id","action","state","verdict","reason","result","received_ms","asked_ms"}]}: kind
// "command", "job" or "execution"; id null when the sender gave none; state "received", "acting", "done" or "answered";
// received_ms 0 when nobody knew the time then; asked_ms by the sender's clock.
OrderedJson RenderOrders(const GatewayView& view, const std::vector<std::string>& things);
// {"seq","time_ms","time_trusted","sent","values":{point:value},"uncertain":{point:reason},"bad":{point:reason}}
OrderedJson Render(const StoredReading& row);

// {"thing","readings":[...],"more":bool}. At most `max_bytes` of rows: what does not fit is left off at the end that
// the reader can ask for again (`more` is then true): the newest end of an ascending page, the oldest end of a
// newest-first one.
std::string RenderReadings(const std::string& thing, const std::vector<StoredReading>& rows, bool newest_first,
                           bool more, std::size_t max_bytes);

// {"file","values":[{"key","value","origin"}]}
OrderedJson RenderConfig(const GatewayView& view);

// {"thing","name","state":{"desired","reported"},"version","cloud_version","pending"}
OrderedJson RenderShadow(const ShadowState& shadow);
// {"thing","name","local":{..},"cloud":{..}|null,"base":{..},"to_send":{..},"version","cloud_version","pending",
//  "blocked"}: each {..} has "desired" and "reported"; to_send only what will go
OrderedJson RenderShadowDiff(const ShadowState& shadow);

// {"error":..., "hint":...}; an empty hint is left out.
OrderedJson RenderError(std::string_view error, std::string_view hint);

// One line; bytes that are not UTF-8 (a driver's or broker's text) become U+FFFD.
std::string Text(const OrderedJson& json);

}  // namespace penumbra::api
