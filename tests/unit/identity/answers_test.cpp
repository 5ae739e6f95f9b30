// What the cloud answers to fleet provisioning, and claims as the AWS command line tool prints them.
#include "identity/answers.hpp"

#include <gmock/gmock.h>

#include "base/json.hpp"
#include "identity/claim.hpp"

namespace penumbra::identity {
namespace {

using testing::HasSubstr;

const std::string kPem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";

TEST(IssuedAnswer, WithoutOneOfItsPartsIsNone) {
  const Json whole = {{"certificateId", "id"}, {"certificatePem", kPem}, {"certificateOwnershipToken", "token"}};
  EXPECT_EQ(ReadIssued(Dump(whole))->token, "token");
  for (const char* key : {"certificateId", "certificatePem", "certificateOwnershipToken"}) {
    Json part = whole;
    part.erase(key);
    EXPECT_EQ(ReadIssued(Dump(part)).error().action, Action::kBackOff) << key;
    part[key] = 5;
    EXPECT_FALSE(ReadIssued(Dump(part))) << key;
  }
  EXPECT_FALSE(ReadIssued("{"));
  EXPECT_FALSE(ReadIssued("[]"));
  EXPECT_FALSE(ReadIssued(std::string(kMaxAnswerBytes + 1, ' ')));
}

TEST(RegisteredAnswer, HasANameAndAFlatConfiguration) {
  EXPECT_FALSE(ReadRegistered("{}"));
  EXPECT_FALSE(ReadRegistered(R"({"thingName":""})"));
  const auto registered = ReadRegistered(R"({"thingName":"a","deviceConfiguration":{"url":"x","deep":{"no":1}}})");
  ASSERT_TRUE(registered);
  EXPECT_EQ(registered->thing, "a");
  EXPECT_EQ(registered->configuration, (std::map<std::string, std::string>{{"url", "x"}}));
}

TEST(RejectedAnswer, SaysWhatToDoAboutIt) {
  const auto rejected = [](int status, const char* code) {
    return ReadRejected(Dump(Json{{"statusCode", status}, {"errorCode", code}, {"errorMessage", "why\nnot"}}), "fleet");
  };
  EXPECT_EQ(rejected(400, "InvalidCertificateOwnershipToken").action, Action::kRetry);
  EXPECT_EQ(rejected(429, "Throttling").action, Action::kBackOff);
  EXPECT_EQ(rejected(500, "InternalError").action, Action::kBackOff);
  EXPECT_EQ(rejected(403, "AccessDenied").action, Action::kGiveUp);
  EXPECT_THAT(rejected(403, "AccessDenied").message, HasSubstr("template fleet, its hook or the policy"));
  EXPECT_THAT(rejected(404, "NotFound").message, HasSubstr("is there a template called fleet"));
  EXPECT_THAT(rejected(409, "Conflict").message, HasSubstr("OverrideSettings"));
  EXPECT_THAT(rejected(400, "Invalid").message, HasSubstr("--parameter"));
  EXPECT_THAT(rejected(400, "Invalid").message, HasSubstr("why not")) << "on one line";
  EXPECT_EQ(ReadRejected("rubbish", "fleet").action, Action::kBackOff);
}

TEST(Claim, IsReadAsTheCommandLineToolPrintsIt) {
  EXPECT_FALSE(ParseClaim("{}"));
  EXPECT_FALSE(ParseClaim(R"({"certificatePem":"c","keyPair":{}})"));
  const auto iso = ParseClaim(
      R"({"certificateId":"1","certificatePem":"c","keyPair":{"PublicKey":"p","PrivateKey":"k"},"expiration":"2026-11-26T01:05:00+01:00"})");
  ASSERT_TRUE(iso) << iso.error().message;
  EXPECT_EQ(iso->private_key, "k");
  EXPECT_EQ(iso->expires_s, 1795651500);
  const auto seconds = ParseClaim(R"({"certificatePem":"c","keyPair":{"PrivateKey":"k"},"expiration":1795655100.5})");
  ASSERT_TRUE(seconds);
  EXPECT_EQ(seconds->expires_s, 1795655100);
}

}  // namespace
}  // namespace penumbra::identity
