// A claim: the certificate that lets a device without one ask for its own. Either two PEM files (a claim for many
// devices), or what `aws iot create-provisioning-claim` printed for a trusted user, good for five minutes.
// The latter's key is kept in files of mode 0600 for as long as this object lives. Blocking file access; one thread.
// Source: aws-iot-core.md section 4.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace penumbra::identity {

// What the client id of a connection with a claim begins with; a random number follows, because a claim is shared by
// many gateways and AWS lets in one connection for a client id. The claim's policy allows no other.
inline constexpr std::string_view kClaimClientPrefix = "penumbra-provision-";

struct ClaimText {
  std::string certificate, private_key;  // PEM
  std::int64_t expires_s = 0;            // Unix time; 0: not said
};
// {"certificatePem","keyPair":{"PrivateKey"},"expiration"}: a number of seconds, or ISO 8601 as the command line tool
// writes it. Error kGiveUp: what is missing.
Result<ClaimText> ParseClaim(std::string_view json);

class Claim {
 public:
  static Claim OfFiles(std::filesystem::path certificate, std::filesystem::path private_key);
  // `folder`: where the two files go for the while. Errors: kFixConfig: cannot be read, expired (`now_s`), not a claim.
  static Result<Claim> OfDocument(const std::filesystem::path& document, const std::filesystem::path& folder,
                                  std::int64_t now_s);
  Claim(Claim&& other) noexcept;
  Claim& operator=(Claim&&) = delete;
  ~Claim();

  const std::filesystem::path& certificate() const { return certificate_; }
  const std::filesystem::path& private_key() const { return private_key_; }

 private:
  Claim(std::filesystem::path certificate, std::filesystem::path private_key, bool temporary);
  std::filesystem::path certificate_, private_key_;
  bool temporary_ = false;
};

}  // namespace penumbra::identity
