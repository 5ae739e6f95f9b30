#include "shadow/shadows.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"
#include "shadow/validate.hpp"

namespace penumbra::shadow {
namespace {

constexpr const char* kIntervalKey = "sample_interval";

Error NoThing(const std::string& thing) {
  return {Action::kGiveUp, fmt::format("no thing named '{}'", thing)};
}

// What the device will refuse anyway is better said at once to the one who asks.
Status CheckDesired(const ThingSettings& thing, const Json& desired) {
  for (const auto& [key, value] : desired.items()) {
    if (value.is_null()) continue;
    Status fits;
    if (key == kIntervalKey) {
      if (const auto interval = ValidateInterval(value); !interval) fits = Fail(interval.error());
    } else if (const auto valid = ValidateDesired(thing, key, value); !valid) {
      fits = Fail(valid.error());
    }
    if (!fits) return Fail(fits.error().WithContext(key));
  }
  return {};
}

bool IsReport(const Publication& publication) {
  constexpr std::string_view kUpdate = "/update";
  const std::string& topic = publication.topic;
  return topic.size() > kUpdate.size() && topic.compare(topic.size() - kUpdate.size(), kUpdate.size(), kUpdate) == 0;
}

}  // namespace

Shadows::Shadows(Options options, EventLoop& loop, TimeTrust& time_trust, ShadowStore& store, BusManager& buses)
    : options_(std::move(options)), loop_(loop), time_trust_(time_trust), store_(store), buses_(&buses) {}

Shadows::~Shadows() {
  *alive_ = false;
}

Moment Shadows::Now() {
  return {loop_.Now(), time_trust_.UnixMs(), time_trust_.Trusted()};
}

void Shadows::Start(std::vector<ThingSettings> things, std::function<void()> done) {
  configured_ = std::move(things);
  ready_ = std::move(done);
  unready_ = 1;
  Load(loop_.Now() + kLoadPatience);
}

void Shadows::OneIsReady() {
  if (--unready_ > 0) return;
  if (const auto done = std::exchange(ready_, {})) done();
}

void Shadows::Load(BootTime give_up) {
  store_.Load([this, alive = alive_, give_up](Result<StoredShadows> stored) {
    if (!*alive) return;
    if (stored) return Loaded(std::move(*stored));
    if (stored.error().action != Action::kFatal && loop_.Now() < give_up) {
      load_timer_ = loop_.After(kLoadRetry, [this, give_up] { Load(give_up); });
      return;
    }
    log::Error("shadow.load_failed", "stored shadows are lost; they are built again from the cloud and the devices",
               {{"reason", stored.error().message}});
    Loaded({});
  });
}

void Shadows::Loaded(StoredShadows stored) {
  for (const std::string& row : stored.unreadable) {
    log::Error("shadow.row_lost", "left out and built again from the cloud and the device", {{"reason", row}});
  }
  for (const ThingSettings& thing : configured_) Add(thing, std::move(stored.things[thing.name]));
  for (const ThingSettings& thing : std::exchange(configured_, {})) Advance(thing.name);
  if (!status_timer_) WatchStatus();
  OneIsReady();
}

void Shadows::Reconfigure(const std::vector<ThingSettings>& things, std::function<void()> done) {
  ready_ = std::move(done);
  std::map<std::string, Entry> before = std::exchange(things_, {});
  std::vector<std::string> changed;
  for (const ThingSettings& thing : things) {
    auto known = before.extract(thing.name);
    if (known.empty()) {
      configured_.push_back(thing);
      continue;
    }
    Entry& entry = known.mapped();
    if (entry.settings != thing) {
      if (entry.settings.sample_interval != thing.sample_interval) {
        entry.shadows->SetBaseInterval(thing.sample_interval);
      }
      entry.settings = thing;
      entry.shadows->Follow(thing);
      changed.push_back(thing.name);
    }
    things_.insert(std::move(known));
  }
  for (auto& [thing, entry] : before) TellGone(thing, entry);
  unready_ = changed.size() + 1;
  for (const std::string& thing : changed) {
    Advance(thing, [this](const Status&) { OneIsReady(); });  // what is not durable is tried again, see NotSaved
  }
  if (!configured_.empty()) return Load(loop_.Now() + kLoadPatience);
  load_timer_ = loop_.After(Duration::zero(), [this] { OneIsReady(); });
}

// Whoever follows a command of a thing that goes would wait for ever.
void Shadows::TellGone(const std::string& thing, Entry& entry) {
  for (Followed& followed : entry.followed) {
    loop_.Post([done = std::move(followed.done), thing, alive = alive_] {
      if (*alive) done(Fail(Action::kGiveUp, thing + " was taken out of the configuration"));
    });
  }
}

void Shadows::Add(const ThingSettings& settings, StoredThing stored) {
  Entry entry;
  entry.life = ++lives_;
  ThingOptions options = options_.thing;
  options.device = settings.name != options_.gateway;
  const std::uint64_t seed = options_.seed + things_.size();
  entry.settings = settings;
  entry.shadows = std::make_unique<ThingShadows>(settings, std::move(stored), options, options_.session,
                                                 loop_.clock().BootId(), Now(), seed);
  things_.insert_or_assign(settings.name, std::move(entry));
}

Shadows::Entry* Shadows::FindEntry(const std::string& thing) {
  const auto it = things_.find(thing);
  return it == things_.end() ? nullptr : &it->second;
}

Shadows::Entry* Shadows::FindEntry(const std::string& thing, std::uint64_t life) {
  Entry* entry = FindEntry(thing);
  return entry != nullptr && entry->life == life ? entry : nullptr;
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
  if (Entry* entry = FindEntry(thing); entry != nullptr) {
    entry->shadows->SetBaseInterval(interval);
    return Advance(thing);
  }
  // Not loaded yet: what is desired comes on top when it is.
  for (ThingSettings& settings : configured_) {
    if (settings.name == thing) settings.sample_interval = interval;
  }
  if (buses_ != nullptr) buses_->SetSampleInterval(thing, interval);
}

void Shadows::UpdateStatus(const std::string& thing, Entry& entry) {
  const auto status = buses_ != nullptr ? buses_->Thing(thing) : std::nullopt;
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
  if (!effects->commit.commands.empty()) At(moment::kBeforeCommit);
  store_.Save(effects->commit, [this, alive = alive_, thing, life = entry->life, effects,
                                durable = std::move(durable)](const Status& status) {
    if (!*alive) return;
    Entry* saved = FindEntry(thing, life);
    if (saved == nullptr) {
      if (durable) durable(Fail(NoThing(thing)));
      return;
    }
    if (status) {
      Durable(thing, *saved, *effects);
    } else {
      NotSaved(thing, *saved, *effects, status.error());
    }
    if (durable) durable(status);
  });
}

void Shadows::Durable(const std::string& thing, Entry& entry, Effects& effects) {
  if (!store_trouble_.empty()) {
    store_trouble_.clear();
    log::Notice("shadow.stored_again", "shadows are durable again");
  }
  if (!effects.commit.commands.empty()) At(moment::kCommitted);
  CarryOut(thing, entry, effects);
}

// Nothing of it may be done. Requests time out and are computed again; the device's step is tried later.
void Shadows::NotSaved(const std::string& thing, Entry& entry, const Effects& effects, const Error& error) {
  if (store_trouble_ != error.message) {
    store_trouble_ = error.message;
    log::Error("shadow.not_stored", "changes of shadows are not durable; nothing is sent or written until they are",
               {{"thing", thing}, {"reason", error.message}});
  }
  entry.shadows->OnSaveFailed(effects);
  if (effects.step) StepFailed(entry, *effects.step, {Action::kRetry, "the store does not work: " + error.message});
  entry.timer = loop_.After(kSaveRetry, [this, thing] { Advance(thing); });
}

void Shadows::StepFailed(Entry& entry, const CommandBook::Step& step, const Error& error) {
  if (step.kind == CommandBook::Step::Kind::kWrite) {
    entry.shadows->OnWritten(step.ticket, Fail(error), Now());
  } else {
    entry.shadows->OnRead(step.ticket, Fail(error), Now());
  }
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
  if (effects.interval && buses_ != nullptr && !buses_->SetSampleInterval(thing, *effects.interval)) {
    log::Warning("shadow.interval", "the thing is on no bus, so its sample_interval changes nothing",
                 {{"thing", thing}});
  }
  for (Publication& publication : effects.publish) Publish(thing, entry, std::move(publication));
  if (effects.step) AtDevice(thing, entry, *effects.step);
  TellFollowers(entry);
}

void Shadows::TellFollowers(Entry& entry) {
  std::vector<std::pair<std::function<void(Status)>, Status>> ended;
  std::erase_if(entry.followed, [&](Followed& followed) {
    auto end = entry.shadows->commands().EndOf(followed.values);
    if (!end) return false;
    ended.emplace_back(std::move(followed.done), std::move(*end));
    return true;
  });
  // Not within this call: whoever hears of it may call us again.
  for (auto& [done, end] : ended) {
    loop_.Post([done = std::move(done), end = std::move(end), alive = alive_] {
      if (*alive) done(end);
    });
  }
}

void Shadows::Publish(const std::string& thing, Entry& entry, Publication publication) {
  // The session ended since, perhaps another began: the request is forgotten, and what to send is computed anew.
  const SyncedShadow* shadow_now = entry.shadows->Find(publication.shadow);
  if (entry.link == nullptr || shadow_now == nullptr || !shadow_now->Awaits(publication.token)) return;
  auto done = [this, alive = alive_, thing, shadow = publication.shadow, life = entry.life,
               token = publication.token](const Status& status) {
    if (!*alive || status || status.error().action != Action::kGiveUp) return;
    Entry* refused = FindEntry(thing, life);
    if (refused == nullptr) return;
    log::Warning("shadow.publish_refused", "the cloud refuses the shadow topic",
                 {{"thing", thing}, {"shadow", shadow}, {"reason", status.error().message}});
    refused->shadows->OnPublishRefused(shadow, token, status.error().message, Now());
    Advance(thing);
  };
  const bool report = IsReport(publication);
  if (report) At(moment::kBeforePublish);
  entry.link->Publish(std::move(publication.topic), std::move(publication.payload), std::move(done));
  if (report) At(moment::kPublished);
}

// The commit took its time: a newer wish may have come meanwhile, and then this one must not reach the device.
void Shadows::AtDevice(const std::string& thing, Entry& entry, const CommandBook::Step& step) {
  if (buses_ == nullptr) return;  // the next start goes on from the rows
  if (!entry.shadows->StepWanted(step.ticket)) {
    StepFailed(entry, step, {Action::kRetry, "a newer value is wanted"});
    return Advance(thing);
  }
  if (step.kind == CommandBook::Step::Kind::kWrite) {
    Write(thing, entry.life, step);
  } else {
    ReadBack(thing, entry.life, step);
  }
}

void Shadows::Write(const std::string& thing, std::uint64_t life, const CommandBook::Step& step) {
  At(moment::kBeforeWrite);
  buses_->Write(
      thing, step.key, step.value,
      [this, alive = alive_, thing, life, ticket = step.ticket](const Status& status) {
        Entry* entry = *alive ? FindEntry(thing, life) : nullptr;
        if (entry == nullptr) return;
        if (status) At(moment::kWritten);
        entry->shadows->OnWritten(ticket, status, Now());
        Advance(thing);
      },
      // It may wait for the bus while a newer wish comes, or this one is taken back.
      [this, alive = alive_, thing, life, ticket = step.ticket] {
        const Entry* entry = *alive ? FindEntry(thing, life) : nullptr;
        return entry != nullptr && entry->shadows->StepWanted(ticket);
      });
}

void Shadows::ReadBack(const std::string& thing, std::uint64_t life, const CommandBook::Step& step) {
  At(moment::kBeforeReadBack);
  buses_->ReadNow(thing, [this, alive = alive_, thing, life, ticket = step.ticket](const Result<Reading>& reading) {
    Entry* entry = *alive ? FindEntry(thing, life) : nullptr;
    if (entry == nullptr) return;
    entry->shadows->OnRead(ticket, reading, Now());
    if (reading) At(moment::kReadBack);
    Advance(thing);
  });
}

void Shadows::Set(const std::string& thing, const std::string& name, const Json& desired,
                  std::function<void(Status)> done, std::int64_t age_ms) {
  Entry* entry = FindEntry(thing);
  if (entry == nullptr) return done(Fail(NoThing(thing)));
  if (!desired.is_object()) return done(Fail(Action::kGiveUp, "not an object of keys and values"));
  if (name.empty()) {
    if (auto status = CheckDesired(entry->settings, desired); !status) return done(status);
  }
  if (auto status = entry->shadows->EditDesired(name, desired, age_ms); !status) return done(status);
  Advance(thing, std::move(done));
}

Status Shadows::Check(const std::string& thing, const Json& desired) const {
  const auto it = things_.find(thing);
  return it == things_.end() ? Fail(NoThing(thing)) : CheckDesired(it->second.settings, desired);
}

void Shadows::Follow(const std::string& thing, const Json& values, std::function<void(Status)> done) {
  Entry* entry = FindEntry(thing);
  if (entry == nullptr) return done(Fail(NoThing(thing)));
  if (entry->followed.size() >= kMaxFollowed) return done(Fail(Action::kBackOff, "too many commands are followed"));
  entry->followed.push_back({values, std::move(done)});
  TellFollowers(*entry);
}

Status Shadows::Report(const std::string& thing, const std::string& name, const Json& patch, Urgency urgency) {
  Entry* entry = FindEntry(thing);
  if (entry == nullptr) return Fail(NoThing(thing));
  if (auto status = entry->shadows->Report(name, patch, urgency); !status) return status;
  Advance(thing);
  return {};
}

std::vector<std::string> Shadows::Subscriptions(const std::string& thing) {
  return FindEntry(thing) == nullptr ? std::vector<std::string>{} : ThingShadows::Filters(thing);
}

void Shadows::OnOnline(ThingLink& link) {
  Entry* entry = FindEntry(link.thing());
  if (entry == nullptr) return;
  entry->link = &link;
  entry->shadows->OnOnline(Now());
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
  TellBlocked(link.thing(), *entry);
  Advance(link.thing());
}

// At the transition: what is refused is kept and tried again, and nobody else would say that the cloud's shadow stands
// still.
void Shadows::TellBlocked(const std::string& thing, Entry& entry) {
  for (const std::string& name : entry.shadows->Names()) {
    const std::string& why = entry.shadows->Find(name)->blocked();
    std::string& told = entry.blocked[name];
    if (why == told) continue;
    if (why.empty()) {
      log::Notice("shadow.unblocked", "the cloud takes the shadow again", {{"thing", thing}, {"shadow", name}});
    } else {
      log::Warning("shadow.blocked", "the cloud refuses the shadow; it is kept here and tried again",
                   {{"thing", thing}, {"shadow", name}, {"reason", why}});
    }
    told = why;
  }
}

}  // namespace penumbra::shadow
