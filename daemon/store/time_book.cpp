#include "store/time_book.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace penumbra {
namespace {

constexpr std::int64_t kRoundingMs = 2 * 20;  // of a stored time against its era: TimeTrust::kNoiseMs, both ways

std::int64_t Plus(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}

}  // namespace

void Redate(Reading& reading, const WallHistory& history) {
  if (reading.boot_id != history.boot_id) return;
  const WallEra* era = history.At(reading.boot_ns);
  if (era == nullptr) return;
  // Where nothing was wrong the stored time stands to the millisecond.
  if (era->offset_ms != era->true_offset_ms) reading.unix_ms = reading.boot_ns / 1'000'000 + era->true_offset_ms;
  reading.time_trusted |= era->trusted;
}

Status TimeBook::Load(Database& database) {
  auto rows =
      database.Prepare("SELECT boot, from_ns, offset_ms, true_offset_ms, trusted FROM boot_time ORDER BY rowid");
  if (!rows) return Fail(rows.error());
  boots_.clear();
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return Fail(row.error());
    if (!*row) break;
    WallHistory& history = boots_[std::string(rows->Bytes(0))];
    history.boot_id = rows->Bytes(0);
    history.eras.push_back({rows->Int(1), rows->Int(2), rows->Int(3), rows->Int(4) != 0});
  }
  for (auto& [boot, history] : boots_) {
    std::stable_sort(history.eras.begin(), history.eras.end(),
                     [](const WallEra& a, const WallEra& b) { return a.from_ns < b.from_ns; });
  }
  FindShifts();
  return {};
}

Status TimeBook::Write(Database& database, const WallHistory& history) {
  auto old = database.Prepare("DELETE FROM boot_time WHERE boot = ?");
  if (!old) return Fail(old.error());
  if (const Status done = old->Bind(1, std::string_view(history.boot_id)).Run(); !done) return done;
  for (const WallEra& era : history.eras) {
    auto row = database.Prepare(
        "INSERT INTO boot_time(boot, from_ns, offset_ms, true_offset_ms, trusted) VALUES(?, ?, ?, ?, ?)");
    if (!row) return Fail(row.error());
    row->Bind(1, std::string_view(history.boot_id)).Bind(2, era.from_ns).Bind(3, era.offset_ms);
    if (const Status done = row->Bind(4, era.true_offset_ms).Bind(5, era.trusted ? 1 : 0).Run(); !done) return done;
  }
  auto prune = database.Prepare(
      "DELETE FROM boot_time WHERE boot NOT IN "
      "(SELECT boot FROM boot_time GROUP BY boot ORDER BY max(rowid) DESC LIMIT ?)");
  if (!prune) return Fail(prune.error());
  return prune->Bind(1, static_cast<std::int64_t>(kMaxBoots)).Run();
}

void TimeBook::Put(WallHistory history) {
  std::string boot = history.boot_id;
  boots_[std::move(boot)] = std::move(history);
  FindShifts();
}

const WallHistory* TimeBook::Of(const std::string& boot_id) const {
  const auto it = boots_.find(boot_id);
  return it == boots_.end() ? nullptr : &it->second;
}

void TimeBook::Redate(Reading& reading) const {
  if (const WallHistory* history = Of(reading.boot_id)) penumbra::Redate(reading, *history);
}

void TimeBook::FindShifts() {
  shifts_.clear();
  for (const auto& [boot, history] : boots_) {
    for (std::size_t i = 0; i < history.eras.size(); ++i) {
      const WallEra& era = history.eras[i];
      if (era.offset_ms == era.true_offset_ms) continue;
      const bool last = i + 1 == history.eras.size();
      const std::int64_t from_ns = i == 0 ? 0 : era.from_ns;
      const std::int64_t to_ms = last ? std::numeric_limits<std::int64_t>::max()
                                      : Plus(history.eras[i + 1].from_ns / 1'000'000, era.offset_ms + kRoundingMs);
      shifts_.push_back(
          {Plus(from_ns / 1'000'000, era.offset_ms - kRoundingMs), to_ms, era.true_offset_ms - era.offset_ms});
    }
  }
}

bool TimeBook::MayLieIn(std::int64_t oldest_ms, std::int64_t newest_ms, std::int64_t since_ms,
                        std::int64_t until_ms) const {
  if (newest_ms >= since_ms && oldest_ms < until_ms) return true;
  return std::any_of(shifts_.begin(), shifts_.end(), [&](const Shift& shift) {
    const std::int64_t oldest = std::max(oldest_ms, shift.from_ms);
    const std::int64_t newest = std::min(newest_ms, shift.to_ms);
    return oldest <= newest && Plus(newest, Plus(shift.by_ms, kRoundingMs)) >= since_ms &&
           Plus(oldest, Plus(shift.by_ms, -kRoundingMs)) < until_ms;
  });
}

}  // namespace penumbra
