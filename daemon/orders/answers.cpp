#include "orders/answers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace penumbra::orders {
namespace {

std::string Text(const Json& value) {
  return Cut(value.is_string() ? value.get<std::string>() : Dump(value), kMaxDetailBytes);
}

const char* JobStatus(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSucceeded:
      return "SUCCEEDED";
    case Verdict::kFailed:
      return "FAILED";
    case Verdict::kRejected:
      return "REJECTED";
    case Verdict::kNone:
      break;
  }
  return "IN_PROGRESS";
}

const char* ReasonCode(Verdict verdict) {
  return verdict == Verdict::kFailed ? "FAILED" : verdict == Verdict::kRejected ? "REJECTED" : "OK";
}

Json Details(const OrderRow& row) {
  Json details = Json::object();
  if (!row.reason.empty()) details["reason"] = Cut(row.reason, kMaxDetailBytes);
  for (const auto& [key, value] : row.result.items()) {
    if (details.size() >= kMaxDetails) break;
    details[Cut(key, kMaxDetailKeyBytes)] = Text(value);
  }
  return details;
}

Json Results(const OrderRow& row) {
  Json results = Json::object();
  for (const auto& [key, value] : row.result.items()) {
    results[key] = value.is_boolean() ? Json{{"b", value}} : Json{{"s", Text(value)}};
  }
  return results;
}

}  // namespace

std::string Cut(std::string text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  text.resize(bytes);
  return text;
}

std::string CommandAnswerTopic(const std::string& thing) {
  return "sensors/" + thing + "/command/ack";
}

std::string CommandAnswer(const OrderRow& row, bool final) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  Json answer = {{"id", row.anonymous ? Json() : or_null(row.id)},
                 {"action", or_null(row.action)},
                 {"status", final ? ToString(row.verdict) : "accepted"},
                 {"reason", final ? or_null(row.reason) : Json()}};
  if (final && !row.result.empty()) answer["result"] = row.result;
  return Dump(answer);
}

std::string JobUpdateTopic(const std::string& thing, const std::string& job) {
  return fmt::format("$aws/things/{}/jobs/{}/update", thing, job);
}

std::string JobUpdate(const OrderRow& row, bool final, const std::string& token, const std::string& boot_id) {
  Json update = {{"status", JobStatus(final ? row.verdict : Verdict::kNone)},
                 {"expectedVersion", row.version},
                 {"executionNumber", row.number},
                 {"includeJobExecutionState", true},
                 {"clientToken", token}};
  update["statusDetails"] = final ? Details(row) : Json{{"step", row.action}, {"boot", boot_id}};
  return Dump(update);
}

std::string ExecutionAnswerTopic(const std::string& thing, const std::string& execution) {
  return fmt::format("$aws/commands/things/{}/executions/{}/response/json", thing, execution);
}

std::string ExecutionAnswer(const OrderRow& row, bool final) {
  Json answer = {{"status", JobStatus(final ? row.verdict : Verdict::kNone)}};
  if (!final) return Dump(answer);
  if (!row.reason.empty()) {
    answer["statusReason"] = {{"reasonCode", ReasonCode(row.verdict)},
                              {"reasonDescription", Cut(row.reason, kMaxDetailBytes)}};
  }
  if (!row.result.empty()) answer["result"] = Results(row);
  return Dump(answer);
}

}  // namespace penumbra::orders
