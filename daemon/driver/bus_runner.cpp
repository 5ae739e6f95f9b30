#include "driver/bus_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <utility>

#include "base/log.hpp"
#include "base/ordered_json.hpp"
#include "base/text.hpp"
#include "driver/catalog.hpp"
#include "model/convert.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

// What a driver takes per transfer when nothing is configured: the slowest default among ours, with room.
constexpr Duration kDefaultTimeout = 1s;
constexpr Duration kShortestRequest = 1s;
constexpr Duration kLongestRequest = 10s;
// A driver ends its own waiting a little before the deadline it was given.
constexpr Duration kProbeMargin = 5ms;
// No device needs less to answer at all.
constexpr Duration kShortestProbe = 50ms;

// In messages the reason stays the same while the trouble does; the detail is in the status.
constexpr const char* kBusDown = "bus down";
constexpr const char* kStops = "the gateway stops";

Error ErrorOf(const wire::WriteAnswer& answer) {
  const std::string message = answer.error.empty() ? std::string(wire::ToString(answer.code)) : answer.error;
  switch (answer.code) {
    case wire::Code::kTimeout:
    case wire::Code::kIo:
    case wire::Code::kCancelled:
      return {Action::kRetry, message};
    case wire::Code::kNoDevice:
      return {Action::kBackOff, message};
    case wire::Code::kBadOptions:
      return {Action::kFixConfig, message};
    default:
      return {Action::kGiveUp, message};
  }
}

// Several values go to a driver as one question, which has a bound.
bool IsShort(const Value& value) {
  return !std::holds_alternative<std::string>(value);
}

// A question that every driver means the same by has a capability of its own.
constexpr std::array<std::pair<std::string_view, std::uint64_t>, 3> kQuestions{
    {{"plan", wire::kCanPlan}, {"scan", wire::kCanScan}, {"self_test", wire::kCanSelfTest}}};

std::uint64_t NeededFor(const std::string& question) {
  for (const auto& [name, capability] : kQuestions) {
    if (name == question) return wire::kCanAsk | capability;
  }
  return wire::kCanAsk;
}

std::string CanAnswer(std::uint64_t capabilities) {
  if ((capabilities & wire::kCanAsk) == 0) return "it answers no questions";
  std::string can;
  for (const auto& [name, capability] : kQuestions) {
    if ((capabilities & capability) != 0) can += (can.empty() ? "" : ", ") + std::string(name);
  }
  return "it answers " + (can.empty() ? "only questions of its own" : can);
}

Error ErrorOf(const wire::AskAnswer& answer, const std::string& question) {
  const wire::WriteAnswer same{.code = answer.code, .error = answer.error};
  return ErrorOf(same).WithContext("asking the driver for " + question);
}

// The objects as one array. They come from foreign code: JSON is not taken for granted.
Result<OrderedJson> AnswerOf(const std::string& question, Result<HostSupervisor::AskReply> reply) {
  if (!reply) return Fail(reply.error());
  if (reply->end.code != wire::Code::kOk) return Fail(ErrorOf(reply->end, question));
  if (reply->too_many) {
    return Fail(Action::kGiveUp, fmt::format("the driver answers \"{}\" with more than {} objects or {} bytes",
                                             question, HostSupervisor::kMaxAskObjects, HostSupervisor::kMaxAskBytes));
  }
  OrderedJson answer = OrderedJson::array();
  for (const std::string& text : reply->objects) {
    Result<OrderedJson> object = ParseOrderedJson(text);
    if (!object || !object->is_object()) {
      return Fail(Action::kGiveUp, fmt::format("the driver answers \"{}\" with what is no JSON object", question));
    }
    answer.push_back(std::move(*object));
  }
  return answer;
}

}  // namespace

Duration RequestTimeout(const BusSettings& bus, const ThingSettings& thing, std::size_t points) {
  const Duration timeout = thing.timeout.value_or(bus.timeout.value_or(kDefaultTimeout));
  const Duration transfer = timeout * (1 + std::clamp(thing.retries.value_or(bus.retries), 0, 100));
  const Duration all = transfer * static_cast<std::int64_t>(std::clamp<std::size_t>(points, 1, 1000));
  return std::max({std::min(all, kLongestRequest), transfer, kShortestRequest});
}

// A probe gets one try: retries for a unit that was silent would be taken from the others on its bus.
Duration ProbeTimeout(const BusSettings& bus, const ThingSettings& thing) {
  return thing.timeout.value_or(bus.timeout.value_or(kDefaultTimeout)) + kProbeMargin;
}

BusRunner::Thing::Thing(ThingSettings s, std::uint32_t u)
    : settings(std::move(s)),
      unit(u),
      points(std::min(settings.points.size(), wire::kMaxPoints)),
      filter(SilenceFilter::MaxSilenceOf(settings)),
      record(settings) {
  std::iota(points.begin(), points.end(), 0U);
}

BusRunner::BusRunner(BusSettings bus, std::vector<ThingSettings> things, const BusContext& context)
    : bus_(std::move(bus)),
      context_(context),
      configuration_(DriverConfiguration(bus_, things)),
      facts_(context_.facts.load ? context_.facts.load(bus_.name) : std::map<std::string, std::string>()),
      host_({bus_.name, bus_.driver, {}}, context_.launcher, context_.loop, context_.random,
            {[this] { OnUp(); }, [this] { OnDown(); },
             [this](const std::string& key, const std::string& json) { OnFact(key, json); },
             [this] { return Configuration(); }}) {
  things_.reserve(things.size());
  for (ThingSettings& thing : things) AddThing(std::move(thing));
}

void BusRunner::AddThing(ThingSettings settings) {
  const std::uint32_t unit = UnitOf(settings);
  units_[unit].things.push_back(static_cast<std::uint32_t>(things_.size()));
  things_.emplace_back(std::move(settings), unit);
}

std::string BusRunner::UnitName(const ThingSettings& thing) {
  const auto unit = thing.driver_options.find("unit");
  return unit != thing.driver_options.end() ? "unit " + Dump(*unit) : thing.name;
}

std::uint32_t BusRunner::UnitOf(const ThingSettings& thing) {
  const std::string name = UnitName(thing);
  const auto known = std::find_if(units_.begin(), units_.end(), [&name](const Unit& u) { return u.name == name; });
  if (known != units_.end()) return static_cast<std::uint32_t>(known - units_.begin());
  const BreakerSettings settings = thing.breaker.value_or(bus_.breaker);
  units_.push_back({name, settings, Breaker(settings), {}});
  return static_cast<std::uint32_t>(units_.size() - 1);
}

std::optional<std::uint32_t> BusRunner::Find(const std::string& thing) const {
  const auto found =
      std::find_if(things_.begin(), things_.end(), [&thing](const Thing& t) { return t.settings.name == thing; });
  if (found == things_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - things_.begin());
}

Error BusRunner::NotHere(const std::string& thing) const {
  if (plan_) return {Action::kRetry, fmt::format("bus {} is taking over a new configuration", bus_.name)};
  return {Action::kGiveUp, fmt::format("no thing {} on bus {}", thing, bus_.name)};
}

// --- another configuration ---

void BusRunner::Reconfigure(BusSettings bus, std::vector<ThingSettings> things) {
  plan_ = Plan{std::move(bus), std::move(things)};
  if (question_) host_.CancelAsk();
  Pump();
}

// Whether a thing in force is also in the plan that waits; without a plan all are.
bool BusRunner::Listed(const Thing& thing) const {
  if (!plan_) return true;
  return std::any_of(plan_->things.begin(), plan_->things.end(),
                     [&thing](const ThingSettings& planned) { return planned.name == thing.settings.name; });
}

bool BusRunner::StepPlan() {
  if (!plan_ || host_.Busy()) return false;
  Plan plan = std::move(*plan_);
  plan_.reset();
  // In the order in force, new ones behind: the driver knows things by their numbers, and another order in the file is
  // no change.
  std::stable_sort(plan.things.begin(), plan.things.end(), [this](const ThingSettings& a, const ThingSettings& b) {
    constexpr std::uint32_t kNew = UINT32_MAX;
    return Find(a.name).value_or(kNew) < Find(b.name).value_or(kNew);
  });
  Json configuration = DriverConfiguration(plan.bus, plan.things);
  const bool reopen = plan.bus.driver != bus_.driver || configuration != configuration_;
  bus_ = std::move(plan.bus);
  configuration_ = std::move(configuration);
  std::vector<Thing> old_things = std::exchange(things_, {});
  const std::vector<Unit> old_units = std::exchange(units_, {});
  due_ = {};
  things_.reserve(plan.things.size());
  for (ThingSettings& thing : plan.things) AddThing(std::move(thing));
  for (Thing& old : old_things) {
    if (const auto index = Find(old.settings.name)) Carry(things_[*index], old);
  }
  CarryUnits(old_units);
  CarryQueues(old_things);
  for (std::uint32_t index = 0; index < things_.size(); ++index) {
    if (things_[index].started) SetDue(index);
  }
  if (!reopen) return true;
  opened_anew_ = true;
  down_ = false;
  host_.Reopen(bus_.driver);
  return true;
}

void BusRunner::Carry(Thing& to, Thing& from) const {
  const bool same = to.settings == from.settings;
  to.look = from.look || !same;
  to.record = std::move(from.record);
  to.record.Follow(to.settings);
  if (SilenceFilter::MaxSilenceOf(to.settings) == SilenceFilter::MaxSilenceOf(from.settings)) to.filter = from.filter;
  if (to.settings.sample_interval != from.settings.sample_interval) return;  // a new time table
  to.grid = from.grid;
  to.started = from.started;
  to.soon = from.soon;
}

// A unit that is silent stays so for us: probing it at full length again would cost the others their slots.
void BusRunner::CarryUnits(const std::vector<Unit>& old) {
  for (std::uint32_t index = 0; index < units_.size(); ++index) {
    Unit& unit = units_[index];
    const auto known = std::find_if(old.begin(), old.end(), [&unit](const Unit& o) { return o.name == unit.name; });
    if (known == old.end() || !(known->breaker_settings == unit.breaker_settings)) continue;
    unit.breaker = known->breaker;
    unit.slowest_answer = known->slowest_answer;
    unit.silence = known->silence;
    unit.probes = known->probes;
    if (unit.breaker.state() == Breaker::State::kOpen) {
      due_.Set(static_cast<std::uint32_t>(things_.size()) + index, unit.breaker.retry_at());
    }
  }
}

// `old` are the things that the queues count by.
void BusRunner::CarryQueues(const std::vector<Thing>& old) {
  const Error changed{Action::kRetry, fmt::format("bus {} has taken over a new configuration", bus_.name)};
  const auto now_at = [&](std::uint32_t index) {
    const auto found = Find(old[index].settings.name);
    return found && things_[*found].settings == old[index].settings ? found : std::nullopt;
  };
  for (QueuedWrite& write : std::exchange(writes_, {})) {
    const auto index = now_at(write.thing);
    if (!index) {
      write.done(Fail(changed));
      continue;
    }
    write.thing = *index;
    writes_.push_back(std::move(write));
  }
  for (QueuedRead& read : std::exchange(reads_, {})) {
    const auto index = now_at(read.thing);
    if (index) {
      read.thing = *index;
      reads_.push_back(std::move(read));
      continue;
    }
    for (const auto& done : read.done) done(Fail(changed));
  }
}

void BusRunner::Retire(std::function<void()> gone) {
  const Error cause{Action::kRetry, fmt::format("bus {} was taken out of the configuration", bus_.name)};
  stopped_ = cause;
  timer_.reset();
  FailQueues(cause);
  host_.Close(cause, std::move(gone));
}

void BusRunner::OnUp() {
  down_ = false;
  watch_at_ = context_.loop.Now() + kWatchEvery;
  anomalies_seen_ = 0;
  const bool anew = std::exchange(opened_anew_, false);
  for (std::uint32_t thing = 0; thing < things_.size(); ++thing) {
    if (!anew || things_[thing].look) PlanSoon(thing);
  }
  Pump();
}

// A first look soon, spread as the grid is; on the first start also the grid itself.
void BusRunner::PlanSoon(std::uint32_t index) {
  Thing& thing = things_[index];
  const BootTime now = context_.loop.Now();
  const double phase = PhaseOf(index);
  const auto part = [phase](Duration d) { return Duration(static_cast<std::int64_t>(phase * double(d.count()))); };
  if (!thing.started) {
    const Duration interval = std::max(thing.settings.sample_interval, kMinSampleInterval);
    thing.grid = PollGrid(now + part(interval), interval);
    thing.started = true;
  }
  if (thing.grid.interval() > 2 * kFirstLook) thing.soon = now + part(kFirstLook);
  thing.look = false;
  SetDue(index);
}

void BusRunner::SetDue(std::uint32_t index) {
  const Thing& thing = things_[index];
  const BootTime next = thing.grid.next();
  due_.Set(index, thing.soon ? std::min(*thing.soon, next) : next);
}

void BusRunner::OnDown() {
  down_ = true;
  opened_anew_ = false;
  // A new host is a new chance for every unit.
  for (std::uint32_t unit = 0; unit < units_.size(); ++unit) {
    units_[unit].breaker.OnAnswer();
    due_.Erase(static_cast<std::uint32_t>(things_.size()) + unit);
  }
  for (std::uint32_t thing = 0; thing < things_.size(); ++thing) {
    if (!things_[thing].started) PlanSoon(thing);
  }
  Pump();
}

std::string BusRunner::DownCause() const {
  return fmt::format("bus {} is {}: {}", bus_.name, host_.state_name(), host_.reason());
}

void BusRunner::SetSampleInterval(const std::string& name, Duration interval) {
  for (std::size_t i = 0; plan_ && i < plan_->things.size(); ++i) {
    if (plan_->things[i].name == name) plan_->things[i].sample_interval = std::max(interval, kMinSampleInterval);
  }
  const auto found = Find(name);
  if (!found) return;
  const std::uint32_t index = *found;
  Thing& thing = things_[index];
  thing.settings.sample_interval = std::max(interval, kMinSampleInterval);
  if (!thing.started) return;
  thing.grid = PollGrid(context_.loop.Now() + thing.settings.sample_interval, thing.settings.sample_interval);
  SetDue(index);
  Pump();
}

void BusRunner::ReadNow(const std::string& name, std::function<void(Result<Reading>)> done) {
  const auto found = Find(name);
  if (!found) return done(Fail(NotHere(name)));
  const std::uint32_t thing = *found;
  if (down_) return done(Fail(Action::kBackOff, DownCause()));
  const auto same =
      std::find_if(reads_.begin(), reads_.end(), [thing](const QueuedRead& r) { return r.thing == thing; });
  if (same != reads_.end() && same->done.size() < kMaxQueuedReads) {
    same->done.push_back(std::move(done));
    return;
  }
  if (reads_.size() >= kMaxQueuedReads) {
    return done(Fail(Action::kBackOff, fmt::format("bus {} has {} reads waiting", bus_.name, reads_.size())));
  }
  reads_.push_back({thing, context_.loop.Now(), {}});
  reads_.back().done.push_back(std::move(done));
  Pump();
}

void BusRunner::Write(const std::string& name, const std::string& point, const Value& value,
                      std::function<void(Status)> done) {
  const auto thing = Find(name);
  if (!thing) return done(Fail(NotHere(name)));
  const std::uint32_t index = *thing;
  const std::vector<PointSettings>& points = things_[index].settings.points;
  const auto found =
      std::find_if(points.begin(), points.end(), [&point](const PointSettings& p) { return p.name == point; });
  if (found == points.end()) return done(Fail(Action::kGiveUp, "no point " + point));
  if (down_) return done(Fail(Action::kBackOff, DownCause()));
  if (writes_.size() >= kMaxQueuedWrites) {
    return done(Fail(Action::kBackOff, fmt::format("bus {} has {} writes waiting", bus_.name, writes_.size())));
  }
  Result<Value> raw = ToRaw(*found, value);
  if (!raw) return done(Fail(raw.error()));
  writes_.push_back({index, static_cast<std::uint32_t>(found - points.begin()), context_.loop.Now(), std::move(*raw),
                     std::move(done)});
  Pump();
}

void BusRunner::Stop() {
  stopped_ = Error{Action::kBackOff, kStops};
  timer_.reset();
  FailQueues(*stopped_);
  host_.Abandon(kStops);
}

void BusRunner::Pump() {
  if (stopped_) return FailQueues(*stopped_);
  if (pumping_) return;  // a handler called from below; the loop below goes on
  pumping_ = true;
  while (Step()) {
  }
  pumping_ = false;
  ArmTimer();
}

bool BusRunner::Step() {
  if (StepPlan()) return true;
  if (down_) {
    FailQueues({Action::kBackOff, DownCause()});
    return StepDue();
  }
  return host_.Ready() && (StepQueues() || StepWatch() || StepDue());
}

void BusRunner::FailQueues(const Error& cause) {
  for (const QueuedWrite& write : std::exchange(writes_, {})) write.done(Fail(cause));
  for (const QueuedRead& read : std::exchange(reads_, {})) {
    for (const auto& done : read.done) done(Fail(cause));
  }
  for (const QueuedAsk& ask : std::exchange(asks_, {})) ask.done(Fail(cause));
}

bool BusRunner::StepQueues() {
  const BootTime oldest = context_.loop.Now() - kMaxQueueTime;
  const std::string late = "waited too long for the bus";
  if (!writes_.empty()) {
    QueuedWrite write = std::move(writes_.front());
    writes_.pop_front();
    if (write.asked < oldest) {
      write.done(Fail(Action::kRetry, late));
      return true;
    }
    writes_.push_front(std::move(write));
    std::vector<QueuedWrite> together = TakeWritesTogether();
    if (together.size() > 1) {
      SendWrites(std::move(together));
    } else {
      SendWrite(std::move(together.front()));
    }
    return true;
  }
  if (reads_.empty() && asks_.empty()) return false;
  if (reads_.empty()) {
    QueuedAsk ask = std::move(asks_.front());
    asks_.pop_front();
    if (ask.asked < oldest) {
      ask.done(Fail(Action::kRetry, late));
    } else {
      SendAsk(std::move(ask));
    }
    return true;
  }
  QueuedRead read = std::move(reads_.front());
  reads_.pop_front();
  if (read.asked >= oldest) {
    SendPoll(read.thing, std::move(read.done));
    return true;
  }
  for (const auto& done : read.done) done(Fail(Action::kRetry, late));
  return true;
}

bool BusRunner::StepDue() {
  const auto next = due_.Next();
  if (!next || next->first > context_.loop.Now()) return false;
  const std::uint32_t item = next->second;
  if (item < things_.size()) {
    PollDue(item);
  } else {
    ProbeDue(item - static_cast<std::uint32_t>(things_.size()));
  }
  return true;
}

void BusRunner::ArmTimer() {
  // While a request is in flight its end pumps; before the first start there is nothing to do.
  const auto next = due_.Next();
  if (!next || (!down_ && !host_.Ready())) {
    timer_.reset();
    armed_for_ = BootTime{-1};
    return;
  }
  if (timer_ && armed_for_ == next->first) return;
  armed_for_ = next->first;
  timer_ = context_.loop.After(next->first - context_.loop.Now(), [this] {
    armed_for_ = BootTime{-1};
    Pump();
  });
}

void BusRunner::TakeSlot(Thing& thing, BootTime now) {
  if (thing.soon && *thing.soon <= now) {
    thing.soon.reset();
    // The regular slot is not needed when it comes right behind.
    if (thing.grid.next() > now) thing.grid.SkipTo(now + thing.grid.interval() / 2);
  }
  const std::uint64_t missed = thing.grid.Take(now);
  overruns_ += missed;
  thing.record.AddOverruns(missed);
}

void BusRunner::PollDue(std::uint32_t index) {
  Thing& thing = things_[index];
  TakeSlot(thing, context_.loop.Now());
  SetDue(index);
  const Unit& unit = units_[thing.unit];
  if (!down_ && !unit.breaker.suspected()) return SendPoll(index, {});
  if (!down_ && unit.breaker.state() == Breaker::State::kClosed && MayProbe(unit)) SendProbe(thing.unit);
  Tell(thing, BadReading(thing.settings, down_ ? std::string(kBusDown) : units_[thing.unit].silence,
                         TimesOf(context_.loop.Now())));
}

void BusRunner::ProbeDue(std::uint32_t unit) {
  const auto item = static_cast<std::uint32_t>(things_.size()) + unit;
  due_.Erase(item);
  if (!MayProbe(units_[unit])) {
    const BootTime now = context_.loop.Now();
    return due_.Set(item, now + std::max(silence_budget_.Wait(now), kShortestProbe));
  }
  if (units_[unit].breaker.state() == Breaker::State::kOpen) SendProbe(unit);
}

// Within the bus's budget for silent units, or while nobody else wants the bus.
bool BusRunner::MayProbe(const Unit& unit) const {
  const BootTime now = context_.loop.Now();
  if (silence_budget_.Wait(now) == Duration::zero()) return true;
  const auto next = due_.Next();
  return !next || next->first >= now + ProbeTime(unit);
}

Duration BusRunner::ProbeTime(const Unit& unit) const {
  const Duration full = ProbeTimeout(bus_, things_[unit.things.front()].settings);
  if (unit.probes % kFullProbeEvery == kFullProbeEvery - 1) return full;
  Duration gentle = full;
  for (const Thing& thing : things_) {
    if (&units_[thing.unit] != &unit) gentle = std::min(gentle, thing.grid.interval() / 2);
  }
  return std::min(full, std::max({gentle, 2 * unit.slowest_answer, kShortestProbe}));
}

PollTimes BusRunner::TimesOf(BootTime begun) const {
  Clock& clock = context_.loop.clock();
  return {begun, clock.Now(), context_.time_trust.UnixMs(), clock.BootId(), context_.time_trust.Trusted()};
}

void BusRunner::SendPoll(std::uint32_t index, ReadCallbacks done) {
  const Thing& thing = things_[index];
  const BootTime begun = context_.loop.Now();
  host_.Read({.thing = index, .points = thing.points}, RequestTimeout(bus_, thing.settings, thing.points.size()),
             [this, index, begun, callbacks = std::move(done)](Result<wire::ReadAnswer> answer) {
               OnPolled(index, begun, std::move(answer), callbacks);
             });
}

void BusRunner::OnPolled(std::uint32_t index, BootTime begun, Result<wire::ReadAnswer> answer,
                         const ReadCallbacks& done) {
  Thing& thing = things_[index];
  if (stopped_) {
    // What the end of the program does to a poll says nothing about the device.
    for (const auto& callback : done) callback(Fail(*stopped_));
    return;
  }
  const PollTimes times = TimesOf(begun);
  load_.Busy(begun, times.received);
  const Reading reading =
      answer ? ReadingOf(thing.settings, *answer, times) : BadReading(thing.settings, kBusDown, times);
  ++(reading.AllBad() ? errors_ : polls_);
  if (answer && IsSilence(*answer)) {
    OnUnitSilent(thing.unit, times.received - begun, SilenceOf(*answer));
  } else if (answer) {
    OnUnitAnswered(thing.unit, times.received - begun);
  }
  // A thing that is to go has said its last.
  if (Listed(thing)) Tell(thing, reading);
  for (const auto& callback : done) {
    if (answer) {
      callback(reading);
    } else {
      callback(Fail(answer.error()));
    }
  }
  Pump();
}

void BusRunner::Tell(Thing& thing, const Reading& reading) {
  thing.record.OnPoll(reading);
  if (thing.filter.Passes(reading, context_.loop.Now())) context_.reading(reading);
}

// The cheapest question: one point of one thing.
void BusRunner::SendProbe(std::uint32_t unit) {
  if (units_[unit].breaker.state() == Breaker::State::kOpen) units_[unit].breaker.BeginProbe();
  const Duration time = ProbeTime(units_[unit]);
  ++units_[unit].probes;
  const std::uint32_t index = units_[unit].things.front();
  const Thing& thing = things_[index];
  const BootTime begun = context_.loop.Now();
  wire::ReadRequest request{.thing = index};
  request.points.assign(thing.points.begin(),
                        thing.points.begin() + std::min<std::ptrdiff_t>(1, std::ssize(thing.points)));
  host_.Read(std::move(request), time,
             [this, unit, begun](const Result<wire::ReadAnswer>& answer) { OnProbed(unit, begun, answer); });
}

void BusRunner::OnProbed(std::uint32_t unit, BootTime begun, const Result<wire::ReadAnswer>& answer) {
  const BootTime now = context_.loop.Now();
  load_.Busy(begun, now);
  ++(answer && !IsSilence(*answer) ? polls_ : errors_);
  if (answer && IsSilence(*answer)) {
    OnUnitSilent(unit, now - begun, SilenceOf(*answer));
  } else if (answer) {
    OnUnitAnswered(unit, now - begun);
  }
  Pump();
}

void BusRunner::OnUnitSilent(std::uint32_t index, Duration spent, std::string reason) {
  Unit& unit = units_[index];
  unit.silence = std::move(reason);
  const BootTime now = context_.loop.Now();
  silence_budget_.Spend(spent, now);
  if (unit.breaker.OnSilence(now, context_.random)) {
    log::Warning("bus.unit_silent", "unit does not answer; it is asked less",
                 {{"bus", bus_.name}, {"unit", unit.name}, {"things", unit.things.size()}});
    Record(unit.name + " does not answer", false);
  }
  if (unit.breaker.state() == Breaker::State::kOpen) {
    due_.Set(static_cast<std::uint32_t>(things_.size()) + index, unit.breaker.retry_at());
  }
}

void BusRunner::OnUnitAnswered(std::uint32_t index, Duration took) {
  Unit& unit = units_[index];
  // One slow answer is forgotten after some dozens of quicker ones.
  unit.slowest_answer = std::max(took, unit.slowest_answer - unit.slowest_answer / 32);
  if (!unit.breaker.suspected()) return;
  unit.probes = 0;
  if (unit.breaker.OnAnswer()) {
    log::Notice("bus.unit_back", "unit answers again", {{"bus", bus_.name}, {"unit", unit.name}});
  }
  due_.Erase(static_cast<std::uint32_t>(things_.size()) + index);
  for (const std::uint32_t thing : unit.things) {
    things_[thing].soon = context_.loop.Now();
    SetDue(thing);
  }
}

void BusRunner::SendWrite(QueuedWrite write) {
  const ThingSettings& thing = things_[write.thing].settings;
  const BootTime begun = context_.loop.Now();
  host_.Write(
      {.thing = write.thing, .point = write.point, .value = std::move(write.raw)}, RequestTimeout(bus_, thing, 1),
      [this, index = write.thing, begun, done = std::move(write.done)](const Result<wire::WriteAnswer>& answer) {
        OnWritten(index, begun, answer, done);
      });
}

// The writes at the head of the queue that are of one thing, when the driver takes several at once; at least one. Texts
// go by themselves: a question has a bound.
std::vector<BusRunner::QueuedWrite> BusRunner::TakeWritesTogether() {
  const std::size_t most = (host_.capabilities() & wire::kCanWriteMany) != 0 ? kMaxWritesAtOnce : 1;
  std::vector<QueuedWrite> together;
  while (!writes_.empty() && together.size() < most &&
         (together.empty() || (writes_.front().thing == together.front().thing && IsShort(writes_.front().raw) &&
                               IsShort(together.front().raw)))) {
    together.push_back(std::move(writes_.front()));
    writes_.pop_front();
  }
  return together;
}

void BusRunner::SendWrites(std::vector<QueuedWrite> writes) {
  const std::uint32_t index = writes.front().thing;
  Json values = Json::array();
  for (const QueuedWrite& write : writes) values.push_back({write.point, ToJson(write.raw)});
  const BootTime begun = context_.loop.Now();
  const Duration timeout = RequestTimeout(bus_, things_[index].settings, writes.size());
  SendQuestion({{"ask", "write"}, {"thing", index}, {"values", std::move(values)}}, timeout,
               [this, begun, writes = std::move(writes)](const Result<OrderedJson>& answer) {
                 OnWrittenTogether(begun, writes, answer);
               });
}

void BusRunner::OnWrittenTogether(BootTime begun, const std::vector<QueuedWrite>& writes,
                                  const Result<OrderedJson>& answer) {
  bool alive = false;
  std::vector<Status> results;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (!answer) {
      results.push_back(Fail(answer.error()));
      continue;
    }
    const Json result = i < answer->size() ? Json((*answer)[i]) : Json::object();
    const auto code = GetInt(result, "status").value_or(static_cast<int>(wire::Code::kIo));
    wire::WriteAnswer one{.code = code >= 0 && code <= static_cast<int>(wire::Code::kRefused)
                                      ? static_cast<wire::Code>(code)
                                      : wire::Code::kIo,
                          .error = GetString(result, "error").value_or("")};
    alive = alive || one.code == wire::Code::kOk || one.code == wire::Code::kRefused;
    results.push_back(one.code == wire::Code::kOk ? Status{} : Fail(ErrorOf(one)));
  }
  if (alive) OnUnitAnswered(things_[writes.front().thing].unit, context_.loop.Now() - begun);
  for (std::size_t i = 0; i < writes.size(); ++i) writes[i].done(results[i]);
}

void BusRunner::OnWritten(std::uint32_t index, BootTime begun, const Result<wire::WriteAnswer>& answer,
                          const std::function<void(Status)>& done) {
  load_.Busy(begun, context_.loop.Now());
  const bool alive = answer && (answer->code == wire::Code::kOk || answer->code == wire::Code::kRefused);
  if (alive) OnUnitAnswered(things_[index].unit, context_.loop.Now() - begun);
  if (!answer) {
    done(Fail(answer.error()));
  } else if (answer->code != wire::Code::kOk) {
    done(Fail(ErrorOf(*answer)));
  } else {
    done({});
  }
  Pump();
}

void BusRunner::Ask(const Json& question, Duration timeout, BusManager::AskDone done) {
  QueuedAsk ask{.question = Dump(question), .timeout = timeout, .asked = context_.loop.Now(), .done = std::move(done)};
  ask.name = GetString(question, "ask").value_or("");
  ask.needed = NeededFor(ask.name);
  if (ask.name.empty()) return ask.done(Fail(Action::kGiveUp, R"(a question looks like {"ask":"plan"})"));
  if (ask.question.size() > wire::kMaxQuestion) {
    return ask.done(Fail(Action::kGiveUp, fmt::format("the question is longer than {} bytes", wire::kMaxQuestion)));
  }
  if (down_) return ask.done(Fail(Action::kBackOff, DownCause()));
  if (asks_.size() >= kMaxQueuedAsks) {
    return ask.done(Fail(Action::kBackOff, fmt::format("bus {} has {} questions waiting", bus_.name, asks_.size())));
  }
  asks_.push_back(std::move(ask));
  Pump();
}

void BusRunner::SendAsk(QueuedAsk ask) {
  if ((host_.capabilities() & ask.needed) != ask.needed) {
    return ask.done(
        Fail(Action::kGiveUp, fmt::format("the driver {} of bus {} does not answer \"{}\" ({})", bus_.driver, bus_.name,
                                          ask.name, CanAnswer(host_.capabilities()))));
  }
  question_ = true;
  Ask(std::move(ask.question), ask.name, ask.timeout, [this, done = std::move(ask.done)](Result<OrderedJson> answer) {
    question_ = false;
    done(std::move(answer));
  });
}

void BusRunner::SendQuestion(Json question, Duration timeout, BusManager::AskDone done) {
  Ask(Dump(question), GetString(question, "ask").value_or(""), timeout, std::move(done));
}

// Only when the host is ready.
void BusRunner::Ask(std::string question, std::string name, Duration timeout, BusManager::AskDone done) {
  const BootTime begun = context_.loop.Now();
  host_.Ask({.question = std::move(question)}, timeout,
            [this, begun, name = std::move(name), done = std::move(done)](Result<HostSupervisor::AskReply> reply) {
              load_.Busy(begun, context_.loop.Now());
              done(AnswerOf(name, std::move(reply)));
              Pump();
            });
}

// How do the units fare, and has the driver seen what is worth a recording? One that counts nothing is asked once.
bool BusRunner::StepWatch() {
  const BootTime now = context_.loop.Now();
  if ((host_.capabilities() & wire::kCanAsk) == 0 || now < watch_at_) return false;
  watch_at_ = now + kWatchEvery;
  SendQuestion({{"ask", "counters"}}, kShortestRequest,
               [this](const Result<OrderedJson>& counters) { OnWatched(counters); });
  return true;
}

void BusRunner::OnWatched(const Result<OrderedJson>& counters) {
  if (!counters) {
    if (counters.error().action == Action::kGiveUp) watch_at_ = BootTime{INT64_MAX};
    return;
  }
  TakeCounted(UnitsOf(*counters, context_.loop.Now()));
  for (const OrderedJson& object : *counters) {
    const Json line = object;
    const auto anomalies = GetInt(line, "anomalies");
    if (!anomalies || *anomalies <= anomalies_seen_) continue;
    anomalies_seen_ = *anomalies;
    return Record(GetString(line, "anomaly").value_or("anomaly"), true);
  }
}

// A new host begins at nothing, but when a unit last answered is still known.
void BusRunner::TakeCounted(std::vector<UnitStatus> units) {
  for (UnitStatus& unit : units) {
    const auto known = std::ranges::find(counted_, unit.unit, &UnitStatus::unit);
    if (!unit.last_answer && known != counted_.end()) unit.last_answer = known->last_answer;
  }
  for (UnitStatus& known : counted_) {
    const bool again = std::ranges::find(units, known.unit, &UnitStatus::unit) != units.end();
    if (again || !known.last_answer || units.size() >= kMaxUnits) continue;
    units.push_back({.unit = known.unit, .exceptions = {}, .last_answer = known.last_answer});
  }
  counted_ = std::move(units);
}

// The last frames of the bus to a file. `frozen`: those at the moment when the driver saw it.
void BusRunner::Record(const std::string& anomaly, bool frozen) {
  const BootTime now = context_.loop.Now();
  if (!context_.recorder.on() || (host_.capabilities() & wire::kCanAsk) == 0 || now < record_from_) return;
  record_from_ = now + kRecordAtMostEvery;
  Ask(Json{{"ask", "frames"}, {"frozen", frozen}}, kShortestRequest,
      [this, anomaly](const Result<OrderedJson>& frames) {
        if (!frames || frames->empty()) return;
        const std::int64_t now_ms = context_.loop.clock().UnixMs();
        context_.recorder.Save(bus_.name, now_ms, RenderRecording(bus_.name, bus_.driver, anomaly, now_ms, *frames));
      });
}

void BusRunner::OnFact(const std::string& key, const std::string& json) {
  const Result<bool> changed = facts_.Set(key, json);
  if (!changed && !fact_refused_) {
    fact_refused_ = true;
    log::Warning("driver.fact_refused", changed.error().message, {{"bus", bus_.name}, {"driver", bus_.driver}});
  }
  if (!changed || !*changed || !context_.facts.save) return;
  context_.facts.save(bus_.name, key, json.empty() ? std::nullopt : std::optional(json));
}

std::string BusRunner::Configuration() const {
  if (facts_.json().empty()) return Dump(configuration_);
  Json with_facts = configuration_;
  with_facts["facts"] = facts_.json();
  return Dump(with_facts);
}

BusStatus BusRunner::Snapshot() const {
  BusStatus status;
  status.bus = bus_.name;
  status.driver = bus_.driver;
  status.state = host_.state_name();
  status.reason = host_.reason();
  status.load = load_.Load(context_.loop.Now());
  status.polls = polls_;
  status.errors = errors_;
  status.overruns = overruns_;
  status.restarts = host_.restarts();
  status.log_lines_dropped = host_.log_lines_dropped();
  status.pid = host_.pid();
  status.unconfined = host_.shortcomings();
  status.units = counted_;
  const BootTime now = context_.loop.Now();
  for (UnitStatus& unit : status.units) {
    if (!unit.last_answer) continue;
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - *unit.last_answer);
    unit.last_answer_ms = context_.time_trust.UnixMs() - age.count();
  }
  return status;
}

ThingStatus BusRunner::SnapshotOf(const std::string& name) const {
  const auto index = Find(name);
  if (!index) {
    ThingStatus soon;
    soon.thing = name;
    soon.bus = bus_.name;
    soon.state = "waiting";
    soon.reason = NotHere(name).message;
    for (std::size_t i = 0; plan_ && i < plan_->things.size(); ++i) {
      if (plan_->things[i].name == name) soon.sample_interval = plan_->things[i].sample_interval;
    }
    return soon;
  }
  const Thing& thing = things_[*index];
  const BootTime now = context_.loop.Now();
  const Breaker& breaker = units_[thing.unit].breaker;
  ThingStatus status = thing.record.Status(thing.settings.sample_interval, now);
  status.breaker = ToString(breaker.state());
  if (down_) status.reason = DownCause();
  if (breaker.state() == Breaker::State::kOpen) {
    const auto wait = std::max(breaker.retry_at() - now, Duration::zero());
    const std::string& cause = units_[thing.unit].silence;
    status.reason = fmt::format("unit not answering ({}next try in {})",
                                cause.empty() || cause == wire::ToString(wire::Code::kTimeout) ? "" : cause + ", ",
                                FormatDuration(std::chrono::ceil<std::chrono::seconds>(wait)));
  }
  return status;
}

}  // namespace penumbra
