#include "cli/redact.hpp"

#include <gtest/gtest.h>

namespace penumbra::cli {
namespace {

TEST(Redact, TakesThePinOutOfATokenUri) {
  EXPECT_EQ(Redact("pkcs11:token=gw;object=key?pin-value=1234&module-name=x"),
            "pkcs11:token=[removed];object=key?pin-value=[removed]&module-name=x");
}

TEST(Redact, TakesThePasswordOutOfAUrl) {
  EXPECT_EQ(Redact("proxy http://user:hunter2@proxy:3128/"), "proxy http://user:[removed]@proxy:3128/");
}

TEST(Redact, TakesOutNamedSecretsHoweverTheyAreWritten) {
  EXPECT_EQ(Redact("Password: abc, secret=\"a b\" token = x"),
            "Password: [removed], secret=[removed] token = [removed]");
}

TEST(Redact, TakesOutAPrivateKeyButNotACertificate) {
  const std::string certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
  EXPECT_EQ(Redact("a -----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY----- b " + certificate),
            "a [removed] b " + certificate);
}

TEST(Redact, TakesOutAPrivateKeyThatIsCutOff) {
  EXPECT_EQ(Redact("x -----BEGIN PRIVATE KEY-----\nMHcC"), "x [removed]");
}

TEST(Redact, LeavesOrdinaryLinesAlone) {
  const std::string line = "event=bus.down msg=\"no such device\" bus=rs485-1 retry_in=5s time 12:30:01";
  EXPECT_EQ(Redact(line), line);
}

TEST(Redact, ReachesEveryTextOfADocument) {
  const OrderedJson json = {{"a", {"token=x", 1}}, {"b", {{"c", "password=y"}}}};
  EXPECT_EQ(RedactAll(json), (OrderedJson{{"a", {"token=[removed]", 1}}, {"b", {{"c", "password=[removed]"}}}}));
}

}  // namespace
}  // namespace penumbra::cli
