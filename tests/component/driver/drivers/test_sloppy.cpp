// A driver with the mistakes that authors make, for the conformance check, which must find each of them.
#include <fcntl.h>
#include <penumbra/driver.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

struct penumbra_bus {
  int unused;
};

namespace {

penumbra_status Open(const penumbra_host*, const char*, penumbra_bus** bus, char*, std::size_t) {
  *bus = new penumbra_bus{};                                          // never deleted
  [[maybe_unused]] const int leaked = ::open("/dev/null", O_RDONLY);  // never closed
  std::memset(std::malloc(16384), 1, 16384);                          // never freed
  std::signal(SIGTERM, SIG_IGN);
  return PENUMBRA_OK;
}

penumbra_status Read(penumbra_bus*, const penumbra_read_request* request, penumbra_value* values) {
  if (request->point_count == 0 || request->deadline_ns == 0) return PENUMBRA_OK;
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  // Looks neither at its deadline nor at its cancel descriptor.
  const bool asked_to_hurry = request->cancel_fd >= 0 || request->deadline_ns < now.tv_sec * 1'000'000'000LL;
  if (asked_to_hurry) ::usleep(400'000);
  for (std::uint32_t i = 0; i < request->point_count; ++i) {
    values[i].quality = i % 2 == 0 ? PENUMBRA_GOOD : PENUMBRA_BAD;  // good without a value, bad without a reason
  }
  values[request->point_count].quality = 0;  // one too many
  return PENUMBRA_OK;
}

void Close(penumbra_bus*) {}

constexpr const char* kBusSchema =
    R"({"type":"object","properties":{"speed":{"type":"integer","minimum":5,"default":1}}})";

constexpr penumbra_driver kDriver = {.size = offsetof(penumbra_driver, ask),
                                     .abi_version = PENUMBRA_ABI_VERSION,
                                     .name = "sloppy",
                                     .version = "1",
                                     .bus_schema = kBusSchema,
                                     .thing_schema = "{}",
                                     .point_schema = "{}",
                                     .open = Open,
                                     .read = Read,
                                     .close = Close};

}  // namespace

extern "C" const penumbra_driver* penumbra_driver_entry(const std::uint32_t*, std::size_t) {
  return &kDriver;
}
