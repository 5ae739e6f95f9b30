#include "modbus/reader.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "modbus/reader_call.hpp"

namespace penumbra::modbus {
namespace {

// So many requests without an answer in one call mean that the unit is away; more would only take bus time from others.
constexpr int kSilentRequests = 2;

bool IsConnectionFault(const char* reason) {
  return std::string_view(reason).starts_with("connection");
}

}  // namespace

ThingReader::ThingReader(ThingOptions options, Costs costs, ReaderHooks hooks, const std::optional<Learned>& known)
    : options_(std::move(options)),
      costs_(costs),
      hooks_(std::move(hooks)),
      limits_(options_.limits),
      has_answered_(options_.points.size(), false) {
  if (known) Recall(*known);
}

bool ThingReader::Read(std::span<const std::uint32_t> points, Line& line, const Budget& budget,
                       std::span<PointResult> results) {
  const std::int64_t now_ns = line.NowNs();
  for (auto& [point, refusal] : refusals_) {
    if (refusal.ask_again_ns < 0) refusal.ask_again_ns = now_ns + refusal.wait_ns;  // recalled: no clock then
  }
  if (checked_s_ != 0 && rechecks_.empty() && hooks_.unix_s() - checked_s_ >= kRecheckS) PlanRechecks();
  Call call{.points = points, .results = results, .line = line, .budget = budget};
  const std::size_t asked = PlanFor(points).size();
  ReadPlanned(call);
  AskRefusedAgain(static_cast<std::uint32_t>(asked), now_ns, call);
  ReportRefusals(call);
  if (!rechecks_.empty()) RunRecheck(call);
  if (changed_) Keep();
  silent_ = call.waited && !call.answered;
  return !call.cancelled;
}

void ThingReader::ReadPlanned(Call& call) {
  const std::vector<Block> plan = plan_;  // what is learned on the way makes a new one
  const std::size_t first = next_block_ < plan.size() ? next_block_ : 0;
  next_block_ = 0;
  for (std::size_t i = 0; i < plan.size() && !call.cancelled; ++i) {
    const std::size_t index = (first + i) % plan.size();
    ReadBlock(plan[index], call);
    if (call.fate == Fate::kRefused && plan[index].items.size() == 1) {
      LearnRefusal(plan[index].items[0], call);
    }
    if (call.out_of_time && next_block_ == 0) next_block_ = index;
  }
}

void ThingReader::AskRefusedAgain(std::uint32_t asked, std::int64_t now_ns, Call& call) {
  for (std::uint32_t k = 0; k < call.points.size() && !call.cancelled; ++k) {
    const auto refusal = refusals_.find(call.points[k]);
    if (refusal == refusals_.end()) continue;
    // With nothing but refused points, one of them is asked all the same: does the unit still answer?
    if (asked > 0 && now_ns < refusal->second.ask_again_ns) {
      // Of a unit that is away it must not say that it answered.
      const bool away = !call.answered && call.failure != nullptr;
      call.results[k] = {.value = {}, .reason = away ? call.failure : ExceptionReason(refusal->second.exception)};
      continue;
    }
    ++asked;
    const std::uint32_t alone[] = {k};
    ReadBlock(BlockOver(alone, call.points), call);
    if (call.fate == Fate::kRead) {
      Accept(call.points[k]);
    } else if (call.fate == Fate::kRefused) {
      Refuse(call.points[k], now_ns);
    }
  }
}

const std::vector<Block>& ThingReader::PlanFor(std::span<const std::uint32_t> points) {
  if (plan_valid_ && std::ranges::equal(points, planned_points_)) return plan_;
  std::vector<std::uint32_t> positions;
  for (std::uint32_t k = 0; k < points.size(); ++k) {
    if (!refusals_.contains(points[k])) positions.push_back(k);
  }
  plan_ = PlanOf(points, positions);
  planned_points_.assign(points.begin(), points.end());
  plan_valid_ = true;
  return plan_;
}

// Registers of refused points are read along with nothing either.
Limits ThingReader::LimitsNow() const {
  Limits limits = limits_;
  for (const auto& [point, refusal] : refusals_) {
    const Item item = options_.points[point].item();
    limits.forbidden.push_back({item.table, item.address, item.address + item.count - 1u});
  }
  return limits;
}

// Blocks over points[position] for each position; their items are positions.
std::vector<Block> ThingReader::PlanOf(std::span<const std::uint32_t> points,
                                       std::span<const std::uint32_t> positions) const {
  std::vector<Item> items;
  items.reserve(positions.size());
  for (const std::uint32_t k : positions) items.push_back(options_.points[points[k]].item());
  std::vector<Block> plan = PlanReads(items, LimitsNow(), costs_);
  for (Block& block : plan) {
    for (std::uint32_t& item : block.items) item = positions[item];
  }
  return plan;
}

std::vector<Block> ThingReader::Plan() const {
  std::vector<std::uint32_t> all(options_.points.size());
  std::iota(all.begin(), all.end(), 0u);
  std::vector<std::uint32_t> positions;
  std::ranges::copy_if(all, std::back_inserter(positions), [this](std::uint32_t k) { return !refusals_.contains(k); });
  return PlanOf(all, positions);
}

void ThingReader::ReadBlock(const Block& block, Call& call) {
  if (call.cancelled) return;
  if (call.stop != nullptr) return call.Fail(block, call.stop);
  if (call.line.NowNs() >= call.budget.deadline_ns) {
    call.out_of_time = true;
    return call.Fail(block, "deadline");
  }
  if (SplitByLimit(block, call)) return;
  const Request request = ReadRequest(options_.unit, block.table, block.address, block.count);
  const Outcome outcome = call.line.Exchange(request, options_, call.budget);
  switch (outcome.kind) {
    case Outcome::Kind::kCancelled:
      call.cancelled = true;
      return;
    case Outcome::Kind::kAnswer: {
      call.silent = 0;
      call.answered = true;
      call.fate = Fate::kRead;
      std::uint32_t& longest = longest_[IsBits(block.table)];
      longest = std::max<std::uint32_t>(longest, block.count);
      return Take(block, outcome, call);
    }
    case Outcome::Kind::kFailed:
      call.Fail(block, outcome.reason);
      call.failure = outcome.reason;
      call.waited = call.waited || outcome.waited;
      if (++call.silent >= kSilentRequests || IsConnectionFault(outcome.reason)) call.stop = outcome.reason;
      return;
    case Outcome::Kind::kException:
      break;
  }
  call.silent = 0;
  call.answered = true;
  const bool about_place = IsAboutPlace(outcome.exception);
  if (about_place && block.items.size() > 1) return Split(block, outcome.exception, call);
  call.Fail(block, ExceptionReason(outcome.exception));
  call.refusal = outcome.exception;
  if (about_place) call.fate = Fate::kRefused;
}

void ThingReader::Take(const Block& block, const Outcome& outcome, Call& call) {
  const auto pdu = outcome.pdu.view();
  std::array<std::uint16_t, kMaxReadWords> words;
  for (const std::uint32_t k : block.items) {
    const PointOptions& point = options_.points[call.points[k]];
    has_answered_[call.points[k]] = true;
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

}  // namespace penumbra::modbus
