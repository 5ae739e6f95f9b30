// How long one poll of a power meter takes on a serial line of 9600 baud, read in three ways by the same driver: as it
// plans by itself, with adjacent registers merged and no hole read along, and one request for each point. The line is a
// pty whose other end lets each character take its time in both directions and thinks before it answers.
// Deliberately not a test: it judges nothing but the values. Usage: modbus_line_bench [--rounds N] [--think-ms MS]
#include <dlfcn.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "penumbra/driver.h"

namespace {

constexpr int kBaud = 9600;
constexpr std::int64_t kCharacterNs = 10 * 1'000'000'000LL / kBaud;  // 8N1
constexpr std::int64_t kNsPerMs = 1'000'000;

std::int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "modbus_line_bench: %s\n", what);
  std::exit(1);
}

void SleepUntil(std::int64_t ns) {
  const timespec until{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, nullptr) != 0) {
  }
}

std::uint16_t Crc(const std::uint8_t* bytes, std::size_t size) {
  std::uint16_t crc = 0xFFFF;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? static_cast<std::uint16_t>((crc >> 1) ^ 0xA001) : crc >> 1;
  }
  return crc;
}

// The meter: every input register holds its address. Ends with its parent.
[[noreturn]] void Serve(int line, int think_ms) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::array<std::uint8_t, 8> request{};
  while (true) {
    for (std::size_t have = 0; have < request.size();) {
      const ssize_t n = read(line, request.data() + have, request.size() - have);
      if (n <= 0) _exit(1);
      have += static_cast<std::size_t>(n);
    }
    // The pty hands the request over at once; on the line its last character passes only now.
    SleepUntil(NowNs() + 8 * kCharacterNs + think_ms * kNsPerMs);
    const unsigned address = request[2] * 256u + request[3];
    const unsigned count = request[4] * 256u + request[5];
    std::vector<std::uint8_t> reply{request[0], request[1], static_cast<std::uint8_t>(count * 2)};
    for (unsigned i = 0; i < count; ++i) {
      reply.push_back(static_cast<std::uint8_t>((address + i) >> 8));
      reply.push_back(static_cast<std::uint8_t>(address + i));
    }
    const std::uint16_t crc = Crc(reply.data(), reply.size());
    reply.push_back(static_cast<std::uint8_t>(crc));
    reply.push_back(static_cast<std::uint8_t>(crc >> 8));
    const std::int64_t begin = NowNs();
    for (std::size_t i = 0; i < reply.size(); ++i) {
      SleepUntil(begin + static_cast<std::int64_t>(i + 1) * kCharacterNs);
      if (write(line, &reply[i], 1) != 1) _exit(1);
    }
  }
}

// 100 values of two registers: groups of one to seven values, behind each a hole of two to forty registers, as maps of
// power meters have them (reserved words between phases, sums, energies and harmonics).
std::vector<int> MeterMap() {
  constexpr std::array<int, 20> kGroup{3, 3, 3, 6, 7, 1, 2, 4, 3, 5, 6, 7, 3, 3, 6, 7, 4, 7, 7, 6};
  constexpr std::array<int, 20> kHole{2, 2, 4, 2, 2, 6, 2, 4, 2, 30, 2, 2, 4, 2, 12, 2, 2, 40, 2, 4};
  std::vector<int> addresses;
  int next = 0;
  for (std::size_t g = 0; addresses.size() < 100; g = (g + 1) % kGroup.size()) {
    for (int i = 0; i < kGroup[g] && addresses.size() < 100; ++i, next += 2) addresses.push_back(next);
    next += kHole[g];
  }
  return addresses;
}

const penumbra_driver& Driver() {
  void* library = dlopen(MODBUS_DRIVER, RTLD_NOW);
  if (library == nullptr) Fail(dlerror());
  const std::uint32_t abis[] = {PENUMBRA_ABI_VERSION};
  return *reinterpret_cast<penumbra_driver_entry_fn>(dlsym(library, "penumbra_driver_entry"))(abis, 1);
}

class Bus {
 public:
  Bus(const penumbra_driver& driver, const std::string& device, const std::vector<int>& map, const std::string& thing)
      : driver_(driver), map_(map) {
    std::string points;
    for (const int address : map) {
      points += (points.empty() ? "" : ",") + ("{\"name\":\"p" + std::to_string(address)) +
                "\",\"table\":\"input\",\"type\":\"u32\",\"address\":" + std::to_string(address) + "}";
    }
    const std::string configuration = "{\"bus\":{\"transport\":\"rtu\",\"device\":\"" + device + "\",\"baud\":9600}," +
                                      "\"things\":[{\"name\":\"meter\",\"unit\":1," + thing + "\"points\":[" + points +
                                      "]}]}";
    host_ = {.size = sizeof host_,
             .abi_version = PENUMBRA_ABI_VERSION,
             .log = [](void*, std::uint32_t, const char* line) { std::fprintf(stderr, "%s\n", line); },
             .now_ns = [](void*) { return NowNs(); }};
    char error[256] = "";
    if (driver.open(&host_, configuration.c_str(), &bus_, error, sizeof error) != PENUMBRA_OK) Fail(error);
  }
  ~Bus() { driver_.close(bus_); }
  Bus(const Bus&) = delete;

  void Read(const std::vector<std::uint32_t>& points) {
    std::vector<penumbra_value> values(points.size(), penumbra_value{.size = sizeof(penumbra_value)});
    const penumbra_read_request request{.size = sizeof request,
                                        .point_count = static_cast<std::uint32_t>(points.size()),
                                        .points = points.data(),
                                        .deadline_ns = NowNs() + 60'000'000'000,
                                        .cancel_fd = -1};
    if (driver_.read(bus_, &request, values.data()) != PENUMBRA_OK) Fail("read");
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto address = static_cast<std::uint64_t>(map_[points[i]]);
      if (values[i].quality != PENUMBRA_GOOD) Fail(values[i].reason);
      if (values[i].as.u != ((address << 16) | (address + 1))) Fail("wrong value");
    }
  }

 private:
  const penumbra_driver& driver_;
  const std::vector<int>& map_;
  penumbra_host host_{};
  penumbra_bus* bus_ = nullptr;
};

double Milliseconds(int rounds, const auto& poll) {
  std::vector<double> took;
  for (int i = 0; i < rounds; ++i) {
    const std::int64_t begin = NowNs();
    poll();
    took.push_back(static_cast<double>(NowNs() - begin) / 1e6);
  }
  std::sort(took.begin(), took.end());
  return took[took.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 5;
  int think_ms = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--think-ms") == 0) think_ms = std::atoi(argv[i + 1]);
  }
  if (rounds < 1 || think_ms < 0) Fail("usage: modbus_line_bench [--rounds N] [--think-ms MS]");
  int master = -1, slave = -1;
  char name[128] = "";
  termios raw{};
  cfmakeraw(&raw);
  if (openpty(&master, &slave, name, &raw, nullptr) != 0) Fail("openpty");
  const pid_t server = fork();
  if (server == 0) Serve(master, think_ms);

  const std::vector<int> map = MeterMap();
  std::vector<std::uint32_t> all(map.size());
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  const penumbra_driver& driver = Driver();
  double planned = 0, adjacent = 0, single = 0;
  {
    Bus bus(driver, name, map, "");
    planned = Milliseconds(rounds, [&] { bus.Read(all); });
    single = Milliseconds(std::max(1, rounds / 2), [&] {
      for (const std::uint32_t point : all) bus.Read({point});
    });
  }
  {
    Bus bus(driver, name, map, "\"max_gap\":0,");
    adjacent = Milliseconds(rounds, [&] { bus.Read(all); });
  }
  std::printf("%zu values in 200 registers at %d baud, device thinks %d ms, medians of %d polls\n", map.size(), kBaud,
              think_ms, rounds);
  std::printf("planned            %7.0f ms\nadjacent merge     %7.0f ms  %.2f x\none request each   %7.0f ms  %.2f x\n",
              planned, adjacent, adjacent / planned, single, single / planned);
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  return 0;
}
