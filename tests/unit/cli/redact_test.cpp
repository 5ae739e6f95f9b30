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

TEST(Redact, TakesOutSecretsWhoseNameIsPartOfAnother) {
  EXPECT_EQ(
      Redact(
          "AWS_SECRET_ACCESS_KEY=wJalr AWS_SESSION_TOKEN=IQo certificateOwnershipToken: ey wifi_psk=abc door-pin=12"),
      "AWS_SECRET_ACCESS_KEY=[removed] AWS_SESSION_TOKEN=[removed] certificateOwnershipToken: [removed] "
      "wifi_psk=[removed] door-pin=[removed]");
}

TEST(Redact, TakesSecretsOutOfJsonInALine) {
  EXPECT_EQ(Redact(R"(got {"password":"a b","n":1})"), R"(got {"password":[removed],"n":1})");
  EXPECT_EQ(Redact(R"(msg="got {\"api_key\":\"a b\",\"n\":1}")"), R"(msg="got {\"api_key\":[removed],\"n\":1}")");
}

TEST(Redact, TakesOutWhatTheCheckerRepeatsOfAValueWithoutQuotes) {
  EXPECT_EQ(Redact(R"(Voucher must be text in quotes, not the number 4711; write Voucher = "4711")"),
            "Voucher must be text in quotes, not the number [removed]; write Voucher = [removed]");
  EXPECT_EQ(Redact(R"(msg="5:9: Code must be text in quotes, not the number 4711; write Code = \"4711\"")"),
            R"(msg="5:9: Code must be text in quotes, not the number [removed]; write Code = [removed]")");
  EXPECT_EQ(Redact(R"(parameters must be a table, not the text "4711"; write parameters = { SerialNumber = "1" })"),
            R"(parameters must be a table, not the text [removed]; write parameters = { SerialNumber = "1" })");
}

TEST(Redact, TakesOutABearersToken) {
  EXPECT_EQ(Redact("Authorization: Bearer abc.def, then"), "Authorization: Bearer [removed], then");
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
  const std::string line =
      "event=bus.down msg=\"no such device\" bus=rs485-1 retry_in=5s mapping=3 pins=4 time 12:30:01";
  EXPECT_EQ(Redact(line), line);
}

TEST(Redact, ReachesEveryTextOfADocument) {
  const OrderedJson json = {{"a", {"token=x", 1}}, {"b", {{"c", "password=y"}}}};
  EXPECT_EQ(RedactAll(json), (OrderedJson{{"a", {"token=[removed]", 1}}, {"b", {{"c", "password=[removed]"}}}}));
}

TEST(Redact, TakesOutATextWhoseKeyIsASecretsName) {
  const OrderedJson json = {{"wifi_password", "x"}, {"tokens", 5}, {"certificateOwnershipToken", "y"}, {"name", "z"}};
  EXPECT_EQ(
      RedactAll(json),
      (OrderedJson{
          {"wifi_password", "[removed]"}, {"tokens", 5}, {"certificateOwnershipToken", "[removed]"}, {"name", "z"}}));
}

TEST(Redact, TakesOutValuesOfTheConfigurationInForceByTheirKeys) {
  const auto row = [](const char* key, const char* value) { return OrderedJson{{"key", key}, {"value", value}}; };
  const OrderedJson json = {row("credentials.parameters", "{ serial = \"s1\" }"), row("bus.hall.password", "\"x\""),
                            row("thing.office.unit", "7")};
  EXPECT_EQ(RedactAll(json), (OrderedJson{row("credentials.parameters", "[removed]"),
                                          row("bus.hall.password", "[removed]"), row("thing.office.unit", "7")}));
}

}  // namespace
}  // namespace penumbra::cli
