// The process dies at every moment of an enrolment, and at every moment of the resumption too: what is on disk and in
// the cloud is then right, and stays right.
#include "unit/identity/fleet_fixture.hpp"

namespace penumbra::identity::test {
namespace {

struct Crash {};

struct Case {
  const char* name;
  bool rotation;
  bool lose_answers;  // the cloud does its work, but its answer does not arrive before the crash
};

// Dies at the `at`-th moment (0: the first); answers whether it came so far. A device that waits for a lost answer dies
// waiting.
bool RunAndDie(Device& device, const Case& one, std::size_t at) {
  device.moment = [&device, at](std::string_view) {
    if (device.moments.size() == at + 1) throw Crash{};
  };
  try {
    device.Enrol(one.rotation);
    device.Done(std::chrono::seconds(10));
  } catch (const Crash&) {
    return true;
  }
  return !device.result.has_value();
}

class EnrolmentCrash : public FleetTest, public ::testing::WithParamInterface<Case> {
 protected:
  // What must be true whenever no process runs, and a daemon has been started.
  void CheckAtRest(const std::string& where) {
    Device looker(cloud, folder.path());
    ASSERT_TRUE(RecoverInstall(looker.plan)) << where;
    const CredentialFacts facts = looker.Facts();
    if (!GetParam().rotation && facts.certificate_id.empty()) return;  // not yet provisioned
    EXPECT_TRUE(facts.Usable()) << where << ": key and certificate in place belong together";
    EXPECT_TRUE(cloud.Active("sensor-001").contains(facts.certificate_id)) << where << ": and the cloud knows it";
  }
  // Once the new certificate was let in, nobody uses the old one again.
  void CheckOrderOfUse(const std::string& where) {
    bool new_used = false;
    for (const Connected& connect : cloud.connects) {
      if (connect.client_id != "sensor-001" || !connect.accepted) continue;
      if (connect.certificate != old) new_used = true;
      EXPECT_FALSE(new_used && connect.certificate == old) << where << ": the old one after the new one";
    }
  }
  // As the callers of Enrolment see it: nothing is under way, and there is a new certificate.
  bool NothingToDo() {
    Device looker(cloud, folder.path());
    const CredentialFacts facts = looker.Facts();
    return !looker.Leftovers() && facts.Usable() && facts.certificate_id != old;
  }
  void Resume(const std::string& where) {
    device = std::make_unique<Device>(cloud, folder.path());
    if (!NothingToDo()) {
      device->Enrol(GetParam().rotation);
      ASSERT_TRUE(device->Done()) << where << ": the resumed enrolment does not end";
      ASSERT_TRUE(*device->result) << where << ": " << device->result->error().message;
    }
    EXPECT_FALSE(device->Leftovers()) << where;
    const CredentialFacts facts = device->Facts();
    EXPECT_TRUE(facts.Usable()) << where;
    EXPECT_NE(facts.certificate_id, old) << where;
    // The one in use, and in a rotation the one that it replaced: none that somebody paid for and nobody uses.
    std::set<std::string> expected{facts.certificate_id};
    if (GetParam().rotation) expected.insert(old);
    EXPECT_EQ(cloud.Active("sensor-001"), expected) << where;
    CheckOrderOfUse(where);
  }
  void Begin() {
    cloud.~Cloud();
    new (&cloud) Cloud();
    std::filesystem::remove_all(folder.path() / "credentials");
    cloud.Issue("claim", iotcore::CertificateRole::kClaim, folder.path() / "claim.pem.crt",
                folder.path() / "claim.pem.key");
    device = std::make_unique<Device>(cloud, folder.path());
    old.clear();
    if (GetParam().rotation) GiveOwn();
  }
  std::vector<std::string> MomentsOfASmoothRun() {
    Begin();
    device->Enrol(GetParam().rotation);
    EXPECT_TRUE(device->Done() && *device->result);
    return device->moments;
  }
};

// The second crash of each run is at another moment, so that over all first ones every second one comes up.
TEST_P(EnrolmentCrash, AtEveryMomentAndAgainInTheResumption) {
  const auto moments = MomentsOfASmoothRun();
  ASSERT_GE(moments.size(), 10U);
  for (std::size_t first = 0; first < moments.size(); ++first) {
    const std::size_t second = first * 5 % moments.size();
    const std::string where = moments[first] + " #" + std::to_string(first) + ", then #" + std::to_string(second);
    Begin();
    device->lose_answers = GetParam().lose_answers;
    RunAndDie(*device, GetParam(), first);
    device.reset();
    if (first % 2 == 0) CheckAtRest(where);  // else nobody starts a daemon, and the command itself goes on
    if (!NothingToDo()) {
      device = std::make_unique<Device>(cloud, folder.path());
      RunAndDie(*device, GetParam(), second);
    }
    CheckAtRest(where);
    Resume(where);
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(, EnrolmentCrash,
                         testing::Values(Case{"Provision", false, false}, Case{"ProvisionWithLostAnswers", false, true},
                                         Case{"Rotation", true, false}, Case{"RotationWithLostAnswers", true, true}),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace penumbra::identity::test
