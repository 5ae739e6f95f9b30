#include "identity/journal.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/json.hpp"
#include "identity/answers.hpp"

namespace penumbra::identity {
namespace {

constexpr std::array kSteps = {std::pair{Step::kCertificate, "certificate"}, std::pair{Step::kRegister, "register"},
                               std::pair{Step::kTrial, "trial"}, std::pair{Step::kInstall, "install"}};
constexpr std::size_t kMaxBytes = 64 * 1024;
constexpr std::int64_t kVersion = 1;

Status Remove(const std::filesystem::path& file) {
  if (file.empty() || ::unlink(file.c_str()) == 0 || errno == ENOENT) return {};
  return Fail(Action::kFixConfig, ErrnoMessage("cannot remove " + file.string(), errno));
}

}  // namespace

std::string_view ToString(Step step) {
  for (const auto& [known, name] : kSteps) {
    if (known == step) return name;
  }
  return "?";
}

Result<Journal> ParseJournal(std::string_view text) {
  const auto json = ParseJson(text);
  if (!json || !json->is_object() || GetInt(*json, "version") != kVersion) {
    return Fail(Action::kGiveUp, "it is no journal of version 1");
  }
  Journal journal;
  journal.thing = GetString(*json, "thing").value_or("");
  journal.rotation = GetBool(*json, "rotation").value_or(false);
  journal.new_key = GetBool(*json, "new_key").value_or(true);
  journal.asked = GetBool(*json, "asked").value_or(false);
  journal.named = GetString(*json, "named").value_or("");
  journal.token = GetString(*json, "token").value_or("");
  journal.certificate_id = GetString(*json, "certificate_id").value_or("");
  journal.old_certificate_id = GetString(*json, "old_certificate_id").value_or("");
  const std::string step = GetString(*json, "step").value_or("");
  for (const auto& [known, name] : kSteps) {
    if (step != name) continue;
    journal.step = known;
    const bool whole = !journal.thing.empty() && (known != Step::kRegister || !journal.token.empty());
    if (whole) return journal;
  }
  return Fail(Action::kGiveUp, "its step, thing or token is missing");
}

Result<std::optional<Journal>> LoadJournal(const PendingFiles& files, const std::string& thing) {
  std::ifstream file(files.journal, std::ios::binary);
  if (!file) return std::optional<Journal>();
  std::string text(kMaxBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  auto journal = ParseJournal(text);
  if (!journal) {
    return Fail(Action::kGiveUp, fmt::format("{}: {}", files.journal.string(), journal.error().message));
  }
  if (journal->thing != thing) {
    return Fail(Action::kGiveUp, fmt::format("{} is of the thing {}", files.journal.string(), journal->thing));
  }
  return std::optional(std::move(*journal));
}

Status SaveJournal(const PendingFiles& files, const Journal& journal) {
  const Json json = {{"version", kVersion},
                     {"thing", journal.thing},
                     {"rotation", journal.rotation},
                     {"step", ToString(journal.step)},
                     {"new_key", journal.new_key},
                     {"asked", journal.asked},
                     {"named", journal.named},
                     {"token", journal.token},
                     {"certificate_id", journal.certificate_id},
                     {"old_certificate_id", journal.old_certificate_id}};
  return InstallFile(files.journal, Dump(json) + "\n", 0600);
}

Status DiscardPending(const PendingFiles& files) {
  // The journal last: without it nobody would look for the others.
  if (auto removed = Remove(files.certificate); !removed) return removed;
  if (auto removed = Remove(files.key); !removed) return removed;
  return Remove(files.journal);
}

Status FinishInstall(const Plan& plan, const std::function<void(std::string_view)>& moment) {
  const PendingFiles files(plan);
  if (!files.key.empty()) {
    if (auto moved = MoveInPlace(files.key, plan.private_key); !moved) return moved;
    moment("install.key_moved");
  }
  if (auto moved = MoveInPlace(files.certificate, plan.certificate); !moved) return moved;
  moment("install.certificate_moved");
  return Remove(files.journal);
}

Result<bool> RecoverInstall(const Plan& plan) {
  const auto journal = LoadJournal(PendingFiles(plan), plan.thing);
  if (!journal) return Fail(journal.error());
  if (!*journal || (*journal)->step != Step::kInstall) return false;
  if (auto finished = FinishInstall(plan, [](std::string_view) {}); !finished) return Fail(finished.error());
  return true;
}

}  // namespace penumbra::identity
