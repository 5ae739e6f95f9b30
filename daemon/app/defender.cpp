#include "app/defender.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "base/log.hpp"

namespace penumbra {
namespace {

// The id of an earlier run; 0: there is none.
std::int64_t StoredId(const Store& store) {
  const std::string text = store.Setting(Defender::kReportIdSetting).value_or("");
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  return error == std::errc() && end == text.data() + text.size() && id > 0 ? id : 0;
}

Duration Interval(const HealthSettings& settings) {
  return std::max(settings.interval, kLeastDefenderInterval);
}

}  // namespace

std::optional<NetworkTotals> ParseNetworkTotals(std::string_view proc_net_dev) {
  std::istringstream lines{std::string(proc_net_dev)};
  NetworkTotals totals;
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(' ');
    if (line.substr(begin, colon - begin) == "lo") continue;
    std::istringstream fields(line.substr(colon + 1));
    std::array<std::uint64_t, 10> numbers{};
    bool whole = true;
    for (std::uint64_t& number : numbers) whole = whole && static_cast<bool>(fields >> number);
    if (!whole) continue;
    found = true;
    totals.bytes_in += numbers[0];
    totals.packets_in += numbers[1];
    totals.bytes_out += numbers[8];
    totals.packets_out += numbers[9];
  }
  return found ? std::optional(totals) : std::nullopt;
}

Json DefenderReport(const Json& figures, std::int64_t report_id, const std::optional<NetworkTotals>& before,
                    const std::optional<NetworkTotals>& now) {
  Json report = {{"header", {{"report_id", report_id}, {"version", "1.0"}}}};
  for (const CustomMetric& metric : kCustomMetrics) {
    report["custom_metrics"][metric.name] = Json::array({Json{{"number", figures.at(metric.name)}}});
  }
  if (!before || !now) return report;
  // An interface that went away takes its counters along.
  const auto since = [](std::uint64_t from, std::uint64_t to) { return to >= from ? to - from : 0; };
  report["metrics"] = {{"network_stats",
                        {{"bytes_in", since(before->bytes_in, now->bytes_in)},
                         {"bytes_out", since(before->bytes_out, now->bytes_out)},
                         {"packets_in", since(before->packets_in, now->packets_in)},
                         {"packets_out", since(before->packets_out, now->packets_out)}}}};
  return report;
}

std::vector<std::string> Defender::Subscriptions() const {
  if (!world_.settings.defender) return {};
  const std::string topic = DefenderTopic(world_.gateway);
  return {topic + "/accepted", topic + "/rejected"};
}

// The id is the time of its report, or later where the clock was put back: as if the last report had been then, but
// never so that the next one waits for longer than one interval.
void Defender::Recall() {
  recalled_ = true;
  last_id_ = StoredId(world_.store);
  if (last_id_ == 0) return;
  const std::int64_t longest_s = Interval(world_.settings) / std::chrono::seconds(1);
  const std::chrono::seconds since(
      std::clamp<std::int64_t>(world_.time_trust.UnixMs() / 1000 - last_id_, 0, longest_s));
  told_at_ = world_.loop.Now() - since;
}

void Defender::Tell(ThingLink& link, const Json& figures) {
  if (!recalled_) Recall();
  const BootTime now = world_.loop.Now();
  if (told_at_ && now - *told_at_ < Interval(world_.settings)) return;
  if (arrived_ && answer_ == Answer::kNone) Settle("unanswered", "");
  told_at_ = now;
  arrived_ = false;
  answer_ = Answer::kNone;
  last_id_ = std::max(last_id_ + 1, world_.time_trust.UnixMs() / 1000);
  world_.store.PutSetting(kReportIdSetting, std::to_string(last_id_), {});
  const auto network = ParseNetworkTotals(world_.proc_net_dev());
  link.Publish(DefenderTopic(world_.gateway), Dump(DefenderReport(figures, last_id_, counted_, network)),
               [this, number = ++number_, network](const Status& taken) {
                 if (taken) Arrived(number, network);
               });
}

// AWS counts from when it got the report, which was not later than now. What a lost or a refused report counted is part
// of the next one.
void Defender::Arrived(std::uint64_t number, const std::optional<NetworkTotals>& sent) {
  if (number != number_) return;
  told_at_ = world_.loop.Now();
  arrived_ = true;
  if (answer_ == Answer::kRejected) return;  // it may come before the PUBACK
  counted_before_ = counted_;
  counted_ = sent;
}

void Defender::OnMessage(const std::string& topic, const std::string& payload) {
  const std::string reports = DefenderTopic(world_.gateway);
  if (topic == reports + "/accepted") {
    answer_ = Answer::kAccepted;
    Settle("accepted", "");
  } else if (topic == reports + "/rejected") {
    if (arrived_ && answer_ == Answer::kNone) counted_ = counted_before_;
    answer_ = Answer::kRejected;
    Settle("rejected", RejectionReason(payload));
  }
}

void Defender::Settle(const std::string& answer, std::string reason) {
  const bool news = answer != state_.answer || reason != state_.reason;
  state_.answer = answer;
  state_.reason = std::move(reason);
  state_.at_ms = world_.time_trust.UnixMs();
  if (!news) return;
  if (answer == "accepted") {
    log::Info("health.defender_accepted", "Device Defender takes the metrics");
  } else if (answer == "rejected") {
    log::Warning("health.defender_rejected",
                 "Device Defender takes no metrics; were its custom metrics created, and as numbers?",
                 {{"answer", state_.reason}});
  } else {
    log::Warning("health.defender_unanswered", "Device Defender has answered nothing to the last report",
                 {{"report", last_id_}});
  }
}

DefenderState Defender::state() const {
  DefenderState state = state_;
  state.on = world_.settings.defender && !world_.gateway.empty();
  return state;
}

}  // namespace penumbra
