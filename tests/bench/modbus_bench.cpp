// Polls a second and processor time per poll of the Modbus driver, through its C ABI, against plain libmodbus in the
// same run, on one TCP connection over the loopback. The server is libmodbus's too, in a process of its own.
// Deliberately not a test: it judges nothing. Usage: modbus_bench [--seconds S] [--json]
#include <dlfcn.h>
#include <modbus.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "penumbra/driver.h"

namespace {

std::int64_t Clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// Serves connections one after the other until the parent is gone.
[[noreturn]] void Serve(int listener) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  modbus_t* context = modbus_new_tcp("127.0.0.1", 1502);
  modbus_mapping_t* map = modbus_mapping_new(0, 0, 1000, 1000);
  for (int i = 0; i < 1000; ++i) map->tab_registers[i] = static_cast<std::uint16_t>(i);
  while (modbus_tcp_accept(context, &listener) >= 0) {
    std::uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (int size; (size = modbus_receive(context, query)) >= 0;) {
      if (size > 0 && modbus_reply(context, query, size, map) < 0) break;
    }
    modbus_close(context);
  }
  _exit(0);
}

int Listen(int& port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 4) != 0) Fail("listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return listener;
}

struct Figures {
  double polls_per_second = 0;
  double cpu_us = 0;  // of this process, per poll
};

Figures Measure(double seconds, const std::function<void()>& poll) {
  for (int i = 0; i < 200; ++i) poll();
  std::int64_t polls = 0;
  const std::int64_t wall = Clock(CLOCK_MONOTONIC);
  const std::int64_t cpu = Clock(CLOCK_PROCESS_CPUTIME_ID);
  std::int64_t now = wall;
  for (const auto end = wall + static_cast<std::int64_t>(seconds * 1e9); now < end; now = Clock(CLOCK_MONOTONIC)) {
    for (int i = 0; i < 20; ++i, ++polls) poll();
  }
  const auto count = static_cast<double>(polls);
  return {count * 1e9 / static_cast<double>(now - wall),
          static_cast<double>(Clock(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / count};
}

Figures MeasureLibmodbus(int port, int registers, double seconds) {
  modbus_t* context = modbus_new_tcp("127.0.0.1", port);
  if (modbus_connect(context) != 0) Fail("modbus_connect");
  std::uint16_t words[125];
  const Figures figures = Measure(seconds, [&] {
    if (modbus_read_registers(context, 100, registers, words) != registers) Fail("modbus_read_registers");
  });
  modbus_close(context);
  modbus_free(context);
  return figures;
}

const penumbra_driver& Driver() {
  void* library = dlopen(MODBUS_DRIVER, RTLD_NOW);
  if (library == nullptr) Fail(dlerror());
  const std::uint32_t abis[] = {PENUMBRA_ABI_VERSION};
  return *reinterpret_cast<penumbra_driver_entry_fn>(dlsym(library, "penumbra_driver_entry"))(abis, 1);
}

std::string Configuration(int port, int registers) {
  std::string points;
  for (int i = 0; i < registers; ++i) {
    const std::string number = std::to_string(i);
    points += (i > 0 ? "," : "") + ("{\"name\":\"p" + number + "\",\"table\":\"holding\",\"address\":") +
              std::to_string(100 + i) + ",\"type\":\"u16\"}";
  }
  return "{\"bus\":{\"transport\":\"tcp\",\"host\":\"127.0.0.1\",\"port\":" + std::to_string(port) +
         "},\"things\":[{\"name\":\"t\",\"unit\":1,\"points\":[" + points + "]}]}";
}

Figures MeasureDriver(const penumbra_driver& driver, int port, int registers, double seconds) {
  const penumbra_host host{.size = sizeof host,
                           .abi_version = PENUMBRA_ABI_VERSION,
                           .log = [](void*, std::uint32_t, const char* line) { std::fprintf(stderr, "%s\n", line); },
                           .now_ns = [](void*) { return Clock(CLOCK_BOOTTIME); }};
  penumbra_bus* bus = nullptr;
  char error[256] = "";
  if (driver.open(&host, Configuration(port, registers).c_str(), &bus, error, sizeof error) != PENUMBRA_OK) Fail(error);
  std::vector<std::uint32_t> points(static_cast<std::size_t>(registers));
  for (std::uint32_t i = 0; i < points.size(); ++i) points[i] = i;
  std::vector<penumbra_value> values(points.size(), penumbra_value{.size = sizeof(penumbra_value)});
  const Figures figures = Measure(seconds, [&] {
    const penumbra_read_request request{.size = sizeof request,
                                        .point_count = static_cast<std::uint32_t>(points.size()),
                                        .points = points.data(),
                                        .deadline_ns = Clock(CLOCK_BOOTTIME) + 1'000'000'000,
                                        .cancel_fd = -1};
    if (driver.read(bus, &request, values.data()) != PENUMBRA_OK) Fail("read");
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i].quality != PENUMBRA_GOOD || values[i].as.u != 100 + i) Fail("wrong value");
    }
  });
  driver.close(bus);
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 1;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      json = true;
    } else if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: %s [--seconds S] [--json]\n", argv[0]);
      return 2;
    }
  }
  int port = 0;
  const int listener = Listen(port);
  const pid_t server = fork();
  if (server == 0) Serve(listener);
  const penumbra_driver& driver = Driver();
  if (!json) std::printf("registers   libmodbus polls/s  cpu us   driver polls/s  cpu us   cpu ratio\n");
  std::string lines;
  for (const int registers : {1, 10, 100}) {
    // Interleaved, best of three: what else the machine does only ever slows down.
    Figures theirs, ours;
    for (int round = 0; round < 3; ++round) {
      const Figures a = MeasureLibmodbus(port, registers, seconds / 3);
      const Figures b = MeasureDriver(driver, port, registers, seconds / 3);
      if (a.polls_per_second > theirs.polls_per_second) theirs = a;
      if (b.polls_per_second > ours.polls_per_second) ours = b;
    }
    char line[256];
    std::snprintf(line, sizeof line,
                  json ? "{\"registers\":%d,\"libmodbus_polls_per_s\":%.0f,\"libmodbus_cpu_us\":%.2f,"
                         "\"driver_polls_per_s\":%.0f,\"driver_cpu_us\":%.2f,\"cpu_ratio\":%.2f}"
                       : "%9d   %17.0f  %6.2f   %14.0f  %6.2f   %9.2f\n",
                  registers, theirs.polls_per_second, theirs.cpu_us, ours.polls_per_second, ours.cpu_us,
                  ours.cpu_us / theirs.cpu_us);
    lines += json && !lines.empty() ? std::string(",") + line : line;
  }
  std::printf(json ? "{\"modbus_tcp\":[%s]}\n" : "%s", lines.c_str());
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  return 0;
}
