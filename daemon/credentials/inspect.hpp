// Looks at a certificate and its private key before they are used, so that the operator reads "the key belongs to
// another certificate" instead of a TLS alert. Deliberately reads only: it does not connect, does not check the chain
// (the cloud does), and never hands out key material. Blocking file reads; any thread. In its own module because both
// `config` (warnings) and `mqtt` (before a connect) ask, and siblings do not know each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "credentials/private_key.hpp"

namespace penumbra {

enum class CredentialFault {
  kMissing,      // no such file
  kUnreadable,   // there, but not ours to read, not a file, or larger than 64 KiB
  kMalformed,    // not PEM, or an encrypted key
  kMismatch,     // the key belongs to another certificate
  kTooWeak,      // key or signature that neither AWS nor this machine's TLS takes
  kExpired,      // notAfter has passed
  kNotYetValid,  // notBefore has not come: as often the clock that is wrong
  kTooOpen,      // the key can be read by group or others; usable all the same
  kExpiresSoon,  // within 30 days; usable all the same
};

struct CredentialFinding {
  CredentialFault fault = CredentialFault::kMissing;
  std::filesystem::path path;
  std::string message;  // one line: what is wrong with which path, and what to do
  bool blocks = true;   // false: a connection can be tried all the same
};

struct CredentialFacts {
  std::string subject;         // as OpenSSL prints it, "CN = sensor-001"; empty when the certificate was not read
  std::string certificate_id;  // SHA-256 of the DER, lower-case hex: what AWS IoT calls the certificate's id
  std::int64_t not_before_s = 0, not_after_s = 0;  // Unix time
  std::vector<CredentialFinding> findings;         // those that block first

  // kFixConfig with the first finding that blocks.
  Status Usable() const;
};

// `now_s`: Unix time, or nullopt while the clock is not trusted: then validity is not judged. A key in a token is asked
// for, so that may take a second the first time.
CredentialFacts InspectCredentials(const std::filesystem::path& certificate, const std::filesystem::path& private_key,
                                   std::optional<std::int64_t> now_s);

// A file of root certificates: nullopt when it holds at least one certificate.
std::optional<CredentialFinding> InspectRootCertificates(const std::filesystem::path& root_ca);

}  // namespace penumbra
