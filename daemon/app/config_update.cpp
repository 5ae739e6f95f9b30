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

void ConfigUpdate::Swapped(const Status& status) {
  if (!status) return TakeBack("it cannot be stored: " + status.error().message);
  At(moment::kConfigSwapped);
  world_.reload([this, alive = std::weak_ptr(alive_)](const Status& loaded) {
    if (alive.expired()) return;
    if (!loaded) return TakeBack(loaded.error().message);
    At(moment::kConfigLoaded);
    look_until_ = loop_.Now() + world_.patience;
    Look();
  });
}

void ConfigUpdate::Look() {
  if (!was_healthy_) return Keep();
  world_.look(thing_, [this, alive = std::weak_ptr(alive_)](const Status& answers) {
    if (alive.expired() || !done_) return;
    if (answers) return Keep();
    if (loop_.Now() >= look_until_) {
      return TakeBack("the thing does not answer with it: " + answers.error().message);
    }
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
  Finish({Verdict::kSucceeded, "", {{"configHash", hash_}}});
}

void ConfigUpdate::TakeBack(const std::string& why) {
  log::Warning("config.taken_back", "an update_config did not work and is taken back",
               {{"thing", thing_}, {"reason", why}});
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
          Finish({Verdict::kFailed, why + then, Json::object()});
        });
      });
}

void ConfigUpdate::Finish(Outcome outcome) {
  if (const auto done = std::exchange(done_, {})) done(std::move(outcome));
}

}  // namespace penumbra
