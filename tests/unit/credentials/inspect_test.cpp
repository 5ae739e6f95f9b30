#include "credentials/inspect.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

namespace penumbra {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kIssued = 1763800000;  // 2025-11-22
constexpr std::int64_t kDay = 86400;

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;

Key NewKey() {
  return Key(EVP_EC_gen("P-256"));
}

class InspectCredentialsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "penumbra-credentials-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    certificate_ = folder_ / "a.pem.crt";
    key_ = folder_ / "a.pem.key";
  }
  void TearDown() override { fs::remove_all(folder_); }

  void WriteCertificate(EVP_PKEY* key, std::int64_t valid_days = 365, const EVP_MD* digest = EVP_sha256()) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    ASN1_TIME_set(X509_getm_notBefore(certificate.get()), kIssued);
    ASN1_TIME_set(X509_getm_notAfter(certificate.get()), kIssued + valid_days * kDay);
    X509_set_pubkey(certificate.get(), key);
    X509_NAME* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("sensor-001"), -1, -1,
                               0);
    X509_set_issuer_name(certificate.get(), name);
    ASSERT_GT(X509_sign(certificate.get(), key, digest), 0);
    std::FILE* file = std::fopen(certificate_.c_str(), "w");
    ASSERT_NE(file, nullptr);
    PEM_write_X509(file, certificate.get());
    std::fclose(file);
  }

  void WriteKey(EVP_PKEY* key, mode_t mode = 0600, const char* passphrase = nullptr) {
    std::FILE* file = std::fopen(key_.c_str(), "w");
    ASSERT_NE(file, nullptr);
    PEM_write_PrivateKey(file, key, passphrase != nullptr ? EVP_aes_128_cbc() : nullptr, nullptr, 0, nullptr,
                         const_cast<char*>(passphrase));
    std::fclose(file);
    ASSERT_EQ(::chmod(key_.c_str(), mode), 0);
  }

  CredentialFacts Inspect(std::optional<std::int64_t> now_s = kIssued + kDay) {
    return InspectCredentials(certificate_, key_, now_s);
  }

  fs::path folder_, certificate_, key_;
};

TEST_F(InspectCredentialsTest, NamesBothMissingFiles) {
  const CredentialFacts facts = Inspect();
  ASSERT_EQ(facts.findings.size(), 2U);
  EXPECT_EQ(facts.findings[0].fault, CredentialFault::kMissing);
  EXPECT_NE(facts.findings[0].message.find(certificate_.string()), std::string::npos);
  EXPECT_EQ(facts.findings[1].path, key_);
  ASSERT_FALSE(facts.Usable().has_value());
  EXPECT_EQ(facts.Usable().error().action, Action::kFixConfig);
}

TEST_F(InspectCredentialsTest, DoesNotBlockOnAFifoNorReadAFolder) {
  ASSERT_EQ(::mkfifo(certificate_.c_str(), 0600), 0);
  fs::create_directory(key_);
  const CredentialFacts facts = Inspect();
  ASSERT_EQ(facts.findings.size(), 2U);
  EXPECT_EQ(facts.findings[0].fault, CredentialFault::kUnreadable);
  EXPECT_EQ(facts.findings[1].fault, CredentialFault::kUnreadable);
}

TEST_F(InspectCredentialsTest, RefusesWhatIsNotPemAndWhatHasNoEnd) {
  std::ofstream(certificate_) << "not a certificate\n";
  std::ofstream(key_) << std::string(100 * 1024, 'x');
  ASSERT_EQ(::chmod(key_.c_str(), 0600), 0);
  const CredentialFacts facts = Inspect();
  ASSERT_EQ(facts.findings.size(), 2U);
  EXPECT_EQ(facts.findings[0].fault, CredentialFault::kMalformed);
  EXPECT_EQ(facts.findings[1].fault, CredentialFault::kUnreadable);
}

TEST_F(InspectCredentialsTest, SeesAKeyOfAnotherCertificate) {
  WriteCertificate(NewKey().get());
  WriteKey(NewKey().get());
  const CredentialFacts facts = Inspect();
  ASSERT_EQ(facts.findings.size(), 1U);
  EXPECT_EQ(facts.findings[0].fault, CredentialFault::kMismatch);
  EXPECT_TRUE(facts.findings[0].blocks);
}

TEST_F(InspectCredentialsTest, RefusesASignatureOrAKeyThatIsTooWeakForTls) {
  const Key key = NewKey();
  WriteCertificate(key.get(), 365, EVP_sha1());
  WriteKey(key.get());
  CredentialFacts facts = Inspect();
  ASSERT_EQ(facts.findings.size(), 1U);
  EXPECT_EQ(facts.findings[0].fault, CredentialFault::kTooWeak);
  EXPECT_NE(facts.findings[0].message.find("sha1"), std::string::npos) << facts.findings[0].message;
  EXPECT_FALSE(facts.Usable());

  const Key small(EVP_RSA_gen(1024));
  WriteCertificate(small.get());
  WriteKey(small.get());
  facts = Inspect();
  ASSERT_EQ(facts.findings.size(), 1U);
  EXPECT_EQ(facts.findings[0].fault, CredentialFault::kTooWeak);
  EXPECT_NE(facts.findings[0].message.find("1024 bits"), std::string::npos) << facts.findings[0].message;
}

TEST_F(InspectCredentialsTest, DoesNotAskForThePassphraseOfAnEncryptedKey) {
  const Key key = NewKey();
  WriteCertificate(key.get());
  WriteKey(key.get(), 0600, "secret");
  const CredentialFacts facts = Inspect();
  ASSERT_EQ(facts.findings.size(), 1U);
  EXPECT_EQ(facts.findings[0].fault, CredentialFault::kMalformed);
}

TEST_F(InspectCredentialsTest, JudgesValidityOnlyWithATrustedClock) {
  const Key key = NewKey();
  WriteCertificate(key.get());
  WriteKey(key.get());
  EXPECT_EQ(Inspect(kIssued + 366 * kDay).findings.at(0).fault, CredentialFault::kExpired);
  EXPECT_EQ(Inspect(kIssued - kDay).findings.at(0).fault, CredentialFault::kNotYetValid);
  const CredentialFacts soon = Inspect(kIssued + 340 * kDay);
  EXPECT_EQ(soon.findings.at(0).fault, CredentialFault::kExpiresSoon);
  EXPECT_TRUE(soon.Usable().has_value());
  EXPECT_TRUE(Inspect(std::nullopt).findings.empty());
}

TEST_F(InspectCredentialsTest, WarnsOfAKeyThatOthersCanReadButLetsItBeUsed) {
  const Key key = NewKey();
  WriteCertificate(key.get());
  WriteKey(key.get(), 0640);
  const CredentialFacts facts = Inspect();
  ASSERT_EQ(facts.findings.size(), 1U);
  EXPECT_EQ(facts.findings[0].fault, CredentialFault::kTooOpen);
  EXPECT_NE(facts.findings[0].message.find("chmod 600"), std::string::npos);
  EXPECT_TRUE(facts.Usable().has_value());
}

TEST_F(InspectCredentialsTest, ReadsTheFactsOfAGoodPair) {
  const Key key = NewKey();
  WriteCertificate(key.get());
  WriteKey(key.get());
  const CredentialFacts facts = Inspect();
  EXPECT_TRUE(facts.findings.empty());
  EXPECT_EQ(facts.subject, "CN = sensor-001");
  EXPECT_EQ(facts.certificate_id.size(), 64U);
  EXPECT_EQ(facts.not_before_s, kIssued);
  EXPECT_EQ(facts.not_after_s, kIssued + 365 * kDay);
}

TEST_F(InspectCredentialsTest, SaysWhichKeyInWhichTokenCannotBeHadAndNeverThePin) {
  WriteCertificate(NewKey().get());
  const CredentialFacts facts =
      InspectCredentials(certificate_, "pkcs11:token=no-such-token;object=a?pin-value=73524", kIssued + kDay);
  ASSERT_EQ(facts.findings.size(), 1U);
  EXPECT_FALSE(facts.Usable());
  EXPECT_NE(facts.findings[0].message.find("no-such-token"), std::string::npos) << facts.findings[0].message;
  EXPECT_EQ(facts.findings[0].message.find("73524"), std::string::npos) << facts.findings[0].message;
}

TEST_F(InspectCredentialsTest, ChecksTheRootFile) {
  EXPECT_EQ(InspectRootCertificates(folder_ / "none.pem")->fault, CredentialFault::kMissing);
  std::ofstream(folder_ / "roots.pem") << "# empty\n";
  EXPECT_EQ(InspectRootCertificates(folder_ / "roots.pem")->fault, CredentialFault::kMalformed);
  WriteCertificate(NewKey().get());
  EXPECT_FALSE(InspectRootCertificates(certificate_).has_value());
}

}  // namespace
}  // namespace penumbra
