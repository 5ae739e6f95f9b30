#include "driver_host/describe.hpp"

#include <unistd.h>

#include <array>
#include <utility>

#include "driver_host/driver_library.hpp"
#include "driver_host/json_output.hpp"
#include "driver_host/serve.hpp"

namespace penumbra::host {
namespace {

constexpr std::size_t kMaxComplaintText = 1000;

struct Complaints {
  std::string json;
  int count = 0;
};

void Complain(void* context, const char* pointer, const char* message) {
  auto& complaints = *static_cast<Complaints*>(context);
  if (++complaints.count > kMaxComplaints) return;
  if (!complaints.json.empty()) complaints.json += ',';
  complaints.json +=
      "{\"pointer\":" + Quote(pointer, kMaxComplaintText) + ",\"message\":" + Quote(message, kMaxComplaintText) + "}";
}

// ["write","scan"]: the capabilities by name.
std::string Capabilities(std::uint64_t bits) {
  constexpr std::array<std::pair<std::uint64_t, const char*>, 6> kNames{{{PENUMBRA_CAN_WRITE, "write"},
                                                                         {PENUMBRA_CAN_ASK, "ask"},
                                                                         {PENUMBRA_CAN_SCAN, "scan"},
                                                                         {PENUMBRA_CAN_SELF_TEST, "self_test"},
                                                                         {PENUMBRA_CAN_PLAN, "plan"},
                                                                         {PENUMBRA_CAN_WRITE_MANY, "write_many"}}};
  std::string json;
  for (const auto& [bit, name] : kNames) {
    if ((bits & bit) != 0) json += (json.empty() ? "" : ",") + Quote(name);
  }
  return "[" + json + "]";
}

}  // namespace

int Describe(const std::string& file) {
  const int out = TakeStandardOutput();
  std::string error;
  const penumbra_driver* driver = LoadDriver(file, error);
  if (driver == nullptr) return Failure(out, error);
  const bool can_write = (driver->capabilities & PENUMBRA_CAN_WRITE) != 0;
  WriteLine(out, "{\"name\":" + Quote(driver->name) + ",\"version\":" + Quote(driver->version) + ",\"can_write\":" +
                     (can_write ? "true" : "false") + ",\"capabilities\":" + Capabilities(driver->capabilities) +
                     ",\"bus_schema\":" + Quote(driver->bus_schema) + ",\"thing_schema\":" +
                     Quote(driver->thing_schema) + ",\"point_schema\":" + Quote(driver->point_schema) + "}");
  return kExitOk;
}

int Check(const std::string& file) {
  const int out = TakeStandardOutput();
  std::string error;
  std::string configuration;
  if (!ReadAll(STDIN_FILENO, configuration)) return Failure(out, "cannot read the configuration on standard input");
  const penumbra_driver* driver = LoadDriver(file, error);
  if (driver == nullptr) return Failure(out, error);
  Complaints complaints;
  penumbra_status status = PENUMBRA_OK;
  if (PENUMBRA_HAS_FIELD(driver, check)) status = driver->check(configuration.c_str(), Complain, &complaints);
  // A check that refuses without saying why must still count.
  if (status != PENUMBRA_OK && complaints.count == 0)
    Complain(&complaints, "", "the driver refuses this configuration");
  WriteLine(out, std::string("{\"ok\":") + (complaints.count == 0 ? "true" : "false") + ",\"complaints\":[" +
                     complaints.json + "]}");
  return kExitOk;
}

}  // namespace penumbra::host
