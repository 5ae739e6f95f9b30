// A second driver with mistakes that authors make, for the conformance check: those of threads, of the process, of two
// buses at once, of questions, and that of believing whatever the bus brings. test_sloppy has the others.
#include <fcntl.h>
#include <penumbra/driver.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <thread>

struct penumbra_bus {
  int opens;
};

namespace {

penumbra_bus g_bus;  // one for all that are opened

void Idle() {
  for (;;) ::pause();
}

penumbra_status Open(const penumbra_host*, const char*, penumbra_bus** bus, char*, std::size_t) {
  *bus = &g_bus;
  if (++g_bus.opens > 1) return PENUMBRA_OK;
  std::thread(Idle).detach();
  ::umask(0);
  std::setlocale(LC_ALL, "C.UTF-8");
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  return ::chdir("/") == 0 ? PENUMBRA_OK : PENUMBRA_IO;
}

penumbra_status Read(penumbra_bus*, const penumbra_read_request* request, penumbra_value* values) {
  eventfd_t taken = 0;
  if (request->cancel_fd >= 0) ::eventfd_read(request->cancel_fd, &taken);  // is not its own
  for (std::uint32_t i = 0; i < request->point_count; ++i) {                // whichever they are
    values[i].type = PENUMBRA_REAL;
    values[i].quality = PENUMBRA_GOOD;
    values[i].as.d = 21.5;
  }
  return PENUMBRA_OK;
}

penumbra_status Write(penumbra_bus*, const penumbra_write_request*, char*, std::size_t) {
  return PENUMBRA_OK;  // whatever it is
}

penumbra_status Ask(penumbra_bus*, const penumbra_ask_request* request, char*, std::size_t) {
  std::thread([request] { request->answer(request->context, "[1]"); }).join();
  return PENUMBRA_OK;
}

void Needs(const char*, penumbra_need need, void* context) {
  need(context, 9, "/dev/null");
  need(context, PENUMBRA_NEED_DEVICE, nullptr);
}

void Close(penumbra_bus*) {}

constexpr const char* kBusSchema = R"({"type":"object","additionalProperties":false,"properties":{
  "device":{"type":"string","default":"/dev/ttyS0","description":"Where nothing is looked at."}}})";

constexpr penumbra_driver kDriver = {.size = sizeof(penumbra_driver),
                                     .abi_version = PENUMBRA_ABI_VERSION,
                                     .name = "test_careless",
                                     .version = "1",
                                     .capabilities = PENUMBRA_CAN_WRITE | PENUMBRA_CAN_ASK | PENUMBRA_CAN_PLAN,
                                     .bus_schema = kBusSchema,
                                     .thing_schema = R"({"type":"object","additionalProperties":false})",
                                     .point_schema = R"({"type":"object","additionalProperties":false})",
                                     .open = Open,
                                     .read = Read,
                                     .write = Write,
                                     .close = Close,
                                     .ask = Ask,
                                     .needs = Needs};

}  // namespace

extern "C" const penumbra_driver* penumbra_driver_entry(const std::uint32_t* host_abis, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (host_abis[i] == PENUMBRA_ABI_VERSION) return &kDriver;
  }
  return nullptr;
}
