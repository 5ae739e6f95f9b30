#include "iotcore/provisioning_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/text.hpp"
#include "iotcore/words.hpp"

namespace penumbra::iotcore {
namespace {

constexpr const char* kUsage =
    "usage: provisioning template NAME JSON | certificates [THING] | activate|deactivate|revoke|delete|detach ID|THING "
    "| "
    "things | refuse|allow SERIAL | expire | fault ...";

constexpr const char* kDefaultTemplate = R"({
  "Parameters": {
    "ThingName": {"Type": "String"},
    "SerialNumber": {"Type": "String", "Default": ""},
    "ParentThing": {"Type": "String", "Default": ""},
    "AWS::IoT::Certificate::Id": {"Type": "String"}
  },
  "Resources": {
    "thing": {
      "Type": "AWS::IoT::Thing",
      "Properties": {
        "ThingName": {"Ref": "ThingName"},
        "AttributePayload": {"serial": {"Ref": "SerialNumber"}, "parent": {"Ref": "ParentThing"}}
      },
      "OverrideSettings": {"AttributePayload": "MERGE"}
    },
    "certificate": {
      "Type": "AWS::IoT::Certificate",
      "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"}
    },
    "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "penumbra"}}
  },
  "DeviceConfiguration": {}
})";

constexpr const char* kCsrTopic = "$aws/certificates/create-from-csr/json";
constexpr const char* kKeysTopic = "$aws/certificates/create/json";

Result<std::string> Evaluate(const Json& value, const Json& names, const Json& mappings, std::size_t depth);

Result<std::vector<std::string>> EvaluateList(const Json& list, const Json& names, const Json& mappings,
                                              std::size_t depth) {
  if (list.is_object() && list.contains("Fn::Split")) {
    const Json& arguments = list["Fn::Split"];
    if (!arguments.is_array() || arguments.size() != 2 || !arguments[0].is_string() ||
        arguments[0].get_ref<const std::string&>().size() != 1) {
      return Fail(Action::kGiveUp, "Fn::Split takes a separator of one character and a text");
    }
    const auto text = Evaluate(arguments[1], names, mappings, depth + 1);
    if (!text) return Fail(text.error());
    return Split(*text, arguments[0].get_ref<const std::string&>()[0]);
  }
  if (!list.is_array()) return Fail(Action::kGiveUp, "a list was expected");
  std::vector<std::string> values;
  for (const Json& item : list) {
    auto value = Evaluate(item, names, mappings, depth + 1);
    if (!value) return Fail(value.error());
    values.push_back(std::move(*value));
  }
  return values;
}

// "a-${Name}" with the names replaced.
Result<std::string> Substitute(const std::string& text, const Json& names) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find("${", at), end = text.find('}', begin);
    out += text.substr(at, begin - at);
    if (begin == std::string::npos) break;
    if (end == std::string::npos) return Fail(Action::kGiveUp, "Fn::Sub: a brace is missing");
    const auto value = GetString(names, text.substr(begin + 2, end - begin - 2));
    if (!value)
      return Fail(Action::kGiveUp, fmt::format("parameter {} is missing", text.substr(begin, end - begin + 1)));
    out += *value;
    at = end + 1;
  }
  return out;
}

Result<std::string> Evaluate(const Json& value, const Json& names, const Json& mappings, std::size_t depth) {
  if (depth > ProvisioningTemplate::kMaxDepth) return Fail(Action::kGiveUp, "the template is nested too deeply");
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object() || value.size() != 1) return Fail(Action::kGiveUp, "a string or an intrinsic was expected");
  const std::string& function = value.begin().key();
  const Json& arguments = value.begin().value();
  const bool pair = arguments.is_array() && arguments.size() == 2;
  if (function == "Ref" && arguments.is_string()) {
    const auto found = GetString(names, arguments.get<std::string>());
    if (!found) return Fail(Action::kGiveUp, fmt::format("parameter {} is missing", arguments.get<std::string>()));
    return *found;
  }
  if (function == "Fn::Sub" && arguments.is_string()) return Substitute(arguments.get<std::string>(), names);
  if (function == "Fn::Join" && pair && arguments[0].is_string()) {
    const auto parts = EvaluateList(arguments[1], names, mappings, depth);
    if (!parts) return Fail(parts.error());
    return fmt::format("{}", fmt::join(*parts, arguments[0].get<std::string>()));
  }
  if (function == "Fn::Select" && pair) {
    const auto index =
        WholeNumber(arguments[0].is_string() ? arguments[0].get<std::string>() : arguments[0].dump(), 1000);
    const auto parts = EvaluateList(arguments[1], names, mappings, depth);
    if (!parts) return Fail(parts.error());
    if (!index || static_cast<std::size_t>(*index) >= parts->size())
      return Fail(Action::kGiveUp, "Fn::Select: no such index");
    return (*parts)[static_cast<std::size_t>(*index)];
  }
  if (function == "Fn::FindInMap" && arguments.is_array() && arguments.size() == 3) {
    const auto path = EvaluateList(arguments, names, mappings, depth);
    if (!path) return Fail(path.error());
    const Json* level = &mappings;
    for (std::size_t i = 0; i < 2 && level != nullptr; ++i) {
      level = level->is_object() && level->contains((*path)[i]) ? &(*level)[(*path)[i]] : nullptr;
    }
    const auto found = level != nullptr ? GetString(*level, (*path)[2]) : std::nullopt;
    if (!found) return Fail(Action::kGiveUp, fmt::format("Fn::FindInMap: nothing at {}", fmt::join(*path, ".")));
    return *found;
  }
  return Fail(Action::kGiveUp, fmt::format("'{}' is not understood here", function));
}

bool IsObjectOf(const Json& json, const char* key) {
  return json.contains(key) && json[key].is_object();
}

}  // namespace

Result<ProvisioningTemplate> ProvisioningTemplate::Parse(const std::string& text) {
  if (text.size() > kMaxBytes) return Fail(Action::kGiveUp, "a template has at most 10 KB");
  auto json = ParseJson(text);
  if (!json) return Fail(json.error().WithContext("template"));
  if (!json->is_object() || !IsObjectOf(*json, "Parameters") || !IsObjectOf(*json, "Resources")) {
    return Fail(Action::kGiveUp, "a template needs Parameters and Resources");
  }
  int things = 0;
  for (const auto& [name, resource] : (*json)["Resources"].items()) {
    const std::string type = GetString(resource, "Type").value_or("");
    if (type != "AWS::IoT::Thing" && type != "AWS::IoT::Certificate" && type != "AWS::IoT::Policy") {
      return Fail(Action::kGiveUp, fmt::format("resource {}: Type '{}' is not known", name, type));
    }
    if (!IsObjectOf(resource, "Properties"))
      return Fail(Action::kGiveUp, fmt::format("resource {}: no Properties", name));
    things += type == "AWS::IoT::Thing" ? 1 : 0;
  }
  if (things != 1) return Fail(Action::kGiveUp, "a template has one resource AWS::IoT::Thing");
  ProvisioningTemplate parsed;
  parsed.template_ = std::move(*json);
  return parsed;
}

Result<ProvisioningTemplate::Outcome> ProvisioningTemplate::Apply(const Json& parameters,
                                                                  const std::string& certificate_id) const {
  Json names = Json::object();
  for (const auto& [name, declared] : template_["Parameters"].items()) {
    if (const auto fallback = GetString(declared, "Default")) names[name] = *fallback;
    if (const auto given = GetString(parameters, name)) names[name] = *given;
  }
  names["AWS::IoT::Certificate::Id"] = certificate_id;
  const Json mappings = template_.value("Mappings", Json::object());
  const auto evaluate = [&](const Json& value) { return Evaluate(value, names, mappings, 0); };
  Outcome outcome;
  for (const auto& [label, resource] : template_["Resources"].items()) {
    const Json& properties = resource["Properties"];
    const std::string type = *GetString(resource, "Type");
    if (type == "AWS::IoT::Certificate") outcome.activate = properties.value("Status", Json("ACTIVE")) != "INACTIVE";
    if (type != "AWS::IoT::Thing") continue;
    const auto thing = evaluate(properties.value("ThingName", Json()));
    if (!thing) return Fail(thing.error().WithContext("ThingName"));
    if (!IsThingName(*thing)) return Fail(Action::kGiveUp, fmt::format("'{}' is no thing name", *thing));
    outcome.thing = *thing;
    const Json attributes = properties.value("AttributePayload", Json::object());
    for (const auto& [key, value] : attributes.items()) {
      const auto text = evaluate(value);
      if (!text) return Fail(text.error().WithContext(key));
      if (!text->empty()) outcome.attributes[key] = *text;
    }
    const Json overrides = resource.value("OverrideSettings", Json::object());
    outcome.attributes_override = GetString(overrides, "AttributePayload").value_or("MERGE");
    outcome.must_be_new = std::any_of(overrides.begin(), overrides.end(), [](const Json& o) { return o == "FAIL"; });
  }
  const Json configuration = template_.value("DeviceConfiguration", Json::object());
  for (const auto& [key, value] : configuration.items()) {
    const auto text = evaluate(value);
    if (!text) return Fail(text.error().WithContext(key));
    outcome.device_configuration[key] = *text;
  }
  return outcome;
}

ProvisioningService::ProvisioningService(CertificateRegistry& registry, CertificateOffice& office)
    : registry_(registry), office_(office) {
  templates_.emplace("penumbra", *ProvisioningTemplate::Parse(kDefaultTemplate));
}

std::vector<std::string> ProvisioningService::Filters() const {
  return {kCsrTopic, kKeysTopic, "$aws/provisioning-templates/+/provision/json"};
}

std::vector<Message> ProvisioningService::OnMessage(std::string_view topic, std::string_view payload,
                                                    std::int64_t now_ms) {
  const std::vector<std::string> levels = Split(topic, '/');
  const bool create = topic == kCsrTopic || topic == kKeysTopic;
  const bool provision =
      levels.size() == 5 && levels[0] == "$aws" && levels[1] == "provisioning-templates" && levels[3] == "provision";
  if (!create && !provision) return {};
  Expire(now_ms);
  const auto body = payload.empty() ? Result<Json>(Json::object()) : ParseJson(payload);
  Answer answer = tl::unexpected(Error{400, "InvalidRequest", "the payload is no JSON object"});
  if (const auto injected = faults_.TakeInjected()) {
    const int status = static_cast<int>(WholeNumber(*injected, 599).value_or(500));
    answer = tl::unexpected(Error{status, status == 429 ? "Throttled" : "InternalFailure", "injected"});
  } else if (body && body->is_object()) {
    answer = create ? Create(topic == kCsrTopic, *body, now_ms) : Register(levels[2], *body, now_ms);
  }
  if (!answer) ++rejected_[answer.error().code];
  const Json out = answer ? *answer
                          : Json{{"statusCode", answer.error().status},
                                 {"errorCode", answer.error().code},
                                 {"errorMessage", answer.error().message}};
  return faults_.Pass({{fmt::format("{}/{}", topic, answer ? "accepted" : "rejected"), Dump(out)}}, now_ms);
}

ProvisioningService::Answer ProvisioningService::Create(bool from_csr, const Json& body, std::int64_t now_ms) {
  if (TooFast(creates_, from_csr ? kCsrPerSecond : kRegisterPerSecond, now_ms) || tokens_.size() >= kMaxTokens) {
    return tl::unexpected(Error{429, "Throttled", "too many certificates a second"});
  }
  const auto csr = GetString(body, "certificateSigningRequest");
  if (from_csr && !csr) return tl::unexpected(Error{400, "InvalidRequest", "certificateSigningRequest is missing"});
  const auto issued = from_csr ? office_.SignRequest(*csr) : office_.MakeKeysAndCertificate();
  if (!issued) return tl::unexpected(Error{400, "InvalidCertificateSigningRequest", issued.error().message});
  CertificateRecord record{.id = issued->id, .pem = issued->pem, .status = CertificateStatus::kPendingActivation};
  record.created_ms = now_ms;
  if (const Status added = registry_.Add(std::move(record)); !added) {
    return tl::unexpected(Error{500, "InternalFailure", added.error().message});
  }
  ++created_;
  const std::string token = fmt::format("ownership-token-{}-{}", next_token_++, issued->id.substr(0, 32));
  tokens_[token] = {issued->id, now_ms + kTokenLifeMs};
  Json answer = {{"certificateId", issued->id}, {"certificatePem", issued->pem}, {"certificateOwnershipToken", token}};
  if (!from_csr) answer["privateKey"] = issued->key;
  return answer;
}

ProvisioningService::Answer ProvisioningService::Register(const std::string& name, const Json& body,
                                                          std::int64_t now_ms) {
  if (TooFast(registers_, kRegisterPerSecond, now_ms)) {
    return tl::unexpected(Error{429, "Throttled", "too many things a second"});
  }
  const auto found = templates_.find(name);
  if (found == templates_.end()) {
    return tl::unexpected(Error{404, "ResourceNotFound", fmt::format("there is no template '{}'", name)});
  }
  const auto token = tokens_.find(GetString(body, "certificateOwnershipToken").value_or(""));
  if (token == tokens_.end()) {
    return tl::unexpected(
        Error{400, "InvalidCertificateOwnershipToken", "the token is unknown, used up or older than an hour"});
  }
  const Json parameters = body.value("parameters", Json::object());
  if (!parameters.is_object() ||
      !std::all_of(parameters.begin(), parameters.end(), [](const Json& p) { return p.is_string(); })) {
    return tl::unexpected(Error{400, "InvalidRequest", "parameters are an object of strings"});
  }
  if (refused_serials_.count(GetString(parameters, "SerialNumber").value_or("")) > 0) {
    return tl::unexpected(Error{403, "AccessDenied", "the pre-provisioning hook does not allow it"});
  }
  const std::string certificate = token->second.certificate;
  const auto outcome = found->second.Apply(parameters, certificate);
  if (!outcome) return tl::unexpected(Error{400, "InvalidParameters", outcome.error().message});
  const bool exists = registry_.things().count(outcome->thing) > 0;
  if (exists && outcome->must_be_new) {
    return tl::unexpected(Error{409, "ResourceConflict", fmt::format("there is a thing '{}' already", outcome->thing)});
  }
  registry_.Attach(certificate, outcome->thing);
  Json& attributes = registry_.things()[outcome->thing];
  if (!exists || outcome->attributes_override == "REPLACE") attributes = Json::object();
  if (!exists || outcome->attributes_override != "DO_NOTHING") attributes.update(outcome->attributes);
  registry_.SetStatus(certificate, outcome->activate ? CertificateStatus::kActive : CertificateStatus::kInactive);
  tokens_.erase(token);
  ++registered_;
  return Json{{"deviceConfiguration", outcome->device_configuration}, {"thingName", outcome->thing}};
}

bool ProvisioningService::TooFast(std::deque<std::int64_t>& last_second, int per_second, std::int64_t now_ms) {
  while (!last_second.empty() && last_second.front() <= now_ms - 1000) last_second.pop_front();
  if (last_second.size() >= static_cast<std::size_t>(per_second)) return true;
  last_second.push_back(now_ms);
  return false;
}

// A certificate that nobody registered within the hour is deleted.
void ProvisioningService::Expire(std::int64_t now_ms) {
  for (auto it = tokens_.begin(); it != tokens_.end();) {
    if (it->second.expires_ms > now_ms) {
      ++it;
      continue;
    }
    registry_.Remove(it->second.certificate);
    it = tokens_.erase(it);
    ++expired_;
  }
}

std::optional<std::int64_t> ProvisioningService::NextDue() const {
  std::optional<std::int64_t> due = faults_.NextDue();
  for (const auto& [name, token] : tokens_) {
    if (!due || token.expires_ms < *due) due = token.expires_ms;
  }
  return due;
}

std::vector<Message> ProvisioningService::OnTick(std::int64_t now_ms) {
  Expire(now_ms);
  return faults_.OnTick(now_ms);
}

Result<Service::Reply> ProvisioningService::OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) {
  (void)now_ms;
  if (words.empty()) return Fail(Action::kGiveUp, kUsage);
  const std::string& verb = words[0];
  if (verb == "fault") {
    if (const Status set = faults_.OnCommand({words.begin() + 1, words.end()}); !set) return Fail(set.error());
    return Reply{nullptr, {}};
  }
  if (verb == "certificates" && words.size() <= 2) return Reply{registry_.List(words.size() == 2 ? words[1] : ""), {}};
  if (verb == "things" && words.size() == 1) return Reply{Json(registry_.things()), {}};
  if (verb == "expire" && words.size() == 1) {
    Expire(INT64_MAX);
    return Reply{nullptr, {}};
  }
  if (verb == "template" && words.size() == 3) {
    auto parsed = ProvisioningTemplate::Parse(words[2]);
    if (!parsed) return Fail(parsed.error());
    templates_.insert_or_assign(words[1], std::move(*parsed));
    return Reply{nullptr, {}};
  }
  if (verb == "refuse" && words.size() == 2) {
    refused_serials_[words[1]] = true;
    return Reply{nullptr, {}};
  }
  if (verb == "allow" && words.size() == 2) {
    refused_serials_.erase(words[1]);
    return Reply{nullptr, {}};
  }
  return ChangeStatus(words);
}

Result<Service::Reply> ProvisioningService::ChangeStatus(const std::vector<std::string>& words) {
  static const std::map<std::string, CertificateStatus> kStatuses = {{"activate", CertificateStatus::kActive},
                                                                     {"deactivate", CertificateStatus::kInactive},
                                                                     {"revoke", CertificateStatus::kRevoked}};
  const auto status = kStatuses.find(words[0]);
  if (words.size() != 2 || (status == kStatuses.end() && words[0] != "delete" && words[0] != "detach"))
    return Fail(Action::kGiveUp, kUsage);
  const CertificateRecord* record = registry_.Find(words[1]);
  if (record == nullptr) record = registry_.NewestOf(words[1]);
  if (record == nullptr) {
    return Fail(Action::kGiveUp, fmt::format("there is no certificate '{}', nor one of such a thing", words[1]));
  }
  const std::string id = record->id;
  if (words[0] == "detach") {
    registry_.Attach(id, "");
  } else if (status == kStatuses.end()) {
    registry_.Remove(id);
  } else {
    registry_.SetStatus(id, status->second);
  }
  return Reply{{{"certificateId", id}}, {}};
}

Json ProvisioningService::Summary() const {
  return {{"created", created_},   {"registered", registered_},     {"expired", expired_},
          {"rejected", rejected_}, {"open_tokens", tokens_.size()}, {"faults", faults_.Summary()}};
}

}  // namespace penumbra::iotcore
