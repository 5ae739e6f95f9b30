#include "driver_host/describe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "driver_host/driver_library.hpp"
#include "driver_host/serve.hpp"

namespace penumbra::host {
namespace {

constexpr std::size_t kMaxConfiguration = 16 * 1024 * 1024;
constexpr std::size_t kMaxComplaintText = 1000;

// JSON text of a string. By hand: the host stays small without a JSON library.
std::string Quote(const char* text, std::size_t max = SIZE_MAX) {
  std::string out = "\"";
  for (const char* p = text == nullptr ? "" : text; *p != '\0' && max > 0; ++p, --max) {
    const auto c = static_cast<unsigned char>(*p);
    if (c == '"' || c == '\\') out += '\\';
    if (c >= 0x20) {
      out += *p;
      continue;
    }
    std::array<char, 8> escaped{};
    std::snprintf(escaped.data(), escaped.size(), "\\u%04x", c);
    out += escaped.data();
  }
  return out + '"';
}

void WriteLine(int fd, std::string text) {
  text += '\n';
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

// Our own way out; the driver's prints must not mix with it.
int TakeStandardOutput() {
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return out;
}

int Failure(int out, const std::string& error) {
  WriteLine(out, "{\"error\":" + Quote(error.c_str()) + "}");
  return kExitFailed;
}

bool ReadAll(int fd, std::string& text) {
  std::array<char, 16384> part{};
  for (;;) {
    const ssize_t n = ::read(fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 || text.size() > kMaxConfiguration) return false;
    if (n == 0) return true;
    text.append(part.data(), static_cast<std::size_t>(n));
  }
}

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
  constexpr std::array<std::pair<std::uint64_t, const char*>, 5> kNames{{{PENUMBRA_CAN_WRITE, "write"},
                                                                         {PENUMBRA_CAN_ASK, "ask"},
                                                                         {PENUMBRA_CAN_SCAN, "scan"},
                                                                         {PENUMBRA_CAN_SELF_TEST, "self_test"},
                                                                         {PENUMBRA_CAN_PLAN, "plan"}}};
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
