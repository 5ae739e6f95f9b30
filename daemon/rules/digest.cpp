#include "rules/digest.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

namespace penumbra::rules {
namespace {

// RFC 1319: a permutation made from the digits of pi.
constexpr std::array<std::uint8_t, 256> kMd2Table = {
    41,  46,  67,  201, 162, 216, 124, 1,   61,  54,  84,  161, 236, 240, 6,   19,  98,  167, 5,   243, 192, 199,
    115, 140, 152, 147, 43,  217, 188, 76,  130, 202, 30,  155, 87,  60,  253, 212, 224, 22,  103, 66,  111, 24,
    138, 23,  229, 18,  190, 78,  196, 214, 218, 158, 222, 73,  160, 251, 245, 142, 187, 47,  238, 122, 169, 104,
    121, 145, 21,  178, 7,   63,  148, 194, 16,  137, 11,  34,  95,  33,  128, 127, 93,  154, 90,  144, 50,  39,
    53,  62,  204, 231, 191, 247, 151, 3,   255, 25,  48,  179, 72,  165, 181, 209, 215, 94,  146, 42,  172, 86,
    170, 198, 79,  184, 56,  210, 150, 164, 125, 182, 118, 252, 107, 226, 156, 116, 4,   241, 69,  157, 112, 89,
    100, 113, 135, 32,  134, 91,  207, 101, 230, 45,  168, 2,   27,  96,  37,  173, 174, 176, 185, 246, 28,  70,
    97,  105, 52,  64,  126, 15,  85,  71,  163, 35,  221, 81,  175, 58,  195, 92,  249, 206, 186, 197, 234, 38,
    44,  83,  13,  110, 133, 40,  132, 9,   211, 223, 205, 244, 65,  129, 77,  82,  106, 220, 55,  200, 108, 193,
    171, 250, 36,  225, 123, 8,   12,  189, 177, 74,  120, 136, 149, 139, 227, 99,  232, 109, 233, 203, 213, 254,
    59,  0,   29,  57,  242, 239, 183, 14,  102, 88,  208, 228, 166, 119, 114, 248, 235, 117, 75,  10,  49,  68,
    80,  180, 143, 237, 31,  26,  219, 153, 141, 51,  159, 17,  131, 20,
};

std::string Hex(const std::uint8_t* bytes, std::size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < size; ++i) {
    hex += kDigits[bytes[i] >> 4];
    hex += kDigits[bytes[i] & 0xf];
  }
  return hex;
}

std::string Md2(std::string_view bytes) {
  constexpr std::size_t kBlock = 16, kRounds = 18;
  std::string text(bytes);
  const std::size_t padding = kBlock - text.size() % kBlock;
  text.append(padding, static_cast<char>(padding));
  std::array<std::uint8_t, kBlock> checksum{};
  std::uint8_t last = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    last = checksum[i % kBlock] ^= kMd2Table[static_cast<std::uint8_t>(text[i]) ^ last];
  }
  text.append(checksum.begin(), checksum.end());
  std::array<std::uint8_t, 3 * kBlock> state{};
  for (std::size_t block = 0; block < text.size(); block += kBlock) {
    for (std::size_t i = 0; i < kBlock; ++i) {
      state[kBlock + i] = static_cast<std::uint8_t>(text[block + i]);
      state[2 * kBlock + i] = state[kBlock + i] ^ state[i];
    }
    std::uint8_t mix = 0;
    for (std::size_t round = 0; round < kRounds; ++round) {
      for (std::uint8_t& byte : state) mix = byte ^= kMd2Table[mix];
      mix = static_cast<std::uint8_t>(mix + round);
    }
  }
  return Hex(state.data(), kBlock);
}

const EVP_MD* Algorithm(Digest digest) {
  switch (digest) {
    case Digest::kMd5:
      return EVP_md5();
    case Digest::kSha1:
      return EVP_sha1();
    case Digest::kSha224:
      return EVP_sha224();
    case Digest::kSha256:
      return EVP_sha256();
    case Digest::kSha384:
      return EVP_sha384();
    case Digest::kSha512:
      return EVP_sha512();
    case Digest::kMd2:
      break;
  }
  return nullptr;
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string DigestHex(Digest digest, std::string_view bytes) {
  if (digest == Digest::kMd2) return Md2(bytes);
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> result{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), result.data(), &size, Algorithm(digest), nullptr) != 1) return {};
  return Hex(result.data(), size);
}

std::string ToBase64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const auto byte = [&](std::size_t k) -> std::uint32_t {
      return k < left ? static_cast<std::uint8_t>(bytes[i + k]) : 0u;
    };
    const std::uint32_t group = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += kBase64[group >> 18];
    out += kBase64[group >> 12 & 63];
    out += left > 1 ? kBase64[group >> 6 & 63] : '=';
    out += left > 2 ? kBase64[group & 63] : '=';
  }
  return out;
}

std::optional<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t padding = last ? (text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2) : 0;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t value = k >= 4 - padding ? 0 : kBase64.find(text[i + k]);
      if (value == std::string_view::npos) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    for (std::size_t k = 0; k < 3 - padding; ++k) out += static_cast<char>(group >> (16 - 8 * k) & 0xff);
  }
  return out;
}

}  // namespace penumbra::rules
