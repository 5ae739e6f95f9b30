// "Explain this point": the way of one point's value from the bus to the cloud, told as a short story that ends with
// one line saying why it is silent, or that it is not. Pure: everything it needs is in the input.
// Source: field notes E5 (most help threads are "no data and no idea why").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/gateway_view.hpp"
#include "base/json.hpp"

namespace penumbra::api {

struct ExplainInput {
  ThingSettings thing;
  PointSettings point;
  UpstreamSettings upstream;
  GatewayInfo info;
  std::optional<BusStatus> bus;        // nullopt: no such bus is running
  std::optional<ThingStatus> status;   // nullopt: the poll schedule does not know the thing
  std::optional<LinkStatus> link;      // nullopt: the uplink does not know the thing
  std::optional<CommandInfo> command;  // the newest desired value; nullopt: none
  OutboxState outbox;
  StoreStats store;
  std::optional<StoredReading> newest;  // of the thing; nullopt: none stored
  std::string store_error;              // why the store could not say; empty when it could
  std::string delivery;                 // Uplink::Explain of `newest`
};

// The place on the way from sensor to cloud where it stops; kNone: it does not.
enum class Obstacle { kNone, kBus, kWaiting, kDevice, kPoint, kStore, kClock, kRefused, kLink };

struct Explanation {
  struct Line {
    std::string stage;  // "bus", "unit" (if its driver counts by unit), "thing", "point", "desired" (writable points),
                        // "report", "store", "cloud", "link"
    std::string text;
  };
  std::string thing, point;
  Obstacle obstacle = Obstacle::kNone;
  std::vector<Line> story;
  std::string verdict;  // one line, begins with thing.point
};

Explanation Explain(const ExplainInput& input);

// {"thing","point","silent":bool,"obstacle":"none|bus|waiting|device|point|store|clock|refused|link",
//  "story":[{"stage","text"}],"verdict"}
OrderedJson Render(const Explanation& explanation);

}  // namespace penumbra::api
