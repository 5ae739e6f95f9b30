#include "identity/keeper.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.hpp"
#include "credentials/inspect.hpp"

namespace penumbra::identity {
namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::array kWarnings = {0, 1, 7, 30};

// Two stat calls: what is in the files is read when this changes.
std::string Fingerprint(const Plan& plan) {
  std::string all;
  for (const auto& file : {plan.certificate, plan.private_key}) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) {
      all += "-;";
      continue;
    }
    all += fmt::format("{}:{}:{}.{};", info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  }
  return all;
}

// FNV-1a: the same on every machine and after every restart.
std::uint32_t Hash(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

// An installation that a crash interrupted is finished.
void RecoverOne(const Plan& plan) {
  const auto lock = LockCredentials(plan.certificate.parent_path());
  if (!lock) return;  // the folder is not there yet, or somebody is at it and will finish
  const auto recovered = RecoverInstall(plan);
  if (!recovered) {
    log::Warning("credentials.journal", recovered.error().message, {{"thing", plan.thing}});
  } else if (*recovered) {
    log::Notice("credentials.recovered", "the new certificate is in place; a crash had interrupted that",
                {{"thing", plan.thing}});
  }
}

bool SameFiles(const Plan& a, const Plan& b) {
  return a.certificate == b.certificate && a.private_key == b.private_key;
}

}  // namespace

std::optional<int> WarningDays(std::int64_t left_s) {
  for (const int days : kWarnings) {
    if (left_s <= days * kDay) return days;
  }
  return std::nullopt;
}

std::int64_t RotationDue(std::int64_t not_after_s, Duration rotate_before, std::string_view thing) {
  const std::int64_t before_s = std::chrono::duration_cast<std::chrono::seconds>(rotate_before).count();
  return not_after_s - before_s + before_s / 10 * (Hash(thing) % 1000) / 1000;
}

// What the worker found of one thing's files.
struct CertificateKeeper::Seen {
  Plan plan;  // of which these are the files
  std::string fingerprint;
  std::optional<CredentialFacts> facts;  // nullopt: not read again
  bool rotation_pending = false;         // a journal of ours
};

CertificateKeeper::CertificateKeeper(Options options, EventLoop& loop, mqtt::Transport& transport, Uplink& uplink,
                                     TimeTrust& trust, Worker worker)
    : options_(std::move(options)),
      loop_(loop),
      transport_(transport),
      uplink_(uplink),
      trust_(trust),
      worker_(std::move(worker)),
      random_(options_.seed != 0 ? options_.seed : std::random_device{}()) {
  for (const Plan& plan : options_.plans) {
    kept_.emplace_back();
    kept_.back().plan = plan;
    kept_.back().state.thing = plan.thing;
  }
}

CertificateKeeper::~CertificateKeeper() {
  *alive_ = false;
}

CertificateKeeper::Kept* CertificateKeeper::Find(const std::string& thing) {
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.plan.thing == thing; });
  return found == kept_.end() ? nullptr : &*found;
}

void CertificateKeeper::Recover() {
  for (const Kept& kept : kept_) RecoverOne(kept.plan);
}

void CertificateKeeper::Start() {
  started_ = true;
  Look();
}

// --- another configuration ---

void CertificateKeeper::Reconfigure(const UpstreamSettings& upstream, const CredentialSettings& credentials,
                                    std::vector<Plan> plans) {
  options_.upstream = upstream;
  options_.credentials = credentials;
  std::vector<std::string> gone;
  for (const Kept& kept : kept_) {
    const bool stays =
        std::any_of(plans.begin(), plans.end(), [&](const Plan& plan) { return plan.thing == kept.plan.thing; });
    if (!stays) gone.push_back(kept.plan.thing);
  }
  for (const std::string& thing : gone) Drop(thing);
  std::vector<Plan> fresh;
  for (Plan& plan : plans) {
    Kept* kept = Find(plan.thing);
    if (kept == nullptr) {
      fresh.push_back(plan);
      kept = &kept_.emplace_back();
      kept->state.thing = plan.thing;
    } else if (!SameFiles(kept->plan, plan)) {
      // Other files are another certificate, and nothing that was replaced.
      kept->known = false;
      kept->state.certificate_id.clear();
      kept->warned.reset();
    }
    kept->leaving = false;
    kept->next_try = {};
    kept->retry.Reset();
    kept->plan = std::move(plan);
  }
  for (const std::string& thing : std::exchange(queue_, {})) {
    Kept& kept = *Find(thing);
    if (MayRotate(kept)) {
      queue_.push_back(thing);
      continue;
    }
    kept.wishes = {};
    for (const auto& done : std::exchange(kept.waiting, {})) {
      done(Fail(Action::kGiveUp, "the configuration has no endpoint or no provisioning template any more"));
    }
  }
  if (!started_) return;
  worker_([fresh = std::move(fresh)] { std::for_each(fresh.begin(), fresh.end(), RecoverOne); },
          [this, alive = alive_] {
            if (*alive) Look();
          });
}

// A thing that is not configured any more.
void CertificateKeeper::Drop(const std::string& thing) {
  Kept& kept = *Find(thing);
  if (busy_ == thing) return void(kept.leaving = true);
  std::erase(queue_, thing);
  bounces_.erase(thing);
  const auto waiting = std::exchange(kept.waiting, {});
  std::erase_if(kept_, [&thing](const Kept& one) { return one.plan.thing == thing; });
  for (const auto& done : waiting) done(Fail(Action::kGiveUp, thing + " is not configured any more"));
}

// --- looking ---

void CertificateKeeper::Look() {
  struct Task {
    Plan plan;
    std::string fingerprint;
    bool read;
  };
  std::vector<Task> tasks;
  const BootTime now = loop_.Now();
  for (const Kept& kept : kept_) {
    tasks.push_back({kept.plan, kept.fingerprint, !kept.known || now - kept.inspected >= kInspect});
  }
  const std::optional<std::int64_t> now_s =
      trust_.Trusted() ? std::optional(trust_.UnixMs() / 1000) : std::optional<std::int64_t>();
  auto seen = std::make_shared<std::vector<Seen>>();
  worker_(
      [seen, tasks = std::move(tasks), now_s] {
        for (const Task& task : tasks) {
          Seen one{task.plan, Fingerprint(task.plan), std::nullopt, false};
          if (task.read || one.fingerprint != task.fingerprint) {
            one.facts = InspectCredentials(task.plan.certificate, task.plan.private_key, now_s);
            const auto journal = LoadJournal(PendingFiles(task.plan), task.plan.thing);
            one.rotation_pending = journal && *journal && (*journal)->rotation;
          }
          seen->push_back(std::move(one));
        }
      },
      [this, alive = alive_, seen] {
        if (!*alive) return;
        for (const Seen& one : *seen) Take(one);
        look_timer_ = loop_.After(kLook, [this] { Look(); });
      });
}

void CertificateKeeper::Take(const Seen& seen) {
  const std::string& thing = seen.plan.thing;
  Kept* const kept = Find(thing);
  if (kept == nullptr || !SameFiles(kept->plan, seen.plan)) return;
  const std::int64_t now_s = trust_.UnixMs() / 1000;
  if (seen.facts) {
    const bool replaced = kept->known && busy_ != thing && !kept->state.certificate_id.empty() &&
                          !seen.facts->certificate_id.empty() &&
                          seen.facts->certificate_id != kept->state.certificate_id && seen.facts->Usable();
    const bool first = !std::exchange(kept->known, true);
    kept->fingerprint = seen.fingerprint;
    kept->inspected = loop_.Now();
    kept->state.certificate_id = seen.facts->certificate_id;
    kept->state.not_after_s = seen.facts->not_after_s;
    kept->state.trouble = seen.facts->findings.empty() ? "" : seen.facts->findings.front().message;
    if (replaced) Bounce(thing);
    if (first && seen.rotation_pending) {
      log::Notice("credentials.rotation_resumed", "a rotation was under way when the daemon stopped",
                  {{"thing", thing}});
      Enqueue(*kept);
    }
  }
  if (!trust_.Trusted() || kept->state.not_after_s == 0) return;
  Warn(*kept, now_s);
  ConsiderRotation(*kept, now_s);
}

// Once for each threshold; a new certificate begins anew.
void CertificateKeeper::Warn(Kept& kept, std::int64_t now_s) {
  const auto days = WarningDays(kept.state.not_after_s - now_s);
  if (days == kept.warned) return;
  kept.warned = days;
  if (!days) return;
  if (*days == 0) {
    return log::Error("credentials.expired", "the cloud refuses the certificate from now on; run `penumbra provision`",
                      {{"thing", kept.plan.thing}});
  }
  log::Warning("credentials.expiring",
               fmt::format("the certificate expires within {} {}; `penumbra cert rotate` replaces it", *days,
                           *days == 1 ? "day" : "days"),
               {{"thing", kept.plan.thing}, {"hours", (kept.state.not_after_s - now_s) / 3600}});
}

// Files that somebody else replaced (`penumbra provision`, `cert install`): the session still uses what it began with.
void CertificateKeeper::Bounce(const std::string& thing) {
  log::Notice("credentials.replaced", "the thing's certificate was replaced; it connects anew", {{"thing", thing}});
  uplink_.Hold(thing, [this, alive = alive_, thing] {
    if (!*alive) return;
    bounces_[thing] = loop_.After(Duration::zero(), [this, thing] { uplink_.Release(thing); });
  });
}

// --- rotating ---

void CertificateKeeper::ConsiderRotation(Kept& kept, std::int64_t now_s) {
  if (kept.leaving || !options_.credentials.rotate_before || loop_.Now() < kept.next_try ||
      now_s >= kept.state.not_after_s)
    return;
  if (now_s < RotationDue(kept.state.not_after_s, *options_.credentials.rotate_before, kept.plan.thing)) return;
  kept.next_try = loop_.Now() + kept.retry.Next(random_);
  Enqueue(kept);
}

void CertificateKeeper::Rotate(const std::string& thing, const RotationWishes& wishes,
                               std::function<void(Result<Enrolled>)> done) {
  Kept* const kept = Find(thing);
  if (kept == nullptr) return done(Fail(Action::kGiveUp, fmt::format("no thing is called \"{}\"", thing)));
  if (options_.upstream.endpoint.empty()) return done(Fail(Action::kGiveUp, "no [upstream] endpoint is configured"));
  if (!UnderWay(*kept)) kept->wishes = wishes;
  if (!MayRotate(*kept)) {
    kept->wishes = {};
    return done(Fail(Action::kGiveUp,
                     "no provisioning template is configured; add template = \"...\" to [credentials], and let the "
                     "things' policy allow it (`penumbra aws policy`)"));
  }
  kept->waiting.push_back(std::move(done));
  Enqueue(*kept);
}

bool CertificateKeeper::MayRotate(const Kept& kept) const {
  const bool named = !options_.credentials.template_name.empty() || !kept.wishes.template_name.empty();
  return named && !options_.upstream.endpoint.empty();
}

bool CertificateKeeper::UnderWay(const Kept& kept) const {
  return busy_ == kept.plan.thing || std::count(queue_.begin(), queue_.end(), kept.plan.thing) > 0;
}

void CertificateKeeper::Enqueue(Kept& kept) {
  if (!MayRotate(kept) || UnderWay(kept)) return;
  queue_.push_back(kept.plan.thing);
  Next();
}

void CertificateKeeper::Next() {
  if (!busy_.empty() || queue_.empty()) return;
  busy_ = std::move(queue_.front());
  queue_.pop_front();
  Begin(*Find(busy_));
}

void CertificateKeeper::Begin(Kept& kept) {
  auto lock = LockCredentials(kept.plan.certificate.parent_path());
  if (!lock) return Finish(kept.plan.thing, Fail(lock.error()));
  lock_ = std::move(*lock);
  kept.state.rotating = true;
  log::Notice("credentials.rotating", "a new key and certificate are asked for", {{"thing", kept.plan.thing}});
  uplink_.Hold(kept.plan.thing, [this, alive = alive_, plan = With(kept.plan, kept.wishes)] {
    if (!*alive || busy_ != plan.thing) return;
    office_ =
        std::make_unique<Office>(loop_, transport_,
                                 Office::Options{options_.upstream, plan.thing, plan.certificate, plan.private_key,
                                                 plan.template_name, "the thing's own certificate"});
    Enrolment::Ports ports{loop_, transport_, random_, worker_, {}, options_.moment};
    ports.progress = [](const std::string& thing, const std::string& text) {
      log::Info("credentials.rotation_step", text, {{"thing", thing}});
    };
    enrolment_ = std::make_unique<Enrolment>(std::move(ports), *office_, plan, true,
                                             [this](const Result<Enrolled>& result) { Finish(busy_, result); });
    // The session has just used the client id.
    end_timer_ = loop_.After(Enrolment::kSameClientGap, [this] { enrolment_->Start(false); });
  });
}

void CertificateKeeper::Finish(const std::string& thing, const Result<Enrolled>& result) {
  Kept& kept = *Find(thing);
  kept.state.rotating = false;
  kept.wishes = {};
  if (result) {
    kept.state.last_error.clear();
    kept.state.certificate_id = result->certificate_id;
    kept.warned.reset();
    kept.retry.Reset();
    kept.known = false;  // read it at the next look
    log::Notice("credentials.rotated", "the thing has a new certificate; set the old one inactive",
                {{"thing", thing}, {"certificate", result->certificate_id}, {"old", result->old_certificate_id}});
  } else {
    kept.state.last_error = result.error().message;
    log::Warning("credentials.rotation_failed", "the old certificate stays in use: " + result.error().message,
                 {{"thing", thing}});
  }
  const auto waiting = std::exchange(kept.waiting, {});
  // We are inside a call of the enrolment.
  end_timer_ = loop_.After(Duration::zero(), [this, thing] {
    enrolment_.reset();
    office_.reset();
    lock_ = UniqueFd();
    busy_.clear();
    uplink_.Release(thing);
    if (Find(thing)->leaving) Drop(thing);
    Next();
  });
  for (const auto& done : waiting) done(result);
}

std::vector<CertificateState> CertificateKeeper::States() const {
  std::vector<CertificateState> all;
  all.reserve(kept_.size());
  for (const Kept& kept : kept_) all.push_back(kept.state);
  return all;
}

}  // namespace penumbra::identity
