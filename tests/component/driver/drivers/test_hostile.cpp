// A driver that does each day's work against the rules; the bus option "deed" names which.
#include <penumbra/driver.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

struct penumbra_bus {
  std::string deed;
};

namespace {

constexpr int kHostSocket = 3;
penumbra_bus g_bus;

bool Wants(const char* configuration, const char* deed) {
  return std::strstr(configuration, (std::string("\"deed\":\"") + deed + "\"").c_str()) != nullptr;
}

penumbra_status Check(const char* configuration, penumbra_complain complain, void* context) {
  if (Wants(configuration, "hang_in_check")) {
    for (;;) ::pause();
  }
  if (Wants(configuration, "crash_in_check")) ::raise(SIGKILL);
  complain(context, "/bus/deed", "a \"quoted\"\nbad deed");
  return PENUMBRA_BAD_OPTIONS;
}

penumbra_status Open(const penumbra_host* host, const char* configuration, penumbra_bus** bus, char*, std::size_t) {
  for (const char* deed : {"unfilled", "overflow", "wild_text", "not_utf8", "huge_text", "many_answers", "log_forger",
                           "close_socket", "long_frame", "blocked_signals", "bad_status", "future"}) {
    if (Wants(configuration, deed)) g_bus.deed = deed;
  }
  if (g_bus.deed == "blocked_signals") {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
  }
  host->log(host->context, PENUMBRA_LOG_INFO, "hostile driver opened");
  *bus = &g_bus;
  return PENUMBRA_OK;
}

void Send(const void* bytes, std::size_t size) {
  [[maybe_unused]] const ssize_t written = ::write(kHostSocket, bytes, size);
}

// Frames that look like ours: a LogLine of level 6 with the text "x" and no drops.
void ForgeLog() {
  const std::array<unsigned char, 5> line{21, 6, 1, 'x', 0};
  for (int i = 0; i < 100000; ++i) Send(line.data(), line.size());
}

std::string& HugeText() {
  static std::string text(1024 * 1024, 'x');
  return text;
}

void Text(penumbra_value& value, const char* text) {
  value.type = PENUMBRA_TEXT;
  value.quality = PENUMBRA_GOOD;
  value.text = text;
}

penumbra_status Read(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values) {
  const std::string& deed = bus->deed;
  if (deed == "bad_status") return static_cast<penumbra_status>(4711);
  if (deed == "overflow") std::memset(static_cast<void*>(values), 0xA5, 64UL * 1024 * 1024);
  if (deed == "log_forger") ForgeLog();
  if (deed == "blocked_signals") {
    for (;;) ::pause();
  }
  if (deed == "close_socket") {
    ::close(kHostSocket);
    for (;;) ::pause();
  }
  if (deed == "long_frame") Send(HugeText().data(), 150 * 1024);
  for (std::uint32_t i = 0; i < request->point_count && deed != "unfilled"; ++i) {
    values[i].type = PENUMBRA_INT;
    values[i].quality = PENUMBRA_GOOD;
    values[i].as.i = 7;
    if (deed == "future") values[i].time_ns = request->deadline_ns + 1'000'000'000;
    if (deed == "wild_text") Text(values[i], reinterpret_cast<const char*>(0x10));
    if (deed == "not_utf8") Text(values[i], "\xFF\xFE");
    if (deed == "huge_text") Text(values[i], HugeText().c_str());
  }
  return PENUMBRA_OK;
}

void Close(penumbra_bus*) {}

constexpr const char* kSchema = R"({"type":"object","properties":{"deed":{"type":"string"}}})";
constexpr penumbra_driver kDriver = {
    .size = sizeof(penumbra_driver),
    .abi_version = PENUMBRA_ABI_VERSION,
    .name = "test_hostile",
    .version = "0",
    .capabilities = 0,
    .bus_schema = kSchema,
    .thing_schema = "{}",
    .point_schema = "{}",
    .check = Check,
    .open = Open,
    .read = Read,
    .write = nullptr,
    .close = Close,
};

}  // namespace

extern "C" const penumbra_driver* penumbra_driver_entry(const std::uint32_t*, std::size_t) {
  // Prints where a driver must not: neither the description nor the daemon may suffer.
  std::puts("hello from a driver that prints");
  return &kDriver;
}
