#include "cli/driver_verbs.hpp"

#include <gmock/gmock.h>

namespace penumbra::cli {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

Json Schema(const std::string& properties, const std::string& more = "") {
  return *ParseJson(R"({"type":"object","additionalProperties":false,"properties":{)" + properties + "}" + more + "}");
}

TEST(DriverSchema, FaultsAreNamedWithTheirKey) {
  const std::vector<std::pair<std::string, std::string>> faults{
      {R"("a":{"description":"Long enough to help."})", "bus key a: it has no type"},
      {R"("a":{"type":"string","description":"short"})", "bus key a: it has no description"},
      {R"("a":{"type":"integer","default":"x","description":"Long enough to help."})", "its default has another type"},
      {R"("a":{"type":"integer","default":9,"maximum":8,"description":"Long enough to help."})", "out of its range"},
      {R"("a":{"type":"string","default":"x","enum":["y"],"description":"Long enough to help."})",
       "none of its choices"},
      {R"("a":{"type":"string","descripton":"x","description":"Long enough to help."})",
       "unknown keyword \"descripton\""}};
  for (const auto& [properties, fault] : faults) {
    EXPECT_THAT(JudgeSchema("bus", Schema(properties)), Contains(HasSubstr(fault))) << properties;
  }
  EXPECT_THAT(
      JudgeSchema("bus", *ParseJson(R"({"properties":{"a":{"type":"string","description":"Long enough to help."}}})")),
      Contains(HasSubstr("additionalProperties")));
  EXPECT_THAT(JudgeSchema("bus", Schema(R"("a":{"type":"string","description":"Long enough to help."})",
                                        R"(,"required":["b"])")),
              Contains(HasSubstr("\"b\" is required but no key")));
}

TEST(DriverSchema, AGoodOneHasNone) {
  EXPECT_THAT(JudgeSchema("bus", Json::object()), IsEmpty());
  EXPECT_THAT(
      JudgeSchema(
          "thing",
          Schema(R"("address":{"type":["integer","string"],"minimum":0,"maximum":9,"default":5,"x-endpoint":true,
                                             "description":"The address on the bus, counted from 0."})")),
      IsEmpty());
}

TEST(DriverSchema, AnExampleHasWhatIsRequiredAndAPointForEachQuantity) {
  const Json thing = Schema(R"("file":{"type":"string","examples":["/x"]},"address":{"type":"integer","minimum":64},
                              "more":{"type":"string"})",
                            R"(,"required":["file","address"])");
  const Json point = Schema(R"("quantity":{"type":"string","enum":["temperature","humidity"]})");
  const Json example = ExampleConfiguration(Json::object(), thing, point);
  EXPECT_EQ(example["things"][0]["file"], "/x");
  EXPECT_EQ(example["things"][0]["address"], 64);
  EXPECT_FALSE(example["things"][0].contains("more"));
  ASSERT_EQ(example["things"][0]["points"].size(), 2U);
  EXPECT_EQ(example["things"][0]["points"][1]["quantity"], "humidity");
}

TEST(CommandLineDriver, RefusesWhatItCannotDo) {
  for (const char* name : {"9lives", "Upper", "with-dash", "../up", ""}) {
    EXPECT_EQ(Driver(*ParseCommandLine({"driver", "new", name})), 2) << name;
  }
  EXPECT_EQ(Driver(*ParseCommandLine({"driver", "burn", "x"})), 2);
  EXPECT_EQ(Driver(*ParseCommandLine({"driver", "check", "/nonexistent/x.so"})), 1);
}

}  // namespace
}  // namespace penumbra::cli
