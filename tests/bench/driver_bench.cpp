// What a bus costs: polls a second through host, wire, loop and model; time from a crash to the next value; memory of a
// host. One JSON object on standard output. Uses real hosts with the sim driver.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "driver/bus_manager.hpp"
#include "event/asio_loop.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

constexpr int kRestarts = 21;

PathSettings Paths() {
  PathSettings paths;
  paths.driver_host = DRIVER_HOST;
  paths.drivers = DRIVERS_FOLDER;
  return paths;
}

BusSettings Bus() {
  BusSettings bus;
  bus.name = "bench";
  bus.driver = "sim";
  return bus;
}

ThingSettings Thing(int points, Json options = Json::object()) {
  ThingSettings thing;
  thing.name = "t";
  thing.bus = "bench";
  thing.sample_interval = 1h;
  thing.driver_options = std::move(options);
  for (int i = 0; i < points; ++i) {
    PointSettings point;
    point.name = "p" + std::to_string(i);
    thing.points.push_back(point);
  }
  return thing;
}

struct Rig {
  SystemClock clock;
  AsioLoop loop{clock};
  TimeTrust trust{clock, true, 0};
  std::unique_ptr<BusManager> manager;
  SubscriptionPtr limit;

  void Start(ThingSettings thing, BusManager::ReadingHandler handler) {
    manager = BusManager::Create({Paths()}, loop, trust, std::move(handler));
    manager->Start({Bus()}, {std::move(thing)});
  }
  // Until Stop(), at most a minute.
  void Run() {
    limit = loop.After(60s, [this] { loop.Stop(); });
    loop.context().restart();
    loop.Run();
  }
};

// One read after the other, for three seconds.
double PollsPerSecond(int points) {
  Rig rig;
  std::uint64_t polls = 0;
  bool over = false;
  std::function<void(const Result<Reading>&)> next = [&](const Result<Reading>&) {
    ++polls;
    if (!over) rig.manager->ReadNow("t", next);
  };
  rig.Start(Thing(points), [](const Reading&) {});
  rig.manager->ReadNow("t", next);
  const SubscriptionPtr end = rig.loop.After(3s, [&] {
    over = true;
    rig.loop.Stop();
  });
  rig.Run();
  return static_cast<double>(polls) / 3;
}

double Median(std::vector<double> values) {
  if (values.empty()) return -1;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// A host that is killed from outside while idle: from the kill to the next value, each time on a fresh bus, so that it
// is always the first step of the backoff.
double RestartMs() {
  std::vector<double> ms;
  for (int i = 0; i < kRestarts; ++i) {
    Rig rig;
    BootTime killed{0};
    rig.Start(Thing(2), [&](const Reading& reading) {
      if (reading.AllBad()) return;
      if (killed.ns == 0) {
        killed = rig.clock.Now();
        ::kill(rig.manager->Buses().front().pid, SIGKILL);
        return;
      }
      ms.push_back(static_cast<double>((rig.clock.Now() - killed).count()) / 1e6);
      rig.loop.Stop();
    });
    rig.Run();
  }
  return Median(ms);
}

int PssKib(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("Pss:", 0) == 0) return std::stoi(line.substr(4));
  }
  return -1;
}

// Ten hosts of ten buses: the proportional memory of one.
int HostPssKib() {
  SystemClock clock;
  AsioLoop loop(clock);
  TimeTrust trust(clock, true, 0);
  std::vector<BusSettings> buses;
  std::vector<ThingSettings> things;
  for (int i = 0; i < 10; ++i) {
    buses.push_back(Bus());
    buses.back().name += std::to_string(i);
    things.push_back(Thing(2));
    things.back().name += std::to_string(i);
    things.back().bus = buses.back().name;
  }
  int readings = 0;
  const auto manager = BusManager::Create({Paths()}, loop, trust, [&](const Reading&) {
    if (++readings == 10) loop.Stop();
  });
  manager->Start(buses, things);
  const SubscriptionPtr limit = loop.After(30s, [&loop] { loop.Stop(); });
  loop.Run();
  int sum = 0;
  for (const BusStatus& bus : manager->Buses()) sum += PssKib(bus.pid);
  return sum / 10;
}

}  // namespace
}  // namespace penumbra

int main() {
  penumbra::log::SetLevel(penumbra::log::Level::kError);
  std::printf("{\"polls_per_second_2_points\":%.0f,\"polls_per_second_100_points\":%.0f,", penumbra::PollsPerSecond(2),
              penumbra::PollsPerSecond(100));
  std::printf("\"restart_ms_median\":%.1f,\"host_pss_kib\":%d}\n", penumbra::RestartMs(), penumbra::HostPssKib());
  return 0;
}
