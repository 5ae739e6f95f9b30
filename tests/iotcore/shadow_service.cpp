#include "iotcore/shadow_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "iotcore/words.hpp"

namespace penumbra::iotcore {

struct ShadowService::Request {
  Key key;
  std::string prefix;  // $aws/things/<thing>/shadow[/name/<shadow>]
  std::string operation;
  std::int64_t now_ms = 0;
  std::optional<std::string> token;

  std::int64_t now_s() const { return now_ms / 1000; }
  std::string Topic(std::string_view kind) const { return fmt::format("{}/{}/{}", prefix, operation, kind); }
};

namespace {

struct Refusal {
  int code;
  std::string message;
};

int Levels(const Json& value) {
  if (!value.is_object() && !value.is_array()) return 0;
  int inner = 0;
  for (const Json& member : value) inner = std::max(inner, Levels(member));
  return 1 + inner;
}

// null somewhere below an array.
bool NullInArray(const Json& value, bool inside_array) {
  if (value.is_null()) return inside_array;
  if (!value.is_structured()) return false;
  const bool inside = inside_array || value.is_array();
  return std::any_of(value.begin(), value.end(), [inside](const Json& member) { return NullInArray(member, inside); });
}

std::optional<Refusal> CheckSections(const Json& state) {
  for (const auto& [name, section] : state.items()) {
    if (name != "desired" && name != "reported") {
      return Refusal{400, fmt::format("State contains an invalid node: '{}'", name)};
    }
  }
  for (const auto& [name, section] : state.items()) {
    if (section.is_null() || section.is_object()) continue;
    return Refusal{400, fmt::format("{} node must be an object", name == "desired" ? "Desired" : "Reported")};
  }
  return std::nullopt;
}

// Steps 3 to 10 of device-shadow.md, section 3; the rest needs the document.
std::optional<Refusal> CheckBody(const Json& body, const ShadowLimits& limits) {
  if (const auto token = body.find("clientToken"); token != body.end()) {
    if (!token->is_string() || token->get_ref<const std::string&>().size() > limits.max_client_token_bytes) {
      return Refusal{400, "Invalid clientToken"};
    }
  }
  const auto state = body.find("state");
  if (state == body.end()) return Refusal{400, "Missing required node: state"};
  if (!state->is_null() && !state->is_object()) return Refusal{400, "State node must be an object"};
  if (state->is_object()) {
    if (auto refusal = CheckSections(*state)) return refusal;
    for (const Json& section : *state) {
      if (Levels(section) > limits.max_depth) {
        return Refusal{400, fmt::format("JSON contains too many levels of nesting; maximum is {}", limits.max_depth)};
      }
    }
    if (NullInArray(*state, false)) return Refusal{400, "Invalid JSON: arrays must not contain null"};
  }
  const auto version = body.find("version");
  if (version != body.end() && !version->is_null()) {
    if (!version->is_number_integer()) return Refusal{400, "Invalid version"};
    if (!version->is_number_unsigned() && version->get<std::int64_t>() < 0) return Refusal{400, "Invalid version"};
  }
  return std::nullopt;
}

Json Snapshot(const ShadowDocument& document) {
  return {{"state", document.State()}, {"metadata", document.Metadata()}, {"version", document.version}};
}

void Put(Json& message, const std::optional<std::string>& token) {
  if (token) message["clientToken"] = *token;
}

std::string NoShadow(const std::string& thing, const std::string& shadow) {
  const std::string name = shadow.empty() ? thing : fmt::format("{}~{}", thing, shadow);
  return fmt::format("No shadow exists with name: '{}'", name);
}

}  // namespace

std::vector<std::string> ShadowService::Filters() {
  std::vector<std::string> filters;
  for (const char* prefix : {"$aws/things/+/shadow", "$aws/things/+/shadow/name/+"}) {
    for (const char* operation : {"update", "get", "delete"})
      filters.push_back(fmt::format("{}/{}", prefix, operation));
  }
  return filters;
}

std::vector<ShadowMessage> ShadowService::Handle(std::string_view topic, std::string_view payload,
                                                 std::int64_t now_ms) {
  const std::vector<std::string> parts = Split(topic, '/');
  const bool classic = parts.size() == 5;
  const bool named = parts.size() == 7 && parts[4] == "name";
  if ((!classic && !named) || parts[0] != "$aws" || parts[1] != "things" || parts[3] != "shadow") return {};
  Request request;
  request.operation = parts.back();
  if (request.operation != "update" && request.operation != "get" && request.operation != "delete") return {};
  request.key = {parts[2], named ? parts[5] : ""};
  if (!IsThingName(request.key.first) || (named && !IsThingName(request.key.second, limits_.max_shadow_name_bytes))) {
    ++counters_.ignored_names;
    return {};
  }
  request.prefix = std::string(topic.substr(0, topic.rfind('/')));
  request.now_ms = now_ms;

  ++counters_.requests;
  std::vector<ShadowMessage> out;
  if (request.operation == "update") {
    Update(request, payload, out);
  } else {
    // Content is ignored but for a token.
    if (const auto body = ParseJson(payload); body && body->is_object())
      request.token = GetString(*body, "clientToken");
    if (!TakeSlot(request.key.first, now_ms)) {
      ++counters_.throttled;
      Reject(request, 429, "Too many requests in flight", out);
    } else if (request.operation == "get" && !faults.inject_get.empty()) {
      RejectInjected(request, faults.inject_get, out);
    } else if (request.operation == "get") {
      Get(request, out);
    } else {
      Delete(request, out);
    }
  }
  Schedule(request.key.first, now_ms, out);
  return out;
}

void ShadowService::Update(const Request& given, std::string_view payload, std::vector<ShadowMessage>& out) {
  Request request = given;
  if (!TakeSlot(request.key.first, request.now_ms)) {
    ++counters_.throttled;
    if (const auto body = ParseJson(payload); body && body->is_object())
      request.token = GetString(*body, "clientToken");
    return Reject(request, 429, "Too many requests in flight", out);
  }
  if (!IsUtf8(payload)) {
    return Reject(request, 415, "Unsupported documented encoding; supported encoding is UTF-8", out);
  }
  const auto body = ParseJson(payload);
  if (!body) return Reject(request, 400, "Invalid JSON", out);
  if (!body->is_object()) return Reject(request, 400, "Invalid JSON: not an object", out);
  if (auto token = GetString(*body, "clientToken"); token && token->size() <= limits_.max_client_token_bytes) {
    request.token = std::move(token);
  }
  if (const auto refusal = CheckBody(*body, limits_)) return Reject(request, refusal->code, refusal->message, out);
  if (faults.inject.empty()) return ApplyUpdate(request, *body, out);

  if (faults.inject_applies) {
    std::vector<ShadowMessage> published;
    ApplyUpdate(request, *body, published);
    // Everybody hears of the change, only the answer to the sender is wrong.
    for (ShadowMessage& message : published) {
      if (message.topic != request.Topic("accepted")) out.push_back(std::move(message));
    }
  }
  RejectInjected(request, faults.inject, out);
}

void ShadowService::RejectInjected(const Request& request, std::vector<int>& codes, std::vector<ShadowMessage>& out) {
  const int code = codes.front();
  codes.erase(codes.begin());
  ++counters_.injected;
  const char* const message = code == 409   ? "Version conflict"
                              : code == 429 ? "Rate exceeded"
                                            : "Internal service failure";
  Reject(request, code, message, out);
}

void ShadowService::ApplyUpdate(const Request& request, const Json& body, std::vector<ShadowMessage>& out) {
  Entry* entry = Find(request.key, request.now_ms);
  const ShadowDocument* before = entry != nullptr && entry->document ? &*entry->document : nullptr;
  const std::int64_t tombstone = entry != nullptr && !entry->document ? entry->version : 0;
  const std::int64_t current = before != nullptr ? before->version : 0;
  const auto version = body.find("version");
  if (version != body.end() && !version->is_null() && GetInt(body, "version") != current) {
    return Reject(request, 409, "Version conflict", out);
  }
  const Json& state = body.at("state");
  ShadowDocument after = before != nullptr ? *before : ShadowDocument{};
  after.Apply(state, request.now_s());
  after.version = (before != nullptr ? current : tombstone) + 1;
  if (after.Bytes() > limits_.max_document_bytes) {
    return Reject(request, 413, "The payload exceeds the maximum size allowed", out);
  }

  ++counters_.accepted;
  const std::int64_t now_s = request.now_s();
  Json accepted = {
      {"state", state}, {"metadata", StampLikeRequest(state, now_s)}, {"version", after.version}, {"timestamp", now_s}};
  Put(accepted, request.token);
  out.push_back({request.Topic("accepted"), accepted.dump(), 0});
  if (const auto delta = after.Delta()) {
    Json message = {
        {"state", delta->state}, {"metadata", delta->metadata}, {"version", after.version}, {"timestamp", now_s}};
    Put(message, request.token);
    out.push_back({request.Topic("delta"), message.dump(), 0});
  }
  Json documents = {
      {"previous", before != nullptr ? Snapshot(*before) : Json()}, {"current", Snapshot(after)}, {"timestamp", now_s}};
  Put(documents, request.token);
  out.push_back({request.Topic("documents"), documents.dump(), 0});
  shadows_[request.key] = Entry{std::move(after), 0, 0};
}

void ShadowService::Get(const Request& request, std::vector<ShadowMessage>& out) {
  const Entry* entry = Find(request.key, request.now_ms);
  if (entry == nullptr || !entry->document) {
    return Reject(request, 404, NoShadow(request.key.first, request.key.second), out);
  }
  ++counters_.accepted;
  Json message = Snapshot(*entry->document);
  if (const auto delta = entry->document->Delta()) message["state"]["delta"] = delta->state;
  message["timestamp"] = request.now_s();
  Put(message, request.token);
  out.push_back({request.Topic("accepted"), message.dump(), 0});
}

void ShadowService::Delete(const Request& request, std::vector<ShadowMessage>& out) {
  Entry* entry = Find(request.key, request.now_ms);
  if (entry == nullptr || !entry->document) {
    return Reject(request, 404, NoShadow(request.key.first, request.key.second), out);
  }
  ++counters_.accepted;
  const std::int64_t version = entry->document->version;
  *entry = Entry{std::nullopt, version + 1, request.now_ms};
  Json message = {{"version", version}, {"timestamp", request.now_s()}};
  Put(message, request.token);
  out.push_back({request.Topic("accepted"), message.dump(), 0});
}

void ShadowService::Reject(const Request& request, int code, const std::string& message,
                           std::vector<ShadowMessage>& out) {
  ++counters_.rejected;
  ++counters_.rejected_by_code[code];
  Json body = {{"code", code}, {"message", message}};
  if (code != 404) body["timestamp"] = request.now_s();
  Put(body, request.token);
  out.push_back({request.Topic("rejected"), body.dump(), 0});
}

ShadowService::Entry* ShadowService::Find(const Key& key, std::int64_t now_ms) {
  const auto it = shadows_.find(key);
  if (it == shadows_.end()) return nullptr;
  if (!it->second.document && now_ms - it->second.deleted_at_ms > limits_.tombstone_ms) {
    shadows_.erase(it);
    return nullptr;
  }
  return &it->second;
}

bool ShadowService::TakeSlot(const std::string& thing, std::int64_t now_ms) {
  auto& waiting = in_flight_[thing];
  std::erase_if(waiting, [now_ms](std::int64_t due) { return due <= now_ms; });
  return static_cast<int>(waiting.size()) < limits_.max_in_flight;
}

void ShadowService::Schedule(const std::string& thing, std::int64_t now_ms, std::vector<ShadowMessage>& out) {
  const auto chance = [this](double probability) {
    return probability > 0 && std::uniform_real_distribution<double>(0, 1)(random_) < probability;
  };
  if (faults.shuffle) std::shuffle(out.begin(), out.end(), random_);
  const auto due = [this, now_ms] {
    std::int64_t at = now_ms + faults.delay_ms;
    if (faults.jitter_ms > 0) at += std::uniform_int_distribution<std::int64_t>(0, faults.jitter_ms)(random_);
    return at;
  };
  std::vector<ShadowMessage> sent;
  std::int64_t last_due = now_ms;
  for (ShadowMessage& message : out) {
    if (!faults.only.empty() && !message.topic.ends_with("/" + faults.only)) {
      message.due_ms = now_ms;
      sent.push_back(std::move(message));
      continue;
    }
    message.due_ms = due();
    last_due = std::max(last_due, message.due_ms);
    if (chance(faults.drop)) {
      ++counters_.dropped;
      continue;
    }
    if (chance(faults.duplicate)) sent.push_back({message.topic, message.payload, due()});
    sent.push_back(std::move(message));
  }
  out = std::move(sent);
  if (last_due > now_ms) in_flight_[thing].push_back(last_due);
}

void ShadowService::Load(const std::string& thing, const std::string& shadow, const Json& state, std::int64_t version,
                         std::int64_t timestamp_s) {
  ShadowDocument document;
  document.Apply(state, timestamp_s);
  document.version = version;
  shadows_[{thing, shadow}] = Entry{std::move(document), 0, 0};
}

void ShadowService::LoadTombstone(const std::string& thing, const std::string& shadow, std::int64_t version,
                                  std::int64_t deleted_at_ms) {
  shadows_[{thing, shadow}] = Entry{std::nullopt, version, deleted_at_ms};
}

Json ShadowService::Peek(const std::string& thing, const std::string& shadow, std::int64_t now_ms) const {
  const auto it = shadows_.find({thing, shadow});
  if (it == shadows_.end()) return nullptr;
  if (it->second.document) return Snapshot(*it->second.document);
  if (now_ms - it->second.deleted_at_ms > limits_.tombstone_ms) return nullptr;
  return {{"deleted", true}, {"version", it->second.version}};
}

}  // namespace penumbra::iotcore
