// The part of the reader that writes: one value, or several in as few requests as is safe.
#include <algorithm>
#include <utility>

#include "modbus/reader.hpp"

namespace penumbra::modbus {
namespace {

using WriteResult = ThingReader::WriteResult;

WriteResult ResultOf(const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::kAnswer:
      return {};
    case Outcome::Kind::kCancelled:
      return {.kind = outcome.kind, .error = "cancelled"};
    case Outcome::Kind::kException:
      return {.kind = outcome.kind, .error = ExceptionReason(outcome.exception)};
    case Outcome::Kind::kFailed:
      break;
  }
  return {.kind = outcome.kind, .error = outcome.reason};
}

WriteResult Unsupported(std::string error) {
  return {.kind = Outcome::Kind::kFailed, .unsupported = true, .error = std::move(error)};
}

// Why the value cannot go into the point; empty: `words` (or `on`, of a coil) is what to write.
std::string Prepare(const PointOptions& point, const Value& value, std::vector<std::uint16_t>& words, bool& on) {
  if (point.table == Table::kDiscrete || point.table == Table::kInput) {
    return "table " + std::string(NameOf(point.table)) + " is read-only";
  }
  if (point.table == Table::kCoil) {
    const auto flag = AsBool(value);
    on = flag.value_or(false);
    return flag ? "" : "a coil takes true, false, 0 or 1";
  }
  if (std::string fault = Encode(point.encoding, value, words); !fault.empty()) return fault;
  if (words.size() > kMaxWriteWords) {
    return "one request writes at most " + std::to_string(kMaxWriteWords) + " registers";
  }
  return {};
}

}  // namespace

// The writes at the head of a list that one request can do.
struct ThingReader::WriteGroup {
  std::size_t writes = 0;
  Request request;
};

WriteResult ThingReader::Write(std::uint32_t index, const Value& value, Line& line, const Budget& budget) {
  const PointOptions& point = options_.points[index];
  if (point.table == Table::kHolding && point.encoding.bit) return WriteBit(point, value, line, budget);
  std::vector<std::uint16_t> words;
  bool on = false;
  if (std::string fault = Prepare(point, value, words, on); !fault.empty()) return Unsupported(std::move(fault));
  const bool multiple = options_.multiple_writes_only;
  const Request request = point.table == Table::kCoil
                              ? WriteCoilRequest(options_.unit, point.address, on, multiple)
                              : WriteRegistersRequest(options_.unit, point.address, words, multiple);
  return ResultOf(line.Exchange(request, options_, budget));
}

// Reads the register and writes it back with one bit changed. The function that does this in the device (22) is
// missing in most of them; a change of the other bits between the two requests is lost, as with every other master.
WriteResult ThingReader::WriteBit(const PointOptions& point, const Value& value, Line& line, const Budget& budget) {
  const auto on = AsBool(value);
  if (!on) return Unsupported("a bool takes true, false, 0 or 1");
  const Outcome now = line.Exchange(ReadRequest(options_.unit, point.table, point.address, 1), options_, budget);
  if (now.kind != Outcome::Kind::kAnswer) return ResultOf(now);
  const auto mask = static_cast<std::uint16_t>(1u << *point.encoding.bit);
  const std::uint16_t old_word = RegisterAt(now.pdu.view(), 0);
  const std::uint16_t words[] = {static_cast<std::uint16_t>(*on ? old_word | mask : old_word & ~mask)};
  return ResultOf(line.Exchange(
      WriteRegistersRequest(options_.unit, point.address, words, options_.multiple_writes_only), options_, budget));
}

// Nullopt: the first is written by itself. Only what continues exactly where the one before ends is taken along: the
// order in which the device sees the values stays, and nothing between them is touched.
std::optional<ThingReader::WriteGroup> ThingReader::GroupAt(std::span<const PointWrite> writes) const {
  if (!options_.merge_writes) return std::nullopt;
  const PointOptions& head = options_.points[writes[0].point];
  const bool coils = head.table == Table::kCoil;
  const std::size_t most = coils ? std::min<std::size_t>(kMaxWriteBits, limits_.max_bits)
                                 : std::min<std::size_t>(kMaxWriteWords, limits_.max_words);
  std::vector<std::uint16_t> words;
  std::vector<bool> bits;
  WriteGroup group;
  for (; group.writes < writes.size(); ++group.writes) {
    const PointOptions& point = options_.points[writes[group.writes].point];
    const std::size_t size = coils ? bits.size() : words.size();
    if (point.table != head.table || point.encoding.bit || point.address != head.address + size) break;
    std::vector<std::uint16_t> more;
    bool on = false;
    if (!Prepare(point, writes[group.writes].value, more, on).empty() || size + (coils ? 1 : more.size()) > most) break;
    words.insert(words.end(), more.begin(), more.end());
    if (coils) bits.push_back(on);
  }
  if (group.writes < 2) return std::nullopt;
  group.request = coils ? WriteCoilsRequest(options_.unit, head.address, bits)
                        : WriteRegistersRequest(options_.unit, head.address, words, true);
  return group;
}

std::vector<WriteResult> ThingReader::WriteMany(std::span<const PointWrite> writes, Line& line, const Budget& budget) {
  std::vector<WriteResult> results;
  results.reserve(writes.size());
  const auto gone = [&] {
    return !results.empty() && !results.back().unsupported &&
           (results.back().kind == Outcome::Kind::kFailed || results.back().kind == Outcome::Kind::kCancelled);
  };
  while (results.size() < writes.size()) {
    if (gone()) {
      results.push_back(results.back());
      continue;
    }
    const auto rest = writes.subspan(results.size());
    if (const auto group = GroupAt(rest)) {
      const Outcome outcome = line.Exchange(group->request, options_, budget);
      // Refused: perhaps only one of them, or the function itself. Each by itself then tells.
      if (outcome.kind != Outcome::Kind::kException) {
        results.insert(results.end(), group->writes, ResultOf(outcome));
        continue;
      }
      for (const PointWrite& write : rest.first(group->writes)) {
        results.push_back(gone() ? results.back() : Write(write.point, write.value, line, budget));
      }
      continue;
    }
    results.push_back(Write(rest[0].point, rest[0].value, line, budget));
  }
  return results;
}

}  // namespace penumbra::modbus
