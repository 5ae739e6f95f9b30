// A BusManager with real driver hosts on a real loop. Nothing runs longer than kLimit.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "driver/bus_manager.hpp"
#include "event/asio_loop.hpp"

namespace penumbra::test {

using namespace std::chrono_literals;

inline PathSettings TestPaths() {
  PathSettings paths;
  paths.driver_host = DRIVER_HOST;
  paths.drivers = DRIVERS_FOLDER;
  return paths;
}

inline BusSettings MakeBus(const std::string& name, const std::string& driver = "sim", Json options = Json::object()) {
  BusSettings bus;
  bus.name = name;
  bus.driver = driver;
  bus.driver_options = std::move(options);
  return bus;
}

inline ThingSettings MakeThing(const std::string& name, const std::string& bus, Json options = Json::object(),
                               const std::vector<std::string>& kinds = {"temperature", "humidity"}) {
  ThingSettings thing;
  thing.name = name;
  thing.bus = bus;
  thing.sample_interval = 50ms;
  thing.driver_options = std::move(options);
  for (const std::string& kind : kinds) {
    PointSettings point;
    point.name = kind;
    point.driver_options = {{"kind", kind}};
    thing.points.push_back(point);
  }
  return thing;
}

class DriverRig : public ::testing::Test {
 protected:
  static constexpr Duration kLimit = 120s;

  void Start(std::vector<BusSettings> buses, std::vector<ThingSettings> things) {
    manager_ = BusManager::Create({TestPaths(), facts_}, loop_, trust_,
                                  [this](Reading reading) { readings_[reading.thing].push_back(std::move(reading)); });
    manager_->Start(std::move(buses), std::move(things));
  }

  // Runs the loop until `done`, which is asked every 5 ms. False: not within the limit.
  bool RunUntil(const std::function<bool()>& done, Duration limit = kLimit) {
    const BootTime end = clock_.Now() + limit;
    bool reached = false;
    std::function<void()> ask = [&] {
      reached = done();
      if (reached || clock_.Now() > end) return loop_.Stop();
      timer_ = loop_.After(5ms, ask);
    };
    timer_ = loop_.After(0ms, ask);
    loop_.context().restart();
    loop_.Run();
    return reached;
  }
  void RunFor(Duration d) {
    RunUntil([] { return false; }, d);
  }

  BusStatus Bus(const std::string& name) const {
    for (const BusStatus& bus : manager_->Buses()) {
      if (bus.bus == name) return bus;
    }
    return {};
  }
  // The state and reason of a bus as one text, for messages and for searching.
  std::string Word(const std::string& name) const {
    const BusStatus bus = Bus(name);
    return bus.state + ": " + bus.reason;
  }
  std::size_t GoodReadings(const std::string& thing) const {
    std::size_t good = 0;
    if (const auto found = readings_.find(thing); found != readings_.end()) {
      for (const Reading& reading : found->second) good += reading.AllBad() ? 0 : 1;
    }
    return good;
  }

  SystemClock clock_;
  AsioLoop loop_{clock_};
  TimeTrust trust_{clock_, true, 0};
  std::map<std::string, std::vector<Reading>> readings_;
  FactKeeper facts_;
  SubscriptionPtr timer_;
  std::unique_ptr<BusManager> manager_;
};

}  // namespace penumbra::test
