#include "driver/bus_manager.hpp"

#include <algorithm>
#include <random>

#include "driver/bus_manager_impl.hpp"

namespace penumbra {

std::unique_ptr<BusManager> BusManager::Create(Options options, EventLoop& loop, TimeTrust& time_trust,
                                               ReadingHandler handler) {
  return std::make_unique<BusManagerImpl>(MakeProcessLauncher(std::move(options.paths), loop), loop, time_trust,
                                          std::move(handler), std::random_device{}(), std::move(options.facts),
                                          std::move(options.recordings));
}

BusManagerImpl::BusManagerImpl(std::unique_ptr<HostLauncher> launcher, EventLoop& loop, TimeTrust& time_trust,
                               ReadingHandler handler, std::uint64_t seed, FactKeeper facts,
                               std::filesystem::path recordings)
    : launcher_(std::move(launcher)),
      recorder_(std::move(recordings)),
      random_(seed),
      context_{loop, time_trust, *launcher_, random_, std::move(handler), std::move(facts), recorder_} {}

void BusManagerImpl::Stop() {
  for (const auto& bus : buses_) bus->Stop();
}

void BusManagerImpl::Start(std::vector<BusSettings> buses, std::vector<ThingSettings> things) {
  std::unordered_map<std::string, std::vector<ThingSettings>> by_bus;
  for (ThingSettings& thing : things) by_bus[thing.bus].push_back(std::move(thing));
  for (BusSettings& bus : buses) {
    std::vector<ThingSettings> on_bus = std::move(by_bus[bus.name]);
    std::vector<std::string> names;
    for (const ThingSettings& thing : on_bus) names.push_back(thing.name);
    buses_.push_back(std::make_unique<BusRunner>(std::move(bus), std::move(on_bus), context_));
    for (std::uint32_t i = 0; i < names.size(); ++i) places_[names[i]] = {buses_.back().get(), i};
  }
  for (const auto& bus : buses_) bus->Start();
}

const BusManagerImpl::Place* BusManagerImpl::Find(const std::string& thing) const {
  const auto place = places_.find(thing);
  return place == places_.end() ? nullptr : &place->second;
}

bool BusManagerImpl::SetSampleInterval(const std::string& thing, Duration interval) {
  const Place* place = Find(thing);
  if (place != nullptr) place->bus->SetSampleInterval(place->thing, interval);
  return place != nullptr;
}

void BusManagerImpl::ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) {
  const Place* place = Find(thing);
  if (place == nullptr) return done(Fail(Action::kGiveUp, "no thing " + thing + " on any bus"));
  place->bus->ReadNow(place->thing, std::move(done));
}

void BusManagerImpl::Write(const std::string& thing, const std::string& point, const Value& value,
                           std::function<void(Status)> done) {
  const Place* place = Find(thing);
  if (place == nullptr) return done(Fail(Action::kGiveUp, "no thing " + thing + " on any bus"));
  place->bus->Write(place->thing, point, value, std::move(done));
}

void BusManagerImpl::Ask(const std::string& bus, const Json& question, Duration timeout, AskDone done) {
  for (const auto& runner : buses_) {
    if (runner->name() == bus) return runner->Ask(question, std::clamp(timeout, Duration::zero(), kMaxAskTime), done);
  }
  done(Fail(Action::kGiveUp, "no bus " + bus));
}

std::vector<BusStatus> BusManagerImpl::Buses() const {
  std::vector<BusStatus> all;
  all.reserve(buses_.size());
  for (const auto& bus : buses_) all.push_back(bus->Snapshot());
  return all;
}

std::optional<ThingStatus> BusManagerImpl::Thing(const std::string& thing) const {
  const Place* place = Find(thing);
  if (place == nullptr) return std::nullopt;
  return place->bus->SnapshotOf(place->thing);
}

}  // namespace penumbra
