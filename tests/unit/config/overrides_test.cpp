#include "config/overrides.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

namespace penumbra {
namespace {

using testing::HasSubstr;

ThingSettings Sensor() {
  ThingSettings thing;
  thing.name = "sensor-001";
  thing.points = {{.name = "temperature"}, {.name = "humidity"}};
  return thing;
}

struct Overrides : testing::Test {
  Overrides() {
    std::string name = (std::filesystem::temp_directory_path() / "penumbra-overrides-XXXXXX").string();
    folder = ::mkdtemp(name.data()) != nullptr ? name : std::string();
    file = folder / "overrides.json";
    loaded.settings.things = {Sensor()};
    loaded.origins = {{"thing.sensor-001.sample_interval", "\"30s\"", "default"}};
  }
  ~Overrides() override { std::filesystem::remove_all(folder); }
  void Write(const std::string& text) { std::ofstream(file) << text; }

  std::filesystem::path folder, file;
  LoadedConfig loaded;
};

TEST(CheckOverride, NamesTheKeyThatCannotBeChanged) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "not an object"},
      {R"({"topic":"x"})", "topic cannot be changed"},
      {R"({"sample_interval":0.01})", "sample_interval"},
      {R"({"sample_interval":"31d"})", "sample_interval"},
      {R"({"sample_interval":true})", "sample_interval"},
      {R"({"sample_interval":1e300})", "sample_interval"},
      {R"({"report":[]})", "report is not an object"},
      {R"({"report":{"pressure":{}}})", "sensor-001 has no such point"},
      {R"({"report":{"temperature":7}})", "report.temperature is not an object"},
      {R"({"report":{"temperature":{"scale":2}}})", "report.temperature.scale cannot be changed"},
      {R"({"report":{"temperature":{"deadband":-1}}})", "report.temperature.deadband"},
      {R"({"report":{"temperature":{"deadband":"much"}}})", "report.temperature.deadband"},
      {R"({"report":{"temperature":{"max_silence":"0s"}}})", "report.temperature.max_silence"},
      {R"({"report.temperature.deadband":-1})", "report.temperature.deadband"},
      {R"({"report.temperature.scale":1})", "report.temperature.scale cannot be changed"},
      {R"({"report.pressure.deadband":1})", "report.pressure"},
      {R"({"report.temperature":{"deadband":1}})", "report.temperature cannot be changed"},
      {R"({"report..":1})", "report.. cannot be changed"},
      {R"({"report":7,"report.temperature.deadband":1})", "report"},
  };
  for (const auto& [config, why] : cases) {
    const Status status = CheckOverride(Sensor(), Json::parse(config));
    ASSERT_FALSE(status) << config;
    EXPECT_THAT(status.error().message, HasSubstr(why)) << config;
  }
}

TEST_F(Overrides, StandBetweenTheFileAndTheShadow) {
  Write(R"({"sensor-001":{"sample_interval":"10s","report":{"temperature":{"deadband":"1%","min_interval":2}}},
            "gone":{"sample_interval":1}})");
  ApplyOverrides(file, loaded);
  EXPECT_TRUE(loaded.diagnostics.empty());
  const ThingSettings& thing = loaded.settings.things[0];
  EXPECT_EQ(thing.sample_interval, std::chrono::seconds(10));
  EXPECT_EQ(thing.points[0].report.deadband, 1);
  EXPECT_TRUE(thing.points[0].report.deadband_percent);
  EXPECT_EQ(thing.points[0].report.min_interval, std::chrono::seconds(2));
  EXPECT_EQ(thing.points[1], Sensor().points[1]);
  ASSERT_FALSE(loaded.origins.empty());
  EXPECT_EQ(loaded.origins[0].origin, "update_config");
  EXPECT_EQ(loaded.origins[0].value, "\"10s\"");
}

TEST_F(Overrides, NeverKeepTheGatewayDown) {
  for (const char* text : {"{", "[]", R"({"sensor-001":7})", R"({"sensor-001":{"points":[]}})"}) {
    loaded.diagnostics.clear();
    Write(text);
    ApplyOverrides(file, loaded);
    ASSERT_EQ(loaded.diagnostics.size(), 1U) << text;
    EXPECT_TRUE(loaded.diagnostics[0].warning) << text;
    EXPECT_EQ(loaded.settings.things[0], Sensor()) << text;
  }
  std::filesystem::remove(file);
  loaded.diagnostics.clear();
  ApplyOverrides(file, loaded);
  EXPECT_TRUE(loaded.diagnostics.empty()) << "none is the usual case";
}

TEST(MergeOverride, TakesReportsAsPathsToo) {
  const Json config = Json::parse(R"({"report.temperature.deadband":1,"report":{"humidity":{"min_interval":2}}})");
  EXPECT_TRUE(CheckOverride(Sensor(), config));
  EXPECT_EQ(MergeOverride(Json::object(), "a", config),
            Json::parse(R"({"a":{"report":{"temperature":{"deadband":1},"humidity":{"min_interval":2}}}})"));
}

TEST(MergeOverride, AddsAndTakesBack) {
  const Json first =
      MergeOverride(Json::object(), "a", Json::parse(R"({"report":{"t":{"deadband":1}},"sample_interval":5})"));
  const Json second = MergeOverride(first, "b", {{"sample_interval", 7}});
  EXPECT_EQ(second,
            Json::parse(R"({"a":{"report":{"t":{"deadband":1}},"sample_interval":5},"b":{"sample_interval":7}})"));
  EXPECT_EQ(MergeOverride(second, "a", Json::parse(R"({"report":{"t":{"deadband":null}},"sample_interval":null})")),
            Json::parse(R"({"b":{"sample_interval":7}})"));
}

}  // namespace
}  // namespace penumbra
