// The hash functions of AWS IoT SQL, and base64. OpenSSL's, but for MD2, which OpenSSL 3 no longer has: for looking at
// old rules only. Pure; any thread. Source: RFC 1319 (MD2), RFC 4648 section 4 (base64).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace penumbra::rules {

enum class Digest { kMd2, kMd5, kSha1, kSha224, kSha256, kSha384, kSha512 };

// Lower case hexadecimal. Empty when this OpenSSL refuses the algorithm (MD5 in FIPS mode).
std::string DigestHex(Digest digest, std::string_view bytes);

std::string ToBase64(std::string_view bytes);
// nullopt: not base64 (padding and alphabet are checked).
std::optional<std::string> FromBase64(std::string_view text);

}  // namespace penumbra::rules
