#include "shadow/shadows.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"

namespace penumbra::shadow {
namespace {

Error NoThing(const std::string& thing) {
  return {Action::kGiveUp, fmt::format("no thing named '{}'", thing)};
}

}  // namespace

Shadows::Shadows(Options options, EventLoop& loop, TimeTrust& time_trust, ShadowStore& store, BusManager& buses)
    : options_(std::move(options)), loop_(loop), time_trust_(time_trust), store_(store), buses_(buses) {}

Shadows::~Shadows() {
  *alive_ = false;
}

Moment Shadows::Now() {
  return {loop_.Now(), time_trust_.UnixMs(), time_trust_.Trusted()};
}

void Shadows::Start(std::vector<ThingSettings> things, std::function<void()> done) {
  store_.Load([this, alive = alive_, things = std::move(things),
               done = std::move(done)](Result<std::map<std::string, StoredThing>> loaded) {
    if (!*alive) return;
    if (!loaded) {
      log::Error("shadow.load_failed", "stored shadows are lost; they are built again from the cloud and the devices",
                 {{"reason", loaded.error().message}});
      loaded = std::map<std::string, StoredThing>{};
    }
    for (const ThingSettings& thing : things) Add(thing, std::move((*loaded)[thing.name]));
    for (const ThingSettings& thing : things) Advance(thing.name);
    WatchStatus();
    if (done) done();
  });
}

void Shadows::Add(const ThingSettings& settings, StoredThing stored) {
  Entry entry;
  const std::uint64_t seed = options_.seed + things_.size();
  entry.shadows = std::make_unique<ThingShadows>(settings, std::move(stored), options_.thing, options_.session,
                                                 loop_.clock().BootId(), Now(), seed);
  things_.insert_or_assign(settings.name, std::move(entry));
}

Shadows::Entry* Shadows::FindEntry(const std::string& thing) {
  const auto it = things_.find(thing);
  return it == things_.end() ? nullptr : &it->second;
}

const ThingShadows* Shadows::Find(const std::string& thing) const {
  const auto it = things_.find(thing);
  return it == things_.end() ? nullptr : it->second.shadows.get();
}

void Shadows::OnReading(const Reading& reading) {
  Entry* entry = FindEntry(reading.thing);
  if (entry == nullptr) return;
  entry->shadows->OnReading(reading);
  UpdateStatus(reading.thing, *entry);
  Advance(reading.thing);
}

void Shadows::SetBaseInterval(const std::string& thing, Duration interval) {
  Entry* entry = FindEntry(thing);
  if (entry == nullptr) return;
  entry->shadows->SetBaseInterval(interval);
  Advance(thing);
}

void Shadows::UpdateStatus(const std::string& thing, Entry& entry) {
  const auto status = buses_.Thing(thing);
  if (!status || status->state == "waiting" || status->state == entry.status) return;
  entry.status = status->state;
  entry.shadows->SetStatus(entry.status);
}

void Shadows::WatchStatus() {
  for (auto& [thing, entry] : things_) {
    const std::string before = entry.status;
    UpdateStatus(thing, entry);
    if (entry.status != before) Advance(thing);
  }
  status_timer_ = loop_.After(kStatusPeriod, [this] { WatchStatus(); });
}

void Shadows::Advance(const std::string& thing, std::function<void(Status)> durable) {
  Entry* entry = FindEntry(thing);
  if (entry == nullptr) return;
  auto effects = std::make_shared<Effects>(entry->shadows->Advance(Now()));
  Arm(thing, *entry);
  if (effects->commit.empty()) {
    CarryOut(thing, *entry, *effects);
    if (durable) durable({});
    return;
  }
  store_.Save(effects->commit,
              [this, alive = alive_, thing, effects, durable = std::move(durable)](const Status& status) {
                if (!*alive) return;
                Entry* saved = FindEntry(thing);
                if (saved == nullptr) return;
                if (status) {
                  CarryOut(thing, *saved, *effects);
                } else {
                  NotSaved(thing, *saved, *effects, status.error());
                }
                if (durable) durable(status);
              });
}

// Nothing of it may be done. Requests time out and are computed again; the device's step is tried later.
void Shadows::NotSaved(const std::string& thing, Entry& entry, const Effects& effects, const Error& error) {
  log::Error("shadow.not_stored", "a change of the shadow is not durable; nothing is sent until it is",
             {{"thing", thing}, {"reason", error.message}});
  entry.shadows->OnSaveFailed();
  if (effects.step) {
    const Error again{Action::kRetry, "the store does not work: " + error.message};
    if (effects.step->kind == CommandBook::Step::Kind::kWrite) {
      entry.shadows->OnWritten(effects.step->ticket, Fail(again), Now());
    } else {
      entry.shadows->OnRead(effects.step->ticket, Fail(again), Now());
    }
  }
  entry.timer = loop_.After(kSaveRetry, [this, thing] { Advance(thing); });
}

void Shadows::Arm(const std::string& thing, Entry& entry) {
  const auto due = entry.shadows->Due(Now());
  if (!due) {
    entry.timer.reset();
    return;
  }
  // At least a millisecond: a due time in the past must never become a busy loop.
  const Duration wait = std::max(*due - loop_.Now(), Duration(std::chrono::milliseconds(1)));
  entry.timer = loop_.After(wait, [this, thing] { Advance(thing); });
}

void Shadows::CarryOut(const std::string& thing, Entry& entry, Effects& effects) {
  if (effects.interval && !buses_.SetSampleInterval(thing, *effects.interval)) {
    log::Warning("shadow.interval", "the bus knows no such thing", {{"thing", thing}});
  }
  for (Publication& publication : effects.publish) Publish(thing, entry, std::move(publication));
  if (effects.step) AtDevice(thing, *effects.step);
}

void Shadows::Publish(const std::string& thing, Entry& entry, Publication publication) {
  // The session ended since, perhaps another began: the request is forgotten, and what to send is computed anew.
  const SyncedShadow* shadow_now = entry.shadows->Find(publication.shadow);
  if (entry.link == nullptr || shadow_now == nullptr || !shadow_now->Awaits(publication.token)) return;
  auto done = [this, alive = alive_, thing, shadow = publication.shadow,
               token = publication.token](const Status& status) {
    if (!*alive || status || status.error().action != Action::kGiveUp) return;
    Entry* refused = FindEntry(thing);
    if (refused == nullptr) return;
    log::Warning("shadow.publish_refused", "the cloud refuses the shadow topic",
                 {{"thing", thing}, {"shadow", shadow}, {"reason", status.error().message}});
    refused->shadows->OnPublishRefused(shadow, token, status.error().message, Now());
    Advance(thing);
  };
  entry.link->Publish(std::move(publication.topic), std::move(publication.payload), std::move(done));
}

void Shadows::AtDevice(const std::string& thing, const CommandBook::Step& step) {
  if (step.kind == CommandBook::Step::Kind::kWrite) {
    buses_.Write(thing, step.key, step.value,
                 [this, alive = alive_, thing, ticket = step.ticket](const Status& status) {
                   Entry* entry = *alive ? FindEntry(thing) : nullptr;
                   if (entry == nullptr) return;
                   entry->shadows->OnWritten(ticket, status, Now());
                   Advance(thing);
                 });
    return;
  }
  buses_.ReadNow(thing, [this, alive = alive_, thing, ticket = step.ticket](const Result<Reading>& reading) {
    Entry* entry = *alive ? FindEntry(thing) : nullptr;
    if (entry == nullptr) return;
    entry->shadows->OnRead(ticket, reading, Now());
    Advance(thing);
  });
}

Result<Json> Shadows::Get(const std::string& thing, const std::string& name) const {
  const ThingShadows* shadows = Find(thing);
  if (shadows == nullptr) return Fail(NoThing(thing));
  const SyncedShadow* shadow = shadows->Find(name);
  if (shadow == nullptr) return Fail(Action::kGiveUp, fmt::format("{} has no shadow named '{}'", thing, name));
  const ShadowRow& row = shadow->row();
  return Json{{"thing", thing},
              {"name", name},
              {"state", {{"desired", shadow->desired()}, {"reported", row.reported_local}}},
              {"version", row.local_rev},
              {"cloud_version", row.mirror.version},
              {"pending", !shadow->InStep()}};
}

Result<Json> Shadows::Diff(const std::string& thing, const std::string& name) const {
  auto current = Get(thing, name);
  if (!current) return current;
  const SyncedShadow& shadow = *Find(thing)->Find(name);
  const ShadowRow& row = shadow.row();
  Json to_send = Json::object();
  if (Json patch = shadow.ReportPatch(); !patch.empty()) to_send["reported"] = std::move(patch);
  if (!row.desired_pending.empty()) to_send["desired"] = row.desired_pending;
  return Json{{"thing", thing},
              {"name", name},
              {"local", (*current)["state"]},
              {"cloud", row.mirror.exists ? row.mirror.state : Json()},
              {"base", {{"reported", row.reported_base}, {"desired", row.desired_base}}},
              {"to_send", to_send},
              {"blocked", shadow.blocked()}};
}

void Shadows::Set(const std::string& thing, const std::string& name, const Json& desired,
                  std::function<void(Status)> done) {
  Entry* entry = FindEntry(thing);
  if (entry == nullptr) return done(Fail(NoThing(thing)));
  if (auto status = entry->shadows->EditDesired(name, desired); !status) return done(status);
  Advance(thing, std::move(done));
}

std::vector<std::string> Shadows::Subscriptions(const std::string& thing) {
  return FindEntry(thing) == nullptr ? std::vector<std::string>{} : ThingShadows::Filters(thing);
}

void Shadows::OnOnline(ThingLink& link, bool session_present) {
  Entry* entry = FindEntry(link.thing());
  if (entry == nullptr) return;
  entry->link = &link;
  entry->shadows->OnOnline(session_present, Now());
  Advance(link.thing());
}

void Shadows::OnOffline(ThingLink& link) {
  Entry* entry = FindEntry(link.thing());
  if (entry == nullptr) return;
  entry->link = nullptr;
  entry->shadows->OnOffline();
  Advance(link.thing());
}

void Shadows::OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) {
  Entry* entry = FindEntry(link.thing());
  // Every client of a session sees all its messages.
  if (entry == nullptr || topic.compare(0, 12, "$aws/things/") != 0) return;
  entry->shadows->OnMessage(topic, payload, Now());
  Advance(link.thing());
}

}  // namespace penumbra::shadow
