#include "store/kept_files.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>

#include "base/log.hpp"

namespace penumbra {
namespace {

constexpr std::size_t kDateSize = std::string_view("20261126T140000Z").size();
constexpr std::size_t kCounterDigits = 2;
constexpr std::string_view kParts[] = {"", "-wal", "-shm", "-journal", ".words"};

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<std::int64_t> ParseDate(std::string_view date) {
  for (std::size_t i = 0; i < date.size(); ++i) {
    const bool right = i == 8 ? date[i] == 'T' : i == kDateSize - 1 ? date[i] == 'Z' : IsDigit(date[i]);
    if (!right) return std::nullopt;
  }
  std::tm utc{};
  const std::string text(date);
  const char* end = ::strptime(text.c_str(), "%Y%m%dT%H%M%SZ", &utc);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return static_cast<std::int64_t>(::timegm(&utc)) * 1000;
}

// "-7" at the beginning of `rest`, if it is there.
std::size_t CounterSize(std::string_view rest) {
  std::size_t size = 1;
  while (size < rest.size() && size <= kCounterDigits && IsDigit(rest[size])) ++size;
  return rest.starts_with('-') && size > 1 ? size : 0;
}

}  // namespace

std::filesystem::path KeptFiles::NewName(std::string_view ending) const {
  const std::string dated =
      fmt::format("{}{}{:%Y%m%dT%H%M%SZ}", database_.native(), ending, fmt::gmtime(std::time(nullptr)));
  std::string name = dated;
  for (int attempt = 1; files_.Exists(name) && attempt < 100; ++attempt) name = fmt::format("{}-{}", dated, attempt);
  return name;
}

std::optional<KeptFiles::Name> KeptFiles::ParseName(std::string_view database, std::string_view file) {
  for (const std::string_view ending : {kDamaged, kForeign}) {
    const std::size_t date_at = database.size() + ending.size();
    if (!file.starts_with(database) || !file.substr(database.size()).starts_with(ending)) continue;
    if (file.size() < date_at + kDateSize) return std::nullopt;
    const auto ms = ParseDate(file.substr(date_at, kDateSize));
    if (!ms) return std::nullopt;
    std::size_t end = date_at + kDateSize;
    end += CounterSize(file.substr(end));
    if (std::find(std::begin(kParts), std::end(kParts), file.substr(end)) == std::end(kParts)) return std::nullopt;
    return Name{std::string(file.substr(0, end)), *ms};
  }
  return std::nullopt;
}

void KeptFiles::Look(std::set<std::string> in_use, Time now) {
  in_use_ = std::move(in_use);
  std::map<Key, Kept> found;
  const std::string database = database_.filename().native();
  for (const std::string& file : files_.List(database_.parent_path())) {
    const auto name = ParseName(database, file);
    if (!name) continue;
    const Key key{name->ms, name->name};
    const auto before = kept_.find(key);
    Kept& kept =
        found.try_emplace(key, Kept{0, {}, before == kept_.end() ? now : before->second.known_since}).first->second;
    kept.parts.push_back(database_.parent_path() / file);
    kept.bytes += files_.Size(kept.parts.back());
  }
  kept_ = std::move(found);
}

std::uint64_t KeptFiles::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [key, kept] : kept_) bytes += kept.bytes;
  return bytes;
}

void KeptFiles::KeepWithinBounds(std::int64_t now_ms, Time now) {
  const auto is_old = [&](const Key& key, const Kept& kept) {
    const std::int64_t least_ms = std::chrono::milliseconds(kLeastAge).count();
    return now_ms > least_ms && key.first < now_ms - least_ms && now - kept.known_since >= kLeastKnown;
  };
  while (kept_.size() > kMost || bytes() > max_bytes_) {
    const auto oldest = OldestOf(is_old);
    if (oldest == kept_.end()) return;
    GiveUp(oldest, kept_.size() > kMost ? "more of them than are kept" : "together larger than max_size");
  }
}

bool KeptFiles::GiveUpOldest() {
  for (;;) {
    const auto oldest = OldestOf([](const Key&, const Kept&) { return true; });
    if (oldest == kept_.end()) return false;
    if (GiveUp(oldest, "the disk is full")) return true;
  }
}

std::map<KeptFiles::Key, KeptFiles::Kept>::iterator KeptFiles::OldestOf(
    const std::function<bool(const Key&, const Kept&)>& may_go) {
  return std::find_if(kept_.begin(), kept_.end(), [&](const auto& entry) {
    const std::string path = (database_.parent_path() / entry.first.second).native();
    return !in_use_.contains(path) && may_go(entry.first, entry.second);
  });
}

// What cannot be removed is not tried again before the next Look. false: nothing of it is gone.
bool KeptFiles::GiveUp(std::map<Key, Kept>::iterator which, std::string_view why) {
  bool removed = false;
  for (const std::filesystem::path& part : which->second.parts) {
    const Status done = files_.Remove(part);
    removed |= done.has_value();
    if (!done) log::Warning("store.kept_stuck", done.error().message, {{"file", part.native()}});
  }
  if (removed) {
    log::Warning("store.kept_removed", "a file that had been set aside is given up",
                 {{"file", which->second.parts.front().native()}, {"bytes", which->second.bytes}, {"why", why}});
  }
  kept_.erase(which);
  return removed;
}

}  // namespace penumbra
