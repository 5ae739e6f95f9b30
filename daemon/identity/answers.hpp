// What AWS IoT's fleet provisioning answers, read and put in plain language. Bytes from outside: nothing is believed.
// Pure; any thread. Source: aws-iot-core.md section 4.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace penumbra::identity {

inline constexpr std::size_t kMaxAnswerBytes = 128 * 1024;  // AWS's largest payload
inline constexpr std::size_t kMaxTokenBytes = 8 * 1024;

// $aws/certificates/create-from-csr/json/accepted
struct IssuedCertificate {
  std::string id;  // 64 hex digits at AWS
  std::string pem;
  std::string token;  // proves to RegisterThing that this certificate is ours; good for an hour
};
// $aws/provisioning-templates/<template>/provision/json/accepted
struct RegisteredThing {
  std::string thing;
  std::map<std::string, std::string> configuration;  // "deviceConfiguration" of the template
};

inline const std::string kCreateTopic = "$aws/certificates/create-from-csr/json";
std::string ProvisionTopic(const std::string& template_name);

// Errors: kBackOff (the answer makes no sense; asking again may help).
Result<IssuedCertificate> ReadIssued(std::string_view payload);
Result<RegisteredThing> ReadRegistered(std::string_view payload);

// The other answer: {"statusCode","errorCode","errorMessage"}, what `asked` was for ("a certificate") and what to do
// about it. kBackOff: throttled, or a fault of the cloud's; kRetry: the token is used up or too old, a new certificate
// helps; kGiveUp: all else.
Error ReadRejected(std::string_view payload, const std::string& template_name);

}  // namespace penumbra::identity
