#include "credentials/issue.hpp"

#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <memory>

namespace penumbra {
namespace {

using testing::HasSubstr;

class Issue : public ::testing::Test {
 protected:
  Issue() {
    std::string name = std::filesystem::temp_directory_path() / "penumbra-issue-XXXXXX";
    folder = ::mkdtemp(name.data());
  }
  ~Issue() override { std::filesystem::remove_all(folder); }

  static std::string Text(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static mode_t Mode(const std::filesystem::path& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  std::filesystem::path folder;
};

TEST_F(Issue, AKeyIsItsOwnersAloneAndNeverOverwritten) {
  const auto path = folder / "credentials" / "a.pem.key";
  ASSERT_TRUE(MakePrivateKey(path, KeyKind::kP256));
  EXPECT_EQ(Mode(path), 0600u);
  EXPECT_EQ(Mode(path.parent_path()), 0700u);
  const std::string before = Text(path);
  const auto again = MakePrivateKey(path, KeyKind::kP256);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().action, Action::kGiveUp);
  EXPECT_EQ(Text(path), before);
}

TEST_F(Issue, ARequestNamesTheThingAndIsSignedByItsKey) {
  for (const KeyKind kind : {KeyKind::kP256, KeyKind::kRsa2048}) {
    const auto path = folder / (kind == KeyKind::kP256 ? "ec.key" : "rsa.key");
    ASSERT_TRUE(MakePrivateKey(path, kind));
    const auto pem = MakeCertificateRequest(path, "sensor-001");
    ASSERT_TRUE(pem) << pem.error().message;
    const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(pem->data(), -1), &BIO_free);
    const std::unique_ptr<X509_REQ, void (*)(X509_REQ*)> request(
        PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr), &X509_REQ_free);
    ASSERT_TRUE(request);
    EXPECT_EQ(X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())), 1);
    char name[100] = "";
    X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(request.get()), NID_commonName, name, sizeof name);
    EXPECT_STREQ(name, "sensor-001");
    // AWS allows 128 characters, X.509 has room for 64.
    EXPECT_TRUE(MakeCertificateRequest(path, std::string(128, 't')));
    EXPECT_EQ(EVP_PKEY_get_bits(X509_REQ_get0_pubkey(request.get())), kind == KeyKind::kP256 ? 256 : 2048);
  }
}

TEST_F(Issue, WhatIsNoKeyIsSaidSo) {
  EXPECT_THAT(MakeCertificateRequest(folder / "none", "a").error().message, HasSubstr("cannot read"));
  std::ofstream(folder / "text") << "hello";
  EXPECT_THAT(MakeCertificateRequest(folder / "text", "a").error().message,
              HasSubstr("not an unencrypted private key"));
  EXPECT_EQ(MakePrivateKey("/proc/nothing/a.key", KeyKind::kP256).error().action, Action::kFixConfig);
}

TEST_F(Issue, AFileIsReplacedAsAWholeAlsoOverAnInterruptedAttempt) {
  const auto path = folder / "a.pem.crt";
  ASSERT_TRUE(InstallFile(path, "first"));
  std::ofstream(path.string() + ".new") << "half";
  ASSERT_TRUE(InstallFile(path, "second"));
  EXPECT_EQ(Text(path), "second");
  EXPECT_EQ(Mode(path), 0644u);
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".new"));
}

}  // namespace
}  // namespace penumbra
