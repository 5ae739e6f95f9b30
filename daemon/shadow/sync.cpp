#include "shadow/sync.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "shadow/message.hpp"

namespace penumbra::shadow {
namespace {

std::string Prefix(const ShadowRow& row) {
  return row.name.empty() ? fmt::format("$aws/things/{}/shadow", row.thing)
                          : fmt::format("$aws/things/{}/shadow/name/{}", row.thing, row.name);
}

// Null is fine as the value of a member (it removes), never inside an array.
bool NullInArray(const Json& patch) {
  if (patch.is_array()) return HasNull(patch);
  if (!patch.is_object()) return false;
  return std::any_of(patch.begin(), patch.end(), NullInArray);
}

// The patch without its nulls: what becomes ours by sending it.
Json WithoutRemovals(const Json& patch) {
  Json kept = Json::object();
  MergeSection(kept, patch);
  return kept;
}

// `base` without what neither side has any more, at every depth.
Json StillSomewhere(const Json& base, const Json& local, const Json& cloud) {
  Json kept = Json::object();
  for (const auto& [key, value] : base.items()) {
    const bool here = local.is_object() && local.contains(key);
    const bool there = cloud.is_object() && cloud.contains(key);
    if (!here && !there) continue;
    kept[key] =
        value.is_object() ? StillSomewhere(value, here ? local[key] : Json(), there ? cloud[key] : Json()) : value;
  }
  return kept;
}

}  // namespace

SyncedShadow::SyncedShadow(ShadowRow row, const SyncOptions& options, std::string session)
    : row_(std::move(row)),
      options_(options),
      prefix_(Prefix(row_)),
      session_(std::move(session)),
      value_allowance_(std::chrono::seconds(1) / std::chrono::duration<double>(options.value_interval),
                       options.value_burst),
      get_backoff_(options.backoff_base, options.backoff_max),
      report_backoff_(options.backoff_base, options.backoff_max),
      desired_backoff_(options.backoff_base, options.backoff_max) {
  seen_exists_ = row_.mirror.exists;
  seen_desired_ = row_.mirror.desired();
  seen_times_ = row_.mirror.desired_times;
}

// Whether the cloud shows what the device says, of the keys that the patch names.
bool SyncedShadow::ShownByCloud(const Json& patch) const {
  const Json& cloud = row_.mirror.reported();
  for (const auto& [key, value] : patch.items()) {
    const auto here = row_.reported_local.find(key);
    const auto there = cloud.find(key);
    const bool both = here != row_.reported_local.end() && there != cloud.end();
    if (both ? !SameValue(*here, *there) : (here != row_.reported_local.end()) != (there != cloud.end())) return false;
  }
  return true;
}

// Rule 1. Checked here, so that the error reaches the one who made the document too large.
Status SyncedShadow::Report(const Json& patch, Urgency urgency) {
  if (!patch.is_object() || NullInArray(patch))
    return Fail(Action::kGiveUp, "not a shadow patch: null inside an array");
  Json merged = row_.reported_local;
  MergeSection(merged, patch);
  PruneEmptyObjects(merged);
  const bool same = SameValue(merged, row_.reported_local);
  if (!same) {
    if (auto fits = CheckSize(merged, row_.mirror.desired(), SectionBytes(row_.reported_local)); !fits) return fits;
    row_.reported_local = std::move(merged);
    ++row_.local_rev;
    check_report_ = true;
    (urgency == Urgency::kPrompt ? dirty_ : stale_) = true;
    removed_ = false;
    if (std::exchange(undone_, false)) report_after_ = last_push_ + options_.min_push_interval;
  }
  // Also when nothing changed: a poll may have brought the value that a command now waits to see in the cloud.
  if (urgency == Urgency::kPrompt && !ShownByCloud(patch)) prompt_rev_ = row_.local_rev;
  if (row_.delete_intent == DeleteIntent::kWanted) {  // rule 9: a report takes the deletion back
    row_.delete_intent = DeleteIntent::kNone;
    dirty_ = true;
  }
  return {};
}

Status SyncedShadow::EditDesired(const Json& patch) {
  if (!patch.is_object() || NullInArray(patch))
    return Fail(Action::kGiveUp, "not a shadow patch: null inside an array");
  Json edited = desired();
  MergeSection(edited, patch);
  if (auto fits = CheckSize(edited, row_.reported_local, SectionBytes(desired())); !fits) return fits;
  row_.desired_pending = DiffSection(row_.mirror.desired(), edited);
  row_.desired_base = row_.mirror.desired();
  desired_after_ = {};
  desired_refused_.clear();
  dirty_ = true;
  return {};
}

Status SyncedShadow::CheckSize(const Json& section, const Json& other, std::size_t before) const {
  if (const int depth = Depth(section); depth > options_.max_depth) {
    return Fail(Action::kGiveUp,
                fmt::format("shadow of {}: {} levels deep, at most {} allowed", row_.thing, depth, options_.max_depth));
  }
  const std::size_t bytes = SectionBytes(section);
  // What shrinks is always welcome: it is the way out of a document that is too large.
  if (bytes + SectionBytes(other) > options_.max_bytes && bytes >= before) {
    return Fail(Action::kGiveUp, fmt::format("shadow of {}: {} bytes, the cloud takes {}", row_.thing,
                                             bytes + SectionBytes(other), options_.max_bytes));
  }
  return {};
}

void SyncedShadow::Delete() {
  if (row_.delete_intent != DeleteIntent::kNone) return;
  row_.delete_intent = DeleteIntent::kWanted;
  row_.desired_pending = Json::object();
  report_after_ = {};
  dirty_ = true;
}

// Rule 7.
void SyncedShadow::OnOnline(BootTime now) {
  online_ = true;
  in_flight_.reset();
  gap_deadline_.reset();
  await_version_ = 0;
  WantGet();
  get_after_ = now;
  resync_at_ = now + options_.resync;
}

void SyncedShadow::OnOffline() {
  online_ = false;
  in_flight_.reset();
}

bool SyncedShadow::OnMessage(std::string_view stub, std::string_view payload, BootTime now, Random& random) {
  const auto body = ParseMessage(payload);
  if (!body || !body->is_object()) {
    ++counters_.malformed;
    return false;
  }
  if (stub == "update/documents") return OnUpdateMessage(true, *body, now);
  if (stub == "update/accepted") return OnUpdateMessage(false, *body, now);
  if (stub == "get/accepted") return OnGetAnswer(*body, now, random);
  if (stub == "delete/accepted") return OnDeleted(*body, now);
  if (stub == "get/rejected") return OnRejected("get", *body, now, random);
  if (stub == "update/rejected") return OnRejected("update", *body, now, random);
  if (stub == "delete/rejected") return OnRejected("delete", *body, now, random);
  if (stub == "update/delta") {  // rule 4: a wake-up with a counter of its own
    const Verdict verdict = row_.mirror.OnDelta(*body);
    if (verdict == Verdict::kMalformed) ++counters_.malformed;
    if (verdict == Verdict::kTaken && VersionOf(*body) > row_.mirror.version) NoteGap(VersionOf(*body), now);
  }
  return false;
}

bool SyncedShadow::Mine(const Json& body, std::string_view operation) const {
  if (!in_flight_ || GetString(body, "clientToken") != in_flight_->token) return false;
  switch (in_flight_->kind) {
    case Kind::kGet:
      return operation == "get";
    case Kind::kDelete:
      return operation == "delete";
    case Kind::kReport:
    case Kind::kDesired:
      break;
  }
  return operation == "update";
}

// Rules 4 and 5. Documents carry our token as well: as good an answer as accepted, should that one be lost.
bool SyncedShadow::OnUpdateMessage(bool documents, const Json& body, BootTime now) {
  const Verdict verdict = documents ? row_.mirror.OnDocuments(body) : row_.mirror.OnUpdateAccepted(body);
  const std::int64_t version = VersionOf(documents && body.contains("current") ? body["current"] : body);
  if (verdict != Verdict::kMalformed && Mine(body, "update")) {
    const InFlight request = *std::exchange(in_flight_, std::nullopt);
    Confirmed(request, version, now);
  }
  return Learn(verdict, version, now);
}

void SyncedShadow::Confirmed(const InFlight& request, std::int64_t version, BootTime now) {
  await_version_ = version;
  if (version > row_.mirror.version) NoteGap(version, now);
  check_report_ = true;
  if (request.kind == Kind::kDesired) {
    desired_backoff_.Reset();
    desired_refused_.clear();
    return;
  }
  if (!request.repeated) report_backoff_.Reset();
  last_report_ = request.patch;
  blocked_why_.clear();
  if (request.rev > row_.pushed_rev) {
    row_.pushed_rev = request.rev;
    stale_ = true;
  }
}

bool SyncedShadow::Learn(Verdict verdict, std::int64_t version, BootTime now) {
  switch (verdict) {
    case Verdict::kTaken:
      ++taken_;
      NoteDesired();
      if (row_.mirror.exists) removed_ = false;
      check_report_ = true;
      resync_at_ = now + options_.resync;
      RebaseDesired();
      return true;
    case Verdict::kGap:
      ++counters_.gaps;
      NoteGap(version, now);
      return false;
    case Verdict::kMalformed:
      ++counters_.malformed;
      return false;
    case Verdict::kDropped:
      break;
  }
  return false;
}

// What is wanted of the device has to be durable before it is done. The rest of the document is the cloud's to tell
// again: an echo of our own report costs no commit.
void SyncedShadow::NoteDesired() {
  const Mirror& mirror = row_.mirror;
  stale_ = true;
  if (mirror.exists == seen_exists_ && SameValue(mirror.desired(), seen_desired_) &&
      SameValue(mirror.desired_times, seen_times_)) {
    return;
  }
  seen_exists_ = mirror.exists;
  seen_desired_ = mirror.desired();
  seen_times_ = mirror.desired_times;
  dirty_ = true;
}

bool SyncedShadow::TakeDirty(BootTime now) {
  if (stale_ && !stale_since_) stale_since_ = now;
  const bool late = stale_since_ && now >= *stale_since_ + options_.lazy_save;
  if (!dirty_ && !late) return false;
  dirty_ = stale_ = false;
  stale_since_.reset();
  return true;
}

std::optional<BootTime> SyncedShadow::SaveDue() const {
  if (!stale_since_) return std::nullopt;
  return *stale_since_ + options_.lazy_save;
}

// Messages overtake each other, so a gap often closes by itself. A version below ours does not: the line began again.
void SyncedShadow::NoteGap(std::int64_t version, BootTime now) {
  if (version <= row_.mirror.version) return WantGet();
  gap_version_ = std::max(gap_version_, version);
  if (!gap_deadline_) gap_deadline_ = now + options_.gap_patience;
}

void SyncedShadow::WantGet() {
  need_get_ = true;
  get_again_ = in_flight_ && in_flight_->kind == Kind::kGet;
}

bool SyncedShadow::OnGetAnswer(const Json& body, BootTime now, Random& random) {
  const bool mine = Mine(body, "get");
  const Verdict verdict = row_.mirror.OnGetAccepted(body);
  if (mine) {
    in_flight_.reset();
    if (verdict == Verdict::kMalformed) {
      Failed(Kind::kGet, now, random);
    } else {
      GetAnswered(now);
    }
  }
  return Learn(verdict, VersionOf(body), now);
}

// The answer is younger than anything that was said before the question.
void SyncedShadow::GetAnswered(BootTime now) {
  need_get_ = std::exchange(get_again_, false);
  get_backoff_.Reset();
  get_refused_.clear();
  last_pass_ = now;
  resync_at_ = now + options_.resync;
  gap_version_ = 0;
  gap_deadline_.reset();
  await_version_ = 0;
  check_report_ = true;
}

bool SyncedShadow::OnDeleted(const Json& body, BootTime now) {
  const bool mine = Mine(body, "delete");
  const bool changed = Learn(row_.mirror.OnDeleteAccepted(body), VersionOf(body), now);
  if (mine) {
    in_flight_.reset();
    CompleteDelete();
  }
  return changed;
}

// Rule 9.
void SyncedShadow::CompleteDelete() {
  row_.delete_intent = DeleteIntent::kNone;
  row_.reported_base = Json::object();
  dirty_ = true;
  check_report_ = true;
  report_backoff_.Reset();
  WantGet();
  if (row_.reported_local.empty() && !row_.mirror.exists) removed_ = true;
}

bool SyncedShadow::OnRejected(std::string_view operation, const Json& body, BootTime now, Random& random) {
  const int code = static_cast<int>(std::clamp<std::int64_t>(GetInt(body, "code").value_or(500), 0, 999));
  const std::string message = MessageOf(body);
  if (!Mine(body, operation)) {
    if (operation != "get" || code != 404) return false;
    // Live answers come without a token at times (device-shadow.md, section 3). Otherwise somebody else was told.
    if (!body.contains("clientToken") && in_flight_ && in_flight_->kind == Kind::kGet) {
      return OnGetRejected(code, message, now, random);
    }
    if (row_.mirror.exists) WantGet();
    return false;
  }
  ++counters_.rejected;
  if (operation == "get") return OnGetRejected(code, message, now, random);
  const Kind kind = in_flight_->kind;
  in_flight_.reset();
  if (operation == "update") {
    return OnUpdateRejected(kind, code, message, now, random);
  }
  if (code == 404) {
    row_.mirror.OnMissing();
    ++taken_;
    NoteDesired();
    CompleteDelete();
    return true;
  }
  Failed(kind, now, random);
  return false;
}

bool SyncedShadow::OnGetRejected(int code, const std::string& message, BootTime now, Random& random) {
  const std::uint64_t taken_when_asked = in_flight_->taken;
  in_flight_.reset();
  if (code != 404) {
    const bool ours_is_wrong = code == 400 || code == 401 || code == 403;
    Failed(Kind::kGet, now, random);
    if (ours_is_wrong) {
      get_after_ = now + options_.blocked_retry;
      get_refused_ = fmt::format("get: {} {}", code, message);
    }
    return false;
  }
  // A document that arrived since we asked may be younger than this "no": versions cannot tell, so ask again.
  if (taken_ != taken_when_asked && row_.mirror.exists) {
    need_get_ = true;
    get_again_ = false;
    return false;
  }
  GetAnswered(now);
  if (!row_.mirror.exists) return false;
  row_.mirror.OnMissing();
  return Learn(Verdict::kTaken, 0, now);
}

// Rule 6. Decide on the code, never on the text.
bool SyncedShadow::OnUpdateRejected(Kind kind, int code, const std::string& message, BootTime now, Random& random) {
  if (code == 409) {  // it may be there all the same: look
    ++counters_.conflicts;
    WantGet();
    (kind == Kind::kDesired ? desired_after_ : report_after_) =
        now + (kind == Kind::kDesired ? desired_backoff_ : report_backoff_).Next(random);
    return false;
  }
  if (code == 429 || code >= 500 || code == 404) {
    if (code == 429) ++counters_.throttled;
    Failed(kind, now, random);
    return false;
  }
  if (kind == Kind::kDesired) {
    desired_after_ = now + options_.blocked_retry;
    desired_refused_ = fmt::format("desired: {} {}", code, message);
  } else {
    Block(fmt::format("{} {}", code, message), now, random);
  }
  return false;
}

// Another document may pass, so it is tried, but later each time: a device whose values change at each poll would
// otherwise be refused at each poll.
void SyncedShadow::Block(const std::string& why, BootTime now, Random& random) {
  report_after_ = std::max(report_after_, now + report_backoff_.Next(random));
  blocked_why_ = why;
  blocked_rev_ = row_.local_rev;
  blocked_until_ = now + options_.blocked_retry;
}

// Nothing is known about the request: look first, then compute again, later each time.
void SyncedShadow::Failed(Kind kind, BootTime now, Random& random) {
  WantGet();
  switch (kind) {
    case Kind::kGet:
      get_after_ = now + get_backoff_.Next(random);
      break;
    case Kind::kDesired:
      desired_after_ = now + desired_backoff_.Next(random);
      break;
    case Kind::kReport:
    case Kind::kDelete:
      report_after_ = now + report_backoff_.Next(random);
      break;
  }
  check_report_ = true;
}

void SyncedShadow::OnPublishRefused(std::string_view token, const std::string& why, BootTime now, Random& random) {
  if (!in_flight_ || in_flight_->token != token) return;
  const Kind kind = in_flight_->kind;
  in_flight_.reset();
  ++counters_.rejected;
  if (kind == Kind::kGet) {
    get_after_ = now + options_.blocked_retry;
    get_refused_ = why;
  }
  if (kind == Kind::kDesired) {
    desired_after_ = now + options_.blocked_retry;
    desired_refused_ = why;
  }
  if (kind == Kind::kReport || kind == Kind::kDelete) {
    Block(why, now, random);
    report_after_ = kind == Kind::kDelete ? now + options_.blocked_retry : report_after_;
  }
}

// Rule 3: what local users changed and the cloud did not, against the newest document.
void SyncedShadow::RebaseDesired() {
  if (row_.desired_pending.empty()) return;
  Json local = row_.desired_base;
  MergeSection(local, row_.desired_pending);
  const Json merged = ThreeWaySection(row_.desired_base, local, row_.mirror.desired(), Owner::kCloud);
  row_.desired_pending = DiffSection(row_.mirror.desired(), merged);
  row_.desired_base = row_.mirror.desired();
  dirty_ = true;
}

Json SyncedShadow::desired() const {
  Json wanted = row_.mirror.desired();
  MergeSection(wanted, row_.desired_pending);
  return wanted;
}

// Rule 2: everything the device says, nulls for what it once said, nothing about keys that were never ours.
Json SyncedShadow::ReportPatch() const {
  const Json& cloud = row_.mirror.reported();
  return DiffSection(cloud, StrictSection(row_.reported_base, row_.reported_local, cloud));
}

bool SyncedShadow::InStep() const {
  return !in_flight_ && !need_get_ && row_.delete_intent == DeleteIntent::kNone && row_.desired_pending.empty() &&
         ReportPatch().empty();
}

std::optional<SyncedShadow::Request> SyncedShadow::Next(BootTime now, Random& random) {
  if (!online_ || in_flight_ || removed_) return std::nullopt;
  if (row_.delete_intent != DeleteIntent::kNone) {
    if (now < report_after_) return std::nullopt;
    if (row_.delete_intent == DeleteIntent::kWanted) {
      row_.delete_intent = DeleteIntent::kSent;
      row_.reported_local = Json::object();
      dirty_ = true;
    }
    ++counters_.deletes;
    return Send(Kind::kDelete, "delete", Json::object(), now);
  }
  if (need_get_) {
    if (now < get_after_) return std::nullopt;
    ++counters_.gets;
    get_again_ = false;
    return Send(Kind::kGet, "get", Json::object(), now);
  }
  if (row_.mirror.version < await_version_) return std::nullopt;  // rule 5
  if (auto request = NextDesired(now)) return request;
  return NextReport(now, random);
}

const std::string& SyncedShadow::blocked() const {
  if (!blocked_why_.empty()) return blocked_why_;
  return desired_refused_.empty() ? get_refused_ : desired_refused_;
}

std::optional<SyncedShadow::Request> SyncedShadow::NextDesired(BootTime now) {
  if (row_.desired_pending.empty() || now < desired_after_) return std::nullopt;
  ++counters_.desired_updates;
  Json body = {{"state", {{"desired", row_.desired_pending}}}};
  if (row_.mirror.exists) body["version"] = row_.mirror.version;
  return Send(Kind::kDesired, "update", std::move(body), now);
}

std::optional<SyncedShadow::Request> SyncedShadow::NextReport(BootTime now, Random& random) {
  if (!check_report_ || now < ReportAfter()) return std::nullopt;
  if (!row_.mirror.exists && options_.on_cloud_delete == OnCloudDelete::kStayDeleted && row_.mirror.version > 0) {
    check_report_ = false;
    return std::nullopt;
  }
  if (!blocked_why_.empty() && blocked_rev_ == row_.local_rev && now < blocked_until_) return std::nullopt;
  Json patch = ReportPatch();
  if (patch.empty()) {
    check_report_ = false;
    return std::nullopt;
  }
  if (SameValue(patch, last_report_) && !undone_) {
    // The cloud took exactly this and shows something else again: somebody writes our keys. Do not fight at full rate.
    ++counters_.futile;
    undone_ = true;
    report_after_ = std::max(report_after_, now + report_backoff_.Next(random));
    if (now < report_after_) return std::nullopt;
  }
  const bool only_measured = !Prompt();
  Own(patch);
  ++counters_.reports;
  Request request = Send(Kind::kReport, "update", {{"state", {{"reported", patch}}}}, now);
  in_flight_->repeated = std::exchange(undone_, false);
  in_flight_->patch = std::move(patch);
  in_flight_->rev = row_.local_rev;
  last_push_ = now;
  report_after_ = now + options_.min_push_interval;
  if (only_measured) value_allowance_.TryTake(now);
  value_after_ = now + std::max(options_.value_spacing, value_allowance_.UntilNext(now));
  return request;
}

// A shadow update costs more than a message of telemetry, which carries the same values: measured ones go along with
// what somebody waits for, or within value_spacing as long as there were few of late, and else once per value_interval.
BootTime SyncedShadow::ReportAfter() const {
  return Prompt() ? report_after_ : std::max(report_after_, value_after_);
}

bool SyncedShadow::Prompt() const {
  return row_.pushed_rev < prompt_rev_ || !row_.mirror.exists;
}

bool SyncedShadow::Pending() const {
  if (InStep()) return false;
  const bool only_measured = online_ && !in_flight_ && !need_get_ && row_.delete_intent == DeleteIntent::kNone &&
                             row_.desired_pending.empty() && !Prompt() && value_after_ != BootTime{};
  return !only_measured;
}

// Before sending: a base written on the answer would, after a crash in between, turn our own key into a foreign one
// that is never removed. Removed keys stay in it, because a late duplicate of an old report may bring them back; only
// when it grows beyond any document is it cut to what still exists.
void SyncedShadow::Own(const Json& patch) {
  Json base = row_.reported_base;
  MergeSection(base, WithoutRemovals(patch));
  if (SectionBytes(base) > 2 * options_.max_bytes) {
    base = StillSomewhere(base, row_.reported_local, row_.mirror.reported());
  }
  if (SameValue(base, row_.reported_base)) return;
  row_.reported_base = std::move(base);
  dirty_ = true;
}

SyncedShadow::Request SyncedShadow::Send(Kind kind, const char* operation, Json body, BootTime now) {
  const std::string token = fmt::format("penumbra-{}-{}", session_, next_token_++);
  body["clientToken"] = token;
  in_flight_ = InFlight{kind, token, now + options_.request_timeout, 0, taken_, nullptr, false};
  return {fmt::format("{}/{}", prefix_, operation), Dump(body), token};
}

std::optional<BootTime> SyncedShadow::Tick(BootTime now, Random& random) {
  if (!online_ || removed_) return std::nullopt;
  if (in_flight_ && now >= in_flight_->deadline) {
    ++counters_.timeouts;
    const Kind kind = in_flight_->kind;
    in_flight_.reset();
    Failed(kind, now, random);
  }
  if (gap_deadline_ && now >= *gap_deadline_) {
    gap_deadline_.reset();
    if (row_.mirror.version < gap_version_) WantGet();
    gap_version_ = 0;
  }
  if (now >= resync_at_) {
    resync_at_ = now + options_.resync;
    WantGet();
  }
  return Due();
}

// Never in the past unless Next has something to give: the caller asks Next first.
BootTime SyncedShadow::Due() const {
  BootTime due = resync_at_;
  if (gap_deadline_) due = std::min(due, *gap_deadline_);
  if (in_flight_) return std::min(due, in_flight_->deadline);
  if (row_.delete_intent != DeleteIntent::kNone) return std::min(due, report_after_);
  if (need_get_) return std::min(due, get_after_);
  if (row_.mirror.version < await_version_) return due;
  if (!row_.desired_pending.empty()) due = std::min(due, desired_after_);
  if (check_report_) {
    const bool blocked = !blocked_why_.empty() && blocked_rev_ == row_.local_rev;
    due = std::min(due, blocked ? std::max(blocked_until_, ReportAfter()) : ReportAfter());
  }
  return due;
}

}  // namespace penumbra::shadow
