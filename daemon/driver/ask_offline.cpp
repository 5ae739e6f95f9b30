#include "driver/ask_offline.hpp"

#include <optional>

#include "event/asio_loop.hpp"

namespace penumbra {
namespace {

// Beside the time for the answer: the start of the host (10 s until it counts as hung) and the end of a hung one.
constexpr Duration kAround = std::chrono::seconds(15);

}  // namespace

Result<OrderedJson> AskOffline(const Settings& settings, const std::string& bus, const Json& question,
                               Duration timeout) {
  SystemClock clock;
  AsioLoop loop(clock);
  TimeTrust trust(clock, true, 0);
  std::vector<BusSettings> buses;
  for (const BusSettings& candidate : settings.buses) {
    if (candidate.name == bus) buses.push_back(candidate);
  }
  std::optional<Result<OrderedJson>> answer;
  const auto manager = BusManager::Create({settings.paths, {}}, loop, trust, [](const Reading&) {});
  manager->Start(std::move(buses), settings.things);
  manager->Ask(bus, question, timeout, [&loop, &answer](Result<OrderedJson> result) {
    answer = std::move(result);
    loop.Stop();
  });
  const auto deadline = loop.After(timeout + kAround, [&loop] { loop.Stop(); });
  if (!answer) loop.Run();
  if (!answer) return Fail(Action::kBackOff, "the driver of bus " + bus + " has not answered in time");
  return std::move(*answer);
}

}  // namespace penumbra
