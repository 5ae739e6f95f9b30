#include "store/gap.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "store/database.hpp"

namespace penumbra {

void Gap::Add(std::uint64_t seq, std::int64_t unix_ms) {
  from_seq = lost == 0 ? seq : std::min(from_seq, seq);
  to_seq = lost == 0 ? seq : std::max(to_seq, seq);
  from_ms = lost == 0 ? unix_ms : std::min(from_ms, unix_ms);
  to_ms = lost == 0 ? unix_ms : std::max(to_ms, unix_ms);
  ++lost;
}

std::string GapTopic(const std::string& thing) {
  return "sensors/" + thing + "/gap";
}

std::string GapJson(const Gap& gap) {
  OrderedJson span{{"from_seq", gap.from_seq}, {"to_seq", gap.to_seq}};
  if (gap.from_ms != 0) span["from"] = gap.from_ms;
  if (gap.to_ms != 0) span["to"] = gap.to_ms;
  span["lost"] = gap.lost;
  span["reason"] = gap.reason;
  OrderedJson json{{"device_id", gap.thing}};
  if (gap.to_ms != 0) json["timestamp"] = gap.to_ms;
  json["gap"] = std::move(span);
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Status NoteGap(Database& database, const Gap& gap) {
  if (gap.lost == 0) return {};
  auto row = database.Prepare(
      "INSERT INTO gap(thing, reason, from_seq, to_seq, from_ms, to_ms, lost) "
      "SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM thing WHERE name = ?1 "
      "ON CONFLICT(thing, reason) DO UPDATE SET from_seq = min(from_seq, excluded.from_seq), "
      "to_seq = max(to_seq, excluded.to_seq), "
      "from_ms = iif(from_ms = 0 OR excluded.from_ms = 0, max(from_ms, excluded.from_ms), "
      "min(from_ms, excluded.from_ms)), "
      "to_ms = max(to_ms, excluded.to_ms), lost = lost + excluded.lost");
  if (!row) return Fail(row.error());
  row->Bind(1, std::string_view(gap.thing)).Bind(2, std::string_view(gap.reason));
  row->Bind(3, gap.from_seq).Bind(4, gap.to_seq).Bind(5, gap.from_ms).Bind(6, gap.to_ms).Bind(7, gap.lost);
  return row->Run();
}

Result<std::vector<Gap>> ReadGaps(Database& database) {
  auto rows = database.Prepare(
      "SELECT name, reason, from_seq, to_seq, from_ms, to_ms, lost FROM gap JOIN thing ON thing.id = gap.thing");
  if (!rows) return Fail(rows.error());
  std::vector<Gap> gaps;
  for (;;) {
    const Result<bool> more = rows->Step();
    if (!more) return Fail(more.error());
    if (!*more) return gaps;
    gaps.push_back({.thing = std::string(rows->Bytes(0)),
                    .reason = std::string(rows->Bytes(1)),
                    .from_seq = static_cast<std::uint64_t>(rows->Int(2)),
                    .to_seq = static_cast<std::uint64_t>(rows->Int(3)),
                    .from_ms = rows->Int(4),
                    .to_ms = rows->Int(5),
                    .lost = static_cast<std::uint64_t>(rows->Int(6))});
  }
}

Status ForgetGap(Database& database, const Gap& gap) {
  auto row = database.Prepare(
      "DELETE FROM gap WHERE thing = (SELECT id FROM thing WHERE name = ?) AND reason = ? AND lost = ?");
  if (!row) return Fail(row.error());
  return row->Bind(1, std::string_view(gap.thing)).Bind(2, std::string_view(gap.reason)).Bind(3, gap.lost).Run();
}

}  // namespace penumbra
