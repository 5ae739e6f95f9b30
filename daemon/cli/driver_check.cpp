// Examines a driver from outside: each examination in a process of its own (driver-host --examine), so that a crash is
// a finding as well. What needs JSON is judged here: schemas, and configurations that are wrong.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "cli/driver_verbs.hpp"
#include "cli/nonsense_device.hpp"
#include "driver/catalog.hpp"

namespace penumbra::cli {
namespace {

using namespace std::chrono_literals;

// The longest examination opens and reads some hundred times.
constexpr Duration kExaminationTime = 30s;

// What driver-host says of a configuration that it cannot examine with.
constexpr const char* kDoesNotOpen = "the bus does not open: ";

// Those of driver-host that need nothing on the other end of the bus.
constexpr std::array<const char*, 9> kAlone{"abi",    "needs",   "open",  "leaks", "deadline",
                                            "cancel", "indexes", "write", "ask"};

std::string InputOf(const Json& configuration) {
  std::string line;
  std::size_t count = 0;
  if (const auto things = configuration.find("things"); things != configuration.end() && things->is_array()) {
    count = things->size();
    for (const Json& thing : *things) {
      const auto points = thing.is_object() ? thing.find("points") : thing.end();
      line += fmt::format(" {}", points != thing.end() && points->is_array() ? points->size() : 0);
    }
  }
  return fmt::format("{}{}\n{}", count, line, Dump(configuration));
}

class Examiner {
 public:
  Examiner(const PathSettings& paths, std::string file) : paths_(paths), file_(std::move(file)) {}

  // With `input` as driver-host wants it; false: the examination was not possible or found something. `may_not_open`: a
  // bus that does not open is no finding; it is noted in unopened().
  bool Run(const std::string& name, const std::string& examination, const std::string& input,
           const std::string& about = "", bool may_not_open = false) {
    const Result<Json> json = RunDriverHost(paths_, {"--examine", file_, examination}, input, kExaminationTime);
    if (!json && may_not_open && json.error().message.find(kDoesNotOpen) != std::string::npos) {
      unopened_ = about + json.error().message;
      return false;
    }
    if (!json) {
      Add(name, about + json.error().message);
      return false;
    }
    const auto findings = json->find("findings");
    if (findings == json->end() || !findings->is_array()) {
      Add(name, about + "no result");
      return false;
    }
    for (const Json& finding : *findings) {
      const std::string text = finding.is_string() ? finding.get<std::string>() : "?";
      may_not_open&& text.find(kDoesNotOpen) == 0 ? void(unopened_ = about + text) : Add(name, about + text);
    }
    return findings->empty();
  }
  // Whether a bus of this configuration opens, whatever else there is to find.
  bool Opens(const std::string& input) const {
    const Result<Json> json = RunDriverHost(paths_, {"--examine", file_, "indexes"}, input, kExaminationTime);
    return json || json.error().message.find(kDoesNotOpen) == std::string::npos;
  }
  void Add(const std::string& name, std::string text) { findings_.push_back({name, std::move(text)}); }
  void Passed(const std::string& name) { findings_.push_back({name, ""}); }
  void Skipped(const std::string& name, std::string why) { findings_.push_back({name, std::move(why), true}); }
  std::vector<Finding> Take() { return std::move(findings_); }
  std::string TakeUnopened() { return std::exchange(unopened_, {}); }

 private:
  const PathSettings& paths_;
  std::string file_;
  std::string unopened_;
  std::vector<Finding> findings_;
};

void ExamineSchemas(Examiner& examiner, const DriverDescription& driver) {
  std::vector<std::string> faults;
  const std::array<std::pair<const char*, const Json*>, 3> levels{
      {{"bus", &driver.bus_schema}, {"thing", &driver.thing_schema}, {"point", &driver.point_schema}}};
  for (const auto& [level, schema] : levels) {
    for (std::string& fault : JudgeSchema(level, *schema)) faults.push_back(std::move(fault));
  }
  for (std::string& fault : faults) examiner.Add("schemas", std::move(fault));
  if (faults.empty()) examiner.Passed("schemas");
}

// Configurations with one key of a wrong type each.
std::vector<Json> WrongTypes(const Json& good, const DriverDescription& driver) {
  std::vector<Json> wrong;
  const auto spoil = [&wrong, &good](const Json& schema, const Json::json_pointer& where) {
    const auto properties = schema.find("properties");
    if (properties == schema.end() || !properties->is_object() || !good.contains(where)) return;
    for (const auto& [key, property] : properties->items()) {
      for (const Json& value : {Json(), Json(Json::array({1})), Json(-1e300), Json("\xEF\xBF\xBF")}) {
        wrong.push_back(good);
        wrong.back()[where][key] = value;
      }
    }
  };
  spoil(driver.bus_schema, Json::json_pointer("/bus"));
  spoil(driver.thing_schema, Json::json_pointer("/things/0"));
  spoil(driver.point_schema, Json::json_pointer("/things/0/points/0"));
  return wrong;
}

void ExamineOptions(Examiner& examiner, const DriverDescription& driver, const Json& good) {
  bool passed = true;
  for (const char* text : {"", "{", "[]", "null", R"({"bus":5,"things":7})", R"({"bus":{},"things":[5]})"}) {
    passed &= examiner.Run("options", "refuse", std::string("0\n") + text, fmt::format("configuration '{}': ", text));
  }
  std::string all;  // one process for all of them: a crash then names no culprit, but a thousand processes take minutes
  for (const Json& wrong : WrongTypes(good, driver)) all += Dump(wrong) + "\n";
  passed &= examiner.Run("options", "survive", "0\n" + all, "a key of a wrong type: ");
  if (passed) examiner.Passed("options");
}

bool Declares(const Json& schema, const char* key) {
  const auto properties = schema.find("properties");
  return properties != schema.end() && properties->contains(key);
}

void SetTransport(Json& configuration, const Json& schema, const char* value) {
  if (!Declares(schema, "transport")) return;
  configuration["bus"]["transport"] = value;
}

// A bus with nonsense on its other end, and the configuration for it.
struct PlayedBus {
  std::unique_ptr<NonsenseDevice> device;
  Json configuration;
  const char* about;
};

// Of the kinds that the driver's schema says it can have.
std::vector<PlayedBus> PlayBuses(const DriverDescription& driver, const Json& good) {
  std::vector<PlayedBus> played;
  if (Declares(driver.bus_schema, "host") && Declares(driver.bus_schema, "port")) {
    if (auto server = NonsenseDevice::Tcp()) {
      Json configuration = good;
      SetTransport(configuration, driver.bus_schema, "tcp");
      configuration["bus"]["host"] = "127.0.0.1";
      configuration["bus"]["port"] = server->port();
      configuration["bus"].erase("device");
      played.push_back({std::move(server), std::move(configuration), "TCP: "});
    }
  }
  if (Declares(driver.bus_schema, "device")) {
    if (auto line = NonsenseDevice::Serial()) {
      Json configuration = good;
      SetTransport(configuration, driver.bus_schema, "rtu");
      configuration["bus"]["device"] = line->name();
      for (const char* key : {"host", "port"}) configuration["bus"].erase(key);
      played.push_back({std::move(line), std::move(configuration), "serial line: "});
    }
  }
  return played;
}

void ExamineGarbage(Examiner& examiner, const std::vector<PlayedBus>& played) {
  bool passed = true;
  for (const PlayedBus& bus : played) {
    passed &= examiner.Run("garbage", "garbage", InputOf(bus.configuration), bus.about, true);
  }
  if (const std::string unopened = examiner.TakeUnopened(); !unopened.empty()) {  // another kind than we can play
    examiner.Skipped("garbage", "what can be played here is no device for it: " + unopened);
  } else if (played.empty()) {
    examiner.Skipped("garbage", "its bus has neither device nor host and port, which is all that can be played here");
  } else if (passed) {
    examiner.Passed("garbage");
  }
}

// The first that opens of what the schemas suggest, which stands on no bus, and of the buses that can be played; none:
// what the schemas suggest.
Json GuessConfiguration(Examiner& examiner, const Json& suggested, const std::vector<PlayedBus>& played) {
  const auto opens = [&examiner](const Json& configuration) { return examiner.Opens(InputOf(configuration)); };
  if (opens(suggested)) return suggested;
  const auto fits =
      std::find_if(played.begin(), played.end(), [&](const PlayedBus& bus) { return opens(bus.configuration); });
  return fits == played.end() ? suggested : fits->configuration;
}

}  // namespace

std::vector<Finding> CheckDriver(const PathSettings& paths, const std::string& file, const Json& given) {
  Examiner examiner(paths, file);
  const auto driver = DescribeDriverFile(paths, file);
  if (!driver) {
    examiner.Add("abi", driver.error().message);
    return examiner.Take();
  }
  const bool guessed = !given.is_object();
  Json configuration =
      guessed ? ExampleConfiguration(driver->bus_schema, driver->thing_schema, driver->point_schema) : given;
  const std::vector<PlayedBus> played = PlayBuses(*driver, configuration);
  if (guessed) configuration = GuessConfiguration(examiner, configuration, played);
  ExamineSchemas(examiner, *driver);
  for (const char* name : kAlone) {
    if (examiner.Run(name, name, InputOf(configuration), "", guessed)) {
      examiner.Passed(name);
    } else if (const std::string unopened = examiner.TakeUnopened(); !unopened.empty()) {
      examiner.Skipped(name, "not checked, because without a configuration " + unopened);
    }
  }
  ExamineOptions(examiner, *driver, configuration);
  ExamineGarbage(examiner, played);
  return examiner.Take();
}

}  // namespace penumbra::cli
