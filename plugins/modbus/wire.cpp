#include "modbus/wire.hpp"

#include <algorithm>
#include <string_view>

namespace penumbra::modbus {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
// After a connect that failed; other things of the bus get the reason at once instead of waiting for it each.
constexpr std::int64_t kConnectHoldNs = 200 * kNsPerMs;
// A connection on which so many requests in a row stay unanswered is renewed even though the other host is there.
constexpr int kTimeoutsUntilReconnect = 3;
// A unit that kept the connection for so long is news again when it costs us the next one.
constexpr std::int64_t kForgetGivenUpNs = 600'000 * kNsPerMs;
// Silence within a reply after which the rest will not come. USB adapters hand bytes over every 16 ms.
constexpr std::int64_t kByteTimeoutNs = 60 * kNsPerMs;
// How long after a request on the serial line its reply may still arrive: slow gateways and meters take 2 s.
constexpr std::int64_t kLateReplyNs = 3000 * kNsPerMs;
constexpr std::int64_t kMaxDrainNs = 300 * kNsPerMs;
constexpr std::int64_t kSocketSilenceNs = 30 * kNsPerMs;
constexpr std::int64_t kBusyPauseNs = 100 * kNsPerMs;
constexpr std::uint8_t kAcknowledge = 5;
constexpr std::uint8_t kBusy = 6;

bool SamePdu(const Pdu& a, const Pdu& b) {
  return std::ranges::equal(a.view(), b.view());
}

Outcome Failed(const char* reason) {
  return {.kind = Outcome::Kind::kFailed, .reason = reason};
}

}  // namespace

struct Wire::Wanted {
  const Request& request;
  Budget budget;
  std::int64_t timeout_ns;
  std::int64_t until_ns = 0;        // end of the wait for the reply
  std::int64_t sent_ns = 0;         // when the last character of the request had passed
  std::int64_t last_byte_ns = 0;    // when something came last
  const char* suspicion = nullptr;  // what is wrong with the bytes so far
  const char* foreign = nullptr;    // what came instead
  std::array<std::uint8_t, 1024> bytes{};
  std::size_t size = 0;
};

Wire::Wire(const BusOptions& bus, WireHooks hooks)
    : bus_(bus),
      hooks_(std::move(hooks)),
      port_(bus, hooks_.now_ns),
      framing_(bus.framing()),
      transaction_(static_cast<std::uint16_t>(hooks_.now_ns() >> 10)) {}

Outcome Wire::Exchange(const Request& request, const ThingOptions& thing, const Budget& budget) {
  Outcome outcome = Failed("deadline");
  for (std::uint32_t attempt = 0; attempt <= thing.retries; ++attempt) {
    if (attempt > 0 && hooks_.now_ns() >= budget.deadline_ns) break;
    outcome = Attempt(request, thing, budget);
    switch (outcome.kind) {
      case Outcome::Kind::kAnswer:
      case Outcome::Kind::kCancelled:
        return outcome;
      case Outcome::Kind::kException:
        if (outcome.exception != kAcknowledge && outcome.exception != kBusy) return outcome;
        if (attempt == thing.retries) return outcome;
        if (port_.Sleep(std::min(hooks_.now_ns() + kBusyPauseNs, budget.deadline_ns), budget.cancel_fd) ==
            Wait::kCancelled) {
          return {.kind = Outcome::Kind::kCancelled};
        }
        break;
      case Outcome::Kind::kFailed:
        if (connect_reason_ != nullptr) return outcome;  // no line: the next call tries again
        break;
    }
  }
  return outcome;
}

Outcome Wire::Attempt(const Request& request, const ThingOptions& thing, const Budget& budget) {
  if (framing_ == Framing::kRtu && CouldBeAnsweredByOther(request)) {
    ++units_[request.unit].withheld;
    Outcome outcome = Failed("timeout");
    outcome.waited = true;  // its time was spent when the late reply was waited for
    return outcome;
  }
  if (const char* reason = Connect(budget)) {
    return std::string_view(reason) == "cancelled" ? Outcome{.kind = Outcome::Kind::kCancelled} : Failed(reason);
  }
  Wanted wanted{.request = request, .budget = budget, .timeout_ns = ReplyTimeoutNs(bus_, thing, request)};
  if (const char* reason = SendRequest(wanted, thing)) {
    return std::string_view(reason) == "cancelled" ? Outcome{.kind = Outcome::Kind::kCancelled} : Failed(reason);
  }
  return Receive(wanted);
}

void Wire::ForgetAllBut(const std::set<std::uint8_t>& known) {
  std::erase_if(units_, [&known](const auto& unit) { return !known.contains(unit.first); });
}

const char* Wire::Connect(const Budget& budget) {
  // A peer that closed an idle connection, or an adapter that was pulled out: not this request's fault, so a new
  // connection is tried at once.
  if (port_.is_open()) {
    if (Discard() < 0) port_.Close();
  }
  if (port_.is_open()) return nullptr;
  if (connect_reason_ != nullptr && hooks_.now_ns() < connect_again_ns_) return connect_reason_;
  const char* reason = port_.Open(budget);
  if (reason != nullptr && std::string_view(reason) == "cancelled") return reason;
  if (reason != nullptr) {
    ++counters_.connect_failures;
    connect_again_ns_ = hooks_.now_ns() + kConnectHoldNs;
    if (connect_reason_ == nullptr || std::string_view(connect_reason_) != reason) {
      hooks_.log(std::string(reason) + ": " +
                 (IsSocket(bus_.transport) ? bus_.host + " port " + std::to_string(bus_.port) : bus_.device));
    }
    connect_reason_ = reason;
    return reason;
  }
  ++counters_.connects;
  if (connect_reason_ != nullptr) hooks_.log("connected again");
  connect_reason_ = nullptr;
  timeouts_in_a_row_ = 0;
  last_unit_ = -1;
  line_free_ns_ = hooks_.now_ns() + bus_.pause_after_connect_ms * kNsPerMs;
  return nullptr;
}

const char* Wire::SendRequest(Wanted& wanted, const ThingOptions& thing) {
  std::int64_t pause_ns = thing.pause_ms * kNsPerMs;
  // Behind a serial server it is the server that keeps the gap.
  if (bus_.transport == Transport::kRtu) pause_ns = std::max(pause_ns, FrameGapNs(bus_));
  if (last_unit_ >= 0 && last_unit_ != wanted.request.unit) {
    pause_ns = std::max<std::int64_t>(pause_ns, bus_.turnaround_ms * kNsPerMs);
  }
  const std::int64_t may_send_ns = line_free_ns_ + pause_ns;
  if (may_send_ns > hooks_.now_ns()) {
    if (may_send_ns >= wanted.budget.deadline_ns) return "deadline";
    if (port_.Sleep(may_send_ns, wanted.budget.cancel_fd) == Wait::kCancelled) return "cancelled";
  }
  last_unit_ = wanted.request.unit;
  const Adu adu = BuildAdu(framing_, wanted.request, NextTransaction());
  ++units_[wanted.request.unit].requests;
  frames_.Add(hooks_.now_ns(), LoggedFrame::Kind::kSent, {adu.bytes.data(), adu.size});
  if (!port_.Send({adu.bytes.data(), adu.size}, wanted.budget)) {
    Disconnect(wanted.request.unit, "connection closed");
    return "connection closed";
  }
  const std::int64_t now = hooks_.now_ns();
  const bool serial = bus_.transport == Transport::kRtu;
  line_free_ns_ = serial ? now + CharactersNs(bus_, static_cast<std::int64_t>(adu.size)) : now;
  wanted.sent_ns = line_free_ns_;
  wanted.until_ns = std::min(now + wanted.timeout_ns, wanted.budget.deadline_ns);
  return nullptr;
}

// All 65536 numbers before one comes again, and not in an order that a confused server hits upon by counting.
std::uint16_t Wire::NextTransaction() {
  transaction_ = static_cast<std::uint16_t>(transaction_ * 25173u + 13849u);
  return transaction_;
}

Outcome Wire::Receive(Wanted& wanted) {
  while (true) {
    std::int64_t until_ns = wanted.until_ns;
    if (wanted.suspicion != nullptr) until_ns = std::min(until_ns, wanted.last_byte_ns + kByteTimeoutNs);
    switch (port_.WaitReadable(until_ns, wanted.budget.cancel_fd)) {
      case Wait::kCancelled:
        RememberUnanswered(wanted.request);
        return {.kind = Outcome::Kind::kCancelled};
      case Wait::kTimeout:
        return GiveUpWaiting(wanted);
      case Wait::kReady:
        break;
    }
    const int count = port_.Receive(std::span(wanted.bytes).subspan(wanted.size));
    if (count < 0) {
      Disconnect(wanted.request.unit, "connection closed");
      return Failed("connection closed");
    }
    if (count == 0) continue;
    frames_.Add(hooks_.now_ns(), LoggedFrame::Kind::kReceived,
                {wanted.bytes.data() + wanted.size, static_cast<std::size_t>(count)});
    wanted.size += static_cast<std::size_t>(count);
    wanted.last_byte_ns = line_free_ns_ = hooks_.now_ns();
    Outcome outcome;
    if (JudgeReceived(wanted, outcome)) return outcome;
    if (wanted.last_byte_ns >= wanted.until_ns) return GiveUpWaiting(wanted);
  }
}

// Answers whether the attempt is over, with its outcome.
bool Wire::JudgeReceived(Wanted& wanted, Outcome& outcome) {
  UnitCounters& unit = units_[wanted.request.unit];
  while (wanted.size > 0) {
    const Judgement judgement = JudgeReply(framing_, {wanted.bytes.data(), wanted.size}, wanted.request, transaction_);
    switch (judgement.verdict) {
      case Verdict::kMore:
        wanted.suspicion = judgement.reason;
        if (wanted.size < wanted.bytes.size()) return false;
        outcome = Failed("not a Modbus reply");
        break;
      case Verdict::kForeign:
        CountUnasked(std::span(wanted.bytes).first(judgement.consumed));
        if (judgement.reason != nullptr) wanted.foreign = judgement.reason;
        wanted.suspicion = nullptr;
        std::copy(wanted.bytes.begin() + static_cast<std::ptrdiff_t>(judgement.consumed),
                  wanted.bytes.begin() + static_cast<std::ptrdiff_t>(wanted.size), wanted.bytes.begin());
        wanted.size -= judgement.consumed;
        continue;
      case Verdict::kBroken:
        outcome = Failed(judgement.reason);
        break;
      case Verdict::kException:
        ++unit.exceptions[judgement.exception];
        unit.round_trips.Add(wanted.last_byte_ns - wanted.sent_ns);
        timeouts_in_a_row_ = 0;
        outcome = {.kind = Outcome::Kind::kException, .exception = judgement.exception, .time_ns = wanted.last_byte_ns};
        return true;
      case Verdict::kAnswer:
        ++unit.answers;
        unit.last_good_ns = wanted.last_byte_ns;
        unit.round_trips.Add(wanted.last_byte_ns - wanted.sent_ns);
        timeouts_in_a_row_ = 0;
        outcome = {.kind = Outcome::Kind::kAnswer, .time_ns = wanted.last_byte_ns};
        std::copy(judgement.pdu.begin(), judgement.pdu.end(), outcome.pdu.bytes.begin());
        outcome.pdu.size = static_cast<std::uint16_t>(judgement.pdu.size());
        return true;
    }
    // Broken: where the next frame begins is no longer known.
    CountBadFrame(wanted.request, outcome.reason);
    if (framing_ == Framing::kTcp) {
      Disconnect(wanted.request.unit, outcome.reason);
    } else {
      DrainToSilence(wanted.budget);
    }
    return true;
  }
  wanted.suspicion = nullptr;
  return false;
}

Outcome Wire::GiveUpWaiting(Wanted& wanted) {
  const Request& request = wanted.request;
  const char* damage = framing_ == Framing::kTcp && wanted.size > 0 ? "incomplete reply" : wanted.suspicion;
  if (damage != nullptr) {
    CountBadFrame(request, damage);
  } else {
    ++units_[request.unit].timeouts;
    frames_.Note(hooks_.now_ns(), "timeout");
  }
  ++timeouts_in_a_row_;
  // A frame that came damaged is dealt with; one that did not come may come yet.
  if (damage == nullptr || std::string_view(damage) != "bad CRC") RememberUnanswered(request);
  // On TCP the transaction id keeps late replies apart, so one silent unit behind a gateway does not cost the others
  // their connection. A path that is dead, or a server that only listens, does need a new one.
  const bool lost_place = framing_ == Framing::kTcp && damage != nullptr;
  if (IsSocket(bus_.transport) &&
      (lost_place || timeouts_in_a_row_ >= kTimeoutsUntilReconnect || !port_.PeerAcknowledged())) {
    port_.Close();
  } else if (framing_ == Framing::kRtu) {
    DrainToSilence(wanted.budget);
  }
  Outcome outcome = Failed(damage != nullptr ? damage : wanted.foreign != nullptr ? wanted.foreign : "timeout");
  outcome.waited = hooks_.now_ns() >= wanted.until_ns;
  return outcome;
}

void Wire::Disconnect(std::uint8_t unit, const char* reason) {
  port_.Close();
  const std::int64_t now = hooks_.now_ns();
  const auto [known, first] = given_up_.try_emplace(unit, GivenUp{reason, now});
  const bool told =
      !first && std::string_view(known->second.reason) == reason && now - known->second.last_ns < kForgetGivenUpNs;
  known->second = {reason, now};
  if (!told) hooks_.log("connection given up at unit " + std::to_string(unit) + ": " + reason);
}

// Throws away what has come unasked, after a look at whose it is. Answers the bytes; negative: the line is gone.
int Wire::Discard() {
  std::array<std::uint8_t, 1024> seen;
  std::size_t size = 0;
  const int count = port_.Discard([&](std::span<const std::uint8_t> bytes) {
    const auto part = bytes.first(std::min(bytes.size(), seen.size() - size));
    std::copy(part.begin(), part.end(), seen.begin() + static_cast<std::ptrdiff_t>(size));
    size += part.size();
  });
  if (count <= 0) return count;
  counters_.stale_bytes += static_cast<std::uint64_t>(count);
  frames_.Add(hooks_.now_ns(), LoggedFrame::Kind::kStale, {seen.data(), size});
  CountUnasked({seen.data(), size});
  return count;
}

// Whole replies in what nobody waits for.
void Wire::CountUnasked(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const auto head = WholeReply(framing_, bytes);
    if (head) CountForeign(*head);
    if (!head && framing_ == Framing::kTcp) return;  // without a length there is no next frame
    bytes = bytes.subspan(head ? head->size : 1);
  }
}

void Wire::CountForeign(const FrameHead& head) {
  const std::int64_t now = hooks_.now_ns();
  const auto late = std::ranges::find_if(unanswered_, [&](const Unanswered& other) {
    return now < other.until_ns && other.request.unit == head.unit &&
           (framing_ == Framing::kRtu || other.transaction == head.transaction);
  });
  const auto unit = units_.find(head.unit);
  if (late != unanswered_.end()) {
    ++units_[head.unit].late;
    return;
  }
  ++(unit != units_.end() ? unit->second.foreign : counters_.foreign);
  if (anomalies_.OnForeign(now)) Freeze("replies that nobody asked for");
}

void Wire::Freeze(const char* anomaly) {
  frozen_ = frames_;
  ++counters_.anomalies;
  counters_.anomaly = anomaly;
  hooks_.anomaly(anomaly);
}

void Wire::CountBadFrame(const Request& request, const char* reason) {
  UnitCounters& unit = units_[request.unit];
  ++(std::string_view(reason) == "bad CRC" ? unit.bad_crc : unit.bad_frames);
  const std::int64_t now = hooks_.now_ns();
  frames_.Note(now, reason);
  if (anomalies_.OnBadFrame(now)) Freeze("many damaged replies");
}

// Throws away what still comes until the line has been quiet for a frame gap.
void Wire::DrainToSilence(const Budget& budget) {
  const std::int64_t end_ns = std::min(hooks_.now_ns() + kMaxDrainNs, budget.deadline_ns);
  // The network tears gaps into a frame that the line does not have.
  const std::int64_t gap_ns =
      bus_.transport == Transport::kRtu ? std::max(FrameGapNs(bus_), CharactersNs(bus_, 4)) : kSocketSilenceNs;
  while (hooks_.now_ns() < end_ns) {
    if (port_.WaitReadable(std::min(hooks_.now_ns() + gap_ns, end_ns), budget.cancel_fd) != Wait::kReady) return;
    if (Discard() < 0) return port_.Close();
    line_free_ns_ = hooks_.now_ns();
  }
}

bool Wire::CouldBeAnsweredByOther(const Request& request) const {
  const std::int64_t now = hooks_.now_ns();
  return std::ranges::any_of(unanswered_, [&](const Unanswered& other) {
    return now < other.until_ns && other.request.unit == request.unit &&
           other.request.pdu.bytes[0] == request.pdu.bytes[0] && ReplySize(other.request) == ReplySize(request) &&
           !SamePdu(other.request.pdu, request.pdu);
  });
}

void Wire::RememberUnanswered(const Request& request) {
  // On TCP the same request once more is another transaction, whose reply is known by its number.
  const auto same = [&](const Unanswered& other) {
    return framing_ == Framing::kRtu && other.request.unit == request.unit && SamePdu(other.request.pdu, request.pdu);
  };
  auto place = std::ranges::find_if(unanswered_, same);
  if (place == unanswered_.end()) place = std::ranges::min_element(unanswered_, {}, &Unanswered::until_ns);
  *place = {.request = request, .transaction = transaction_, .until_ns = hooks_.now_ns() + kLateReplyNs};
}

}  // namespace penumbra::modbus
