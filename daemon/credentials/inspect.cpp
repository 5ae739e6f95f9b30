#include "credentials/inspect.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <memory>
#include <variant>

#include "base/unique_fd.hpp"

namespace penumbra {
namespace {

// A chain of four RSA-4096 certificates is about 8 KiB; a bundle of all public roots would be 200 KiB.
constexpr std::size_t kMaxPemBytes = 64 * 1024;
constexpr std::size_t kMaxRootBytes = 1024 * 1024;
constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kSoonDays = 30;
// RSA-2048, P-224, SHA-224 and better: what Debian's OpenSSL wants (security level 2). AWS takes SHA-256 and better.
constexpr int kLeastSecurityBits = 112;

struct Free {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

struct PemFile {
  std::string bytes;
  mode_t mode = 0;
};

CredentialFinding Unreadable(const std::filesystem::path& path, std::string_view what, int error_number) {
  if (error_number == ENOENT || error_number == ENOTDIR) {
    return {CredentialFault::kMissing, path,
            fmt::format("{} {} is missing; copy it there or run `penumbra provision`", what, path.string())};
  }
  return {CredentialFault::kUnreadable, path,
          fmt::format("{} {} cannot be read ({}); the user that runs penumbrad must be able to (others look with sudo)",
                      what, path.string(), ErrnoMessage("open", error_number))};
}

// Not a FIFO, not a directory, not without end: a path in a configuration may name anything.
std::variant<PemFile, CredentialFinding> ReadPem(const std::filesystem::path& path, std::string_view what,
                                                 std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return Unreadable(path, what, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Unreadable(path, what, errno);
  if (!S_ISREG(info.st_mode)) {
    return CredentialFinding{CredentialFault::kUnreadable, path,
                             fmt::format("{} {} is not a regular file", what, path.string())};
  }
  PemFile file{{}, info.st_mode};
  std::array<char, 4096> chunk{};
  while (file.bytes.size() <= limit) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unreadable(path, what, errno);
    if (got == 0) return file;
    file.bytes.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return CredentialFinding{
      CredentialFault::kUnreadable, path,
      fmt::format("{} {} is larger than {} KiB; it should hold one PEM document", what, path.string(), limit / 1024)};
}

Owned<BIO> Reader(const std::string& bytes) {
  return Owned<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// An encrypted key would otherwise make OpenSSL ask on the terminal.
int NoPassphrase(char*, int, int, void*) {
  return -1;
}

std::int64_t UnixTime(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(::timegm(&parts)) : 0;
}

std::string DayOf(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm parts{};
  std::array<char, 16> text{};
  ::gmtime_r(&time, &parts);
  std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts);
  return text.data();
}

std::string SubjectOf(X509* certificate) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string DigestOf(X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string InDays(std::int64_t days) {
  if (days == 0) return "within a day";
  return days == 1 ? "in 1 day" : fmt::format("in {} days", days);
}

void JudgeValidity(const std::filesystem::path& path, std::int64_t now_s, CredentialFacts& facts) {
  if (now_s > facts.not_after_s) {
    facts.findings.push_back(
        {CredentialFault::kExpired, path,
         fmt::format("certificate {} expired on {}; issue a new one", path.string(), DayOf(facts.not_after_s))});
  } else if (now_s < facts.not_before_s) {
    facts.findings.push_back({CredentialFault::kNotYetValid, path,
                              fmt::format("certificate {} is valid only from {}; is this machine's clock right?",
                                          path.string(), DayOf(facts.not_before_s))});
  } else if (facts.not_after_s - now_s < kSoonDays * kDay) {
    facts.findings.push_back({CredentialFault::kExpiresSoon, path,
                              fmt::format("certificate {} expires on {}, {}; replace it before", path.string(),
                                          DayOf(facts.not_after_s), InDays((facts.not_after_s - now_s) / kDay)),
                              false});
  }
}

// The handshake would fail with it, on our side and in words that name no certificate.
void JudgeStrength(const std::filesystem::path& path, X509* certificate, CredentialFacts& facts) {
  const auto weak = [&](const std::string& what) {
    facts.findings.push_back({CredentialFault::kTooWeak, path,
                              fmt::format("certificate {} {}, which neither AWS nor this machine's TLS takes; issue a "
                                          "new one with SHA-256 and P-256 or RSA-2048",
                                          path.string(), what)});
  };
  int digest = 0;
  int bits = 0;
  if (X509_get_signature_info(certificate, &digest, nullptr, &bits, nullptr) == 1 && bits < kLeastSecurityBits) {
    weak(fmt::format("is signed with {}", digest == NID_undef ? "a weak signature" : OBJ_nid2ln(digest)));
  }
  EVP_PKEY* const key = X509_get0_pubkey(certificate);
  if (key != nullptr && EVP_PKEY_get_security_bits(key) < kLeastSecurityBits) {
    weak(fmt::format("has a key of only {} bits", EVP_PKEY_get_bits(key)));
  }
}

Owned<X509> ReadCertificate(const std::filesystem::path& path, std::optional<std::int64_t> now_s,
                            CredentialFacts& facts) {
  auto file = ReadPem(path, "certificate", kMaxPemBytes);
  if (auto* finding = std::get_if<CredentialFinding>(&file)) {
    facts.findings.push_back(std::move(*finding));
    return nullptr;
  }
  Owned<X509> certificate(
      PEM_read_bio_X509(Reader(std::get<PemFile>(file).bytes).get(), nullptr, NoPassphrase, nullptr));
  if (!certificate) {
    facts.findings.push_back({CredentialFault::kMalformed, path,
                              fmt::format("certificate {} is not a PEM certificate; it must begin with "
                                          "-----BEGIN CERTIFICATE-----",
                                          path.string())});
    return nullptr;
  }
  facts.subject = SubjectOf(certificate.get());
  facts.certificate_id = DigestOf(certificate.get());
  facts.not_before_s = UnixTime(X509_get0_notBefore(certificate.get()));
  facts.not_after_s = UnixTime(X509_get0_notAfter(certificate.get()));
  JudgeStrength(path, certificate.get(), facts);
  if (now_s) JudgeValidity(path, *now_s, facts);
  return certificate;
}

Owned<EVP_PKEY> ReadTokenKey(const std::filesystem::path& uri, CredentialFacts& facts) {
  auto key = LoadPrivateKey(uri);
  if (key) return Owned<EVP_PKEY>(key->release());
  facts.findings.push_back({CredentialFault::kUnreadable, uri, key.error().message});
  return nullptr;
}

Owned<EVP_PKEY> ReadKey(const std::filesystem::path& path, CredentialFacts& facts) {
  if (IsPkcs11Uri(path)) return ReadTokenKey(path, facts);
  auto file = ReadPem(path, "private key", kMaxPemBytes);
  if (auto* finding = std::get_if<CredentialFinding>(&file)) {
    facts.findings.push_back(std::move(*finding));
    return nullptr;
  }
  auto& pem = std::get<PemFile>(file);
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(Reader(pem.bytes).get(), nullptr, NoPassphrase, nullptr));
  OPENSSL_cleanse(pem.bytes.data(), pem.bytes.size());
  if (!key) {
    facts.findings.push_back({CredentialFault::kMalformed, path,
                              fmt::format("private key {} is not an unencrypted PEM key; it must begin with "
                                          "-----BEGIN PRIVATE KEY----- (or RSA, EC)",
                                          path.string())});
  }
  if ((pem.mode & (S_IRWXG | S_IRWXO)) != 0) {
    facts.findings.push_back({CredentialFault::kTooOpen, path,
                              fmt::format("private key {} is open to others (mode {:04o}); run: chmod 600 {}",
                                          path.string(), pem.mode & 07777U, path.string()),
                              false});
  }
  return key;
}

}  // namespace

Status CredentialFacts::Usable() const {
  for (const CredentialFinding& finding : findings) {
    if (finding.blocks) return Fail(Action::kFixConfig, finding.message);
  }
  return {};
}

CredentialFacts InspectCredentials(const std::filesystem::path& certificate, const std::filesystem::path& private_key,
                                   std::optional<std::int64_t> now_s) {
  CredentialFacts facts;
  const Owned<X509> read_certificate = ReadCertificate(certificate, now_s, facts);
  const Owned<EVP_PKEY> read_key = ReadKey(private_key, facts);
  if (read_certificate && read_key && X509_check_private_key(read_certificate.get(), read_key.get()) != 1) {
    facts.findings.push_back({CredentialFault::kMismatch, private_key,
                              fmt::format("private key {} does not belong to certificate {}; use the pair that was "
                                          "issued together",
                                          PrivateKeyLabel(private_key), certificate.string())});
  }
  ERR_clear_error();  // OpenSSL's error queue belongs to the thread; the next caller must not find ours
  std::stable_sort(facts.findings.begin(), facts.findings.end(),
                   [](const auto& a, const auto& b) { return a.blocks && !b.blocks; });
  return facts;
}

std::optional<CredentialFinding> InspectRootCertificates(const std::filesystem::path& root_ca) {
  auto file = ReadPem(root_ca, "root certificate file", kMaxRootBytes);
  if (auto* finding = std::get_if<CredentialFinding>(&file)) {
    if (finding->fault == CredentialFault::kMissing) {
      finding->message = fmt::format(
          "root certificate file {} is missing; set root_ca in [upstream] to a file with the "
          "Amazon root certificates",
          root_ca.string());
    }
    return *finding;
  }
  const Owned<X509> first(
      PEM_read_bio_X509(Reader(std::get<PemFile>(file).bytes).get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (first) return std::nullopt;
  return CredentialFinding{CredentialFault::kMalformed, root_ca,
                           fmt::format("root certificate file {} holds no PEM certificate", root_ca.string())};
}

}  // namespace penumbra
