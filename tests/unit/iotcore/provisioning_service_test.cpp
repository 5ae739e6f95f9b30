// Fleet provisioning in the stand-in: tokens, templates, and which certificates are good for what at which moment.
#include "iotcore/provisioning_service.hpp"

#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'100'000;

class NumberingOffice : public CertificateOffice {
 public:
  Result<IssuedCertificate> SignRequest(const std::string& csr_pem) override {
    if (csr_pem != "csr") return Fail(Action::kGiveUp, "it is no signing request in PEM");
    return IssuedCertificate{"id" + std::to_string(++count_), "pem", ""};
  }
  Result<IssuedCertificate> MakeKeysAndCertificate() override {
    return IssuedCertificate{"id" + std::to_string(++count_), "pem", "key"};
  }

 private:
  int count_ = 0;
};

class ProvisioningServiceTest : public ::testing::Test {
 protected:
  // The answer with "kind": accepted or rejected.
  Json Ask(const std::string& topic, const Json& body, std::int64_t now_ms = kNowMs) {
    const auto out = service.OnMessage(topic, Dump(body), now_ms);
    if (out.size() != 1) return nullptr;
    Json answer = *ParseJson(out[0].payload);
    answer["kind"] = out[0].topic.substr(out[0].topic.rfind('/') + 1);
    EXPECT_EQ(out[0].topic, topic + "/" + answer["kind"].get<std::string>());
    return answer;
  }
  Json Create(std::int64_t now_ms = kNowMs) {
    return Ask("$aws/certificates/create-from-csr/json", {{"certificateSigningRequest", "csr"}}, now_ms);
  }
  Json Register(const Json& token, const Json& parameters, std::int64_t now_ms = kNowMs,
                const std::string& name = "penumbra") {
    return Ask("$aws/provisioning-templates/" + name + "/provision/json",
               {{"certificateOwnershipToken", token}, {"parameters", parameters}}, now_ms);
  }
  Result<Service::Reply> Do(const std::vector<std::string>& words) { return service.OnCommand(words, kNowMs); }
  CertificateStatus StatusOf(const Json& certificate) {
    return registry.Find(certificate["certificateId"].get<std::string>())->status;
  }

  CertificateRegistry registry;
  NumberingOffice office;
  ProvisioningService service{registry, office};
};

TEST_F(ProvisioningServiceTest, RefusesWithStatusAndCode) {
  EXPECT_EQ(Ask("$aws/certificates/create-from-csr/json", Json::object())["statusCode"], 400);
  EXPECT_EQ(Ask("$aws/certificates/create-from-csr/json", {{"certificateSigningRequest", "rubbish"}})["statusCode"],
            400);
  EXPECT_EQ(Register("unknown", {{"ThingName", "t1"}})["errorCode"], "InvalidCertificateOwnershipToken");
  const Json token = Create()["certificateOwnershipToken"];
  EXPECT_EQ(Register(token, {{"ThingName", "t1"}}, kNowMs, "nothere")["statusCode"], 404);
  EXPECT_EQ(Register(token, Json::object())["errorMessage"], "ThingName: parameter ThingName is missing");
  EXPECT_EQ(Register(token, {{"ThingName", "bad name"}})["statusCode"], 400);
  EXPECT_EQ(Register(token, {{"ThingName", 5}})["statusCode"], 400);
  EXPECT_EQ(Register(token, {{"ThingName", "t1"}})["kind"], "accepted") << "a refusal does not use the token up";
  const auto out = service.OnMessage("$aws/certificates/create/json", "{", kNowMs);
  EXPECT_EQ(out[0].topic, "$aws/certificates/create/json/rejected");
}

TEST_F(ProvisioningServiceTest, ACertificateIsPendingUntilItsThingIsRegistered) {
  const Json created = Create();
  EXPECT_EQ(created["certificatePem"], "pem");
  EXPECT_FALSE(created.contains("privateKey"));
  EXPECT_EQ(StatusOf(created), CertificateStatus::kPendingActivation);
  const Json registered = Register(created["certificateOwnershipToken"], {{"ThingName", "t1"}, {"SerialNumber", "s1"}});
  EXPECT_EQ(registered["thingName"], "t1");
  EXPECT_EQ(registered["deviceConfiguration"], Json::object());
  EXPECT_EQ(StatusOf(created), CertificateStatus::kActive);
  EXPECT_EQ(registry.NewestOf("t1")->id, created["certificateId"].get<std::string>());
  EXPECT_EQ(registry.things()["t1"], (Json{{"serial", "s1"}}));
  EXPECT_EQ(Register(created["certificateOwnershipToken"], {{"ThingName", "t1"}})["errorCode"],
            "InvalidCertificateOwnershipToken")
      << "a token works once";
}

TEST_F(ProvisioningServiceTest, ATokenLivesAnHourAndItsCertificateGoesWithIt) {
  const Json created = Create();
  EXPECT_EQ(service.NextDue(), kNowMs + 3600'000);
  service.OnTick(kNowMs + 3600'000);
  EXPECT_EQ(registry.Find(created["certificateId"].get<std::string>()), nullptr);
  EXPECT_EQ(Register(created["certificateOwnershipToken"], {{"ThingName", "t1"}}, kNowMs + 3600'000)["statusCode"],
            400);
  const Json second = Create();
  ASSERT_TRUE(Do({"expire"}));
  EXPECT_EQ(Register(second["certificateOwnershipToken"], {{"ThingName", "t1"}})["statusCode"], 400);
}

TEST_F(ProvisioningServiceTest, TheCloudCanMakeTheKeyToo) {
  EXPECT_EQ(Ask("$aws/certificates/create/json", Json::object())["privateKey"], "key");
}

TEST_F(ProvisioningServiceTest, TheHookRefusesASerialNumber) {
  ASSERT_TRUE(Do({"refuse", "stolen"}));
  const Json token = Create()["certificateOwnershipToken"];
  EXPECT_EQ(Register(token, {{"ThingName", "t1"}, {"SerialNumber", "stolen"}})["statusCode"], 403);
  ASSERT_TRUE(Do({"allow", "stolen"}));
  EXPECT_EQ(Register(token, {{"ThingName", "t1"}, {"SerialNumber", "stolen"}})["kind"], "accepted");
}

TEST_F(ProvisioningServiceTest, MoreThanItsRateIsThrottled) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Create()["kind"], "accepted");
  EXPECT_EQ(Create()["statusCode"], 429);
  EXPECT_EQ(Create(kNowMs + 1000)["kind"], "accepted");
}

TEST_F(ProvisioningServiceTest, ATemplateNamesTheThingWithIntrinsics) {
  const std::string made = R"({
    "Parameters": {"Serial": {"Type": "String"}, "Site": {"Type": "String", "Default": "north"}},
    "Mappings": {"Sites": {"north": {"short": "n"}}},
    "Resources": {"thing": {
      "Type": "AWS::IoT::Thing",
      "Properties": {"ThingName": {"Fn::Join": ["-", [
        {"Fn::FindInMap": ["Sites", {"Ref": "Site"}, "short"]},
        {"Fn::Select": ["1", {"Fn::Split": [":", {"Ref": "Serial"}]}]}]]}},
      "OverrideSettings": {"AttributePayload": "FAIL"}}},
    "DeviceConfiguration": {"hello": {"Fn::Sub": "from ${Site}"}}
  })";
  const auto added = Do({"template", "mine", made});
  ASSERT_TRUE(added) << added.error().message;
  const Json first = Register(Create()["certificateOwnershipToken"], {{"Serial", "a:42"}}, kNowMs, "mine");
  EXPECT_EQ(first["thingName"], "n-42");
  EXPECT_EQ(first["deviceConfiguration"]["hello"], "from north");
  EXPECT_EQ(Register(Create()["certificateOwnershipToken"], {{"Serial", "a:42"}}, kNowMs, "mine")["statusCode"], 409);
  EXPECT_EQ(Register(Create()["certificateOwnershipToken"], {{"Serial", "none"}}, kNowMs, "mine")["statusCode"], 400);
  for (const char* bad : {"{", "[]", "{}", R"({"Parameters":{},"Resources":{}})",
                          R"({"Parameters":{},"Resources":{"a":{"Type":"AWS::S3::Bucket","Properties":{}}}})"}) {
    EXPECT_FALSE(Do({"template", "bad", bad})) << bad;
  }
}

TEST_F(ProvisioningServiceTest, WhatAThingHasIsMergedReplacedOrLeftAsTheTemplateSays) {
  const auto after = [this](const std::string& override) {
    const std::string settings =
        override.empty() ? "" : R"(,"OverrideSettings":{"AttributePayload":")" + override + R"("})";
    EXPECT_TRUE(Do({"template", "mine",
                    R"({"Parameters":{"Serial":{"Type":"String"}},"Resources":{"t":{
      "Type":"AWS::IoT::Thing","Properties":{"ThingName":"t1","AttributePayload":{"serial":{"Ref":"Serial"}}})" +
                        settings + "}}}"}));
    registry.things()["t1"] = {{"floor", "1"}, {"serial", "old"}};
    EXPECT_EQ(Register(Create()["certificateOwnershipToken"], {{"Serial", "new"}}, kNowMs, "mine")["kind"], "accepted");
    return registry.things()["t1"];
  };
  EXPECT_EQ(after("MERGE"), Json({{"floor", "1"}, {"serial", "new"}}));
  EXPECT_EQ(after("REPLACE"), Json({{"serial", "new"}}));
  EXPECT_EQ(after("DO_NOTHING"), Json({{"floor", "1"}, {"serial", "old"}}));
  EXPECT_EQ(after(""), Json({{"floor", "1"}, {"serial", "new"}}));
}

TEST_F(ProvisioningServiceTest, ADisabledCertificateIsToldToTheFront) {
  std::vector<std::string> disabled;
  registry.on_disabled = [&disabled](const std::string& id) { disabled.push_back(id); };
  const Json created = Create();
  Register(created["certificateOwnershipToken"], {{"ThingName", "t1"}});
  ASSERT_TRUE(Do({"deactivate", "t1"}));
  EXPECT_EQ(disabled.size(), 1U);
  ASSERT_TRUE(Do({"deactivate", "t1"}));
  EXPECT_EQ(disabled.size(), 1U) << "it was inactive already";
  ASSERT_TRUE(Do({"activate", created["certificateId"].get<std::string>()}));
  EXPECT_EQ(StatusOf(created), CertificateStatus::kActive);
  EXPECT_EQ(Do({"certificates", "t1"})->json[0]["status"], "ACTIVE");
  ASSERT_TRUE(Do({"delete", "t1"}));
  EXPECT_EQ(registry.NewestOf("t1"), nullptr);
  EXPECT_FALSE(Do({"deactivate", "t1"}));
  EXPECT_FALSE(Do({"dance", "t1"}));
}

TEST_F(ProvisioningServiceTest, AnAnswerIsLostAfterTheWorkWasDone) {
  const Json created = Create();
  ASSERT_TRUE(Do({"fault", "drop", "1"}));
  EXPECT_TRUE(Register(created["certificateOwnershipToken"], {{"ThingName", "t1"}}).is_null());
  EXPECT_EQ(StatusOf(created), CertificateStatus::kActive);
  ASSERT_TRUE(Do({"fault", "inject", "429"}));
  EXPECT_EQ(Create()["statusCode"], 429);
}

}  // namespace
}  // namespace penumbra::iotcore
