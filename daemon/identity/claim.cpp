#include "identity/claim.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/json.hpp"
#include "credentials/issue.hpp"

namespace penumbra::identity {
namespace {

constexpr std::size_t kMaxBytes = 64 * 1024;

// "2026-11-26T01:05:00+00:00" or "...Z", with or without a fraction. 0: not understood.
std::int64_t UnixTime(const std::string& iso) {
  std::tm utc{};
  const char* rest = ::strptime(iso.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
  if (rest == nullptr) return 0;
  std::int64_t time = ::timegm(&utc);
  while (*rest == '.' || (*rest >= '0' && *rest <= '9')) ++rest;
  if (*rest == '+' || *rest == '-') {
    int hours = 0, minutes = 0;
    if (std::sscanf(rest + 1, "%2d:%2d", &hours, &minutes) >= 1) {
      time -= (*rest == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
    }
  }
  return time;
}

}  // namespace

Result<ClaimText> ParseClaim(std::string_view text) {
  const auto json = ParseJson(text);
  if (!json || !json->is_object()) return Fail(Action::kGiveUp, "it is not a JSON object");
  ClaimText claim;
  claim.certificate = GetString(*json, "certificatePem").value_or("");
  const auto pair = json->find("keyPair");
  if (pair != json->end() && pair->is_object()) claim.private_key = GetString(*pair, "PrivateKey").value_or("");
  if (claim.certificate.empty()) return Fail(Action::kGiveUp, "certificatePem is missing");
  if (claim.private_key.empty()) return Fail(Action::kGiveUp, "keyPair.PrivateKey is missing");
  if (const auto seconds = GetNumber(*json, "expiration"); seconds && *seconds >= 0 && *seconds < 1e11) {
    claim.expires_s = static_cast<std::int64_t>(*seconds);
  } else if (const auto iso = GetString(*json, "expiration")) {
    claim.expires_s = UnixTime(*iso);
  }
  return claim;
}

Claim::Claim(std::filesystem::path certificate, std::filesystem::path private_key, bool temporary)
    : certificate_(std::move(certificate)), private_key_(std::move(private_key)), temporary_(temporary) {}

Claim::Claim(Claim&& other) noexcept
    : certificate_(std::move(other.certificate_)),
      private_key_(std::move(other.private_key_)),
      temporary_(std::exchange(other.temporary_, false)) {}

Claim::~Claim() {
  if (!temporary_) return;
  ::unlink(private_key_.c_str());
  ::unlink(certificate_.c_str());
}

Claim Claim::OfFiles(std::filesystem::path certificate, std::filesystem::path private_key) {
  return {std::move(certificate), std::move(private_key), false};
}

Result<Claim> Claim::OfDocument(const std::filesystem::path& document, const std::filesystem::path& folder,
                                std::int64_t now_s) {
  std::ifstream file(document, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (!file.is_open() || file.bad() || text.size() > kMaxBytes) {
    return Fail(Action::kFixConfig, fmt::format("cannot read the claim {}", document.string()));
  }
  const auto claim = ParseClaim(text);
  if (!claim) {
    return Fail(Action::kFixConfig, fmt::format("{} is not what `aws iot create-provisioning-claim` prints: {}",
                                                document.string(), claim.error().message));
  }
  if (claim->expires_s != 0 && claim->expires_s <= now_s) {
    return Fail(
        Action::kFixConfig,
        fmt::format("the claim {} expired {} s ago (claims of a trusted user live five minutes); get a new one with "
                    "`aws iot create-provisioning-claim`, or set this machine's clock",
                    document.string(), now_s - claim->expires_s));
  }
  Claim made(folder / fmt::format("claim-{}.pem.crt", ::getpid()), folder / fmt::format("claim-{}.pem.key", ::getpid()),
             true);
  if (auto written = InstallFile(made.private_key_, claim->private_key, 0600); !written) return Fail(written.error());
  if (auto written = InstallFile(made.certificate_, claim->certificate, 0600); !written) return Fail(written.error());
  return made;
}

}  // namespace penumbra::identity
