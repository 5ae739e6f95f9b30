#include "driver/bus_manager.hpp"

#include <algorithm>
#include <random>
#include <utility>

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

namespace {

// The things on each bus, in their order.
std::unordered_map<std::string, std::vector<ThingSettings>> ByBus(std::vector<ThingSettings> things) {
  std::unordered_map<std::string, std::vector<ThingSettings>> by_bus;
  for (ThingSettings& thing : things) by_bus[thing.bus].push_back(std::move(thing));
  return by_bus;
}

}  // namespace

BusManagerImpl::~BusManagerImpl() {
  *alive_ = false;
  BusManagerImpl::Stop();
}

void BusManagerImpl::Start(std::vector<BusSettings> buses, std::vector<ThingSettings> things) {
  auto by_bus = ByBus(std::move(things));
  for (BusSettings& bus : buses) {
    std::vector<ThingSettings> on_bus = std::move(by_bus[bus.name]);
    std::vector<std::string> names;
    for (const ThingSettings& thing : on_bus) names.push_back(thing.name);
    buses_.push_back(std::make_unique<BusRunner>(std::move(bus), std::move(on_bus), context_));
    for (const std::string& name : names) places_[name] = buses_.back().get();
  }
  for (const auto& bus : buses_) bus->Start();
}

void BusManagerImpl::Reconfigure(std::vector<BusSettings> buses, std::vector<ThingSettings> things) {
  for (ThingSettings& thing : things) {
    // Whoever sets intervals (the shadow, before the file) has set this one.
    if (const BusRunner* place = Find(thing.name)) {
      thing.sample_interval = place->SnapshotOf(thing.name).sample_interval;
    }
  }
  auto by_bus = ByBus(std::move(things));
  places_.clear();
  std::vector<std::unique_ptr<BusRunner>> old = std::exchange(buses_, {});
  for (BusSettings& bus : buses) {
    std::vector<ThingSettings> on_bus = std::move(by_bus[bus.name]);
    std::vector<std::string> names;
    for (const ThingSettings& thing : on_bus) names.push_back(thing.name);
    const auto known =
        std::find_if(old.begin(), old.end(), [&bus](const auto& o) { return o != nullptr && o->name() == bus.name; });
    if (known != old.end()) {
      buses_.push_back(std::move(*known));
      buses_.back()->Reconfigure(std::move(bus), std::move(on_bus));
    } else {
      buses_.push_back(std::make_unique<BusRunner>(std::move(bus), std::move(on_bus), context_));
      new_.push_back(buses_.back().get());
    }
    for (const std::string& name : names) places_[name] = buses_.back().get();
  }
  for (auto& bus : old) {
    if (bus != nullptr) Retire(std::move(bus));
  }
  if (leaving_.empty()) return StartNew();
  start_timer_ = context_.loop.After(kLeaveTime, [this] { StartNew(); });
}

void BusManagerImpl::Retire(std::unique_ptr<BusRunner> bus) {
  std::erase(new_, bus.get());
  leaving_.push_back(std::move(bus));
  BusRunner* runner = leaving_.back().get();
  // Not destroyed from within its own handler.
  runner->Retire([this, runner] {
    context_.loop.Post([this, runner, alive = alive_] {
      if (*alive) Left(runner);
    });
  });
}

void BusManagerImpl::Left(const BusRunner* bus) {
  std::erase_if(leaving_, [bus](const auto& leaving) { return leaving.get() == bus; });
  if (leaving_.empty()) StartNew();
}

void BusManagerImpl::StartNew() {
  start_timer_.reset();
  for (BusRunner* bus : std::exchange(new_, {})) bus->Start();
}

BusRunner* BusManagerImpl::Find(const std::string& thing) const {
  const auto place = places_.find(thing);
  return place == places_.end() ? nullptr : place->second;
}

BusRunner* BusManagerImpl::FindBus(const std::string& bus) const {
  const auto found = std::find_if(buses_.begin(), buses_.end(), [&bus](const auto& b) { return b->name() == bus; });
  return found == buses_.end() ? nullptr : found->get();
}

bool BusManagerImpl::SetSampleInterval(const std::string& thing, Duration interval) {
  BusRunner* bus = Find(thing);
  if (bus != nullptr) bus->SetSampleInterval(thing, interval);
  return bus != nullptr;
}

void BusManagerImpl::ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) {
  BusRunner* bus = Find(thing);
  if (bus == nullptr) return done(Fail(Action::kGiveUp, "no thing " + thing + " on any bus"));
  bus->ReadNow(thing, std::move(done));
}

void BusManagerImpl::Write(const std::string& thing, const std::string& point, const Value& value,
                           std::function<void(Status)> done, std::function<bool()> wanted) {
  BusRunner* bus = Find(thing);
  if (bus == nullptr) return done(Fail(Action::kGiveUp, "no thing " + thing + " on any bus"));
  bus->Write(thing, point, value, std::move(done), std::move(wanted));
}

void BusManagerImpl::Ask(const std::string& bus, const Json& question, Duration timeout, AskDone done) {
  BusRunner* runner = FindBus(bus);
  if (runner == nullptr) return done(Fail(Action::kGiveUp, "no bus " + bus));
  runner->Ask(question, std::clamp(timeout, Duration::zero(), kMaxAskTime), std::move(done));
}

std::vector<BusStatus> BusManagerImpl::Buses() const {
  std::vector<BusStatus> all;
  all.reserve(buses_.size());
  for (const auto& bus : buses_) all.push_back(bus->Snapshot());
  return all;
}

std::optional<ThingStatus> BusManagerImpl::Thing(const std::string& thing) const {
  const BusRunner* bus = Find(thing);
  if (bus == nullptr) return std::nullopt;
  return bus->SnapshotOf(thing);
}

}  // namespace penumbra
