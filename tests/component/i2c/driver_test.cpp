// The driver files themselves through the C ABI.
#include <dlfcn.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "bus_rig.hpp"
#include "penumbra/driver.h"

namespace penumbra::test {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class I2cDriver : public BusRig {
 protected:
  const penumbra_driver& Load(const std::string& name) {
    void* library = ::dlopen((std::string(I2C_DRIVERS "/") + name + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(library, nullptr) << ::dlerror();
    const auto entry = reinterpret_cast<penumbra_driver_entry_fn>(::dlsym(library, "penumbra_driver_entry"));
    const std::uint32_t abi = PENUMBRA_ABI_VERSION;
    return *entry(&abi, 1);
  }

  penumbra_status Open(const penumbra_driver& driver, const Json& bus, const std::vector<Json>& things) {
    driver_ = &driver;
    char error[256] = "";
    const std::string text = Json{{"bus", bus}, {"things", things}}.dump();
    const penumbra_status status = driver.open(&host_, text.c_str(), &bus_, error, sizeof error);
    error_ = error;
    return status;
  }
  // The values of a thing as "21.5 | 45", "21.5? why it is uncertain | ..." or its reasons.
  std::string Read(std::uint32_t thing, std::uint32_t points) {
    std::vector<std::uint32_t> all;
    for (std::uint32_t k = 0; k < points; ++k) all.push_back(k);
    std::vector<penumbra_value> values(points, penumbra_value{.size = sizeof(penumbra_value)});
    const penumbra_read_request request{.size = sizeof request,
                                        .thing = thing,
                                        .point_count = points,
                                        .points = all.data(),
                                        .deadline_ns = In(kPatienceMs),
                                        .cancel_fd = -1};
    const penumbra_status status = driver_->read(bus_, &request, values.data());
    if (status != PENUMBRA_OK) return "status " + std::to_string(status);
    std::string text;
    for (const penumbra_value& value : values) {
      text += text.empty() ? "" : " | ";
      if (value.quality != PENUMBRA_BAD) text += Json(value.as.d).dump();
      if (value.quality == PENUMBRA_UNCERTAIN) text += "? ";
      if (value.quality != PENUMBRA_GOOD) text += value.reason;
    }
    return text;
  }
  // The objects of the answer, in an array.
  Json Ask(const std::string& question, penumbra_status expected = PENUMBRA_OK) {
    Json answers = Json::array();
    const penumbra_ask_request request{
        .size = sizeof request,
        .question = question.c_str(),
        .answer = [](void* context, const char* json) { static_cast<Json*>(context)->push_back(Json::parse(json)); },
        .context = &answers,
        .deadline_ns = In(kPatienceMs),
        .cancel_fd = -1};
    char error[256] = "";
    EXPECT_EQ(driver_->ask(bus_, &request, error, sizeof error), expected) << error;
    error_ = error;
    return answers;
  }
  void TearDown() override {
    if (bus_ != nullptr) driver_->close(bus_);
    BusRig::TearDown();
  }

  std::vector<std::string> log_;
  penumbra_host host_{.size = sizeof(penumbra_host),
                      .abi_version = PENUMBRA_ABI_VERSION,
                      .context = this,
                      .log = [](void* context, std::uint32_t,
                                const char* line) { static_cast<I2cDriver*>(context)->log_.emplace_back(line); },
                      .now_ns = [](void*) { return SimulatorServer::NowNs(); }};
  const penumbra_driver* driver_ = nullptr;
  penumbra_bus* bus_ = nullptr;
  std::string error_;
};

Json Thing(const std::string& name, const std::vector<std::string>& points) {
  Json thing{{"name", name}, {"points", Json::array()}};
  for (const std::string& point : points) thing["points"].push_back({{"name", point}});
  return thing;
}

TEST_F(I2cDriver, ReadsAnSht3xThroughIoctl) {
  Command(R"({"address":68,"temperature":19.25,"humidity":61.5})");
  ASSERT_EQ(Open(Load("sht3x"), {{"device", kNode}}, {Thing("room", {"temperature", "humidity"})}), PENUMBRA_OK);
  EXPECT_EQ(Read(0, 2), "19.25 | 61.5");
}

TEST_F(I2cDriver, GivesTheValuesOfAHeatedChipAsUncertain) {
  Command(R"({"address":68,"temperature":19.25,"humidity":61.5})");
  Json thing = Thing("room", {"temperature", "humidity"});
  thing["heater"] = true;
  ASSERT_EQ(Open(Load("sht3x"), {{"device", kNode}}, {thing}), PENUMBRA_OK);
  EXPECT_EQ(Read(0, 2), "22.25? its heater is on | 61.5? its heater is on");
}

TEST_F(I2cDriver, ReadsABme280AndATmp102OfTheSameBus) {
  ASSERT_EQ(Open(Load("bme280"), {{"device", kNode}}, {Thing("room", {"temperature"})}), PENUMBRA_OK);
  EXPECT_EQ(Read(0, 1), "21.5");
  driver_->close(bus_);
  ASSERT_EQ(Open(Load("tmp102"), {{"device", kNode}}, {Thing("pipe", {"temperature"})}), PENUMBRA_OK);
  EXPECT_EQ(Read(0, 1), "21.5");
}

TEST_F(I2cDriver, OneSilentSensorDoesNotSilenceItsNeighbour) {
  Json second = Thing("second", {"temperature"});
  second["address"] = 0x45;
  ASSERT_EQ(Open(Load("sht3x"), {{"device", kNode}}, {Thing("first", {"temperature"}), second}), PENUMBRA_OK);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Read(1, 1), "no answer (NACK)");
    EXPECT_EQ(Read(0, 1), "21.5");
  }
  ASSERT_EQ(log_.size(), 1U);
  EXPECT_THAT(log_[0], HasSubstr("thing=second address=0x45"));
}

TEST_F(I2cDriver, ComesBackByItselfAfterTheAdapterWasUnplugged) {
  ASSERT_EQ(Open(Load("sht3x"), {{"device", kNode}}, {Thing("room", {"temperature"})}), PENUMBRA_OK);
  EXPECT_EQ(Read(0, 1), "21.5");
  Command(R"({"present":false})");
  EXPECT_EQ(Read(0, 1), "no such bus");
  Command(R"({"present":true})");
  ::usleep(5000);
  EXPECT_EQ(Read(0, 1), "21.5");
}

TEST_F(I2cDriver, WithoutItsBusItSaysSoAndIsTriedAgainLater) {
  EXPECT_EQ(Open(Load("sht3x"), {{"device", "/dev/i2c-does-not-exist"}}, {Thing("room", {"temperature"})}),
            PENUMBRA_NO_DEVICE);
  EXPECT_THAT(error_, HasSubstr("/dev/i2c-does-not-exist: No such file or directory"));
  EXPECT_EQ(Open(Load("sht3x"), {{"device", "/dev/null"}}, {Thing("room", {"temperature"})}), PENUMBRA_BAD_OPTIONS);
  EXPECT_THAT(error_, HasSubstr("is no I2C bus"));
}

TEST_F(I2cDriver, ChecksItsConfigurationWithoutTouchingTheBus) {
  Json thing = Thing("room", {"brightness"});
  const std::string text = Json{{"bus", {{"device", kNode}}}, {"things", {thing}}}.dump();
  std::string complaint;
  const auto complain = [](void* context, const char* pointer, const char* message) {
    *static_cast<std::string*>(context) += std::string(pointer) + ": " + message;
  };
  EXPECT_EQ(Load("sht3x").check(text.c_str(), complain, &complaint), PENUMBRA_BAD_OPTIONS);
  EXPECT_THAT(complaint, HasSubstr("/things/0/points/0: point \"brightness\""));
  EXPECT_THAT(Command("{}"), HasSubstr("\"transactions\":0"));
}

TEST_F(I2cDriver, ScansTheBusThroughItsQuestions) {
  Command(R"({"own":true,"address":72})");
  ASSERT_EQ(Open(Load("sht3x"), {{"device", kNode}}, {Thing("room", {"temperature"})}), PENUMBRA_OK);
  const Json found = Ask(R"({"ask":"scan"})");
  ASSERT_EQ(found.size(), 3U) << found.dump();
  EXPECT_EQ(found[0]["chip"], "sht3x");
  EXPECT_EQ(found[1]["state"], "kernel driver");
  EXPECT_EQ(found[2]["chip"], "bme280");
  EXPECT_EQ(Read(0, 1), "21.5");  // the scan has left the chip as it was
}

TEST_F(I2cDriver, TestsItsSensorsAndCountsWhatHappened) {
  Json second = Thing("second", {"temperature"});
  second["address"] = 0x45;
  ASSERT_EQ(Open(Load("sht3x"), {{"device", kNode}}, {Thing("first", {"temperature"}), second}), PENUMBRA_OK);
  const Json results = Ask(R"({"ask":"self_test"})");
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0]["ok"], true);
  EXPECT_EQ(results[0]["temperature"], 21.5);
  EXPECT_EQ(results[1]["ok"], false);
  EXPECT_THAT(results[1]["detail"].get<std::string>(), HasSubstr("no answer (NACK)"));
  EXPECT_EQ(Ask(R"({"ask":"counters"})")[0]["good"], 1);
  Ask(R"({"ask":"weather"})", PENUMBRA_UNSUPPORTED);
  EXPECT_THAT(error_, HasSubstr("scan, self_test and counters"));
  Ask("nonsense", PENUMBRA_UNSUPPORTED);
}

TEST_F(I2cDriver, NeedsItsBusNodeAndNothingElse) {
  const std::string text = Json{{"bus", {{"device", kNode}}}, {"things", Json::array()}}.dump();
  std::string needs;
  Load("bme280").needs(
      text.c_str(),
      [](void* context, std::uint32_t kind, const char* path) {
        *static_cast<std::string*>(context) += std::to_string(kind) + " " + path + ";";
      },
      &needs);
  EXPECT_EQ(needs, "2 /dev/i2c-77;");
}

TEST_F(I2cDriver, RefusesTheSht3xThatAKernelDriverOwnsAndNamesTheWayOut) {
  Command(R"({"own":true,"address":68})");
  ASSERT_EQ(Open(Load("sht3x"), {{"device", kNode}}, {Thing("room", {"temperature"})}), PENUMBRA_OK);
  EXPECT_EQ(Read(0, 1), "address owned by a kernel driver");
  ASSERT_EQ(log_.size(), 1U);
  EXPECT_THAT(log_[0], HasSubstr("driver = \"hwmon\""));
}

}  // namespace
}  // namespace penumbra::test
