// The journal on disk, plans from a configuration, and the lock.
#include "identity/journal.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "unit/identity/fleet_fixture.hpp"

namespace penumbra::identity::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(Journal, ThatIsDamagedOrOfAnotherThingIsRefused) {
  const TemporaryFolder folder;
  Plan plan;
  plan.thing = "a";
  plan.certificate = folder.path() / "a.pem.crt";
  plan.private_key = folder.path() / "a.pem.key";
  const PendingFiles files(plan);
  EXPECT_EQ(*LoadJournal(files, "a"), std::nullopt);
  Journal journal;
  journal.thing = "a";
  journal.step = Step::kRegister;
  journal.token = "secret";
  journal.asked = true;
  ASSERT_TRUE(SaveJournal(files, journal));
  struct stat info {};
  ASSERT_EQ(::stat(files.journal.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600) << "it holds the ownership token";
  EXPECT_EQ((*LoadJournal(files, "a"))->token, "secret");
  EXPECT_TRUE((*LoadJournal(files, "a"))->asked);
  EXPECT_THAT(LoadJournal(files, "b").error().message, HasSubstr("of the thing a"));
  for (const char* bad : {"", "{", "[]", "{}", R"({"version":2,"thing":"a","step":"trial"})",
                          R"({"version":1,"thing":"a","step":"dance"})",
                          R"({"version":1,"thing":"a","step":"register"})", R"({"version":1,"step":"trial"})"}) {
    std::ofstream(files.journal) << bad;
    EXPECT_FALSE(LoadJournal(files, "a")) << bad;
  }
}

TEST(Plans, TakeTheGatewayFirstAndFillInTheThing) {
  Settings settings;
  settings.gateway.thing = "gw";
  settings.things.resize(1);
  settings.things[0].name = "s1";
  settings.credentials.template_name = "fleet";
  settings.credentials.parameters = {{"SerialNumber", "4711-{thing}"}};
  const auto plans = MakePlans(settings, {{"Site", "north"}});
  ASSERT_EQ(plans.size(), 2U);
  EXPECT_EQ(plans[0].thing, "gw");
  EXPECT_FALSE(plans[0].parameters.contains("ParentThing"));
  EXPECT_EQ(plans[1].template_name, "fleet");
  EXPECT_THAT(plans[1].parameters, ElementsAre(Pair("ParentThing", "gw"), Pair("SerialNumber", "4711-s1"),
                                               Pair("Site", "north"), Pair("ThingName", "s1")));
}

TEST(Plans, KeepAKeyInATokenWhereItIs) {
  Plan plan;
  plan.certificate = "/c/a.pem.crt";
  plan.private_key = "pkcs11:token=x;object=a";
  EXPECT_EQ(PendingFiles(plan).key, "");
  EXPECT_EQ(PendingFiles(plan).certificate, "/c/a.pem.crt.next");
}

TEST(CredentialLock, IsForOneAtATime) {
  const TemporaryFolder folder;
  {
    const auto first = LockCredentials(folder.path());
    ASSERT_TRUE(first);
    EXPECT_EQ(LockCredentials(folder.path()).error().action, Action::kBackOff);
  }
  EXPECT_TRUE(LockCredentials(folder.path()));
  EXPECT_EQ(LockCredentials(folder.path() / "nowhere").error().action, Action::kFixConfig);
}

}  // namespace
}  // namespace penumbra::identity::test
