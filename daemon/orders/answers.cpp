#include "orders/answers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace penumbra::orders {
namespace {

// As the cloud takes it: one line without control characters (C0, DEL and, in UTF-8, C1), and not empty.
std::string Plain(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) text.erase(i, 1);
    if (byte < 0x20 || byte == 0x7F || c1) text[i] = ' ';
  }
  return text.empty() ? "-" : Cut(std::move(text), kMaxDetailBytes);
}

std::string Text(const Json& value) {
  return Plain(value.is_string() ? value.get<std::string>() : Dump(value));
}

// The Jobs service rejects the whole update for one key that is not of [a-zA-Z0-9:_-], and so would never hear the end.
std::string DetailKey(std::string key) {
  for (char& c : key) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != ':' && c != '_' && c != '-') c = '_';
  }
  return key.empty() ? "_" : Cut(std::move(key), kMaxDetailKeyBytes);
}

const char* JobStatus(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSucceeded:
      return "SUCCEEDED";
    case Verdict::kFailed:
    case Verdict::kCancelled:  // whoever cancelled it does not ask; should the cloud do so all the same, it was not
                               // done
      return "FAILED";
    case Verdict::kRejected:
      return "REJECTED";
    case Verdict::kNone:
      break;
  }
  return "IN_PROGRESS";
}

const char* ReasonCode(const OrderRow& row) {
  if (row.verdict == Verdict::kRejected) return row.action.empty() ? "UNREADABLE" : "REJECTED";
  return row.verdict == Verdict::kSucceeded ? "OK" : "FAILED";
}

Json Details(const OrderRow& row) {
  Json details = Json::object();
  if (!row.reason.empty()) details["reason"] = Plain(row.reason);
  for (const auto& [key, value] : row.result.items()) {
    if (details.size() >= kMaxDetails) break;
    details[DetailKey(key)] = Text(value);
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
    answer["statusReason"] = {{"reasonCode", ReasonCode(row)}, {"reasonDescription", Plain(row.reason)}};
  }
  if (!row.result.empty()) answer["result"] = Results(row);
  return Dump(answer);
}

}  // namespace penumbra::orders
