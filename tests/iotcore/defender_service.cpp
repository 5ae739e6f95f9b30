#include "iotcore/defender_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/text.hpp"
#include "iotcore/words.hpp"

namespace penumbra::iotcore {
namespace {

constexpr const char* kUsage =
    "usage: defender metric NAME number|number-list|string-list|ip-address-list | metrics [JSON] | get THING | "
    "interval SECONDS | fault ...";

// Every name of a report, short and long.
constexpr std::array<std::pair<std::string_view, std::string_view>, 22> kNames{{
    {"hed", "header"},
    {"rid", "report_id"},
    {"v", "version"},
    {"met", "metrics"},
    {"cmet", "custom_metrics"},
    {"tc", "tcp_connections"},
    {"ec", "established_connections"},
    {"cs", "connections"},
    {"rad", "remote_addr"},
    {"lp", "local_port"},
    {"li", "local_interface"},
    {"t", "total"},
    {"tp", "listening_tcp_ports"},
    {"up", "listening_udp_ports"},
    {"pts", "ports"},
    {"pt", "port"},
    {"if", "interface"},
    {"ns", "network_stats"},
    {"bi", "bytes_in"},
    {"bo", "bytes_out"},
    {"pi", "packets_in"},
    {"po", "packets_out"},
}};

struct Field {
  std::string_view name;  // the long one
  bool (*good)(const Json&);
  bool required = false;
};

std::string_view LongName(std::string_view name) {
  const auto known =
      std::find_if(kNames.begin(), kNames.end(), [name](const auto& pair) { return pair.first == name; });
  return known == kNames.end() || name.empty() ? name : known->second;
}

// An object of these fields, each under one of its names, and of no others.
bool Has(const Json& object, std::initializer_list<Field> fields) {
  if (!object.is_object()) return false;
  std::vector<std::string_view> seen;
  for (const auto& [key, value] : object.items()) {
    const std::string_view name = LongName(key);
    const auto field =
        std::find_if(fields.begin(), fields.end(), [name](const Field& candidate) { return candidate.name == name; });
    if (field == fields.end() || std::find(seen.begin(), seen.end(), name) != seen.end()) return false;
    if (!field->good(value)) return false;
    seen.push_back(name);
  }
  return std::all_of(fields.begin(), fields.end(), [&seen](const Field& field) {
    return !field.required || std::find(seen.begin(), seen.end(), field.name) != seen.end();
  });
}

// The member under its long or its short name, or null.
const Json& Member(const Json& object, std::string_view name) {
  static const Json kNone;
  for (const auto& [key, value] : object.items()) {
    if (LongName(key) == name) return value;
  }
  return kNone;
}

bool IsText(const Json& value) {
  return value.is_string();
}

bool IsCount(const Json& value) {
  return value.is_number_unsigned();
}

bool IsPort(const Json& value) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() > 0 && value.get<std::uint64_t>() <= 65'535;
}

bool IsListOf(const Json& value, bool (*good)(const Json&)) {
  return value.is_array() && std::all_of(value.begin(), value.end(), good);
}

// "192.168.0.1:8000", "[::1]:8000" and "::1:8000"
bool IsRemote(const Json& value) {
  if (!value.is_string()) return false;
  const std::string text = value.get<std::string>();
  const std::size_t colon = text.rfind(':');
  return colon != std::string::npos && colon > 0 && WholeNumber(text.substr(colon + 1), 65'535).has_value();
}

bool IsConnection(const Json& value) {
  return Has(value, {{"remote_addr", IsRemote, true}, {"local_port", IsCount}, {"local_interface", IsText}});
}

bool IsEstablished(const Json& value) {
  const auto connections = [](const Json& list) { return IsListOf(list, IsConnection); };
  return Has(value, {{"connections", connections}, {"total", IsCount}});
}

bool IsTcpConnections(const Json& value) {
  return Has(value, {{"established_connections", IsEstablished}});
}

bool IsListening(const Json& value) {
  const auto ports = [](const Json& list) {
    return IsListOf(list, [](const Json& port) { return Has(port, {{"port", IsPort}, {"interface", IsText}}); });
  };
  return Has(value, {{"ports", ports}, {"total", IsCount}});
}

bool IsNetworkStats(const Json& value) {
  return Has(value, {{"bytes_in", IsCount}, {"bytes_out", IsCount}, {"packets_in", IsCount}, {"packets_out", IsCount}});
}

bool IsMetrics(const Json& value) {
  return Has(value, {{"tcp_connections", IsTcpConnections},
                     {"listening_tcp_ports", IsListening},
                     {"listening_udp_ports", IsListening},
                     {"network_stats", IsNetworkStats}});
}

bool IsVersion(const Json& value) {
  if (!value.is_string()) return false;
  const std::vector<std::string> parts = Split(value.get<std::string>(), '.');
  return parts.size() == 2 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
           return WholeNumber(part, 1'000'000).has_value();
         });
}

bool IsReportId(const Json& value) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() > 0 && value.get<std::uint64_t>() <= INT64_MAX;
}

bool IsHeader(const Json& value) {
  return Has(value, {{"report_id", IsReportId, true}, {"version", IsVersion, true}});
}

bool IsNumber(const Json& value) {
  return value.is_number();
}

// A value of a custom metric as a report writes it, and the type that the metric must have.
struct ValueKind {
  std::string_view key, type;
  bool (*good)(const Json&);
};
constexpr std::array<ValueKind, 4> kKinds{{
    {"number", "number", IsNumber},
    {"number_list", "number-list", [](const Json& list) { return IsListOf(list, IsNumber); }},
    {"string_list", "string-list", [](const Json& list) { return IsListOf(list, IsText); }},
    {"ip_list", "ip-address-list", [](const Json& list) { return IsListOf(list, IsText); }},
}};

bool IsMetricName(const std::string& name) {
  return !name.empty() && name.size() <= DefenderService::kMaxMetricName && !name.starts_with("aws:") &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == ':' || c == '_' || c == '-'; });
}

}  // namespace

std::vector<Message> DefenderService::OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) {
  const std::vector<std::string> levels = Split(topic, '/');
  if (levels.size() != 6 || levels[0] != "$aws" || levels[1] != "things" || !IsThingName(levels[2])) return {};
  if (levels[3] != "defender" || levels[4] != "metrics" || levels[5] != "json") return {};
  std::optional<Refusal> refusal;
  Json answer = {{"thingName", levels[2]}, {"timestamp", now_ms}};
  if (devices_.count(levels[2]) == 0 && devices_.size() >= kMaxThings) {
    refusal = Refusal{"Throttled", "too many devices"};
  } else {
    Device& device = devices_[levels[2]];
    const auto report = ParseJson(payload);
    device.report = report ? *report : Json();
    refusal = Judge(device.report, device, now_ms);
    if (const auto injected = faults_.TakeInjected()) refusal = Refusal{*injected, "injected"};
    ++(refusal ? device.rejected : device.accepted);
    if (!refusal) {
      device.report_id = Member(Member(*report, "header"), "report_id").get<std::int64_t>();
      device.accepted_ms = now_ms;
      answer["reportId"] = device.report_id;
    }
    answer["status"] = refusal ? "REJECTED" : "ACCEPTED";
    if (refusal) answer["statusDetails"] = {{"ErrorCode", refusal->code}, {"ErrorMessage", refusal->message}};
    device.answer = answer;
  }
  ++(refusal ? rejected_ : accepted_);
  if (refusal && refusal->code == "Throttled") ++throttled_;
  return faults_.Pass({{fmt::format("{}/{}", topic, refusal ? "rejected" : "accepted"), Dump(answer)}}, now_ms);
}

std::optional<DefenderService::Refusal> DefenderService::Judge(const Json& report, Device& device,
                                                               std::int64_t now_ms) {
  const auto malformed = [](std::string_view why) {
    return Refusal{"InvalidPayload", fmt::format("Malformed metrics report: {}", why)};
  };
  const auto any = [](const Json& block) { return block.is_object(); };
  if (!Has(report, {{"header", IsHeader, true}, {"metrics", IsMetrics}, {"custom_metrics", any}})) {
    return malformed("header, metrics or custom_metrics");
  }
  const Json& metrics = Member(report, "metrics");
  const Json& custom = Member(report, "custom_metrics");
  if (metrics.is_null() && custom.is_null()) return malformed("neither metrics nor custom_metrics");
  if (std::string wrong = WrongMetrics(custom); !wrong.empty()) return malformed(wrong);
  if (device.accepted > 0 && now_ms - device.accepted_ms < interval_ms_) {
    return Refusal{"Throttled", fmt::format("more than one report in {} s", interval_ms_ / 1000)};
  }
  if (Member(Member(report, "header"), "report_id").get<std::int64_t>() <= device.report_id) {
    return malformed("report_id does not grow");
  }
  return std::nullopt;
}

std::string DefenderService::WrongMetrics(const Json& metrics) const {
  for (const auto& [name, value] : metrics.items()) {
    if (!value.is_array() || value.size() != 1 || !value[0].is_object() || value[0].size() != 1) {
      return fmt::format("custom metric {} is no array of one value", name);
    }
    const auto item = value[0].begin();
    const auto kind =
        std::find_if(kKinds.begin(), kKinds.end(), [&item](const ValueKind& known) { return known.key == item.key(); });
    if (kind == kKinds.end() || !kind->good(*item)) return fmt::format("custom metric {} has no known value", name);
    const auto created = metrics_.find(name);
    if (created == metrics_.end()) return fmt::format("custom metric {} was not created", name);
    if (created->second != kind->type) return fmt::format("custom metric {} is of type {}", name, created->second);
  }
  return {};
}

Status DefenderService::Create(const std::string& name, const std::string& type) {
  const bool known_type =
      std::any_of(kKinds.begin(), kKinds.end(), [&type](const auto& kind) { return kind.type == type; });
  if (!known_type || !IsMetricName(name)) return Fail(Action::kGiveUp, kUsage);
  if (metrics_.count(name) > 0 && metrics_[name] != type) {
    return Fail(Action::kGiveUp, fmt::format("ResourceAlreadyExistsException: {} is of type {}", name, metrics_[name]));
  }
  if (metrics_.count(name) == 0 && metrics_.size() >= kMaxMetrics) {
    return Fail(Action::kGiveUp, "LimitExceededException: an account has 100 custom metrics");
  }
  metrics_[name] = type;
  return {};
}

Result<Service::Reply> DefenderService::OnCommand(const std::vector<std::string>& words, std::int64_t) {
  if (words.empty()) return Fail(Action::kGiveUp, kUsage);
  const std::string& verb = words[0];
  if (verb == "fault") {
    if (const Status set = faults_.OnCommand({words.begin() + 1, words.end()}); !set) return Fail(set.error());
    return Reply{nullptr, {}};
  }
  if (verb == "metric" && words.size() == 3) {
    if (const Status created = Create(words[1], words[2]); !created) return Fail(created.error());
    return Reply{nullptr, {}};
  }
  if (verb == "metrics" && words.size() <= 2) {
    if (words.size() == 2) {
      const auto wanted = ParseJson(words[1]);
      if (!wanted || !wanted->is_object()) return Fail(Action::kGiveUp, kUsage);
      metrics_.clear();
      for (const auto& [name, type] : wanted->items()) {
        if (const Status created = Create(name, type.is_string() ? type.get<std::string>() : ""); !created) {
          return Fail(created.error());
        }
      }
    }
    return Reply{Json(metrics_), {}};
  }
  if (verb == "get" && words.size() == 2) {
    const auto it = devices_.find(words[1]);
    if (it == devices_.end()) return Fail(Action::kGiveUp, fmt::format("'{}' has not reported", words[1]));
    const Device& device = it->second;
    return Reply{{{"accepted", device.accepted},
                  {"rejected", device.rejected},
                  {"report", device.report},
                  {"answer", device.answer}},
                 {}};
  }
  if (verb == "interval" && words.size() == 2) {
    const auto seconds = WholeNumber(words[1], kIntervalS);
    if (!seconds) return Fail(Action::kGiveUp, kUsage);
    interval_ms_ = *seconds * 1000;
    return Reply{nullptr, {}};
  }
  return Fail(Action::kGiveUp, kUsage);
}

Json DefenderService::Summary() const {
  return {{"devices", devices_.size()}, {"metrics", metrics_},     {"accepted", accepted_},
          {"rejected", rejected_},      {"throttled", throttled_}, {"faults", faults_.Summary()}};
}

}  // namespace penumbra::iotcore
