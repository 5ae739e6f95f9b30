// The C++ layer over the ABI, driven through the C functions that a host calls.
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <penumbra/sensor.hpp>

extern "C" const std::size_t kDriverSizeInC, kHostSizeInC, kAskSizeInC;

namespace {

namespace kit = penumbra::kit;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* kThingSchema = R"({"properties":{
  "offset":{"type":"number","default":0.5}, "fail":{"type":"string","default":"none"}, "address":{"type":"integer"}}})";

class Probe {
 public:
  static constexpr kit::Quantity kQuantities[] = {{"temperature", "Cel", "Warmth."}, {"humidity", "%", "Moisture."}};
  Probe(kit::NoTransport&, const kit::Thing& thing, kit::Host) : options_(thing.options) {}
  void Measure(const kit::Call& call, kit::Measurement& out) {
    const std::string fail = options_.Text("fail");
    if (fail == "nack") throw kit::Failure(PENUMBRA_IO, "nack");
    if (fail == "standard") throw std::out_of_range("beyond");
    if (fail == "int") throw 5;
    if (fail == "slow") call.Wait(10s);
    out.Set("temperature", 20 + options_.Number("offset"));
    if (fail == "humidity") out.Bad("humidity", PENUMBRA_IO, "crc");
  }

 private:
  kit::Options options_;
};

class ProbeBus : public kit::SensorBus<Probe> {
 public:
  using SensorBus::SensorBus;
  void Write(const kit::Call&, std::size_t, std::size_t, const kit::Wanted& wanted) override { last = wanted.Number(); }
  void Ask(const kit::Call& call, const std::string& question, const kit::Json& all,
           const kit::Answer& answer) override {
    if (question != "self_test") return Bus::Ask(call, question, all, answer);
    answer(kit::Json{{"ok", true}, {"level", all.value("level", 0)}});
  }
  static std::unique_ptr<kit::Bus> Open(const kit::Configuration& configuration, kit::Host host) {
    host.Remember("opens", configuration.facts.value("opens", 0) + 1);
    return std::make_unique<ProbeBus>(configuration, host);
  }
  inline static double last = 0;
};

const std::string kPointSchema = kit::PointSchema(Probe::kQuantities);
const kit::Definition kDefinition{.name = "probe",
                                  .version = "1",
                                  .capabilities = PENUMBRA_CAN_WRITE | PENUMBRA_CAN_ASK | PENUMBRA_CAN_SELF_TEST,
                                  .thing_schema = kThingSchema,
                                  .point_schema = kPointSchema.c_str(),
                                  .open = ProbeBus::Open,
                                  .check = ProbeBus::Check};

}  // namespace

PENUMBRA_DRIVER(kDefinition)

namespace {

std::string g_fact;

class Kit : public ::testing::Test {
 protected:
  Kit() {
    host.size = sizeof host;
    host.abi_version = PENUMBRA_ABI_VERSION;
    host.log = [](void*, std::uint32_t, const char*) {};
    host.now_ns = [](void*) {
      return static_cast<std::int64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    };
    host.remember = [](void*, const char* key, const char* json) {
      g_fact = std::string(key) + "=" + json;
      return PENUMBRA_OK;
    };
    const std::uint32_t abi = PENUMBRA_ABI_VERSION;
    driver = penumbra_driver_entry(&abi, 1);
  }
  ~Kit() override {
    if (bus != nullptr) driver->close(bus);
  }
  penumbra_status Open(const std::string& configuration) {
    error[0] = '\0';
    return driver->open(&host, configuration.c_str(), &bus, error, sizeof error);
  }
  // One sensor with both points and these options.
  void OpenProbe(const std::string& options = "") {
    ASSERT_EQ(Open(R"({"bus":{},"things":[{"name":"t")" + options +
                   R"(,"points":[{"name":"temperature"},{"name":"rh","quantity":"humidity"}]}]})"),
              PENUMBRA_OK)
        << error;
  }
  penumbra_status Read(std::vector<std::uint32_t> points, std::uint32_t thing = 0, std::chrono::nanoseconds time = 1s) {
    values.assign(points.size(), {});
    for (penumbra_value& value : values) value.size = sizeof value;
    const penumbra_read_request request{.size = sizeof request,
                                        .thing = thing,
                                        .point_count = static_cast<std::uint32_t>(points.size()),
                                        .points = points.data(),
                                        .deadline_ns = host.now_ns(nullptr) + time.count(),
                                        .cancel_fd = cancel};
    return driver->read(bus, &request, values.data());
  }

  penumbra_host host{};
  const penumbra_driver* driver = nullptr;
  penumbra_bus* bus = nullptr;
  char error[256] = "";
  int cancel = -1;
  std::vector<penumbra_value> values;
};

TEST_F(Kit, CAndCppAgreeOnTheLayout) {
  EXPECT_EQ(kDriverSizeInC, sizeof(penumbra_driver));
  EXPECT_EQ(kHostSizeInC, sizeof(penumbra_host));
  EXPECT_EQ(kAskSizeInC, sizeof(penumbra_ask_request));
}

TEST_F(Kit, AnUnknownAbiGetsNoDriver) {
  const std::uint32_t other = 999;
  EXPECT_EQ(penumbra_driver_entry(&other, 1), nullptr);
  EXPECT_EQ(penumbra_driver_entry(nullptr, 0), nullptr);
}

TEST_F(Kit, OptionsThatAreWrongAreNamed) {
  EXPECT_EQ(Open("{"), PENUMBRA_BAD_OPTIONS);
  EXPECT_EQ(Open(R"({"things":[{"points":[{"name":"wind"}]}]})"), PENUMBRA_BAD_OPTIONS);
  EXPECT_THAT(error, HasSubstr("\"wind\" is no quantity of this sensor; name the point so or give quantity, one of "
                               "temperature, humidity"));
  const kit::Json schema = kit::Json::parse(kThingSchema);
  const kit::Options options(kit::Json{{"offset", "x"}}, schema);
  EXPECT_THROW(options.Number("offset"), kit::Failure);
  EXPECT_THROW(options.Int("address"), kit::Failure);
  EXPECT_FALSE(options.Has("address"));
  EXPECT_EQ(kit::Options({}, schema).Number("offset"), 0.5);
}

TEST_F(Kit, CheckPointsAtEachFault) {
  std::string complaints;
  const auto complain = [](void* context, const char* pointer, const char*) {
    *static_cast<std::string*>(context) += std::string(pointer) + " ";
  };
  EXPECT_EQ(driver->check(R"({"things":[{"points":[{"name":"a"},{"name":"humidity"}]},{"points":[{"name":"b"}]}]})",
                          complain, &complaints),
            PENUMBRA_BAD_OPTIONS);
  EXPECT_EQ(complaints, "/things/0/points/0 /things/1/points/0 ");
}

TEST_F(Kit, NothingThrownPassesTheBoundary) {
  for (const auto& [fail, reason] : std::vector<std::pair<std::string, std::string>>{
           {"nack", "nack"}, {"standard", "beyond"}, {"int", "unknown exception"}}) {
    OpenProbe(R"(,"fail":")" + fail + "\"");
    EXPECT_EQ(Read({0, 1}), PENUMBRA_OK);
    for (const penumbra_value& value : values) {
      EXPECT_EQ(value.quality, PENUMBRA_BAD);
      EXPECT_EQ(value.status, PENUMBRA_IO);
      EXPECT_EQ(value.reason, reason);
    }
    driver->close(std::exchange(bus, nullptr));
  }
}

TEST_F(Kit, IndexesOfNobodyAreRefused) {
  OpenProbe();
  EXPECT_EQ(Read({0}, 1), PENUMBRA_OK);
  EXPECT_EQ(values[0].status, PENUMBRA_UNSUPPORTED);
  EXPECT_EQ(Read({2}), PENUMBRA_OK);
  EXPECT_STREQ(values[0].reason, "no such point");
}

TEST_F(Kit, ValuesHaveTheirPlacesAndWhatIsNotMeasuredIsBad) {
  OpenProbe(R"(,"offset":1.25)");
  ASSERT_EQ(Read({1, 0}), PENUMBRA_OK);
  EXPECT_EQ(values[1].as.d, 21.25);
  EXPECT_EQ(values[1].quality, PENUMBRA_GOOD);
  EXPECT_STREQ(values[0].reason, "not measured");
}

TEST_F(Kit, WaitingEndsAtTheDeadlineAndWhenCancelled) {
  OpenProbe(R"(,"fail":"slow")");
  ASSERT_EQ(Read({0}), PENUMBRA_OK);
  EXPECT_STREQ(values[0].reason, "timeout");
  EXPECT_EQ(values[0].status, PENUMBRA_TIMEOUT);
  cancel = ::eventfd(1, 0);
  EXPECT_EQ(Read({0}, 0, 60s), PENUMBRA_CANCELLED);
  ::close(cancel);
}

TEST_F(Kit, WritesTakeNumbersOnly) {
  OpenProbe();
  penumbra_value value{};
  value.type = PENUMBRA_TEXT;
  value.text = "x";
  const penumbra_write_request request{
      .size = sizeof request, .thing = 0, .point = 0, .value = &value, .cancel_fd = -1};
  EXPECT_EQ(driver->write(bus, &request, error, sizeof error), PENUMBRA_UNSUPPORTED);
  EXPECT_THAT(error, HasSubstr("only a number"));
  value.type = PENUMBRA_INT;
  value.as.i = -3;
  EXPECT_EQ(driver->write(bus, &request, error, sizeof error), PENUMBRA_OK);
  EXPECT_EQ(ProbeBus::last, -3.0);
}

TEST_F(Kit, QuestionsAreAnsweredOrRefused) {
  OpenProbe();
  std::string answers;
  penumbra_ask_request request{
      .size = sizeof request,
      .question = R"({"ask":"self_test","level":3})",
      .answer = [](void* context, const char* json) { *static_cast<std::string*>(context) += json; },
      .context = &answers,
      .cancel_fd = -1};
  EXPECT_EQ(driver->ask(bus, &request, error, sizeof error), PENUMBRA_OK);
  EXPECT_EQ(answers, R"({"level":3,"ok":true})");
  request.question = R"({"ask":"dance"})";
  EXPECT_EQ(driver->ask(bus, &request, error, sizeof error), PENUMBRA_UNSUPPORTED);
  EXPECT_THAT(error, HasSubstr("does not know \"dance\""));
  request.question = "[";
  EXPECT_EQ(driver->ask(bus, &request, error, sizeof error), PENUMBRA_IO);
}

TEST_F(Kit, FactsGoToHostsThatTakeThem) {
  OpenProbe();
  EXPECT_EQ(g_fact, "opens=1");
  driver->close(std::exchange(bus, nullptr));
  host.size = offsetof(penumbra_host, remember);  // an older host
  g_fact.clear();
  OpenProbe();
  EXPECT_EQ(g_fact, "");
}

}  // namespace
