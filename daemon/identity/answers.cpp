#include "identity/answers.hpp"

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace penumbra::identity {
namespace {

constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxConfiguration = 100;

tl::unexpected<Error> Nonsense(std::string_view what) {
  return Fail(Action::kBackOff, fmt::format("the cloud's answer makes no sense: {}", what));
}

// At most `limit` bytes of foreign text on one line.
std::string Quote(std::string text, std::size_t limit = 300) {
  if (text.size() > limit) text = text.substr(0, limit) + "...";
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return text;
}

std::string Advice(std::int64_t status, const std::string& template_name) {
  if (status == 401 || status == 403) {
    return fmt::format(
        "the template {}, its hook or the policy of this certificate does not allow it; is the thing (or its "
        "serial number) known there?",
        template_name);
  }
  if (status == 404) return fmt::format("is there a template called {} in this account and region?", template_name);
  if (status == 409) return "the thing exists already and the template forbids to change it (OverrideSettings)";
  return fmt::format("see the parameters that the template {} asks for (--parameter KEY=VALUE)", template_name);
}

}  // namespace

std::string ProvisionTopic(const std::string& template_name) {
  return "$aws/provisioning-templates/" + template_name + "/provision/json";
}

Result<IssuedCertificate> ReadIssued(std::string_view payload) {
  if (payload.size() > kMaxAnswerBytes) return Nonsense("it is too large");
  const auto json = ParseJson(payload);
  if (!json || !json->is_object()) return Nonsense("it is not a JSON object");
  IssuedCertificate issued{GetString(*json, "certificateId").value_or(""),
                           GetString(*json, "certificatePem").value_or(""),
                           GetString(*json, "certificateOwnershipToken").value_or("")};
  if (issued.pem.find("-----BEGIN CERTIFICATE-----") == std::string::npos) return Nonsense("no certificatePem");
  if (issued.token.empty() || issued.token.size() > kMaxTokenBytes) return Nonsense("no certificateOwnershipToken");
  if (issued.id.empty() || issued.id.size() > kMaxName) return Nonsense("no certificateId");
  return issued;
}

Result<RegisteredThing> ReadRegistered(std::string_view payload) {
  if (payload.size() > kMaxAnswerBytes) return Nonsense("it is too large");
  const auto json = ParseJson(payload);
  if (!json || !json->is_object()) return Nonsense("it is not a JSON object");
  RegisteredThing registered;
  registered.thing = GetString(*json, "thingName").value_or("");
  if (registered.thing.empty() || registered.thing.size() > kMaxName) return Nonsense("no thingName");
  const auto configuration = json->find("deviceConfiguration");
  if (configuration == json->end() || !configuration->is_object()) return registered;
  for (const auto& [key, value] : configuration->items()) {
    if (registered.configuration.size() >= kMaxConfiguration) break;
    if (value.is_string()) registered.configuration[key] = value.get<std::string>();
  }
  return registered;
}

Error ReadRejected(std::string_view payload, const std::string& template_name) {
  const auto json = payload.size() <= kMaxAnswerBytes ? ParseJson(payload) : Result<Json>(Json());
  const Json body = json && json->is_object() ? *json : Json::object();
  const std::int64_t status = GetInt(body, "statusCode").value_or(0);
  const std::string code = Quote(GetString(body, "errorCode").value_or("no code"), 100);
  const std::string why = Quote(GetString(body, "errorMessage").value_or("no message"));
  const std::string said = fmt::format("the cloud refuses: {} ({}, {})", why, code, status);
  if (code == "InvalidCertificateOwnershipToken") {
    return {Action::kRetry,
            said + "; the certificate's token is used up or older than an hour, so a new one is needed"};
  }
  if (status == 0 || status == 429 || status >= 500) return {Action::kBackOff, said};
  return {Action::kGiveUp, fmt::format("{}; {}", said, Advice(status, template_name))};
}

}  // namespace penumbra::identity
