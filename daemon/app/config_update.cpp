#include "app/config_update.hpp"

#include <utility>

#include "base/log.hpp"
#include "config/overrides.hpp"
#include "rules/digest.hpp"
#include "store/files.hpp"

namespace penumbra {
namespace {

using orders::Outcome;
using orders::Verdict;

// As a whole or not at all.
Status Install(const std::filesystem::path& file, const std::string& text) {
  Files& files = Files::Platform();
  std::filesystem::path fresh = file;
  fresh += ".new";
  if (auto written = files.WriteSynced(fresh, text); !written) return written;
  if (auto renamed = files.Rename(fresh, file); !renamed) return renamed;
  return files.SyncFolder(file.parent_path());
}

// What is set for a thing, so that a sender can tell whether it is what he wants without asking for it.
std::string HashOf(const Json& overrides, const std::string& thing) {
  return rules::DigestHex(rules::Digest::kSha256, Dump(overrides.value(thing, Json::object())));
}

constexpr const char* kWithdrawn = "what was before is in force again";

struct Swap {
  bool was_kept = false;  // an earlier attempt came to its good end, and only its outcome was lost
  std::string hash;
};

// What stood there before is kept, unless an earlier, unfinished attempt at the same has kept it already.
Status Put(const std::filesystem::path& file, const std::filesystem::path& before, const std::string& thing,
           const Json& config, bool resumed, Swap& swap) {
  Files& files = Files::Platform();
  const auto now = ReadOverrides(file);
  // An unusable file is replaced: whoever sends a configuration wants this one.
  const Json overrides = now ? *now : Json::object();
  const Json merged = MergeOverride(overrides, thing, config);
  const bool unfinished = resumed && files.Exists(before);
  swap.hash = HashOf(merged, thing);
  swap.was_kept = resumed && !unfinished && now && merged == overrides;
  if (swap.was_kept) return {};
  if (!unfinished) {
    if (auto kept = Install(before, Dump(overrides)); !kept) return kept;
  }
  return merged == overrides ? Status{} : Install(file, Dump(merged) + "\n");
}

// What a process before this one left of an update: on trial, kept, or nothing.
void Judge(const std::filesystem::path& file, const std::filesystem::path& before, const std::string& thing,
           const Json& config, bool& on_trial, Swap& swap) {
  on_trial = Files::Platform().Exists(before);
  const auto now = ReadOverrides(file);
  swap.was_kept = !on_trial && now && MergeOverride(*now, thing, config) == *now;
  if (now) swap.hash = HashOf(*now, thing);
}

Status Forget(const std::filesystem::path& before) {
  std::error_code ec;
  std::filesystem::remove(before, ec);
  return Files::Platform().SyncFolder(before.parent_path());
}

Status Restore(const std::filesystem::path& file, const std::filesystem::path& before) {
  Files& files = Files::Platform();
  if (!files.Exists(before)) return {};
  if (auto renamed = files.Rename(before, file); !renamed) return renamed;
  return files.SyncFolder(file.parent_path());
}

}  // namespace

std::filesystem::path ConfigUpdate::Before() const {
  std::filesystem::path before = world_.file;
  before += ".before";
  return before;
}

void ConfigUpdate::Run(const std::string& thing, const Json& config, bool resumed, std::function<void(Outcome)> done) {
  thing_ = thing;
  done_ = std::move(done);
  withdrawn_ = rests_ = false;
  // After a restart nobody knows how it was before; that it answered is the safe assumption.
  was_healthy_ = resumed || world_.healthy(thing);
  const auto swap = std::make_shared<Swap>();
  background_.Run([file = world_.file, before = Before(), thing, config, resumed,
                   swap] { return Put(file, before, thing, config, resumed, *swap); },
                  [this, swap](const Status& status) {
                    hash_ = swap->hash;
                    if (status && swap->was_kept) return Succeed();
                    Swapped(status);
                  });
}

void ConfigUpdate::Withdraw(const std::string& thing, const Json& config, std::function<void(Outcome)> done) {
  const bool under_way = busy();
  thing_ = thing;
  done_ = std::move(done);
  withdrawn_ = true;
  if (!under_way) return WithdrawEarlier(config);
  // Everything else that it may be at ends soon, and then looks whether it is still wanted.
  if (!std::exchange(rests_, false)) return;
  timer_.reset();
  TakeBack(kWithdrawn);
}

void ConfigUpdate::WithdrawEarlier(const Json& config) {
  const auto on_trial = std::make_shared<bool>(false);
  const auto swap = std::make_shared<Swap>();
  background_.Run(
      [file = world_.file, before = Before(), thing = thing_, config, on_trial, swap] {
        Judge(file, before, thing, config, *on_trial, *swap);
        return Status{};
      },
      [this, on_trial, swap](const Status&) {
        hash_ = swap->hash;
        if (swap->was_kept) return Succeed();
        if (*on_trial) return TakeBack(kWithdrawn);
        Finish({Verdict::kCancelled, "it was not in force", Json::object()});
      });
}

void ConfigUpdate::Swapped(const Status& status) {
  if (!status) return TakeBack("it cannot be stored: " + status.error().message);
  if (withdrawn_) return TakeBack(kWithdrawn);
  At(moment::kConfigSwapped);
  world_.reload([this, alive = std::weak_ptr(alive_)](const Status& loaded) {
    if (alive.expired()) return;
    if (!loaded) return TakeBack(loaded.error().message);
    At(moment::kConfigLoaded);
    if (withdrawn_) return TakeBack(kWithdrawn);
    look_until_ = loop_.Now() + world_.patience;
    Look();
  });
}

void ConfigUpdate::Look() {
  rests_ = false;
  if (!was_healthy_) return Keep();
  world_.look(thing_, [this, alive = std::weak_ptr(alive_)](const Status& answers) {
    if (alive.expired() || !done_) return;
    if (withdrawn_) return TakeBack(kWithdrawn);
    if (answers) return Keep();
    if (loop_.Now() >= look_until_) {
      return TakeBack("the thing does not answer with it: " + answers.error().message);
    }
    rests_ = true;
    timer_ = loop_.After(kHealthRetry, [this] { Look(); });
  });
}

void ConfigUpdate::Keep() {
  background_.Run([before = Before()] { return Forget(before); },
                  [this](const Status&) {
                    At(moment::kConfigKept);
                    Succeed();
                  });
}

void ConfigUpdate::Succeed() {
  Finish({Verdict::kSucceeded, withdrawn_ ? "it was kept by then, and stays in force" : "", {{"configHash", hash_}}});
}

void ConfigUpdate::TakeBack(const std::string& why) {
  log::Warning("config.taken_back", "an update_config is taken back", {{"thing", thing_}, {"reason", why}});
  background_.Run(
      [file = world_.file, before = Before()] { return Restore(file, before); },
      [this, why](const Status& restored) {
        if (!restored) {
          return Finish(
              {Verdict::kFailed, why + "; and it cannot be taken back: " + restored.error().message, Json::object()});
        }
        At(moment::kConfigTakenBack);
        world_.reload([this, why, alive = std::weak_ptr(alive_)](const Status& loaded) {
          if (alive.expired()) return;
          const std::string then = loaded ? "" : "; going back failed too: " + loaded.error().message;
          Finish({withdrawn_ ? Verdict::kCancelled : Verdict::kFailed, why + then, Json::object()});
        });
      });
}

void ConfigUpdate::Finish(Outcome outcome) {
  if (const auto done = std::exchange(done_, {})) done(std::move(outcome));
}

}  // namespace penumbra
