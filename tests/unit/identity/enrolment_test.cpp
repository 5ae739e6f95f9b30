// One thing's enrolment: what refuses, what passes by waiting, what resumes, and which key is used.
#include "identity/enrolment.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "unit/identity/fleet_fixture.hpp"

namespace penumbra::identity::test {
namespace {

using testing::HasSubstr;

class EnrolmentTest : public FleetTest {
 protected:
  Error Refused(bool rotation = false) {
    device->Enrol(rotation);
    EXPECT_TRUE(device->Done());
    EXPECT_FALSE(*device->result) << "it was accepted";
    return *device->result ? Error{} : device->result->error();
  }
  void Accepted(bool rotation = false) {
    device->Enrol(rotation);
    ASSERT_TRUE(device->Done());
    ASSERT_TRUE(*device->result) << device->result->error().message;
    EXPECT_TRUE(device->Facts().Usable());
    EXPECT_FALSE(device->Leftovers());
  }
  void Again() { device = std::make_unique<Device>(cloud, folder.path()); }
  static std::string Read(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(EnrolmentTest, AClaimThatIsNotLetInEndsItAtOnce) {
  cloud.registry.SetStatus(
      InspectCredentials(device->Claim(".pem.crt"), device->Claim(".pem.key"), std::nullopt).certificate_id,
      iotcore::CertificateStatus::kInactive);
  const Error error = Refused();
  EXPECT_EQ(error.action, Action::kFixConfig);
  EXPECT_THAT(error.message, HasSubstr("with the claim certificate: the server rejected"));
  EXPECT_EQ(cloud.connects.size(), 1U);
}

TEST_F(EnrolmentTest, APolicyThatForbidsATopicIsNamed) {
  device->transport.suback = [](const std::string& filter) {
    return filter.find("provision/json/accepted") != std::string::npos ? 0x87 : 1;
  };
  EXPECT_THAT(Refused().message,
              HasSubstr("iot:Subscribe on topicfilter/$aws/provisioning-templates/penumbra/provision/json/accepted"));
  Again();
  device->transport.puback = [](const std::string&, const std::string&) { return 0x87; };
  EXPECT_THAT(Refused().message, HasSubstr("iot:Publish there"));
}

TEST_F(EnrolmentTest, OverMqtt311AClosedConnectionNamesTheTopicToo) {
  device->transport.on_connect = [this](const mqtt::ConnectOptions& options) -> std::optional<mqtt::Failure> {
    if (options.version == mqtt::Version::k5)
      return mqtt::Failure{mqtt::Failure::Kind::kProtocolVersion, 1, "no MQTT 5"};
    return cloud.Judge(options);
  };
  device->transport.suback = [](const std::string&) { return -1; };
  EXPECT_THAT(Refused().message, HasSubstr("after subscribing $aws/certificates/create-from-csr/json/accepted"));
  Again();
  device->transport.on_connect = [this](const mqtt::ConnectOptions& options) -> std::optional<mqtt::Failure> {
    if (options.version == mqtt::Version::k5)
      return mqtt::Failure{mqtt::Failure::Kind::kProtocolVersion, 1, "no MQTT 5"};
    return cloud.Judge(options);
  };
  Accepted();
}

TEST_F(EnrolmentTest, AHookThatSaysNoIsFinalAndMayBeResumedLater) {
  device->plan.parameters["SerialNumber"] = "stolen";
  ASSERT_TRUE(cloud.service.OnCommand({"refuse", "stolen"}, cloud.now_ms));
  const Error error = Refused();
  EXPECT_EQ(error.action, Action::kGiveUp);
  EXPECT_THAT(error.message, HasSubstr("its hook"));
  ASSERT_TRUE(cloud.service.OnCommand({"allow", "stolen"}, cloud.now_ms));
  Again();
  device->plan.parameters["SerialNumber"] = "stolen";
  Accepted();
  EXPECT_TRUE((*device->result)->resumed);
  EXPECT_EQ(cloud.registry.List("").size(), 2U) << "claim and thing: the certificate of the first attempt was used";
}

TEST_F(EnrolmentTest, WhatPassesIsTriedAgainAndNotForEver) {
  ASSERT_TRUE(cloud.service.OnCommand({"fault", "inject", "429"}, cloud.now_ms));
  Accepted();
  std::filesystem::remove(device->plan.certificate);
  Again();
  device->transport.reachable = false;
  EXPECT_EQ(Refused().action, Action::kBackOff);
  EXPECT_EQ(device->transport.connects.size(), static_cast<std::size_t>(Enrolment::kMaxAttempts));
}

TEST_F(EnrolmentTest, AThingThatTheTemplateCallsOtherwiseIsNotTakenAndNeverCostsASecondCertificate) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    Again();
    device->plan.parameters["ThingName"] = "other";
    const Error error = Refused();
    EXPECT_EQ(error.action, Action::kFixConfig);
    EXPECT_THAT(error.message, HasSubstr("calls this thing \"other\" and the configuration \"sensor-001\""));
    ASSERT_EQ(cloud.Active("other").size(), 1U) << attempt;
    EXPECT_THAT(error.message, HasSubstr(*cloud.Active("other").begin()));
    EXPECT_TRUE(device->Leftovers()) << "its key is kept";
  }
}

TEST_F(EnrolmentTest, ACertificateOfAnotherNameIsUsedOnceItIsAttachedToTheRightOne) {
  device->plan.parameters["ThingName"] = "other";
  Refused();
  const std::string id = *cloud.Active("other").begin();
  cloud.registry.Attach(id, "sensor-001");
  Again();
  Accepted();
  EXPECT_EQ(device->Facts().certificate_id, id);
}

TEST_F(EnrolmentTest, BeginningAnewNamesTheCertificateThatIsGivenUp) {
  device->plan.parameters["ThingName"] = "other";
  Refused();
  Again();
  device->Enrol(false, true);
  ASSERT_TRUE(device->Done());
  ASSERT_TRUE(*device->result);
  const std::string id = *cloud.Active("other").begin();
  EXPECT_THAT(device->told, testing::Contains(testing::AllOf(HasSubstr(id), HasSubstr("attached to \"other\""))));
  EXPECT_NE(device->Facts().certificate_id, id);
}

// The next question is asked over another connection: an answer that comes late has nowhere to come to.
TEST_F(EnrolmentTest, ALateAnswerIsNotTakenForThatToTheNextQuestion) {
  device->lose_answers = true;
  device->Enrol(false);
  device->loop.Advance(Office::kAnswerLimit);
  device->lose_answers = false;
  ASSERT_TRUE(device->Done());
  ASSERT_TRUE(*device->result) << device->result->error().message;
  EXPECT_EQ(std::count_if(cloud.connects.begin(), cloud.connects.end(),
                          [](const Connected& connected) { return connected.client_id == "claimant"; }),
            2);
}

TEST_F(EnrolmentTest, AnAnswerToSomebodyElseIsNotTakenForOurs) {
  // The same topic brings another device's certificate first.
  TemporaryFolder elsewhere;
  ASSERT_TRUE(MakePrivateKey(elsewhere.path() / "key", KeyKind::kP256));
  const auto foreign = Authority().SignRequest(*MakeCertificateRequest(elsewhere.path() / "key", "x"));
  bool sent = false;
  device->moment = [&](std::string_view now) {
    if (now != "journal.certificate" || std::exchange(sent, true)) return;
    device->loop.Post([&] {
      device->transport.Deliver(
          "claimant", kCreateTopic + "/accepted",
          Dump(Json{
              {"certificateId", foreign->id}, {"certificatePem", foreign->pem}, {"certificateOwnershipToken", "t"}}));
    });
  };
  Accepted();
  EXPECT_NE(device->Facts().certificate_id, foreign->id);
}

TEST_F(EnrolmentTest, AnAnswerThatIsLostIsMadeGoodByTryingTheCertificate) {
  int answers = 0;
  device->moment = [&](std::string_view now) {
    if (now == "journal.register")
      device->lose_answers = ++answers == 2;  // written before the registration is asked for
    if (now == "trial.connected") device->lose_answers = false;
  };
  Accepted();
  EXPECT_EQ(cloud.Active("sensor-001").size(), 1U);
  EXPECT_EQ(std::count(device->moments.begin(), device->moments.end(), "registration.answered"), 1)
      << "a time-out, and no second request";
}

TEST_F(EnrolmentTest, ATokenThatIsTooOldMeansAnotherCertificate) {
  device->moment = [&](std::string_view now) {
    if (now == "certificate.written") {
      EXPECT_TRUE(cloud.service.OnCommand({"expire"}, cloud.now_ms));
    }
    if (now == "registration.answered") device->moment = nullptr;
  };
  Accepted();
  EXPECT_EQ(cloud.Active("sensor-001").size(), 1U);
}

TEST_F(EnrolmentTest, ATrialThatFailsLeavesTheOldCertificateInUse) {
  GiveOwn();
  device->transport.on_connect = [this](const mqtt::ConnectOptions& options) -> std::optional<mqtt::Failure> {
    if (options.certificate.extension() == ".next") {
      return mqtt::Failure{mqtt::Failure::Kind::kRefused, 0x87, "CONNECT refused: 0x87 not authorized"};
    }
    return cloud.Judge(options);
  };
  EXPECT_THAT(Refused(true).message, HasSubstr("with the new certificate: CONNECT refused"));
  EXPECT_EQ(device->Facts().certificate_id, old);
  EXPECT_TRUE(device->Facts().Usable());
  Again();
  Accepted(true);
  EXPECT_NE(device->Facts().certificate_id, old);
}

TEST_F(EnrolmentTest, ARotationTakesAClientIdOnceASecond) {
  GiveOwn();
  Accepted(true);
  const auto& connects = device->transport.connects;
  ASSERT_EQ(connects.size(), 2U);
  EXPECT_GE(connects[1].at - connects[0].at, std::chrono::seconds(1));
  EXPECT_EQ((*device->result)->old_certificate_id, old);
}

TEST_F(EnrolmentTest, TheKeyIsMadeHereAndOnlyItsOwnerReadsIt) {
  Accepted();
  struct stat info {};
  ASSERT_EQ(::stat(device->plan.private_key.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
  ASSERT_EQ(::stat(device->plan.certificate.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644);
  for (const auto& message : device->transport.published) {
    EXPECT_EQ(message.payload.find("PRIVATE KEY"), std::string::npos) << message.topic;
  }
}

TEST_F(EnrolmentTest, AKeyThatWaitsForItsCertificateIsUsed) {
  ASSERT_TRUE(MakePrivateKey(device->plan.private_key, KeyKind::kRsa2048));
  const std::string key = Read(device->plan.private_key);
  Accepted();
  EXPECT_EQ(Read(device->plan.private_key), key);
}

TEST_F(EnrolmentTest, AJournalWhoseFilesAreGoneIsNoReasonToBeStuck) {
  for (const bool key : {true, false}) {
    Again();
    device->moment = [&](std::string_view now) {
      if (now == "journal.trial") device->transport.reachable = false;
    };
    device->Enrol(false);
    ASSERT_TRUE(device->Done());
    ASSERT_FALSE(*device->result);
    const std::set<std::string> before = cloud.Active("sensor-001");
    ASSERT_EQ(before.size(), key ? 1U : 2U);
    const PendingFiles files(device->plan);
    std::filesystem::remove(key ? files.key : files.certificate);
    Again();
    Accepted();
    EXPECT_THAT(device->told, testing::Contains(HasSubstr("starting over")));
    EXPECT_THAT(device->told, testing::Contains(HasSubstr("where it is active, set it inactive")));
    std::filesystem::remove(device->plan.certificate);
    std::filesystem::remove(device->plan.private_key);
    for (const std::string& id : cloud.Active("sensor-001")) {
      if (before.count(id) == 0) cloud.registry.SetStatus(id, iotcore::CertificateStatus::kInactive);
    }
  }
}

TEST_F(EnrolmentTest, AfreshForgetsWhatHadBegun) {
  GiveOwn();
  device->moment = [](std::string_view now) {
    if (now == "journal.trial") throw 1;
  };
  EXPECT_ANY_THROW(Refused());
  Again();
  device->Enrol(false, true);
  ASSERT_TRUE(device->Done() && *device->result);
  EXPECT_FALSE((*device->result)->resumed);
}

}  // namespace
}  // namespace penumbra::identity::test
