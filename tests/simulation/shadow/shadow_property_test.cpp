// The shadow's promises under random interleavings: local reports, desired changes, deletes, disconnects, kills (at any
// time and at each moment of a command's life), reboots without a clock, messages that are lost, doubled and reordered,
// commits that fail, writes that fail or are refused. Each run follows from its seed; a failure names it, and
// SHADOW_SEED=<n> runs that one alone. Every shard also counts what happened in it, so that none of this can go missing
// unnoticed.
//
// After quiescence: cloud and cache agree; every accepted command was executed with the final desired value; no
// register saw a value that was never desired; no older desired value was written after a newer one; nothing was
// written after its time to live; and what was sent is bounded by what happened.
#include <gtest/gtest.h>

#include <cstdlib>

#include "model/shadow_document.hpp"
#include "simulation/shadow/world.hpp"

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;
using shadow::CommandState;
using shadow::SameValue;

constexpr int kSeedsPerShard = 2500;
constexpr std::uint64_t kMaxSteps = 200'000;

// What happened in a run, as far as the checks need it.
class RandomRun {
 public:
  explicit RandomRun(std::uint64_t seed) : seed_(seed), world_(seed), local_edits_(seed % 2 == 0) {}

  void Go() {
    SCOPED_TRACE(testing::Message() << "SHADOW_SEED=" << seed_);
    world_.faults = {.lose = Choice({0, 0.05, 0.3}),
                     .duplicate = Choice({0, 0.1, 0.5}),
                     .max_delay_ms = static_cast<int>(Choice({5, 200, 3000})),
                     .device_error = Choice({0, 0.2}),
                     .device_refuses = Choice({0, 0, 0.1}),
                     .commit_error = Choice({0, 0, 0.1})};
    if (world_.Chance(0.8)) world_.Connect();
    const int actions = 10 + static_cast<int>(world_.Pick(25));
    for (int i = 0; i < actions; ++i) {
      Act();
      world_.Run(std::chrono::milliseconds(world_.Pick(world_.Chance(0.2) ? 20'000 : 800)));
      ASSERT_LT(world_.steps, kMaxSteps) << "runaway";
    }
    world_.faults = {};
    world_.kill_at = ShadowWorld::KillPoint::kNever;
    world_.trusted = true;
    world_.service.faults = {};
    world_.Connect();
    world_.Poll();
    // A write that was overtaken by another wish at the last moment is seen by the next poll.
    ASSERT_TRUE(world_.Settle(4h));
    world_.Poll();
    ASSERT_TRUE(world_.Settle(4h)) << "never came to rest: " << world_.Document() << " local "
                                   << world_.thing().Find("")->row().reported_local;
    Check();
  }

  const ShadowWorld::Tally& tally() const { return world_.tally; }

 private:
  double Choice(std::vector<double> options) { return options[world_.Pick(options.size())]; }

  Json NextValue() { return ++last_value_; }

  void Act() {
    ++inputs_;
    switch (world_.Pick(19)) {
      case 0:
      case 1:
        return world_.online() ? world_.Disconnect() : world_.Connect();
      case 2:
        return world_.Kill(world_.Chance(0.5));
      case 3:
        return world_.CloudDelete();
      case 4:
        return CloudRemoves();
      case 5:
        return CloudMeddles();
      case 6:
        return InvalidDesired();
      case 7:
        if (local_edits_) return LocalEdit();
        return CloudDesires("mode");
      case 8:
        world_.registers["temperature"] += 1;
        return world_.Poll();
      case 9:
        // By itself: reported, and never put back by an old desired value.
        world_.registers["setpoint"] = 500'000 + static_cast<double>(world_.Pick(100));
        return world_.Poll();
      case 10:
        return world_.Report({{"x", {{"n" + std::to_string(world_.Pick(3)), inputs_}}}});
      case 11:
        return world_.Report({{"x", {{"n" + std::to_string(world_.Pick(3)), nullptr}}}});
      case 12:
        world_.service.faults.inject.assign(1 + world_.Pick(2), Choice({0, 1}) > 0 ? 500 : 429);
        world_.service.faults.inject_applies = world_.Chance(0.5);
        return;
      case 13:
        world_.kill_at = static_cast<ShadowWorld::KillPoint>(1 + world_.Pick(8));
        return CloudDesires("setpoint");
      case 14:
        world_.trusted = world_.Chance(0.5);
        return;
      case 15:
      case 16:
        return CloudDesires("valve");
      default:
        return CloudDesires(world_.Chance(0.7) ? "setpoint" : "mode");
    }
  }

  void CloudDesires(const std::string& key) {
    const Json value = NextValue();
    desired_[key][value.get<double>()] = world_.UnixMs();
    world_.Cloud({{"desired", {{key, value}}}});
  }

  void LocalEdit() {
    const Json value = NextValue();
    desired_["setpoint"][value.get<double>()] = world_.UnixMs();
    world_.EditDesired({{"setpoint", value}});
  }

  void CloudRemoves() {
    if (world_.Chance(0.2)) return world_.Cloud({{"desired", nullptr}});
    world_.Cloud({{"desired", {{"setpoint", nullptr}}}});
  }

  // Applications that write into reported: our keys come back, theirs stay.
  void CloudMeddles() {
    switch (world_.Pick(3)) {
      case 0:
        return world_.Cloud({{"reported", {{"welcome", inputs_}}}});
      case 1:
        return world_.Cloud({{"reported", {{"setpoint", -7}, {"x", {{"n0", "stolen"}}}}}});
      default:
        return world_.Cloud({{"reported", nullptr}});
    }
  }

  void InvalidDesired() {
    const std::vector<Json> wrong = {{{"setpoint", 2'000'000}}, {{"setpoint", "warm"}}, {{"temperature", 5}},
                                     {{"nonsense", 1}},         {{"mode", 1.5}},        {{"setpoint", {{"a", 1}}}}};
    world_.Cloud({{"desired", wrong[world_.Pick(wrong.size())]}});
  }

  void Check() {
    const Json document = world_.Document();
    const shadow::ShadowRow& row = world_.thing().Find("")->row();
    ASSERT_TRUE(document.contains("state")) << document;
    EXPECT_EQ(row.mirror.version, document["version"].get<std::int64_t>());
    EXPECT_TRUE(SameValue(row.mirror.state, document["state"])) << row.mirror.state << " vs " << document["state"];
    CheckReported(document["state"].value("reported", Json::object()), row.reported_local);
    CheckWrites(document["state"].value("desired", Json::object()));
    // Each input may cost a report and an update of desired, and faults repeat some; never a storm.
    EXPECT_LE(world_.updates_sent, 3 * inputs_ + 20);
    EXPECT_LE(world_.gets_sent, 6 * inputs_ + 60);
  }

  void CheckReported(Json cloud, const Json& local) {
    cloud.erase("welcome");
    // What only the cloud ever wrote is left alone, also below an object of ours.
    const Json& base = world_.thing().Find("")->row().reported_base;
    const bool ours = base.contains("x") && base["x"].contains("n0");
    if (!ours && cloud.contains("x")) {
      cloud["x"].erase("n0");
      if (cloud["x"].empty()) cloud.erase("x");
    }
    EXPECT_TRUE(SameValue(cloud, local)) << "cloud " << cloud << " local " << local;
    EXPECT_EQ(local["setpoint"], world_.registers["setpoint"]);
    EXPECT_EQ(local["mode"], world_.registers["mode"]);
    EXPECT_EQ(local["valve"], world_.registers["valve"]);
  }

  void CheckWrites(const Json& desired) {
    std::map<std::string, double> last;
    for (const ShadowWorld::Write& write : world_.writes) {
      EXPECT_TRUE(desired_[write.key].count(write.value)) << write.key << " saw " << write.value << ", never desired";
      // Values grow with every wish. A local edit may lose against an older wish of the cloud.
      if (!local_edits_ && last.count(write.key) > 0) {
        EXPECT_GE(write.value, last[write.key]) << "an older desired value of " << write.key << " after a newer one";
      }
      last[write.key] = write.value;
      if (write.key == "valve") {
        EXPECT_LE(write.unix_ms - desired_[write.key][write.value], kLatestValveMs) << "a stale value was written";
      }
    }
    for (const auto& [key, command] : world_.thing().commands().rows()) {
      SCOPED_TRACE(key);
      const auto wanted = desired.find(key);
      ASSERT_NE(wanted, desired.end()) << "a command for a key that nobody wants";
      EXPECT_TRUE(SameValue(command.value, *wanted));
      const bool expired = command.state == CommandState::kExpired;
      EXPECT_TRUE(!expired || key == "valve") << "the others live for a day";
      if (command.state == CommandState::kRefused || command.state == CommandState::kFailed || expired) {
        const Json& reported = world_.thing().Find("")->row().reported_local;
        ASSERT_TRUE(reported.contains("refused") && reported["refused"].contains(key)) << reported;
        continue;
      }
      EXPECT_EQ(command.state, CommandState::kReported) << ToString(command.state) << " " << command.reason;
      ASSERT_EQ(last.count(key), 1U) << "never written";
      EXPECT_EQ(last[key], wanted->get<double>()) << "the final desired value was not written last";
    }
    for (const auto& [key, wanted] : desired.items()) {
      EXPECT_EQ(world_.thing().commands().rows().count(key), 1U) << "no command for " << key;
    }
  }

  // A time to live, the time a message may be under way before anybody can know its age, and the write itself.
  static constexpr std::int64_t kLatestValveMs = 30'000 + 2 * 3'000 + 100;

  std::uint64_t seed_;
  ShadowWorld world_;
  bool local_edits_;
  std::int64_t last_value_ = 10;
  std::uint64_t inputs_ = 0;
  std::map<std::string, std::map<double, std::int64_t>> desired_;  // key -> value -> when, Unix milliseconds
};

class ShadowProperty : public testing::TestWithParam<int> {};

TEST_P(ShadowProperty, CloudAndCacheAgreeAndTheDeviceHoldsWhatWasDesiredLast) {
  std::uint64_t first = static_cast<std::uint64_t>(GetParam()) * kSeedsPerShard + 1;
  std::uint64_t last = first + kSeedsPerShard - 1;
  if (const char* one = std::getenv("SHADOW_SEED")) first = last = std::strtoull(one, nullptr, 10);
  ShadowWorld::Tally all;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    RandomRun run(seed);
    run.Go();
    ASSERT_FALSE(HasFailure()) << "SHADOW_SEED=" << seed;
    all += run.tally();
  }
  if (first == last) return;
  for (const std::uint64_t count : {all.lost, all.duplicated, all.reordered, all.failed_writes, all.refused_writes,
                                    all.failed_commits, all.kills, all.reboots, all.deletes}) {
    EXPECT_GE(count, 100U) << "a kind of trouble hardly happens: this proves less than it says";
  }
  EXPECT_GE(all.overtaken_writes, 10U) << "needs a newer wish within the milliseconds of a commit";
  RecordProperty("kills", std::to_string(all.kills));
}

INSTANTIATE_TEST_SUITE_P(Shards, ShadowProperty, testing::Range(0, 4));

}  // namespace
}  // namespace penumbra::test
