#include "iotcore/pki.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <algorithm>
#include <cerrno>

#include "base/unique_fd.hpp"

namespace penumbra::iotcore {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Request = std::unique_ptr<X509_REQ, Deleter<X509_REQ_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

constexpr long kBackdateSeconds = 3600;  // a machine whose clock lags a little still accepts the certificates
constexpr long kValidSeconds = 24 * 3600;
constexpr long kThingSeconds = 90 * kValidSeconds;
constexpr const char* kIssuedName = "AWS IoT Certificate";

tl::unexpected<Error> OpenSslFailed(std::string_view what) {
  return Fail(Action::kFatal, fmt::format("OpenSSL cannot {}", what));
}

Status WriteFile(const std::filesystem::path& path, BIO* pem, mode_t mode) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(pem, &data);
  const std::string part = path.string() + ".part";  // renamed when whole: the daemon may be watching
  const UniqueFd fd(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd || ::fchmod(fd.get(), mode) != 0 || ::write(fd.get(), data, size) != size ||
      ::rename(part.c_str(), path.c_str()) != 0) {
    return Fail(Action::kFatal, ErrnoMessage(fmt::format("cannot write {}", path.string()), errno));
  }
  return {};
}

Status WriteCertificate(const std::filesystem::path& path, X509* certificate) {
  const Bio pem(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(pem.get(), certificate) != 1) return OpenSslFailed("write a certificate");
  return WriteFile(path, pem.get(), 0644);
}

Status WriteKey(const std::filesystem::path& path, EVP_PKEY* key) {
  const Bio pem(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PKCS8PrivateKey(pem.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return OpenSslFailed("write a key");
  }
  return WriteFile(path, pem.get(), 0600);
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool SetRandomSerial(X509* certificate) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] = (bytes[0] & 0x3F) | 0x40;  // positive, and always 16 bytes long
  BIGNUM* number = BN_bin2bn(bytes, sizeof bytes, nullptr);
  const bool set = number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

struct Extension {
  int nid;
  std::string value;
};

// A version 3 certificate for `key`, signed by `issuer_key`; `issuer` null: self-signed.
Certificate Sign(const std::string& common_name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key,
                 const std::vector<Extension>& extensions, long valid_seconds = kValidSeconds) {
  Certificate certificate(X509_new());
  X509* const x = certificate.get();
  X509_NAME* const name = X509_get_subject_name(x);
  bool ok = X509_set_version(x, 2) == 1 && SetRandomSerial(x) &&
            X509_gmtime_adj(X509_getm_notBefore(x), -kBackdateSeconds) != nullptr &&
            X509_gmtime_adj(X509_getm_notAfter(x), valid_seconds) != nullptr &&
            X509_NAME_add_entry_by_txt(
                name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.data()),
                static_cast<int>(std::min<std::size_t>(common_name.size(), ub_common_name)), -1, 0) == 1 &&
            X509_set_issuer_name(x, issuer != nullptr ? X509_get_subject_name(issuer) : name) == 1 &&
            X509_set_pubkey(x, key) == 1;
  for (const Extension& extension : extensions) {
    ok = ok && AddExtension(x, issuer != nullptr ? issuer : x, extension.nid, extension.value);
  }
  ok = ok && X509_sign(x, issuer_key, EVP_sha256()) != 0;
  return ok ? std::move(certificate) : nullptr;
}

std::string Text(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

IssuedCertificate Describe(X509* certificate) {
  const Bio pem(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(pem.get(), certificate);
  return {CertificateId(certificate), Text(pem.get()), ""};
}

std::string SubjectAlternatives(const std::vector<std::string>& names) {
  std::string text = "DNS:localhost,IP:127.0.0.1,IP:::1";
  for (const std::string& name : names) {
    in6_addr address;
    const bool is_address =
        ::inet_pton(AF_INET, name.c_str(), &address) == 1 || ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
    text += fmt::format(",{}:{}", is_address ? "IP" : "DNS", name);
  }
  return text;
}

}  // namespace

struct Pki::Authority {
  Key key;
  Certificate root;

  static Result<Authority> Make(const std::string& common_name) {
    Authority made{Key(EVP_EC_gen("P-256")), nullptr};
    if (!made.key) return OpenSslFailed("make a key");
    made.root = Sign(common_name, made.key.get(), nullptr, made.key.get(),
                     {{NID_basic_constraints, "critical,CA:TRUE"},
                      {NID_key_usage, "critical,keyCertSign,cRLSign"},
                      {NID_subject_key_identifier, "hash"}});
    if (!made.root) return OpenSslFailed("make a root certificate");
    return made;
  }

  Certificate SignLeaf(const std::string& common_name, EVP_PKEY* leaf_key, std::vector<Extension> extensions,
                       long valid_seconds = kValidSeconds) const {
    extensions.push_back({NID_basic_constraints, "critical,CA:FALSE"});
    extensions.push_back({NID_key_usage, "critical,digitalSignature"});
    extensions.push_back({NID_authority_key_identifier, "keyid"});
    return Sign(common_name, leaf_key, root.get(), key.get(), extensions, valid_seconds);
  }

  Result<IssuedCertificate> Issue(const std::string& common_name, const std::filesystem::path& certificate_path,
                                  const std::filesystem::path& key_path, const std::vector<Extension>& extensions,
                                  long valid_seconds = kValidSeconds) const {
    const Key leaf_key(EVP_EC_gen("P-256"));
    if (!leaf_key) return OpenSslFailed("make a key");
    const Certificate certificate = SignLeaf(common_name, leaf_key.get(), extensions, valid_seconds);
    if (!certificate) return OpenSslFailed("sign a certificate for " + common_name);
    if (const Status wrote = WriteKey(key_path, leaf_key.get()); !wrote) return Fail(wrote.error());
    if (const Status wrote = WriteCertificate(certificate_path, certificate.get()); !wrote) return Fail(wrote.error());
    return Describe(certificate.get());
  }

  Result<IssuedCertificate> IssueClient(const std::string& name, const std::filesystem::path& folder) const {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return Fail(Action::kFatal, fmt::format("cannot make {}: {}", folder.string(), error.message()));
    return Issue(name, folder / (name + ".pem.crt"), folder / (name + ".pem.key"), {{NID_ext_key_usage, "clientAuth"}},
                 kThingSeconds);
  }
};

std::string CertificateId(const x509_st* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return {};
  std::string id;
  for (unsigned int i = 0; i < size; ++i) id += fmt::format("{:02x}", digest[i]);
  return id;
}

Pki::Pki(std::filesystem::path folder) : folder_(std::move(folder)) {}
Pki::~Pki() = default;

Result<std::unique_ptr<Pki>> Pki::Create(std::filesystem::path folder, std::vector<std::string> server_names) {
  std::unique_ptr<Pki> pki(new Pki(std::move(folder)));
  std::error_code error;
  std::filesystem::create_directories(pki->credentials(), error);
  if (error) return Fail(Action::kFatal, fmt::format("cannot make {}: {}", pki->folder_.string(), error.message()));
  auto authority = Authority::Make("Penumbra stand-in root CA");
  if (!authority) return Fail(authority.error());
  pki->authority_ = std::make_unique<Authority>(std::move(*authority));
  if (const Status wrote = WriteCertificate(pki->root_ca(), pki->authority_->root.get()); !wrote) {
    return Fail(wrote.error());
  }
  const auto server = pki->authority_->Issue(
      "stand-in.iotcore.test", pki->server_certificate(), pki->server_key(),
      {{NID_subject_alt_name, SubjectAlternatives(server_names)}, {NID_ext_key_usage, "serverAuth"}});
  if (!server) return Fail(server.error());
  return pki;
}

Result<IssuedCertificate> Pki::IssueThing(const std::string& thing) {
  return authority_->IssueClient(thing, credentials());
}

Result<IssuedCertificate> Pki::IssueClaim(const std::string& name) {
  return authority_->IssueClient(name, credentials() / "claims");
}

Status Pki::IssueForeign(const std::string& thing) {
  const auto foreign = Authority::Make("Foreign root CA");
  if (!foreign) return Fail(foreign.error());
  if (const auto issued = foreign->IssueClient(thing, credentials() / "foreign"); !issued) return Fail(issued.error());
  return {};
}

Result<IssuedCertificate> Pki::SignRequest(const std::string& csr_pem) {
  const Bio pem(BIO_new_mem_buf(csr_pem.data(), static_cast<int>(csr_pem.size())));
  const Request request(PEM_read_bio_X509_REQ(pem.get(), nullptr, nullptr, nullptr));
  if (!request) return Fail(Action::kGiveUp, "it is no signing request in PEM");
  EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || X509_REQ_verify(request.get(), key) != 1) {
    return Fail(Action::kGiveUp, "the request's signature does not fit its key");
  }
  const int type = EVP_PKEY_get_base_id(key), bits = EVP_PKEY_get_bits(key);
  const bool taken = (type == EVP_PKEY_RSA && bits >= 2048) || (type == EVP_PKEY_EC && (bits == 256 || bits == 384));
  if (!taken) return Fail(Action::kGiveUp, "the key is neither RSA of 2048 bits or more nor P-256 nor P-384");
  const Certificate certificate = authority_->SignLeaf(kIssuedName, key, {{NID_ext_key_usage, "clientAuth"}});
  if (!certificate) return OpenSslFailed("sign a certificate");
  return Describe(certificate.get());
}

Result<IssuedCertificate> Pki::MakeKeysAndCertificate() {
  const Key key(EVP_RSA_gen(2048));
  const Certificate certificate =
      key ? authority_->SignLeaf(kIssuedName, key.get(), {{NID_ext_key_usage, "clientAuth"}}) : nullptr;
  const Bio pem(BIO_new(BIO_s_mem()));
  if (!certificate || PEM_write_bio_PrivateKey(pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return OpenSslFailed("make a key and its certificate");
  }
  IssuedCertificate issued = Describe(certificate.get());
  issued.key = Text(pem.get());
  return issued;
}

}  // namespace penumbra::iotcore
