#include "shadow/thing_shadows.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "shadow/validate.hpp"

namespace penumbra::shadow {
namespace {

constexpr std::size_t kMaxShadowName = 64;

// "update/accepted" and the shadow's name from a topic below $aws/things/<thing>/shadow/.
struct ShadowTopic {
  std::string name;
  std::string_view stub;
};

std::optional<ShadowTopic> ParseTopic(const std::string& thing, std::string_view topic) {
  const std::string prefix = fmt::format("$aws/things/{}/shadow/", thing);
  if (topic.substr(0, prefix.size()) != prefix) return std::nullopt;
  topic.remove_prefix(prefix.size());
  if (topic.substr(0, 5) != "name/") return ShadowTopic{"", topic};
  topic.remove_prefix(5);
  const std::size_t slash = topic.find('/');
  if (slash == std::string_view::npos || !IsThingName(topic.substr(0, slash), kMaxShadowName)) return std::nullopt;
  return ShadowTopic{std::string(topic.substr(0, slash)), topic.substr(slash + 1)};
}

Json Seconds(Duration interval) {
  // The very number that was desired, or the cloud would show a difference for ever.
  if (interval % std::chrono::seconds(1) == Duration::zero()) return interval / std::chrono::seconds(1);
  return std::chrono::duration<double>(interval).count();
}

}  // namespace

ThingShadows::ThingShadows(ThingSettings settings, StoredThing stored, const ThingOptions& options,
                           const std::string& session, const std::string& boot_id, Moment now, std::uint64_t seed)
    : settings_(std::move(settings)),
      options_(options),
      session_(session),
      book_(settings_, stored.commands, boot_id, now.boot),
      bucket_(options.request_rate, options.request_burst),
      random_(seed),
      base_interval_(settings_.sample_interval),
      interval_(settings_.sample_interval) {
  for (CommandRow& row : stored.commands) {
    std::string key = row.key;
    saved_commands_.insert_or_assign(std::move(key), std::move(row));
  }
  for (ShadowRow& row : stored.shadows) {
    std::string name = row.name;
    shadows_.try_emplace(std::move(name), std::move(row), options_.sync, session_);
  }
  FindOrMake("");
}

std::vector<std::string> ThingShadows::Filters(const std::string& thing) {
  std::vector<std::string> filters;
  for (const char* prefix : {"shadow", "shadow/name/+"}) {
    for (const char* stub : {"update/accepted", "update/rejected", "update/delta", "update/documents", "get/accepted",
                             "get/rejected", "delete/accepted", "delete/rejected"}) {
      filters.push_back(fmt::format("$aws/things/{}/{}/{}", thing, prefix, stub));
    }
  }
  return filters;
}

SyncedShadow* ThingShadows::FindOrMake(const std::string& name) {
  if (const auto it = shadows_.find(name); it != shadows_.end()) return &it->second;
  if (!name.empty() && (!IsThingName(name, kMaxShadowName) || shadows_.size() > options_.max_named)) return nullptr;
  ShadowRow row;
  row.thing = settings_.name;
  row.name = name;
  return &shadows_.try_emplace(name, std::move(row), options_.sync, session_).first->second;
}

const SyncedShadow* ThingShadows::Find(const std::string& shadow) const {
  const auto it = shadows_.find(shadow);
  return it == shadows_.end() ? nullptr : &it->second;
}

std::vector<std::string> ThingShadows::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, shadow] : shadows_) names.push_back(name);
  return names;
}

void ThingShadows::OnOnline(Moment now) {
  for (auto& [name, shadow] : shadows_) shadow.OnOnline(now.boot);
}

void ThingShadows::OnOffline() {
  for (auto& [name, shadow] : shadows_) shadow.OnOffline();
}

void ThingShadows::OnMessage(std::string_view topic, std::string_view payload, Moment now) {
  const auto parsed = ParseTopic(settings_.name, topic);
  if (!parsed) {
    ++ignored_messages_;
    return;
  }
  const bool known = shadows_.count(parsed->name) > 0;
  // Somebody made a named shadow for this thing: keep it from its first document on.
  if (!known && parsed->stub != "update/documents") return;
  SyncedShadow* shadow = FindOrMake(parsed->name);
  if (shadow == nullptr) {
    ++ignored_messages_;
    return;
  }
  if (!known) shadow->OnOnline(now.boot);
  if (shadow->OnMessage(parsed->stub, payload, now.boot, random_) && parsed->name.empty()) desired_changed_ = true;
}

void ThingShadows::OnPublishRefused(const std::string& shadow, const std::string& token, const std::string& why,
                                    Moment now) {
  if (const auto it = shadows_.find(shadow); it != shadows_.end())
    it->second.OnPublishRefused(token, why, now.boot, random_);
}

void ThingShadows::OnReading(const Reading& reading) {
  book_.OnReading(reading);
  Json patch = Json::object();
  Urgency urgency = Urgency::kMeasured;
  std::vector<const PointValue*> due;
  for (const PointValue& value : reading.values) {
    const PointSettings* point = FindPoint(settings_, value.point);
    if (point == nullptr || !filters_[value.point].Due(point->report, value, reading.boot_ns)) continue;
    due.push_back(&value);
    // A set point moves seldom, and whoever moved it at the device wants the cloud to know.
    if (point->writable) urgency = Urgency::kPrompt;
    if (value.quality == Quality::kBad) continue;
    // A document without a point says that there is none.
    if (!IsReported(value.point)) urgency = Urgency::kPrompt;
    patch[value.point] = ToJson(value.value);
  }
  if (!patch.empty()) {
    patch["timestamp"] = reading.unix_ms / 1000;
    if (!Report("", patch, urgency)) return;
  }
  for (const PointValue* value : due) filters_[value->point].Sent(*value, reading.boot_ns);
}

bool ThingShadows::IsReported(const std::string& key) const {
  const auto classic = shadows_.find("");
  return classic != shadows_.end() && classic->second.row().reported_local.contains(key);
}

void ThingShadows::SetStatus(const std::string& status) {
  (void)Report("", {{"status", status}});
}

void ThingShadows::Follow(const ThingSettings& settings) {
  settings_ = settings;
  book_.Follow(settings);
  desired_changed_ = true;
}

void ThingShadows::SetBaseInterval(Duration interval) {
  base_interval_ = interval;
  desired_changed_ = true;
}

void ThingShadows::OnWritten(std::uint64_t ticket, const Status& status, Moment now) {
  book_.OnWritten(ticket, status, now, random_);
}

void ThingShadows::OnRead(std::uint64_t ticket, const Result<Reading>& reading, Moment now) {
  book_.OnRead(ticket, reading, now, random_);
}

void ThingShadows::OnSaveFailed(const Effects& lost) {
  for (auto& [name, shadow] : shadows_) shadow.MarkDirty();
  // Rows that differ from every real one are written again, and removed again.
  saved_commands_.clear();
  for (const std::string& key : lost.commit.removed_commands) saved_commands_[key];
  book_.MarkDirty();
  if (lost.interval && !announce_interval_) announce_interval_ = interval_;
}

Status ThingShadows::Report(const std::string& shadow, const Json& patch, Urgency urgency) {
  SyncedShadow* target = FindOrMake(shadow);
  if (target == nullptr) return Fail(Action::kGiveUp, fmt::format("no shadow '{}' can be made", shadow));
  auto status = target->Report(patch, urgency);
  if (!status) ++reports_refused_;
  return status;
}

Status ThingShadows::EditDesired(const std::string& shadow, const Json& patch, std::int64_t age_ms) {
  SyncedShadow* target = FindOrMake(shadow);
  if (target == nullptr) return Fail(Action::kGiveUp, fmt::format("no shadow '{}' can be made", shadow));
  auto status = target->EditDesired(patch);
  if (!status || !shadow.empty()) return status;
  desired_changed_ = true;
  for (const auto& [key, value] : patch.items()) edit_ages_ms_[key] = age_ms;
  return status;
}

void ThingShadows::Delete(const std::string& shadow) {
  if (const auto it = shadows_.find(shadow); it != shadows_.end()) it->second.Delete();
  if (shadow.empty()) desired_changed_ = true;
}

void ThingShadows::ApplyDesired(Moment now) {
  if (!std::exchange(desired_changed_, false) || !options_.device) return;
  const ShadowRow& row = Classic().row();
  const Json desired = Classic().desired();
  Json times = row.mirror.desired_times;
  for (const auto& [key, edited] : row.desired_pending.items()) times.erase(key);
  book_.OnDesired({desired, times, row.mirror.version, row.mirror.timestamp, std::exchange(edit_ages_ms_, {})}, now);
  ApplyInterval(desired);
}

// The version with which this very value was refused before: naming the newest one each time would be an update that
// makes the next one.
std::optional<std::int64_t> ThingShadows::RefusedVersion(const std::string& key, const Json& value) const {
  const Json& local = shadows_.at("").row().reported_local;
  const auto refused = local.find("refused");
  if (refused == local.end() || !refused->contains(key)) return std::nullopt;
  const Json& entry = (*refused)[key];
  if (!entry.is_object() || !entry.contains("value") || !SameValue(entry["value"], ShortenedValue(value))) {
    return std::nullopt;
  }
  return GetInt(entry, "version");
}

void ThingShadows::ApplyInterval(const Json& desired) {
  Duration wanted = base_interval_;
  std::optional<CommandRow> refusal;
  interval_desired_ = false;
  if (const auto it = desired.find("sample_interval"); it != desired.end()) {
    if (const auto interval = ValidateInterval(*it)) {
      wanted = *interval;
      interval_desired_ = true;
    } else {
      refusal.emplace();
      refusal->key = "sample_interval";
      refusal->value = *it;
      refusal->version = RefusedVersion("sample_interval", *it).value_or(Classic().row().mirror.version);
      refusal->reason = interval.error().message;
    }
  }
  book_.SetForeignRefusal("sample_interval", std::move(refusal));
  (void)Report("", {{"sample_interval", Seconds(wanted)}});
  if (wanted == interval_) return;
  interval_ = wanted;
  announce_interval_ = wanted;
}

void ThingShadows::ReportCommands(Moment now) {
  Json patch = book_.TakeReported();
  for (const auto& [key, value] : patch.items()) {
    filters_[key].Sent({key, FromJson(value), Quality::kGood, {}}, now.boot.ns);
  }
  const Json& local = Classic().row().reported_local;
  const auto shown = local.find("refused");
  Json refusals = DiffSection(shown == local.end() ? Json::object() : *shown, book_.Refused());
  if (refusals.empty() && patch.empty()) return;
  const Json values = patch;
  if (!refusals.empty()) patch["refused"] = std::move(refusals);
  // Should the refusals make it too large, what is true of the device still has to be said.
  if (!Report("", patch) && !values.empty()) (void)Report("", values);
}

int ThingShadows::InFlight() const {
  return static_cast<int>(
      std::count_if(shadows_.begin(), shadows_.end(), [](const auto& entry) { return entry.second.in_flight(); }));
}

void ThingShadows::CollectRequests(Moment now, std::vector<Publication>& out) {
  throttled_ = false;
  shadows_due_.reset();
  for (auto& [name, shadow] : shadows_) {
    // A timeout may make a request due, so time comes first.
    auto due = shadow.Tick(now.boot, random_);
    if (due && *due <= now.boot) {
      if (InFlight() >= options_.max_in_flight || bucket_.UntilNext(now.boot) > Duration::zero()) {
        throttled_ = true;
        continue;
      }
      if (auto request = shadow.Next(now.boot, random_)) {
        bucket_.TryTake(now.boot);
        out.push_back({name, std::move(request->topic), std::move(request->payload), std::move(request->token)});
      }
      due = shadow.Tick(now.boot, random_);
    }
    if (due) shadows_due_ = shadows_due_ ? std::min(*shadows_due_, *due) : *due;
  }
}

void ThingShadows::CollectRows(Moment now, Batch& batch) {
  batch.thing = settings_.name;
  for (auto it = shadows_.begin(); it != shadows_.end();) {
    SyncedShadow& shadow = it->second;
    if (shadow.removed() && !it->first.empty()) {
      batch.removed_shadows.push_back(it->first);
      it = shadows_.erase(it);
      continue;
    }
    if (shadow.TakeDirty(now.boot)) batch.shadows.push_back(shadow.row());
    ++it;
  }
  if (!book_.TakeDirty()) return;
  for (const auto& [key, row] : saved_commands_) {
    if (book_.rows().count(key) == 0) batch.removed_commands.push_back(key);
  }
  for (const auto& [key, row] : book_.rows()) {
    const auto it = saved_commands_.find(key);
    if (it == saved_commands_.end() || !(it->second == row)) batch.commands.push_back(row);
  }
  saved_commands_ = book_.rows();
}

Effects ThingShadows::Advance(Moment now) {
  Effects effects;
  ApplyDesired(now);
  if (Classic().heard()) book_.Resume();
  effects.step = book_.NextStep(now, random_);
  ReportCommands(now);
  CollectRequests(now, effects.publish);
  book_.OnCloudShows(Classic().row().reported_local, Classic().row().mirror.reported());
  effects.interval = std::exchange(announce_interval_, std::nullopt);
  CollectRows(now, effects.commit);
  return effects;
}

std::optional<BootTime> ThingShadows::Due(Moment now) {
  std::optional<BootTime> due = shadows_due_;
  const auto earlier = [&due](BootTime at) { due = due ? std::min(*due, at) : at; };
  if (throttled_) earlier(now.boot + std::max(bucket_.UntilNext(now.boot), Duration(std::chrono::milliseconds(10))));
  if (const auto at = book_.Due()) earlier(*at);
  for (const auto& [name, shadow] : shadows_) {
    if (const auto at = shadow.SaveDue()) earlier(*at);
  }
  return due;
}

bool ThingShadows::Quiet() const {
  return book_.Idle() && !desired_changed_ &&
         std::all_of(shadows_.begin(), shadows_.end(), [](const auto& entry) { return entry.second.InStep(); });
}

}  // namespace penumbra::shadow
