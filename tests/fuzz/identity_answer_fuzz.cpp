// What the cloud answers to fleet provisioning, claims, journals and PKCS#11 URIs: any bytes at all are read or
// refused.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "credentials/private_key.hpp"
#include "identity/answers.hpp"
#include "identity/claim.hpp"
#include "identity/journal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  using namespace penumbra;
  const auto issued = identity::ReadIssued(text);
  if (issued && issued->token.size() > identity::kMaxTokenBytes) __builtin_trap();
  static_cast<void>(identity::ReadRegistered(text));
  // What an operator reads is one line of bounded length, whatever came.
  const Error error = identity::ReadRejected(text, "template");
  if (error.message.size() > 1000 || error.message.find('\n') != std::string::npos) __builtin_trap();
  static_cast<void>(identity::ParseClaim(text));
  static_cast<void>(identity::ParseJournal(text));
  static_cast<void>(Pkcs11QueryAttribute(std::string(text), "module-path"));
  return 0;
}
