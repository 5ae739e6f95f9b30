// The keeper of a running daemon's certificates: warnings, rotation by itself and on request, files that others
// replaced.
#include "identity/keeper.hpp"

#include <gmock/gmock.h>

#include "unit/identity/fleet_fixture.hpp"

namespace penumbra::identity::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

constexpr std::int64_t kDay = 86400;

// Notes who is held and let go; a held thing is closed a moment later.
class FakeUplink : public Uplink {
 public:
  explicit FakeUplink(EventLoop& loop) : loop_(loop) {}
  void Attach(LinkClient&) override {}
  void Start(const GatewaySettings&, const std::vector<ThingSettings>&) override {}
  void Reconfigure(const UpstreamSettings&, const std::vector<ThingSettings>&) override {}
  void SetSensor(const std::string&, SensorState) override {}
  void OnCommitted(const std::vector<Reading>&) override {}
  void Shutdown(std::function<void()> done) override { done(); }
  void Hold(const std::string& thing, std::function<void()> done) override {
    calls.push_back("hold " + thing);
    timers_.push_back(loop_.After(10ms, std::move(done)));
  }
  void Release(const std::string& thing) override { calls.push_back("release " + thing); }
  std::vector<LinkStatus> Links() const override { return {}; }
  std::string Explain(const std::string&, std::uint64_t) const override { return ""; }

  std::vector<std::string> calls;

 private:
  EventLoop& loop_;
  std::vector<SubscriptionPtr> timers_;
};

TEST(WarningDays, AreThirtySevenOneAndNone) {
  EXPECT_EQ(WarningDays(31 * kDay), std::nullopt);
  EXPECT_EQ(WarningDays(30 * kDay), 30);
  EXPECT_EQ(WarningDays(7 * kDay + 1), 30);
  EXPECT_EQ(WarningDays(7 * kDay), 7);
  EXPECT_EQ(WarningDays(kDay), 1);
  EXPECT_EQ(WarningDays(0), 0);
  EXPECT_EQ(WarningDays(-5), 0);
}

TEST(RotationDue, IsWithinTheTenthAfterTheMomentAndDiffersByThing) {
  std::set<std::int64_t> moments;
  for (int i = 0; i < 50; ++i) {
    const std::int64_t due = RotationDue(1000 * kDay, 24h * 30, "sensor-" + std::to_string(i));
    EXPECT_GE(due, 970 * kDay);
    EXPECT_LT(due, 973 * kDay);
    moments.insert(due);
  }
  EXPECT_GT(moments.size(), 40U);
}

class KeeperTest : public FleetTest {
 protected:
  void SetUp() override {
    GiveOwn();
    options.upstream.endpoint = "cloud";
    options.credentials.template_name = "penumbra";
    options.plans = {device->plan};
    options.seed = 1;
  }
  void Start() {
    keeper = std::make_unique<CertificateKeeper>(options, device->loop, device->transport, uplink(), trust(), RunHere);
    keeper->Recover();
    keeper->Start();
    device->loop.RunReady();
  }
  FakeUplink& uplink() {
    if (!uplink_) uplink_ = std::make_unique<FakeUplink>(device->loop);
    return *uplink_;
  }
  TimeTrust& trust() {
    if (!trust_) trust_ = std::make_unique<TimeTrust>(device->loop.clock(), true, 0);
    return *trust_;
  }
  // Moves the wall clock to `days` before the certificate's end.
  void DaysLeft(double days) {
    const std::int64_t end_ms =
        InspectCredentials(device->plan.certificate, device->plan.private_key, std::nullopt).not_after_s * 1000;
    device->loop.virtual_clock.unix_epoch_ms =
        end_ms - static_cast<std::int64_t>(days * kDay * 1000) - device->loop.Now().ns / 1'000'000;
  }
  std::string InUse() { return device->Facts().certificate_id; }

  CertificateKeeper::Options options;
  std::unique_ptr<CertificateKeeper> keeper;

 private:
  std::unique_ptr<FakeUplink> uplink_;
  std::unique_ptr<TimeTrust> trust_;
};

TEST_F(KeeperTest, WithoutATemplateNothingCanBeRotated) {
  options.credentials.template_name.clear();
  Start();
  std::string error;
  keeper->Rotate("sensor-001", {}, [&](const Result<Enrolled>& result) { error = result.error().message; });
  EXPECT_THAT(error, HasSubstr("[credentials]"));
  keeper->Rotate("nobody", {}, [&](const Result<Enrolled>& result) { error = result.error().message; });
  EXPECT_THAT(error, HasSubstr("no thing is called"));
  EXPECT_THAT(uplink().calls, IsEmpty());
}

// `penumbra cert rotate THING --template NAME`: what is asked for counts, with a template in the configuration or not.
TEST_F(KeeperTest, ARotationIsAskedForWithTheTemplateThatItsCallerNames) {
  for (const char* configured : {"", "another"}) {
    options.credentials.template_name = configured;
    options.plans[0].template_name = configured;
    Start();
    std::optional<Result<Enrolled>> result;
    keeper->Rotate("sensor-001", {.template_name = "penumbra"},
                   [&](Result<Enrolled> done) { result = std::move(done); });
    device->loop.Advance(1min);
    ASSERT_TRUE(result && *result) << (result ? result->error().message : "no answer");
  }
  std::string error;
  keeper->Rotate("sensor-001", {}, [&](const Result<Enrolled>& result) { error = result.error().message; });
  device->loop.Advance(1min);
  EXPECT_THAT(error, HasSubstr("another")) << "the next one is asked for as configured";
}

TEST_F(KeeperTest, HoldsTheSessionWhileItRotatesAndLetsItGoAfterwards) {
  Start();
  std::optional<Result<Enrolled>> result;
  keeper->Rotate("sensor-001", {}, [&](Result<Enrolled> done) { result = std::move(done); });
  EXPECT_TRUE(keeper->States()[0].rotating);
  device->loop.Advance(1min);
  ASSERT_TRUE(result && *result);
  EXPECT_THAT(uplink().calls, ElementsAre("hold sensor-001", "release sensor-001"));
  EXPECT_EQ(keeper->States()[0].certificate_id, InUse());
  EXPECT_NE(InUse(), old);
  EXPECT_FALSE(keeper->States()[0].rotating);
}

TEST_F(KeeperTest, ARotationThatFailsLetsTheSessionGoAndKeepsTheOldCertificate) {
  device->transport.puback = [](const std::string&, const std::string&) { return 0x87; };
  Start();
  std::string error;
  keeper->Rotate("sensor-001", {}, [&](const Result<Enrolled>& result) { error = result.error().message; });
  device->loop.Advance(1min);
  EXPECT_THAT(error, HasSubstr("iot:Publish"));
  EXPECT_EQ(keeper->States()[0].last_error, error);
  EXPECT_THAT(uplink().calls, ElementsAre("hold sensor-001", "release sensor-001"));
  EXPECT_EQ(InUse(), old);
}

TEST_F(KeeperTest, WarnsAndDoesNotRotateWithoutBeingTold) {
  DaysLeft(0.5);
  Start();
  device->loop.Advance(3h);
  EXPECT_THAT(keeper->States()[0].trouble, HasSubstr("expires on"));
  EXPECT_THAT(uplink().calls, IsEmpty());
}

TEST_F(KeeperTest, RotatesByItselfBeforeTheEnd) {
  options.credentials.rotate_before = 24h * 30;
  DaysLeft(26);
  Start();
  device->loop.Advance(25min);  // the authority's next certificate ends on the same day: it is not due again so soon
  EXPECT_THAT(uplink().calls, ElementsAre("hold sensor-001", "release sensor-001"));
  EXPECT_NE(InUse(), old);
}

TEST_F(KeeperTest, DoesNotRotateByItselfTooEarlyNorWithAClockThatIsNotTrusted) {
  options.credentials.rotate_before = 24h * 30;
  DaysLeft(31);
  Start();
  device->loop.Advance(1h);
  EXPECT_THAT(uplink().calls, IsEmpty());
}

TEST_F(KeeperTest, ARotationThatFailedByItselfWaitsBeforeTheNext) {
  device->transport.puback = [](const std::string&, const std::string&) { return 0x87; };
  options.credentials.rotate_before = 24h * 30;
  DaysLeft(20);
  Start();
  device->loop.Advance(25min);
  EXPECT_EQ(uplink().calls.size(), 2U) << "one attempt";
  device->loop.Advance(72h);
  EXPECT_GE(uplink().calls.size(), 4U);
  EXPECT_LE(uplink().calls.size(), 2U * 12U);
}

TEST_F(KeeperTest, FilesThatSomebodyReplacedMeanANewSession) {
  DaysLeft(0.5);
  Start();
  cloud.Issue("sensor-001", iotcore::CertificateRole::kDevice, device->plan.certificate, device->plan.private_key);
  device->loop.Advance(CertificateKeeper::kLook + 1s);
  EXPECT_THAT(uplink().calls, ElementsAre("hold sensor-001", "release sensor-001"));
  EXPECT_EQ(keeper->States()[0].certificate_id, InUse());
}

TEST_F(KeeperTest, ARotationThatACrashInterruptedIsResumedAtTheStart) {
  device->moment = [](std::string_view now) {
    if (now == "journal.register") throw 1;
  };
  EXPECT_ANY_THROW({
    device->Enrol(true);
    device->Done();
  });
  device = std::make_unique<Device>(cloud, folder.path());
  Start();
  device->loop.Advance(1min);
  EXPECT_NE(InUse(), old);
  EXPECT_FALSE(device->Leftovers());
}

// --- another configuration ---

TEST_F(KeeperTest, RotationThatAReloadTurnsOnOrBringsForwardBeginsAtOnce) {
  Start();
  DaysLeft(10);
  device->loop.Advance(2h);
  ASSERT_EQ(InUse(), old);
  options.credentials.rotate_before = std::chrono::hours(24 * 5);
  keeper->Reconfigure(options.upstream, options.credentials, options.plans);
  device->loop.Advance(1min);
  EXPECT_EQ(InUse(), old) << "not yet due";
  options.credentials.rotate_before = std::chrono::hours(24 * 20);
  keeper->Reconfigure(options.upstream, options.credentials, options.plans);
  device->loop.Advance(1min);
  EXPECT_NE(InUse(), old);
}

TEST_F(KeeperTest, ATemplateThatAReloadPutsRightIsTriedWithoutWaitingForTheRetry) {
  options.credentials.rotate_before = std::chrono::hours(24 * 20);
  const auto cloud_takes =
      std::exchange(device->transport.puback, [](const std::string&, const std::string&) { return 0x87; });
  Start();
  DaysLeft(10);
  device->loop.Advance(2min);
  ASSERT_FALSE(keeper->States()[0].last_error.empty());
  device->transport.puback = cloud_takes;
  device->loop.Advance(2min);
  ASSERT_EQ(InUse(), old) << "the retry is an hour away";
  keeper->Reconfigure(options.upstream, options.credentials, options.plans);
  device->loop.Advance(1min);
  EXPECT_NE(InUse(), old);
}

TEST_F(KeeperTest, AThingThatComesByAReloadIsLookedAfterAndOneThatGoesIsNot) {
  const std::vector<Plan> plans = std::exchange(options.plans, {});
  options.credentials.rotate_before = std::chrono::hours(24 * 20);
  Start();
  DaysLeft(10);
  EXPECT_THAT(keeper->States(), IsEmpty());
  keeper->Reconfigure(options.upstream, options.credentials, plans);
  device->loop.Advance(1min);
  EXPECT_NE(InUse(), old);
  ASSERT_EQ(keeper->States().size(), 1u);
  EXPECT_EQ(keeper->States()[0].certificate_id, InUse());
  keeper->Reconfigure(options.upstream, options.credentials, {});
  device->loop.Advance(1min);
  EXPECT_THAT(keeper->States(), IsEmpty());
}

TEST_F(KeeperTest, ARotationUnderWayIsFinishedThoughItsThingIsGone) {
  Start();
  std::optional<Result<Enrolled>> result;
  keeper->Rotate("sensor-001", {}, [&](Result<Enrolled> done) { result = std::move(done); });
  device->loop.Advance(20ms);
  keeper->Reconfigure(options.upstream, options.credentials, {});
  EXPECT_EQ(keeper->States().size(), 1u);
  device->loop.Advance(1min);
  ASSERT_TRUE(result && *result);
  EXPECT_NE(InUse(), old);
  EXPECT_THAT(keeper->States(), IsEmpty());
}

TEST_F(KeeperTest, WhoeverWaitsForARotationHearsThatTheConfigurationHasTakenItAway) {
  options.plans.push_back(device->plan);
  options.plans.back().thing = "sensor-002";
  Start();
  std::string error;
  keeper->Rotate("sensor-001", {}, [](const Result<Enrolled>&) {});
  keeper->Rotate("sensor-002", {}, [&](const Result<Enrolled>& result) { error = result.error().message; });
  options.credentials.template_name.clear();
  keeper->Reconfigure(options.upstream, options.credentials, options.plans);
  EXPECT_THAT(error, HasSubstr("no provisioning template any more"));
}

}  // namespace
}  // namespace penumbra::identity::test
