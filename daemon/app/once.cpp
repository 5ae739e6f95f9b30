#include "app/once.hpp"

#include <fmt/format.h>

#include "driver/bus_manager.hpp"
#include "event/asio_loop.hpp"

namespace penumbra {
namespace {

// Hosts start in milliseconds; a dead unit takes its time-outs and retries. Longer than that is a hang.
constexpr Duration kDeadline = std::chrono::seconds(30);

}  // namespace

int RunOnce(const Settings& settings) {
  SystemClock clock;
  AsioLoop loop(clock);
  TimeTrust trust(clock, settings.clock.always_trusted, 0);
  std::size_t open = settings.things.size();
  std::size_t failed = 0;
  const auto buses = BusManager::Create({settings.paths, {}, {}}, loop, trust, [](const Reading&) {});
  buses->Start(settings.buses, settings.things);
  for (const ThingSettings& thing : settings.things) {
    buses->ReadNow(thing.name, [&loop, &open, &failed, &thing](const Result<Reading>& reading) {
      if (reading) {
        fmt::print("{}\n", TelemetryJson(*reading, thing.primary));
      } else {
        fmt::print(stderr, "{}: {}\n", thing.name, reading.error().message);
      }
      if (!reading || reading->AllBad()) ++failed;
      if (--open == 0) loop.Stop();
    });
  }
  const auto deadline = loop.After(kDeadline, [&loop, &open] {
    fmt::print(stderr, "{} things have not answered within {} s\n", open, kDeadline / std::chrono::seconds(1));
    loop.Stop();
  });
  if (open > 0) loop.Run();
  return open == 0 && failed == 0 ? 0 : 1;
}

}  // namespace penumbra
