#include "modbus/reader.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace penumbra::modbus {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
// A refused point is asked for again this often; in between it costs no bus time.
constexpr std::int64_t kAskRefusedAgainNs = 60 * kNsPerSecond;
// What was learned about holes and sizes is found out anew after this, because devices get new firmware.
constexpr std::int64_t kForgetNs = 3600 * kNsPerSecond;
// So many requests without an answer in one call mean that the unit is away; more would only take bus time from others.
constexpr int kSilentRequests = 2;
constexpr std::uint8_t kIllegalAddress = 2;
constexpr std::uint8_t kIllegalValue = 3;

enum class BlockFate { kRead, kRefused, kFailed };

bool IsConnectionFault(const char* reason) {
  return std::string_view(reason).starts_with("connection");
}

std::string PlaceText(Table table, std::uint32_t first, std::uint32_t last) {
  std::string text = std::string(NameOf(table)) + " " + std::to_string(first);
  if (last != first) text += "-" + std::to_string(last);
  return text;
}

}  // namespace

struct ThingReader::Call {
  std::span<const std::uint32_t> points;
  std::span<PointResult> results;
  Line& line;
  Budget budget;
  int silent = 0;                 // requests in a row without an answer
  const char* stop = nullptr;     // reason for all that is still to be read
  bool answered = false;          // the unit gave any answer, an exception included
  const char* failure = nullptr;  // the last reason why it did not
  bool cancelled = false;
  bool out_of_time = false;
  BlockFate fate = BlockFate::kRead;  // of the block read last

  void Fail(const Block& block, const char* reason) {
    fate = BlockFate::kFailed;
    for (const std::uint32_t k : block.items) results[k] = {.value = {}, .reason = reason};
  }
};

ThingReader::ThingReader(ThingOptions options, Costs costs, std::function<void(const std::string&)> log)
    : options_(std::move(options)), costs_(costs), log_(std::move(log)), limits_(options_.limits) {}

bool ThingReader::Read(std::span<const std::uint32_t> points, Line& line, const Budget& budget,
                       std::span<PointResult> results) {
  const std::int64_t now_ns = line.NowNs();
  if (forget_at_ns_ != 0 && now_ns >= forget_at_ns_) Forget();
  const std::vector<Block>& plan = PlanFor(points);
  Call call{.points = points, .results = results, .line = line, .budget = budget};
  const std::size_t first = next_block_ < plan.size() ? next_block_ : 0;
  next_block_ = 0;
  for (std::size_t i = 0; i < plan.size() && !call.cancelled; ++i) {
    const std::size_t index = (first + i) % plan.size();
    ReadBlock(plan[index], call);
    if (call.out_of_time && next_block_ == 0) next_block_ = index;
  }
  std::uint32_t asked = static_cast<std::uint32_t>(plan.size());
  for (std::uint32_t k = 0; k < points.size() && !call.cancelled; ++k) {
    const auto refusal = refusals_.find(points[k]);
    if (refusal == refusals_.end()) continue;
    // With nothing but refused points, one of them is asked all the same: does the unit still answer?
    if (asked > 0 && now_ns < refusal->second.ask_again_ns) {
      // Of a unit that is away it must not say that it answered.
      const bool away = !call.answered && call.failure != nullptr;
      results[k] = {.value = {}, .reason = away ? call.failure : ExceptionReason(refusal->second.exception)};
      continue;
    }
    ++asked;
    const std::uint32_t alone[] = {k};
    ReadBlock(BlockOver(alone, points), call);
    if (call.fate == BlockFate::kRead) {
      refusals_.erase(points[k]);
      plan_valid_ = false;
    } else if (call.fate == BlockFate::kRefused) {
      refusals_[points[k]].ask_again_ns = now_ns + kAskRefusedAgainNs;
    }
  }
  return !call.cancelled;
}

const std::vector<Block>& ThingReader::PlanFor(std::span<const std::uint32_t> points) {
  if (plan_valid_ && std::equal(points.begin(), points.end(), planned_points_.begin(), planned_points_.end())) {
    return plan_;
  }
  std::vector<Item> items;
  std::vector<std::uint32_t> positions;
  for (std::uint32_t k = 0; k < points.size(); ++k) {
    if (refusals_.contains(points[k])) continue;
    items.push_back(options_.points[points[k]].item());
    positions.push_back(k);
  }
  plan_ = PlanReads(items, limits_, costs_);
  for (Block& block : plan_) {
    for (std::uint32_t& item : block.items) item = positions[item];
  }
  planned_points_.assign(points.begin(), points.end());
  plan_valid_ = true;
  return plan_;
}

void ThingReader::ReadBlock(const Block& block, Call& call) {
  if (call.cancelled) return;
  if (call.stop != nullptr) return call.Fail(block, call.stop);
  if (call.line.NowNs() >= call.budget.deadline_ns) {
    call.out_of_time = true;
    return call.Fail(block, "deadline");
  }
  const Request request = ReadRequest(options_.unit, block.table, block.address, block.count);
  const Outcome outcome = call.line.Exchange(request, options_, call.budget);
  switch (outcome.kind) {
    case Outcome::Kind::kCancelled:
      call.cancelled = true;
      return;
    case Outcome::Kind::kAnswer:
      call.silent = 0;
      call.answered = true;
      call.fate = BlockFate::kRead;
      return Take(block, outcome, call);
    case Outcome::Kind::kFailed:
      call.Fail(block, outcome.reason);
      call.failure = outcome.reason;
      if (++call.silent >= kSilentRequests || IsConnectionFault(outcome.reason)) call.stop = outcome.reason;
      return;
    case Outcome::Kind::kException:
      break;
  }
  call.silent = 0;
  call.answered = true;
  const bool about_place = outcome.exception == kIllegalAddress || outcome.exception == kIllegalValue;
  if (about_place && block.items.size() > 1) return Split(block, outcome.exception, call);
  call.Fail(block, ExceptionReason(outcome.exception));
  if (about_place) call.fate = BlockFate::kRefused;
}

void ThingReader::Take(const Block& block, const Outcome& outcome, Call& call) {
  const auto pdu = outcome.pdu.view();
  std::array<std::uint16_t, kMaxReadWords> words;
  for (const std::uint32_t k : block.items) {
    const PointOptions& point = options_.points[call.points[k]];
    const std::size_t offset = point.address - block.address;
    PointResult& result = call.results[k];
    result = {.value = {}, .time_ns = outcome.time_ns};
    if (IsBits(block.table)) {
      result.value = BitAt(pdu, offset);
      continue;
    }
    const std::uint16_t count = WordsOf(point.encoding);
    for (std::size_t i = 0; i < count; ++i) words[i] = RegisterAt(pdu, offset + i);
    Decoded decoded = Decode(point.encoding, {words.data(), count});
    result.value = std::move(decoded.value);
    result.reason = decoded.fault;
  }
}

// Cuts at the widest hole, the likeliest culprit, or in the middle where there is none.
void ThingReader::Split(const Block& block, std::uint8_t exception, Call& call) {
  std::size_t cut = block.items.size() / 2;
  std::uint32_t widest = 0;
  std::uint32_t end = 0;
  for (std::size_t i = 0; i < block.items.size(); ++i) {
    const Item item = options_.points[call.points[block.items[i]]].item();
    if (i > 0 && item.address > end && item.address - end > widest) {
      widest = item.address - end;
      cut = i;
    }
    end = std::max<std::uint32_t>(end, item.address + item.count);
  }
  const Block left = BlockOver(std::span(block.items).first(cut), call.points);
  const Block right = BlockOver(std::span(block.items).subspan(cut), call.points);
  BlockFate fates[2];
  for (const Block* half : {&left, &right}) {
    ReadBlock(*half, call);
    if (call.cancelled) return;
    fates[half == &right] = call.fate;
    if (call.fate == BlockFate::kRefused && half->items.size() == 1) {
      LearnRefusal(call.points[half->items[0]], exception, call);
    }
  }
  if (fates[0] == BlockFate::kRead && fates[1] == BlockFate::kRead) LearnFromSplit(block, left, right, call);
  // Refused as a whole: whoever split the block that this one is half of must not conclude that both halves are fine.
  call.fate = BlockFate::kFailed;
}

void ThingReader::LearnFromSplit(const Block& whole, const Block& left, const Block& right, Call& call) {
  const std::uint32_t left_end = left.address + left.count;
  if (right.address > left_end) {
    limits_.forbidden.push_back({.table = whole.table, .first = left_end, .last = right.address - 1u});
    log_(options_.name + ": unit " + std::to_string(options_.unit) + " refuses " +
         PlaceText(whole.table, left_end, right.address - 1u) + ", which no point needs; read around it from now on");
  } else {
    std::uint16_t& limit = IsBits(whole.table) ? limits_.max_bits : limits_.max_words;
    const std::uint16_t known_good = std::max(left.count, right.count);
    if (known_good >= limit || known_good >= whole.count) return;
    limit = known_good;
    log_(options_.name + ": unit " + std::to_string(options_.unit) + " refuses " + std::to_string(whole.count) +
         (IsBits(whole.table) ? " bits" : " registers") + " in one request; at most " + std::to_string(limit) +
         " from now on");
  }
  plan_valid_ = false;
  if (forget_at_ns_ == 0) forget_at_ns_ = call.line.NowNs() + kForgetNs;
}

void ThingReader::LearnRefusal(std::uint32_t point, std::uint8_t exception, Call& call) {
  const std::int64_t now_ns = call.line.NowNs();
  const auto [entry, fresh] = refusals_.insert_or_assign(point, Refusal{exception, now_ns + kAskRefusedAgainNs});
  (void)entry;
  plan_valid_ = false;
  if (!fresh) return;
  const PointOptions& options = options_.points[point];
  const Item item = options.item();
  log_(options_.name + ": unit " + std::to_string(options_.unit) + " refuses point " + options.name + " (" +
       PlaceText(item.table, item.address, item.address + item.count - 1u) + "): " + ExceptionReason(exception) +
       "; read apart from the others from now on");
}

void ThingReader::Forget() {
  limits_ = options_.limits;
  forget_at_ns_ = 0;
  plan_valid_ = false;
}

Block ThingReader::BlockOver(std::span<const std::uint32_t> items, std::span<const std::uint32_t> points) const {
  std::uint32_t first = UINT32_MAX;
  std::uint32_t end = 0;
  for (const std::uint32_t k : items) {
    const Item item = options_.points[points[k]].item();
    first = std::min<std::uint32_t>(first, item.address);
    end = std::max<std::uint32_t>(end, item.address + item.count);
  }
  return {.table = options_.points[points[items[0]]].table,
          .address = static_cast<std::uint16_t>(first),
          .count = static_cast<std::uint16_t>(end - first),
          .items = {items.begin(), items.end()}};
}

namespace {

ThingReader::WriteResult ResultOf(const Outcome& outcome) {
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

ThingReader::WriteResult Unsupported(std::string error) {
  return {.kind = Outcome::Kind::kFailed, .unsupported = true, .error = std::move(error)};
}

}  // namespace

ThingReader::WriteResult ThingReader::Write(std::uint32_t index, const Value& value, Line& line, const Budget& budget) {
  const PointOptions& point = options_.points[index];
  if (point.table == Table::kDiscrete || point.table == Table::kInput) {
    return Unsupported("table " + std::string(NameOf(point.table)) + " is read-only");
  }
  if (point.table == Table::kCoil) {
    const auto on = AsBool(value);
    if (!on) return Unsupported("a coil takes true, false, 0 or 1");
    return ResultOf(line.Exchange(WriteCoilRequest(options_.unit, point.address, *on, options_.multiple_writes_only),
                                  options_, budget));
  }
  if (point.encoding.bit) return WriteBit(point, value, line, budget);
  std::vector<std::uint16_t> words;
  if (std::string fault = Encode(point.encoding, value, words); !fault.empty()) return Unsupported(std::move(fault));
  if (words.size() > kMaxWriteWords) {
    return Unsupported("one request writes at most " + std::to_string(kMaxWriteWords) + " registers");
  }
  return ResultOf(line.Exchange(
      WriteRegistersRequest(options_.unit, point.address, words, options_.multiple_writes_only), options_, budget));
}

// Reads the register and writes it back with one bit changed. The function that does this in the device (22) is
// missing in most of them; a change of the other bits between the two requests is lost, as with every other master.
ThingReader::WriteResult ThingReader::WriteBit(const PointOptions& point, const Value& value, Line& line,
                                               const Budget& budget) {
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

}  // namespace penumbra::modbus
