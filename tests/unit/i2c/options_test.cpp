#include "i2c/core/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "i2c/aht20/aht20.hpp"
#include "i2c/bme280/bme280.hpp"
#include "i2c/hdc1080/hdc1080.hpp"
#include "i2c/hdc302x/hdc302x.hpp"
#include "i2c/htu21d/htu21d.hpp"
#include "i2c/lm75/lm75.hpp"
#include "i2c/mcp9808/mcp9808.hpp"
#include "i2c/sht3x/sht3x.hpp"
#include "i2c/sht4x/sht4x.hpp"
#include "i2c/tmp102/tmp102.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

struct Parsed {
  std::optional<BusOptions> options;
  std::vector<std::string> complaints;
};

Parsed Parse(const ChipType& type, const Json& json) {
  Parsed parsed;
  parsed.options = ParseOptions(type, json.dump(), [&](const std::string& pointer, const std::string& message) {
    parsed.complaints.push_back(pointer + ": " + message);
  });
  return parsed;
}

Json Thing(Json points) {
  return {{"name", "t"}, {"points", std::move(points)}};
}

TEST(I2cOptions, NeedNoMoreThanNamesOfPoints) {
  const Parsed parsed = Parse(sht3x::kType, {{"bus", Json::object()},
                                             {"things", {Thing({{{"name", "temperature"}}, {{"name", "humidity"}}})}}});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->device, "/dev/i2c-1");
  EXPECT_EQ(parsed.options->things[0].address, 0x44);
  EXPECT_EQ(parsed.options->things[0].retries, 1);
  EXPECT_THAT(parsed.options->things[0].points, ElementsAre(Quantity::kTemperature, Quantity::kHumidity));
}

TEST(I2cOptions, TakeAQuantityForAPointOfAnotherName) {
  const Parsed parsed = Parse(bme280::kType, {{"things", {Thing({{{"name", "air"}, {"quantity", "pressure"}}})}}});
  ASSERT_TRUE(parsed.options);
  EXPECT_THAT(parsed.options->things[0].points, ElementsAre(Quantity::kPressure));
}

TEST(I2cOptions, SayWhatAPointOfUnknownNameCouldBe) {
  const Parsed parsed = Parse(sht3x::kType, {{"things", {Thing({{{"name", "wetness"}}})}}});
  EXPECT_FALSE(parsed.options);
  EXPECT_THAT(parsed.complaints,
              ElementsAre("/things/0/points/0: point \"wetness\": say what it is with quantity = \"temperature\" or "
                          "\"humidity\", or give it that name"));
}

TEST(I2cOptions, RefuseAQuantityTheChipDoesNotMeasure) {
  const Parsed parsed = Parse(tmp102::kType, {{"things", {Thing({{{"name", "humidity"}}})}}});
  EXPECT_FALSE(parsed.options);
  ASSERT_EQ(parsed.complaints.size(), 1U);
  EXPECT_THAT(parsed.complaints[0], HasSubstr("\"temperature\""));
}

TEST(I2cOptions, NameTheAddressesTheChipCanHave) {
  Json thing = Thing({{{"name", "temperature"}}});
  thing["address"] = 0x76;
  const Parsed parsed = Parse(sht3x::kType, {{"things", {thing}}});
  EXPECT_FALSE(parsed.options);
  EXPECT_THAT(parsed.complaints, ElementsAre("/things/0/address: the sht3x has address 0x44 or 0x45, not 0x76"));
}

TEST(I2cOptions, RefuseTwoThingsOnOneAddress) {
  Json thing = Thing({{{"name", "temperature"}}});
  const Parsed parsed = Parse(sht3x::kType, {{"things", {thing, thing}}});
  EXPECT_FALSE(parsed.options);
  ASSERT_EQ(parsed.complaints.size(), 1U);
  EXPECT_THAT(parsed.complaints[0], HasSubstr("/things/1/address: thing \"t\" has address 0x44 on this bus already"));
}

TEST(I2cOptions, ComplainAboutWhatIsNoConfiguration) {
  for (const char* text : {"", "[]", "null", "{\"bus\":7,\"things\":{}}", "{\"things\":[null,3,{\"points\":[[]]}]}"}) {
    int complaints = 0;
    const auto options =
        ParseOptions(sht3x::kType, text, [&](const std::string&, const std::string&) { ++complaints; });
    EXPECT_EQ(options.has_value(), complaints == 0) << text;
  }
}

TEST(I2cOptions, RefuseAnotherShapeThanTheAbiSays) {
  for (const Json& json : {Json{{"bus", 5}, {"things", 7}}, Json{{"things", Json::array({5})}},
                           Json{{"things", Json::array({Json{{"points", 3}}})}}}) {
    const Parsed parsed = Parse(sht3x::kType, json);
    EXPECT_FALSE(parsed.options) << json.dump();
    EXPECT_FALSE(parsed.complaints.empty());
  }
}

TEST(I2cOptions, EverySchemaIsJsonWithADescriptionForEachKey) {
  for (const ChipType* type : {&aht20::kType, &bme280::kType, &hdc1080::kType, &hdc302x::kType, &htu21d::kType,
                               &lm75::kType, &mcp9808::kType, &sht3x::kType, &sht4x::kType, &tmp102::kType}) {
    for (const std::string& text : {BusSchema(), ThingSchema(*type), PointSchema(*type)}) {
      const Json schema = Json::parse(text);
      EXPECT_EQ(schema["additionalProperties"], false);
      for (const auto& [key, property] : schema["properties"].items()) {
        EXPECT_FALSE(property.value("description", "").empty()) << type->name << " " << key;
      }
    }
  }
}

}  // namespace
}  // namespace penumbra::test
