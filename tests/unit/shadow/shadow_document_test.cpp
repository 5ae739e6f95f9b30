// The shadow algebra of daemon/model: the conformance vectors, laws that hold for any document, and the edges the
// vectors do not reach.
#include "model/shadow_document.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "conformance/shadow_vectors.hpp"

namespace penumbra::shadow {
namespace {

using test::ShadowVectors;

Json operator"" _j(const char* text, std::size_t size) {
  return *ParseJson({text, size});
}

const Json& SectionOf(const Json& state, const char* name) {
  static const Json none = Json::object();
  return state.contains(name) ? state.at(name) : none;
}

TEST(ShadowEqualityTest, NumbersCompareByValueAndNeverWithBooleans) {
  EXPECT_TRUE(SameValue(1, 1.0));
  EXPECT_TRUE(SameValue(Json(1), Json(1U)));
  EXPECT_TRUE(SameValue(-0.0, 0));
  EXPECT_FALSE(SameValue(true, 1));
  EXPECT_FALSE(SameValue("1", 1));
  EXPECT_FALSE(SameValue(nullptr, 0));
  EXPECT_TRUE(SameValue("[1,{\"a\":2.0}]"_j, "[1.0,{\"a\":2}]"_j));
  EXPECT_FALSE(SameValue("[1,2]"_j, "[1]"_j));
}

TEST(ShadowEqualityTest, IntegersStayExactWhereDoublesDoNot) {
  EXPECT_FALSE(SameValue(9007199254740993, 9007199254740992.0));
  EXPECT_FALSE(SameValue(9007199254740993, 9007199254740992));
  EXPECT_FALSE(SameValue(std::numeric_limits<std::uint64_t>::max(), -1));
  EXPECT_FALSE(SameValue(std::numeric_limits<std::uint64_t>::max(), 18446744073709551616.0));
  EXPECT_FALSE(SameValue(std::numeric_limits<std::int64_t>::max(), 9223372036854775808.0));
  EXPECT_TRUE(SameValue(std::numeric_limits<std::int64_t>::min(), -9223372036854775808.0));
}

TEST(ShadowMergeTest, NothingButNullsForANewKeyCreatesNothing) {
  Json target = R"({"a":1})"_j;
  MergeSection(target, R"({"n":{"x":null,"y":{"z":null}}})"_j);
  EXPECT_EQ(target, R"({"a":1})"_j);
}

TEST(ShadowMergeTest, AnObjectEmptiedByNullsStays) {
  Json target = R"({"o":{"a":1}})"_j;
  MergeSection(target, R"({"o":{"a":null}})"_j);
  EXPECT_EQ(target, R"({"o":{}})"_j);
}

TEST(ShadowDepthTest, CountsTheSectionObjectsAndArrays) {
  EXPECT_EQ(Depth(7), 0);
  EXPECT_EQ(Depth(Json::object()), 1);
  EXPECT_EQ(Depth(R"({"a":{"b":[1]}})"_j), 3);
}

TEST(ShadowSizeTest, CountsBytesOfBothSectionsAndNothingForAbsentOnes) {
  EXPECT_EQ(StateBytes(Json::object()), 0U);
  EXPECT_EQ(StateBytes(R"({"desired":{"a":1},"reported":{"k":"é"}})"_j), 7U + 10U);
}

TEST(ShadowPruneTest, RemovesEmptyObjectsFromTheInsideOut) {
  Json section = R"({"a":{"b":{}},"c":{"d":1,"e":{}},"f":[]})"_j;
  PruneEmptyObjects(section);
  EXPECT_EQ(section, R"({"c":{"d":1},"f":[]})"_j);
}

TEST(ShadowStrictTest, LeavesWhatOnlyTheCloudEverHadAlone) {
  const Json wanted = StrictSection(R"({"old":1,"o":{"p":1}})"_j, R"({"t":2})"_j,
                                    R"({"welcome":"aws-iot","old":1,"t":1,"o":{"p":1,"q":2}})"_j);
  EXPECT_EQ(wanted, R"({"welcome":"aws-iot","t":2,"o":{"q":2}})"_j);
}

TEST(ShadowVectorTest, MergeDeltaSizeAndDepthAgreeWithEveryServiceCase) {
  int updates = 0;
  for (const Json& test_case : ShadowVectors().at("cases")) {
    if (test_case.contains("steps") || !test_case["request"].contains("payload")) continue;
    const Json& expect = test_case["expect"];
    if (test_case["request"]["op"] != "update" || !expect.contains("after")) continue;
    SCOPED_TRACE(test_case.at("name").get<std::string>());
    const Json& payload = test_case["request"]["payload"];
    if (expect["outcome"] == "accepted") {
      Json state = test_case["given"].is_object() ? test_case["given"].value("state", Json::object()) : Json::object();
      MergeState(state, payload.at("state"));
      EXPECT_TRUE(SameValue(state, expect["after"]["state"])) << state.dump();
      const Json delta = Delta(SectionOf(state, "desired"), SectionOf(state, "reported"));
      const Json wanted = expect.value("delta", Json());
      if (expect.contains("delta")) {
        EXPECT_TRUE(SameValue(delta, wanted.is_null() ? Json::object() : wanted)) << delta;
      }
      ++updates;
    } else if (expect.value("code", 0) == 413) {
      Json state = test_case["given"].is_object() ? test_case["given"]["state"] : Json::object();
      MergeState(state, payload.at("state"));
      EXPECT_GT(StateBytes(state), test_case.contains("limits")
                                       ? test_case["limits"]["max_document_bytes"].get<std::size_t>()
                                       : kMaxDocumentBytes);
      ++updates;
    } else if (expect.value("message", "").find("too many levels") != std::string::npos) {
      int deepest = 0;
      for (const Json& section : payload.at("state")) deepest = std::max(deepest, Depth(section));
      EXPECT_GT(deepest, 6);
      ++updates;
    }
  }
  EXPECT_GE(updates, 60) << "the vectors were not run";
}

TEST(ShadowVectorTest, ThreeWayMergeAgreesWithEverySyncCase) {
  int run = 0;
  for (const Json& test_case : ShadowVectors().at("sync_cases")) {
    SCOPED_TRACE(test_case.at("name").get<std::string>());
    const Policy policy = test_case.value("policy", "three_way") == "device_strict_reported"
                              ? Policy::kDeviceStrictReported
                              : Policy::kThreeWay;
    const SyncResult result = Synchronise(test_case.at("base"), test_case.at("local"), test_case.at("cloud"), policy);
    const Json& expect = test_case.at("expect");
    EXPECT_TRUE(SameValue(result.merged, expect.at("merged"))) << result.merged;
    EXPECT_TRUE(SameValue(result.to_cloud, expect.at("to_cloud"))) << result.to_cloud;
    EXPECT_TRUE(SameValue(result.to_local, expect.at("to_local"))) << result.to_local;
    ++run;
  }
  EXPECT_GE(run, 20) << "the vectors were not run";
}

// Random sections from few keys and values, so that two of them have much in common.
class Sections {
 public:
  explicit Sections(std::uint64_t seed) : random_(seed) {}
  Json Next(int depth = 3) {
    Json section = Json::object();
    for (const char* key : {"a", "b", "c"}) {
      if (Pick(3) != 0) section[key] = Value(depth - 1);
    }
    return section;
  }

 private:
  int Pick(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }
  Json Value(int depth) {
    switch (depth > 0 ? Pick(6) : Pick(4)) {
      case 0:
        return Pick(2);
      case 1:
        return Pick(2) + 0.5;
      case 2:
        return Pick(2) == 0;
      case 3:
        return Json::array({Pick(2)});
      default:
        return Next(depth);
    }
  }
  std::mt19937_64 random_;
};

TEST(ShadowLawTest, APatchLeadsFromOneSectionToTheOtherAndIsEmptyOnlyForEqualOnes) {
  Sections sections(7);
  for (int i = 0; i < 20'000; ++i) {
    const Json from = sections.Next();
    const Json to = sections.Next();
    Json result = from;
    MergeSection(result, DiffSection(from, to));
    ASSERT_TRUE(SameValue(result, to)) << from << " -> " << to << " gave " << result;
    ASSERT_EQ(DiffSection(from, to).empty(), SameValue(from, to));
  }
}

TEST(ShadowLawTest, AfterMergingTheDeltaIntoReportedNothingIsLeftToDo) {
  Sections sections(8);
  for (int i = 0; i < 20'000; ++i) {
    const Json desired = sections.Next();
    Json reported = sections.Next();
    MergeSection(reported, Delta(desired, reported));
    ASSERT_TRUE(Delta(desired, reported).empty()) << desired << " vs " << reported;
  }
}

TEST(ShadowLawTest, ThreeWayMergeGivesBothSidesTheSameResultAndKeepsAOneSidedChange) {
  Sections sections(9);
  for (int i = 0; i < 20'000; ++i) {
    const Json base = sections.Next();
    const Json local = sections.Next();
    const Json cloud = sections.Next();
    ASSERT_TRUE(SameValue(ThreeWaySection(base, local, cloud, Owner::kLocal),
                          ThreeWaySection(base, cloud, local, Owner::kCloud)));
    ASSERT_TRUE(SameValue(ThreeWaySection(base, base, cloud, Owner::kLocal), cloud)) << base << " " << cloud;
    ASSERT_TRUE(SameValue(ThreeWaySection(base, local, base, Owner::kCloud), local)) << base << " " << local;
  }
}

}  // namespace
}  // namespace penumbra::shadow
