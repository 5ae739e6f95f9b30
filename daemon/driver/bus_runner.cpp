#include "driver/bus_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/log.hpp"
#include "base/ordered_json.hpp"
#include "base/text.hpp"
#include "driver/catalog.hpp"
#include "driver/driver_answer.hpp"
#include "driver/request_time.hpp"
#include "model/convert.hpp"

namespace penumbra {
namespace {

// In messages the reason stays the same while the trouble does; the detail is in the status.
constexpr const char* kBusDown = "bus down";
constexpr const char* kStops = "the gateway stops";

}  // namespace

BusRunner::BusRunner(BusSettings bus, std::vector<ThingSettings> things, const BusContext& context)
    : bus_(std::move(bus)),
      context_(context),
      queues_(bus_.name),
      configuration_(DriverConfiguration(bus_, things)),
      facts_(context_.facts.load ? context_.facts.load(bus_.name) : std::map<std::string, std::string>()),
      host_({bus_.name, bus_.driver, {}}, context_.launcher, context_.loop, context_.random,
            {[this] { OnUp(); }, [this] { OnDown(); },
             [this](const std::string& key, const std::string& json) { OnFact(key, json); },
             [this] { return Configuration(); }}) {
  things_ = BusThings(std::move(things), bus_.breaker);
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
bool BusRunner::Listed(const BusThings::Thing& thing) const {
  if (!plan_) return true;
  return std::any_of(plan_->things.begin(), plan_->things.end(),
                     [&thing](const ThingSettings& planned) { return planned.name == thing.settings.name; });
}

bool BusRunner::StepPlan() {
  if (!plan_ || host_.Busy()) return false;
  Plan plan = std::move(*plan_);
  plan_.reset();
  things_.Sort(plan.things);
  Json configuration = DriverConfiguration(plan.bus, plan.things);
  const bool reopen = plan.bus.driver != bus_.driver || configuration != configuration_;
  bus_ = std::move(plan.bus);
  configuration_ = std::move(configuration);
  BusThings old = std::exchange(things_, BusThings(std::move(plan.things), bus_.breaker));
  things_.CarryFrom(old);
  queues_.Renumber(
      [&](std::uint32_t index) {
        const ThingSettings& settings = old.things()[index].settings;
        const auto found = things_.Find(settings.name);
        return found && things_.things()[*found].settings == settings ? found : std::nullopt;
      },
      {Action::kRetry, fmt::format("bus {} has taken over a new configuration", bus_.name)});
  if (!reopen) return true;
  opened_anew_ = true;
  down_ = false;
  host_.Reopen(bus_.driver);
  return true;
}

void BusRunner::Retire(std::function<void()> gone) {
  const Error cause{Action::kRetry, fmt::format("bus {} was taken out of the configuration", bus_.name)};
  stopped_ = cause;
  timer_.reset();
  queues_.FailAll(cause);
  host_.Close(cause, std::move(gone));
}

void BusRunner::OnUp() {
  down_ = false;
  const BootTime now = context_.loop.Now();
  watch_.OnUp(now);
  const bool anew = std::exchange(opened_anew_, false);
  for (std::uint32_t thing = 0; thing < things_.things().size(); ++thing) {
    if (!anew || things_.things()[thing].look) things_.PlanFirstLook(thing, now);
  }
  Pump();
}

void BusRunner::OnDown() {
  down_ = true;
  opened_anew_ = false;
  things_.Forgive();  // a new host is a new chance for every unit
  for (std::uint32_t thing = 0; thing < things_.things().size(); ++thing) {
    if (!things_.things()[thing].started) things_.PlanFirstLook(thing, context_.loop.Now());
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
  const auto found = things_.Find(name);
  if (!found) return;
  things_.PlanInterval(*found, interval, context_.loop.Now());
  Pump();
}

void BusRunner::ReadNow(const std::string& name, std::function<void(Result<Reading>)> done) {
  const auto thing = things_.Find(name);
  if (!thing) return done(Fail(NotHere(name)));
  if (down_) return done(Fail(Action::kBackOff, DownCause()));
  queues_.AddRead(*thing, context_.loop.Now(), std::move(done));
  Pump();
}

void BusRunner::Write(const std::string& name, const std::string& point, const Value& value,
                      std::function<void(Status)> done, std::function<bool()> wanted) {
  const auto thing = things_.Find(name);
  if (!thing) return done(Fail(NotHere(name)));
  const std::vector<PointSettings>& points = things_.things()[*thing].settings.points;
  const auto found = std::ranges::find(points, point, &PointSettings::name);
  if (found == points.end()) return done(Fail(Action::kGiveUp, "no point " + point));
  if (down_) return done(Fail(Action::kBackOff, DownCause()));
  Result<Value> raw = ToRaw(*found, value);
  if (!raw) return done(Fail(raw.error()));
  queues_.Add(BusQueues::Write{*thing, static_cast<std::uint32_t>(found - points.begin()), context_.loop.Now(),
                               std::move(*raw), std::move(done), std::move(wanted)});
  Pump();
}

void BusRunner::Stop() {
  stopped_ = Error{Action::kBackOff, kStops};
  timer_.reset();
  queues_.FailAll(*stopped_);
  host_.Abandon(kStops);
}

void BusRunner::Pump() {
  if (stopped_) return queues_.FailAll(*stopped_);
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
    queues_.FailAll({Action::kBackOff, DownCause()});
    return StepDue();
  }
  return host_.Ready() && (StepQueues() || StepWatch() || StepDue());
}

bool BusRunner::StepQueues() {
  queues_.FailLate(context_.loop.Now());
  queues_.FailUnwanted();
  const std::size_t most = (host_.capabilities() & wire::kCanWriteMany) != 0 ? kMaxWritesAtOnce : 1;
  if (auto writes = queues_.TakeWrites(most); writes.size() > 1) {
    SendWrites(std::move(writes));
  } else if (!writes.empty()) {
    SendWrite(std::move(writes.front()));
  } else if (auto read = queues_.TakeRead()) {
    SendPoll(read->thing, std::move(read->done));
  } else if (auto question = queues_.TakeQuestion()) {
    SendQuestion(std::move(*question));
  } else {
    return false;
  }
  return true;
}

bool BusRunner::StepDue() {
  const auto next = things_.Next();
  if (!next || next->at > context_.loop.Now()) return false;
  if (next->probe) {
    ProbeDue(next->index);
  } else {
    PollDue(next->index);
  }
  return true;
}

void BusRunner::ArmTimer() {
  // While a request is in flight its end pumps; before the first start there is nothing to do.
  const auto next = things_.Next();
  if (!next || (!down_ && !host_.Ready())) {
    timer_.reset();
    armed_for_ = BootTime{-1};
    return;
  }
  if (timer_ && armed_for_ == next->at) return;
  armed_for_ = next->at;
  timer_ = context_.loop.After(next->at - context_.loop.Now(), [this] {
    armed_for_ = BootTime{-1};
    Pump();
  });
}

void BusRunner::PollDue(std::uint32_t index) {
  overruns_ += things_.TakeSlot(index, context_.loop.Now());
  BusThings::Thing& thing = things_.things()[index];
  const BusThings::Unit& unit = things_.UnitOf(thing);
  if (!down_ && !unit.breaker.suspected()) return SendPoll(index, {});
  if (!down_ && unit.breaker.state() == Breaker::State::kClosed && MayProbe(thing.unit)) SendProbe(thing.unit);
  Tell(thing, BadReading(thing.settings, down_ ? std::string(kBusDown) : unit.silence, TimesOf(context_.loop.Now())));
}

void BusRunner::ProbeDue(std::uint32_t unit) {
  things_.DropProbe(unit);
  if (!MayProbe(unit)) {
    const BootTime now = context_.loop.Now();
    return things_.PlanProbe(unit, now + std::max(silence_budget_.Wait(now), kShortestProbe));
  }
  if (things_.units()[unit].breaker.state() == Breaker::State::kOpen) SendProbe(unit);
}

// Within the bus's budget for silent units, or while nobody else wants the bus.
bool BusRunner::MayProbe(std::uint32_t unit) const {
  const BootTime now = context_.loop.Now();
  if (silence_budget_.Wait(now) == Duration::zero()) return true;
  const auto next = things_.Next();
  return !next || next->at >= now + ProbeTime(unit);
}

Duration BusRunner::ProbeTime(std::uint32_t unit) const {
  const std::uint32_t thing = things_.units()[unit].things.front();
  return things_.ProbeTime(unit, ProbeTimeout(bus_, things_.things()[thing].settings));
}

PollTimes BusRunner::TimesOf(BootTime begun) const {
  Clock& clock = context_.loop.clock();
  return {begun, clock.Now(), context_.time_trust.UnixMs(), clock.BootId(), context_.time_trust.Trusted()};
}

void BusRunner::SendPoll(std::uint32_t index, BusQueues::ReadCallbacks done) {
  const BusThings::Thing& thing = things_.things()[index];
  const BootTime begun = context_.loop.Now();
  host_.Read({.thing = index, .points = thing.points}, RequestTimeout(bus_, thing.settings, thing.points.size()),
             [this, index, begun, callbacks = std::move(done)](Result<wire::ReadAnswer> answer) {
               OnPolled(index, begun, std::move(answer), callbacks);
             });
}

void BusRunner::OnPolled(std::uint32_t index, BootTime begun, Result<wire::ReadAnswer> answer,
                         const BusQueues::ReadCallbacks& done) {
  BusThings::Thing& thing = things_.things()[index];
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

void BusRunner::Tell(BusThings::Thing& thing, const Reading& reading) {
  thing.record.OnPoll(reading);
  if (thing.filter.Passes(reading, context_.loop.Now())) context_.reading(reading);
}

// The cheapest question: one point of one thing.
void BusRunner::SendProbe(std::uint32_t index) {
  BusThings::Unit& unit = things_.units()[index];
  if (unit.breaker.state() == Breaker::State::kOpen) unit.breaker.BeginProbe();
  const Duration time = ProbeTime(index);
  ++unit.probes;
  const std::uint32_t number = unit.things.front();
  const BusThings::Thing& thing = things_.things()[number];
  const BootTime begun = context_.loop.Now();
  wire::ReadRequest request{.thing = number};
  request.points.assign(thing.points.begin(),
                        thing.points.begin() + std::min<std::ptrdiff_t>(1, std::ssize(thing.points)));
  host_.Read(std::move(request), time,
             [this, index, begun](const Result<wire::ReadAnswer>& answer) { OnProbed(index, begun, answer); });
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
  BusThings::Unit& unit = things_.units()[index];
  unit.silence = std::move(reason);
  const BootTime now = context_.loop.Now();
  silence_budget_.Spend(spent, now);
  if (unit.breaker.OnSilence(now, context_.random)) {
    log::Warning("bus.unit_silent", "unit does not answer; it is asked less",
                 {{"bus", bus_.name}, {"unit", unit.name}, {"things", unit.things.size()}});
    Record(unit.name + " does not answer", false);
  }
  if (unit.breaker.state() == Breaker::State::kOpen) things_.PlanProbe(index, unit.breaker.retry_at());
}

void BusRunner::OnUnitAnswered(std::uint32_t index, Duration took) {
  if (!things_.OnAnswer(index, took, context_.loop.Now())) return;
  log::Notice("bus.unit_back", "unit answers again", {{"bus", bus_.name}, {"unit", things_.units()[index].name}});
}

void BusRunner::SendWrite(BusQueues::Write write) {
  const ThingSettings& thing = things_.things()[write.thing].settings;
  const BootTime begun = context_.loop.Now();
  host_.Write(
      {.thing = write.thing, .point = write.point, .value = std::move(write.raw)}, RequestTimeout(bus_, thing, 1),
      [this, index = write.thing, begun, done = std::move(write.done)](const Result<wire::WriteAnswer>& answer) {
        OnWritten(index, begun, answer, done);
      });
}

void BusRunner::OnWritten(std::uint32_t index, BootTime begun, const Result<wire::WriteAnswer>& answer,
                          const std::function<void(Status)>& done) {
  load_.Busy(begun, context_.loop.Now());
  if (answer && IsAlive(*answer)) OnUnitAnswered(things_.things()[index].unit, context_.loop.Now() - begun);
  done(answer ? StatusOf(*answer) : Fail(answer.error()));
  Pump();
}

void BusRunner::SendWrites(std::vector<BusQueues::Write> writes) {
  const std::uint32_t index = writes.front().thing;
  Json values = Json::array();
  for (const BusQueues::Write& write : writes) values.push_back({write.point, ToJson(write.raw)});
  const BootTime begun = context_.loop.Now();
  const Duration timeout = RequestTimeout(bus_, things_.things()[index].settings, writes.size());
  Send({{"ask", "write"}, {"thing", index}, {"values", std::move(values)}}, timeout,
       [this, begun, writes = std::move(writes)](const Result<OrderedJson>& answers) {
         OnWrittenTogether(begun, writes, answers);
       });
}

void BusRunner::OnWrittenTogether(BootTime begun, const std::vector<BusQueues::Write>& writes,
                                  const Result<OrderedJson>& answers) {
  bool alive = false;
  std::vector<Status> results;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (!answers) {
      results.push_back(Fail(answers.error()));
      continue;
    }
    const wire::WriteAnswer answer = WriteAnswerAt(*answers, i);
    alive = alive || IsAlive(answer);
    results.push_back(StatusOf(answer));
  }
  if (alive) OnUnitAnswered(things_.things()[writes.front().thing].unit, context_.loop.Now() - begun);
  for (std::size_t i = 0; i < writes.size(); ++i) writes[i].done(results[i]);
}

void BusRunner::Ask(const Json& question, Duration timeout, BusManager::AskDone done) {
  BusQueues::Question queued{.text = Dump(question),
                             .name = GetString(question, "ask").value_or(""),
                             .timeout = timeout,
                             .asked = context_.loop.Now(),
                             .done = std::move(done)};
  if (queued.name.empty()) return queued.done(Fail(Action::kGiveUp, R"(a question looks like {"ask":"plan"})"));
  if (queued.text.size() > wire::kMaxQuestion) {
    return queued.done(Fail(Action::kGiveUp, fmt::format("the question is longer than {} bytes", wire::kMaxQuestion)));
  }
  if (down_) return queued.done(Fail(Action::kBackOff, DownCause()));
  queues_.Add(std::move(queued));
  Pump();
}

void BusRunner::SendQuestion(BusQueues::Question question) {
  const std::uint64_t needed = NeededFor(question.name);
  if ((host_.capabilities() & needed) != needed) {
    return question.done(
        Fail(Action::kGiveUp, fmt::format("the driver {} of bus {} does not answer \"{}\" ({})", bus_.driver, bus_.name,
                                          question.name, CanAnswer(host_.capabilities()))));
  }
  question_ = true;
  Send(std::move(question.text), question.name, question.timeout,
       [this, done = std::move(question.done)](Result<OrderedJson> answer) {
         question_ = false;
         done(std::move(answer));
       });
}

void BusRunner::Send(const Json& question, Duration timeout, BusManager::AskDone done) {
  Send(Dump(question), GetString(question, "ask").value_or(""), timeout, std::move(done));
}

void BusRunner::Send(std::string question, std::string name, Duration timeout, BusManager::AskDone done) {
  const BootTime begun = context_.loop.Now();
  host_.Ask({.question = std::move(question)}, timeout,
            [this, begun, name = std::move(name), done = std::move(done)](Result<HostSupervisor::AskReply> reply) {
              load_.Busy(begun, context_.loop.Now());
              done(ObjectsOf(name, std::move(reply)));
              Pump();
            });
}

bool BusRunner::StepWatch() {
  const BootTime now = context_.loop.Now();
  if ((host_.capabilities() & wire::kCanAsk) == 0 || !watch_.Due(now)) return false;
  watch_.Asked(now);
  Send({{"ask", "counters"}}, kShortestRequest, [this](const Result<OrderedJson>& counters) {
    const auto anomaly = watch_.OnAnswer(counters, context_.loop.Now());
    if (anomaly) Record(*anomaly, true);
  });
  return true;
}

// The last frames of the bus to a file. `frozen`: those at the moment when the driver saw it.
void BusRunner::Record(const std::string& anomaly, bool frozen) {
  const BootTime now = context_.loop.Now();
  if (!context_.recorder.on() || (host_.capabilities() & wire::kCanAsk) == 0 || now < record_from_) return;
  record_from_ = now + kRecordAtMostEvery;
  Send({{"ask", "frames"}, {"frozen", frozen}}, kShortestRequest, [this, anomaly](const Result<OrderedJson>& frames) {
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
  status.units = watch_.Units(context_.loop.Now(), context_.time_trust.UnixMs());
  return status;
}

ThingStatus BusRunner::SnapshotOf(const std::string& name) const {
  const auto index = things_.Find(name);
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
  const BusThings::Thing& thing = things_.things()[*index];
  const BootTime now = context_.loop.Now();
  const BusThings::Unit& unit = things_.UnitOf(thing);
  const Breaker& breaker = unit.breaker;
  ThingStatus status = thing.record.Status(thing.settings.sample_interval, now);
  status.breaker = ToString(breaker.state());
  if (down_) status.reason = DownCause();
  if (breaker.state() == Breaker::State::kOpen) {
    const auto wait = std::max(breaker.retry_at() - now, Duration::zero());
    const std::string& cause = unit.silence;
    status.reason = fmt::format("unit not answering ({}next try in {})",
                                cause.empty() || cause == wire::ToString(wire::Code::kTimeout) ? "" : cause + ", ",
                                FormatDuration(std::chrono::ceil<std::chrono::seconds>(wait)));
  }
  return status;
}

}  // namespace penumbra
