#include "simulation/shadow/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace penumbra::test {

using shadow::Batch;
using shadow::CommandBook;
using shadow::Effects;
using namespace std::chrono_literals;

ThingSettings ShadowWorld::Settings() {
  const auto point = [](const char* name, std::optional<WritePolicy> writable) {
    PointSettings settings;
    settings.name = name;
    settings.writable = writable;
    settings.driver_options = {{"type", "s32"}};
    return settings;
  };
  WritePolicy plain;
  plain.min = 0;
  plain.max = 1'000'000;
  plain.ttl = 24h;
  WritePolicy unverified = plain;
  unverified.verify = false;
  ThingSettings thing;
  thing.name = "t1";
  thing.bus = "b";
  WritePolicy short_lived = plain;
  short_lived.ttl = kValveTtl;
  thing.points = {point("temperature", std::nullopt), point("setpoint", plain), point("mode", unverified),
                  point("valve", short_lived)};
  return thing;
}

ShadowWorld::ShadowWorld(std::uint64_t seed) : service({}, seed), random_(seed) {
  registers = {{"temperature", 20}, {"setpoint", 1}, {"mode", 1}, {"valve", 1}};
  Start();
}

ShadowWorld::Tally& ShadowWorld::Tally::operator+=(const Tally& other) {
  lost += other.lost;
  duplicated += other.duplicated;
  reordered += other.reordered;
  failed_writes += other.failed_writes;
  refused_writes += other.refused_writes;
  failed_commits += other.failed_commits;
  overtaken_writes += other.overtaken_writes;
  kills += other.kills;
  reboots += other.reboots;
  deletes += other.deletes;
  return *this;
}

void ShadowWorld::At(Duration delay, std::function<void()> action) {
  events_.push({now_ + delay, next_order_++, std::move(action)});
}

void ShadowWorld::Run(Duration time) {
  const BootTime end = now_ + time;
  while (!events_.empty() && events_.top().at <= end) {
    const Event event = events_.top();
    events_.pop();
    now_ = std::max(now_, event.at);
    ++steps;
    event.action();
  }
  now_ = end;
}

bool ShadowWorld::Settle(Duration limit) {
  const BootTime end = now_ + limit;
  while (now_ < end) {
    const bool quiet = thing_->Quiet() && disk_queue_.empty();
    if (quiet) {
      // Whatever is still on the wires arrives within seconds; then it must still be quiet.
      Run(5s);
      if (thing_->Quiet() && disk_queue_.empty()) {
        const Json document = Document();
        const std::int64_t version = document.is_object() ? document.value("version", std::int64_t{0}) : 0;
        const shadow::Mirror& mirror = thing_->Find("")->row().mirror;
        if (mirror.exists ? mirror.version == version : !document.contains("state")) return true;
      }
    }
    Run(quiet ? Duration(1min) : Duration(1s));
  }
  return false;
}

void ShadowWorld::Start() {
  ++life_;
  shadow::StoredThing stored;
  for (const auto& [name, row] : disk_shadows_) stored.shadows.push_back(row);
  for (const auto& [key, row] : disk_commands_) stored.commands.push_back(row);
  thing_ = std::make_unique<shadow::ThingShadows>(Settings(), std::move(stored), shadow::ThingOptions{},
                                                  fmt::format("s{}", life_), fmt::format("boot-{}", boot_), Now(),
                                                  random_());
  wake_.reset();
  Advance();
}

// SIGKILL and restart: what the disk had not yet is gone, the session with it.
void ShadowWorld::Kill(bool reboot) {
  ++kills;
  ++tally.kills;
  if (reboot) {
    ++boot_;
    ++tally.reboots;
  }
  // The driver host dies with the daemon; half of the last requests were already on the bus.
  if (on_bus_ && on_bus_->kind == CommandBook::Step::Kind::kWrite && Chance(0.5)) WriteRegister(*on_bus_);
  on_bus_.reset();
  disk_queue_.clear();
  online_ = false;
  ++session_;
  Start();
  At(Delay() + 100ms, [this] { Connect(); });
}

bool ShadowWorld::KillNow(KillPoint point) {
  if (kill_at != point) return false;
  kill_at = KillPoint::kNever;
  Kill();
  return true;
}

void ShadowWorld::Connect() {
  if (online_) return;
  online_ = true;
  ++session_;
  thing_->OnOnline(Now());
  Advance();
}

void ShadowWorld::Disconnect() {
  if (!online_) return;
  online_ = false;
  ++session_;
  thing_->OnOffline();
  Advance();
}

void ShadowWorld::Advance() {
  Effects effects = thing_->Advance(Now());
  const bool carries = !effects.commit.empty() || !effects.publish.empty() || effects.step;
  if (carries) {
    if (effects.step && KillNow(KillPoint::kBeforeCommit)) return;
    disk_queue_.push_back(std::move(effects));
    At(Duration(std::chrono::milliseconds(Pick(20))), [this, life = life_] { Durable(life); });
  }
  const auto due = thing_->Due(Now());
  if (!due || (wake_ && *wake_ <= *due && *wake_ > now_)) return;
  wake_ = std::max(*due, now_ + 1ms);
  At(*wake_ - now_, [this, life = life_, at = *wake_] {
    if (life != life_ || wake_ != at) return;
    wake_.reset();
    Advance();
  });
}

// Commits come to the disk in their order, one per call.
void ShadowWorld::Durable(std::uint64_t life) {
  if (life != life_ || disk_queue_.empty()) return;
  const Effects effects = std::move(disk_queue_.front());
  disk_queue_.pop_front();
  if (!effects.commit.empty() && Chance(faults.commit_error)) {
    ++tally.failed_commits;
    thing_->OnSaveFailed(effects);
    if (effects.step) StepDone(*effects.step, Fail(Action::kRetry, "the store does not work"));
    At(1s, [this, again = life_] {
      if (again == life_) Advance();
    });
    return;
  }
  Apply(effects.commit);
  if (effects.step && KillNow(KillPoint::kAfterCommit)) return;
  CarryOut(effects);
}

void ShadowWorld::Apply(const Batch& batch) {
  for (const auto& row : batch.shadows) disk_shadows_.insert_or_assign(row.name, row);
  for (const auto& name : batch.removed_shadows) disk_shadows_.erase(name);
  for (const auto& row : batch.commands) disk_commands_.insert_or_assign(row.key, row);
  for (const auto& key : batch.removed_commands) disk_commands_.erase(key);
}

void ShadowWorld::CarryOut(const Effects& effects) {
  const std::uint64_t life = life_;
  for (const auto& publication : effects.publish) {
    const bool report = publication.payload.find("\"setpoint\"") != std::string::npos;
    if (report && KillNow(KillPoint::kBeforePublish)) return;
    ToService(publication);
    if (report && KillNow(KillPoint::kAfterPublish)) return;
  }
  if (effects.step && life == life_) ToDevice(*effects.step);
}

Duration ShadowWorld::Delay() {
  return std::chrono::milliseconds(1 + Pick(static_cast<std::uint64_t>(faults.max_delay_ms)));
}

int ShadowWorld::Copies() {
  if (Chance(faults.lose)) {
    ++tally.lost;
    return 0;
  }
  if (!Chance(faults.duplicate)) return 1;
  ++tally.duplicated;
  return 2;
}

void ShadowWorld::ToService(const shadow::Publication& publication) {
  if (!online_) return;
  const bool update =
      publication.topic.size() > 7 && publication.topic.substr(publication.topic.size() - 7) == "/update";
  ++(update ? updates_sent : gets_sent);
  const int copies = Copies();
  for (int i = 0; i < copies; ++i) {
    At(Delay(), [this, topic = publication.topic, payload = publication.payload] {
      ToDaemon(service.Handle(topic, payload, UnixMs()));
    });
  }
}

void ShadowWorld::ToDaemon(const std::vector<iotcore::ShadowMessage>& messages) {
  if (!online_) return;
  for (const auto& message : messages) {
    const int copies = Copies();
    const std::uint64_t number = next_message_++;
    for (int i = 0; i < copies; ++i) {
      At(Delay() + std::chrono::milliseconds(std::max<std::int64_t>(0, message.due_ms - UnixMs())),
         [this, message, number, session = session_] {
           if (session != session_) return;
           if (number < newest_delivered_) ++tally.reordered;
           newest_delivered_ = std::max(newest_delivered_, number);
           thing_->OnMessage(message.topic, message.payload, Now());
           Advance();
         });
    }
  }
}

Reading ShadowWorld::ReadDevice() {
  Reading reading;
  reading.thing = "t1";
  reading.unix_ms = UnixMs();
  reading.boot_ns = now_.ns;
  for (const auto& [name, value] : registers) {
    reading.values.push_back({name, static_cast<std::int64_t>(value), Quality::kGood, {}});
  }
  return reading;
}

void ShadowWorld::StepDone(const CommandBook::Step& step, const Status& status) {
  if (step.kind == CommandBook::Step::Kind::kWrite) {
    thing_->OnWritten(step.ticket, status, Now());
  } else {
    thing_->OnRead(step.ticket, status ? Result<Reading>(ReadDevice()) : Result<Reading>(Fail(status.error())), Now());
  }
}

void ShadowWorld::ToDevice(const CommandBook::Step& step) {
  if (!thing_->StepWanted(step.ticket)) {
    if (step.kind == CommandBook::Step::Kind::kWrite) ++tally.overtaken_writes;
    StepDone(step, Fail(Action::kRetry, "a newer value is wanted"));
    return Advance();
  }
  if (step.kind == CommandBook::Step::Kind::kWrite && KillNow(KillPoint::kBeforeWrite)) return;
  on_bus_ = step;
  At(std::chrono::milliseconds(1 + Pick(20)), [this, step, life = life_] {
    if (life != life_) return;
    on_bus_.reset();
    if (step.kind == CommandBook::Step::Kind::kRead) {
      if (Chance(faults.device_error)) {
        thing_->OnRead(step.ticket, Fail(Action::kRetry, "timeout"), Now());
      } else {
        thing_->OnRead(step.ticket, ReadDevice(), Now());
        if (KillNow(KillPoint::kAfterReadBack)) return;
      }
      return Advance();
    }
    if (Chance(faults.device_refuses)) {
      ++tally.refused_writes;
      thing_->OnWritten(step.ticket, Fail(Action::kGiveUp, "illegal value"), Now());
      return Advance();
    }
    const bool lost_request = Chance(faults.device_error / 2);
    const bool lost_answer = Chance(faults.device_error / 2);
    if (!lost_request) WriteRegister(step);
    if (KillNow(KillPoint::kAfterWrite)) return;
    tally.failed_writes += lost_request || lost_answer ? 1 : 0;
    const Status status = lost_request || lost_answer ? Status(Fail(Action::kRetry, "timeout")) : Status();
    thing_->OnWritten(step.ticket, status, Now());
    if (KillNow(KillPoint::kAfterAck)) return;
    Advance();
  });
}

void ShadowWorld::WriteRegister(const CommandBook::Step& step) {
  double value = 0;
  ToDouble(step.value, value);
  registers[step.key] = value;
  writes.push_back({step.key, value, UnixMs()});
}

void ShadowWorld::Cloud(const Json& state) {
  const Json body = {{"state", state}};
  ToDaemon(service.Handle("$aws/things/t1/shadow/update", body.dump(), UnixMs()));
}

void ShadowWorld::CloudText(const std::string& body) {
  ToDaemon(service.Handle("$aws/things/t1/shadow/update", body, UnixMs()));
}

void ShadowWorld::Deliver(const std::string& stub, const std::string& payload) {
  thing_->OnMessage("$aws/things/t1/shadow/" + stub, payload, Now());
  Advance();
}

void ShadowWorld::CloudDelete() {
  ++tally.deletes;
  ToDaemon(service.Handle("$aws/things/t1/shadow/delete", "", UnixMs()));
}

void ShadowWorld::Poll() {
  thing_->OnReading(ReadDevice());
  Advance();
}

void ShadowWorld::Report(const Json& patch) {
  (void)thing_->Report("", patch);
  Advance();
}

void ShadowWorld::EditDesired(const Json& patch) {
  (void)thing_->EditDesired("", patch);
  Advance();
}

}  // namespace penumbra::test
