// The part of the reader that finds out what a device refuses, tells it once, and tests from time to time whether it
// still holds.
#include <algorithm>
#include <utility>

#include "modbus/reader.hpp"
#include "modbus/reader_call.hpp"

namespace penumbra::modbus {
namespace {

// A refused point is asked for again after this, then after twice as long; in between it costs no time. One that has
// answered before exists: the device refuses it for the moment (it restarts, its program is stopped), and what is not
// asked for meanwhile is lost.
constexpr std::int64_t kFirstWaitNs = 60 * kNsPerSecond;
constexpr std::int64_t kFirstWaitOfKnownNs = 5 * kNsPerSecond;
constexpr std::int64_t kLongestWaitNs = ThingReader::kRecheckS * kNsPerSecond;
constexpr std::int64_t kLongestWaitOfKnownNs = 5 * 60 * kNsPerSecond;
// Names in one line of log.
constexpr std::size_t kMaxNames = 8;

std::string PlaceText(Table table, std::uint32_t first, std::uint32_t last) {
  std::string text = std::string(NameOf(table)) + " " + std::to_string(first);
  if (last != first) text += "-" + std::to_string(last);
  return text;
}

bool Overlap(const Item& item, const Range& range) {
  return item.table == range.table && range.first < item.address + std::uint32_t{item.count} &&
         range.last >= item.address;
}

}  // namespace

// Takes over what fits the configuration of today.
void ThingReader::Recall(const Learned& known) {
  const std::int64_t age_s = hooks_.unix_s() - known.checked_s;
  if (age_s >= kExpireS) return;
  if (known.max_words) limits_.max_words = std::min(limits_.max_words, *known.max_words);
  if (known.max_bits) limits_.max_bits = std::min(limits_.max_bits, *known.max_bits);
  for (const Range& hole : known.holes) {
    const bool needed = std::ranges::any_of(options_.points, [&](const auto& p) { return Overlap(p.item(), hole); });
    if (!needed) limits_.forbidden.push_back(hole);
  }
  limits_.seams.insert(limits_.seams.end(), known.seams.begin(), known.seams.end());
  for (const RefusedItem& refused : known.refused) {
    for (std::uint32_t i = 0; i < options_.points.size(); ++i) {
      const Item item = options_.points[i].item();
      if (item.table != refused.item.table || item.address != refused.item.address ||
          item.count != refused.item.count) {
        continue;
      }
      refusals_[i] = {.exception = refused.exception, .ask_again_ns = -1, .wait_ns = kFirstWaitNs};
    }
  }
  // A clock that was behind when it was learned, or is now, must not put the next look off for years.
  checked_s_ = age_s < 0 ? hooks_.unix_s() : known.checked_s;
}

Learned ThingReader::learned() const {
  const Limits& configured = options_.limits;
  Learned learned{.checked_s = checked_s_};
  if (limits_.max_words < configured.max_words) learned.max_words = limits_.max_words;
  if (limits_.max_bits < configured.max_bits) learned.max_bits = limits_.max_bits;
  learned.holes.assign(limits_.forbidden.begin() + std::ssize(configured.forbidden), limits_.forbidden.end());
  learned.seams = limits_.seams;
  for (const auto& [point, refusal] : refusals_) {
    learned.refused.push_back({options_.points[point].item(), refusal.exception});
  }
  return learned;
}

void ThingReader::Keep() {
  changed_ = false;
  Learned now = learned();
  if (now.empty()) checked_s_ = 0;
  if (hooks_.keep) hooks_.keep(now);
}

void ThingReader::Changed() {
  plan_valid_ = false;
  changed_ = true;
  if (checked_s_ == 0) checked_s_ = hooks_.unix_s();
}

// A block planned before the limit was learned is planned again. Answers false when it is within the limits.
bool ThingReader::SplitByLimit(const Block& block, Call& call) {
  if (block.count <= LimitOf(block.table) || block.items.size() == 1) return false;
  const std::vector<Block> parts = PlanOf(call.points, block.items);
  if (parts.size() == 1) return false;
  for (const Block& part : parts) {
    ReadBlock(part, call);
    if (call.cancelled) return true;
    if (call.fate == Fate::kRefused && part.items.size() == 1) LearnRefusal(part.items[0], call);
  }
  call.fate = Fate::kFailed;
  return true;
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
  Fate fates[2];
  for (const Block* half : {&left, &right}) {
    ReadBlock(*half, call);
    if (call.cancelled) return;
    fates[half == &right] = call.fate;
    if (call.fate == Fate::kRefused && half->items.size() == 1) LearnRefusal(half->items[0], call);
  }
  if (fates[0] == Fate::kRead && fates[1] == Fate::kRead) LearnFromSplit(block, left, right, exception, call);
  // Refused as a whole: whoever split the block that this one is half of must not conclude that both halves are fine.
  call.fate = Fate::kFailed;
}

ThingReader::Fate ThingReader::Probe(Table table, std::uint32_t first, std::uint32_t count, Call& call) {
  if (call.cancelled || call.stop != nullptr || call.line.NowNs() >= call.budget.deadline_ns) return Fate::kFailed;
  const Request request =
      ReadRequest(options_.unit, table, static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(count));
  const Outcome outcome = call.line.Exchange(request, options_, call.budget);
  if (outcome.kind == Outcome::Kind::kCancelled) call.cancelled = true;
  if (outcome.kind == Outcome::Kind::kAnswer) {
    longest_[IsBits(table)] = std::max(longest_[IsBits(table)], count);
    return Fate::kRead;
  }
  if (outcome.kind == Outcome::Kind::kException && IsAboutPlace(outcome.exception)) return Fate::kRefused;
  return Fate::kFailed;
}

// Both halves can be read and the whole cannot: the registers between them are refused, or the whole is too long, or
// it reaches over a seam.
void ThingReader::LearnFromSplit(const Block& whole, const Block& left, const Block& right, std::uint8_t exception,
                                 Call& call) {
  const std::uint32_t left_end = left.address + left.count;
  if (right.address > left_end) {
    const Fate fate = Probe(whole.table, left_end, right.address - left_end, call);
    if (fate == Fate::kFailed) return;
    if (fate == Fate::kRefused) {
      limits_.forbidden.push_back({.table = whole.table, .first = left_end, .last = right.address - 1u});
      Changed();
      return Log("refuses " + PlaceText(whole.table, left_end, right.address - 1u) +
                 " (which no point needs): " + ExceptionReason(exception) + "; read around it from now on");
    }
  }
  LearnLength(whole, left.count, exception, call);
}

// Every register of `whole` can be read, the first `good` of them in one request, all of them not.
void ThingReader::LearnLength(const Block& whole, std::uint32_t good, std::uint8_t exception, Call& call) {
  std::uint32_t bad = whole.count;
  while (bad - good > 1) {
    const std::uint32_t middle = good + (bad - good) / 2;
    switch (Probe(whole.table, whole.address, middle, call)) {
      case Fate::kRead:
        good = middle;
        break;
      case Fate::kRefused:
        bad = middle;
        break;
      case Fate::kFailed:
        return;  // found out another time
    }
  }
  const bool bits = IsBits(whole.table);
  const Seam place{.table = whole.table, .before = whole.address + good};
  if (good < longest_[bits]) {
    limits_.seams.push_back(place);
    Changed();
    return Log("answers both sides of " + PlaceText(whole.table, place.before, place.before) +
               " but no request across it: " + ExceptionReason(exception) + "; read in two from now on");
  }
  (bits ? limits_.max_bits : limits_.max_words) = static_cast<std::uint16_t>(good);
  length_place_[bits] = place;
  Changed();
  // It may have been a seam after all: asked once elsewhere, soon.
  PlanLengthRecheck(whole.table);
  Log("answers at most " + std::to_string(good) + (bits ? " bits" : " registers") +
      " in one request: " + ExceptionReason(exception) + "; read in such parts from now on");
}

void ThingReader::LearnRefusal(std::uint32_t k, Call& call) {
  const std::uint32_t point = call.points[k];
  const bool fresh = !refusals_.contains(point);
  const std::int64_t wait_ns = has_answered_[point] ? kFirstWaitOfKnownNs : kFirstWaitNs;
  refusals_[point] = {.exception = call.refusal, .ask_again_ns = call.line.NowNs() + wait_ns, .wait_ns = wait_ns};
  if (!fresh) return;
  call.refused.push_back(point);
  Changed();
}

void ThingReader::Refuse(std::uint32_t point, std::int64_t now_ns) {
  Refusal& refusal = refusals_.at(point);
  refusal.wait_ns = std::min(refusal.wait_ns * 2, has_answered_[point] ? kLongestWaitOfKnownNs : kLongestWaitNs);
  refusal.ask_again_ns = now_ns + refusal.wait_ns;
}

void ThingReader::Accept(std::uint32_t point) {
  refusals_.erase(point);
  // The device is itself again, perhaps: those that used to answer are asked for now.
  for (auto& [other, refusal] : refusals_) {
    if (!has_answered_[other]) continue;
    refusal.ask_again_ns = 0;
    refusal.wait_ns = kFirstWaitOfKnownNs;
  }
  Changed();
  const Item item = options_.points[point].item();
  Log("answers point " + options_.points[point].name + " (" +
      PlaceText(item.table, item.address, item.address + item.count - 1u) + ") again");
}

// One line for each range of refused points that lie side by side.
void ThingReader::ReportRefusals(Call& call) {
  std::vector<std::uint32_t>& refused = call.refused;
  const auto item_of = [this](std::uint32_t point) { return options_.points[point].item(); };
  std::ranges::sort(refused, [&](std::uint32_t a, std::uint32_t b) {
    return std::pair(item_of(a).table, item_of(a).address) < std::pair(item_of(b).table, item_of(b).address);
  });
  for (std::size_t begin = 0; begin < refused.size();) {
    const Item first = item_of(refused[begin]);
    const std::uint8_t exception = refusals_[refused[begin]].exception;
    std::uint32_t end_address = first.address;
    std::string names;
    std::size_t end = begin;
    for (; end < refused.size(); ++end) {
      const Item item = item_of(refused[end]);
      if (item.table != first.table || item.address > end_address || refusals_[refused[end]].exception != exception) {
        break;
      }
      end_address = std::max<std::uint32_t>(end_address, item.address + item.count);
      if (end - begin < kMaxNames) names += (end == begin ? "" : ", ") + options_.points[refused[end]].name;
    }
    const std::size_t count = end - begin;
    if (count > kMaxNames) names += " and " + std::to_string(count - kMaxNames) + " more";
    Log("refuses " + std::string(count == 1 ? "point " : "points ") + names + " (" +
        PlaceText(first.table, first.address, end_address - 1) + "): " + ExceptionReason(exception) +
        "; read apart from the others from now on");
    begin = end;
  }
}

void ThingReader::PlanRechecks() {
  const auto configured = std::ssize(options_.limits.forbidden);
  for (auto hole = limits_.forbidden.begin() + configured; hole != limits_.forbidden.end(); ++hole) {
    rechecks_.push_back({Recheck::Kind::kHole, hole->table, hole->first, hole->last});
  }
  for (const Seam& seam : limits_.seams) {
    rechecks_.push_back({Recheck::Kind::kSeam, seam.table, seam.before - 1, seam.before});
  }
  if (limits_.max_words < options_.limits.max_words) {
    PlanLengthRecheck(Table::kHolding);
    PlanLengthRecheck(Table::kInput);
  }
  if (limits_.max_bits < options_.limits.max_bits) {
    PlanLengthRecheck(Table::kCoil);
    PlanLengthRecheck(Table::kDiscrete);
  }
  checked_s_ = hooks_.unix_s();
  changed_ = true;
}

// One request that is longer than the limit, over registers that points need, and not over the place where the limit
// was found.
void ThingReader::PlanLengthRecheck(Table table) {
  const bool bits = IsBits(table);
  Limits wide = LimitsNow();
  (bits ? wide.max_bits : wide.max_words) = bits ? options_.limits.max_bits : options_.limits.max_words;
  wide.max_gap = 0;
  if (length_place_[bits] && length_place_[bits]->table == table) wide.seams.push_back(*length_place_[bits]);
  std::vector<Item> items;
  for (std::uint32_t i = 0; i < options_.points.size(); ++i) {
    const Item item = options_.points[i].item();
    if (item.table == table && !refusals_.contains(i)) items.push_back(item);
  }
  for (const Block& block : PlanReads(items, wide, costs_)) {
    if (block.count <= LimitOf(table)) continue;
    // Just above the limit: also a device that now takes somewhat more shows it.
    rechecks_.push_back({Recheck::Kind::kLength, table, block.address, block.address + std::uint32_t{LimitOf(table)}});
    return;
  }
}

// One of them, behind the poll and only when that went well.
void ThingReader::RunRecheck(Call& call) {
  if (call.cancelled || call.failure != nullptr || call.out_of_time) return;
  const Recheck recheck = rechecks_.back();
  const Fate fate = Probe(recheck.table, recheck.first, recheck.last - recheck.first + 1, call);
  if (call.cancelled || fate == Fate::kFailed) return;
  rechecks_.pop_back();
  if (fate == Fate::kRead) Unlearn(recheck);
}

void ThingReader::Unlearn(const Recheck& recheck) {
  const std::string place = PlaceText(recheck.table, recheck.first, recheck.last);
  switch (recheck.kind) {
    case Recheck::Kind::kHole:
      std::erase_if(limits_.forbidden, [&](const Range& r) {
        return r.table == recheck.table && r.first == recheck.first && r.last == recheck.last;
      });
      Log("answers " + place + " again");
      break;
    case Recheck::Kind::kSeam:
      std::erase_if(limits_.seams, [&](const Seam& s) { return s.table == recheck.table && s.before == recheck.last; });
      Log("answers requests across " + place + " again");
      break;
    case Recheck::Kind::kLength: {
      const bool bits = IsBits(recheck.table);
      longest_[bits] = std::max(longest_[bits], recheck.last - recheck.first + 1);
      (bits ? limits_.max_bits : limits_.max_words) = bits ? options_.limits.max_bits : options_.limits.max_words;
      std::erase_if(rechecks_,
                    [&](const Recheck& r) { return r.kind == Recheck::Kind::kLength && IsBits(r.table) == bits; });
      Log("answers " + place + " in one request: its limit lies elsewhere and is looked for anew");
      break;
    }
  }
  Changed();
}

void ThingReader::Log(const std::string& text) const {
  hooks_.log(options_.name + ": unit " + std::to_string(options_.unit) + " " + text);
}

}  // namespace penumbra::modbus
