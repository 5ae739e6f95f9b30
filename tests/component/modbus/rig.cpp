#include "rig.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

namespace penumbra::modbus_rig {
namespace {

// A driver may be late by this much before the test says so: the machine may be busy, and the host waits as long before
// it kills.
constexpr std::int64_t kLatenessNs = 2'000'000'000;

std::string ReadLine(int fd) {
  std::string line;
  const std::int64_t end = NowNs() + kLimitMs * 1'000'000LL;
  while (NowNs() < end) {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, 100) <= 0) continue;
    char c = 0;
    if (read(fd, &c, 1) <= 0) break;
    if (c == '\n') return line;
    line.push_back(c);
  }
  throw std::runtime_error("the Modbus server did not start: \"" + line + "\"");
}

void Reap(pid_t& pid) {
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  pid = -1;
}

void CopyBetween(int a, int b) {
  std::array<pollfd, 2> fds{{{.fd = a, .events = POLLIN, .revents = 0}, {.fd = b, .events = POLLIN, .revents = 0}}};
  while (true) {
    if (poll(fds.data(), 2, -1) < 0) _exit(0);
    for (int i = 0; i < 2; ++i) {
      std::array<char, 512> buffer;
      if ((fds[i].revents & POLLIN) == 0) continue;
      const ssize_t count = read(fds[i].fd, buffer.data(), buffer.size());
      if (count > 0 && write(fds[1 - i].fd, buffer.data(), static_cast<std::size_t>(count)) != count) _exit(1);
    }
  }
}

}  // namespace

std::int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

Server Server::Tcp(std::vector<std::string> arguments, int port) {
  Server server;
  arguments.insert(arguments.begin(), {"--port", std::to_string(port)});
  server.Start(std::move(arguments));
  return server;
}

Server Server::Serial(const std::string& device, std::vector<std::string> arguments) {
  Server server;
  arguments.insert(arguments.begin(), {"--serial", device});
  server.Start(std::move(arguments));
  return server;
}

Server::Server(Server&& other) noexcept : pid_(std::exchange(other.pid_, -1)), port_(other.port_) {}
Server::~Server() {
  Kill();
}
void Server::Kill() {
  Reap(pid_);
}

void Server::Start(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"/usr/bin/python3", MODBUS_SERVER, "--die-with-parent"});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  pid_ = fork();
  if (pid_ == 0) {
    dup2(out[1], STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(out[1]);
  const std::string line = ReadLine(out[0]);
  close(out[0]);
  if (line.starts_with("listening ")) port_ = std::atoi(line.c_str() + 10);
}

SerialLine::SerialLine() {
  int masters[2], slaves[2];
  std::string* names[] = {&ours_, &theirs_};
  for (int i = 0; i < 2; ++i) {
    std::array<char, 128> name{};
    termios raw{};
    cfmakeraw(&raw);
    if (openpty(&masters[i], &slaves[i], name.data(), &raw, nullptr) != 0) throw std::runtime_error("openpty");
    *names[i] = name.data();
  }
  pid_ = fork();
  if (pid_ == 0) {
    // The child keeps the slaves open too, so that a port closed and opened again is still there.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CopyBetween(masters[0], masters[1]);
  }
  for (int i = 0; i < 2; ++i) {
    close(masters[i]);
    close(slaves[i]);
  }
}

SerialLine::~SerialLine() {
  Reap(pid_);
}

const penumbra_driver& Driver() {
  static const penumbra_driver* driver = [] {
    void* library = dlopen(MODBUS_DRIVER, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    const auto entry = reinterpret_cast<penumbra_driver_entry_fn>(dlsym(library, "penumbra_driver_entry"));
    const std::uint32_t abis[] = {PENUMBRA_ABI_VERSION};
    return entry(abis, 1);
  }();
  return *driver;
}

Bus::Bus(const nlohmann::json& configuration) : configuration_(configuration) {
  host_ = {.size = sizeof host_,
           .abi_version = PENUMBRA_ABI_VERSION,
           .context = this,
           .log = [](void* context, std::uint32_t,
                     const char* line) { static_cast<Bus*>(context)->log_.emplace_back(line); },
           .now_ns = [](void*) { return NowNs(); }};
  std::array<char, 256> error{};
  const auto status = Driver().open(&host_, configuration.dump().c_str(), &bus_, error.data(), error.size());
  if (status != PENUMBRA_OK) throw std::runtime_error(std::string("open: ") + error.data());
}

Bus::~Bus() {
  Driver().close(bus_);
}

penumbra_status Bus::ReadAll(std::uint32_t thing, std::vector<Read>& reads, int limit_ms, int cancel_fd) {
  std::vector<std::uint32_t> points(configuration_["things"][thing]["points"].size());
  for (std::uint32_t i = 0; i < points.size(); ++i) points[i] = i;
  std::vector<penumbra_value> values(points.size(), penumbra_value{.size = sizeof(penumbra_value)});
  const std::int64_t deadline = NowNs() + limit_ms * 1'000'000LL;
  const penumbra_read_request request{.size = sizeof request,
                                      .thing = thing,
                                      .point_count = static_cast<std::uint32_t>(points.size()),
                                      .points = points.data(),
                                      .deadline_ns = deadline,
                                      .cancel_fd = cancel_fd};
  const penumbra_status status = Driver().read(bus_, &request, values.data());
  EXPECT_LT(NowNs(), deadline + kLatenessNs) << "read() came back after its deadline";
  reads.clear();
  if (status != PENUMBRA_OK) return status;
  for (const penumbra_value& value : values) {
    Read& read = reads.emplace_back();
    read.type = value.type;
    read.reason = value.reason != nullptr ? value.reason : "";
    read.status = value.status;
    EXPECT_EQ(value.quality, value.reason == nullptr ? PENUMBRA_GOOD : PENUMBRA_BAD);
    if (value.type == PENUMBRA_REAL) read.number = value.as.d;
    if (value.type == PENUMBRA_INT) read.number = static_cast<double>(value.as.i);
    if (value.type == PENUMBRA_UINT || value.type == PENUMBRA_BOOL) read.number = static_cast<double>(value.as.u);
    if (value.type == PENUMBRA_TEXT) read.text = value.text;
  }
  return status;
}

std::vector<Read> Bus::ReadAll(std::uint32_t thing, int limit_ms) {
  std::vector<Read> reads;
  EXPECT_EQ(ReadAll(thing, reads, limit_ms), PENUMBRA_OK);
  return reads;
}

penumbra_status Bus::Write(std::uint32_t thing, std::uint32_t point, const penumbra_value& value, std::string& error) {
  const penumbra_write_request request{.size = sizeof request,
                                       .thing = thing,
                                       .point = point,
                                       .value = &value,
                                       .deadline_ns = NowNs() + kLimitMs * 1'000'000LL,
                                       .cancel_fd = -1};
  std::array<char, 256> text{};
  const auto status = Driver().write(bus_, &request, text.data(), text.size());
  error = text.data();
  return status;
}

penumbra_value RealValue(double value) {
  penumbra_value out{.size = sizeof(penumbra_value), .type = PENUMBRA_REAL};
  out.as.d = value;
  return out;
}

penumbra_value IntValue(std::int64_t value) {
  penumbra_value out{.size = sizeof(penumbra_value), .type = PENUMBRA_INT};
  out.as.i = value;
  return out;
}

nlohmann::json Point(const std::string& name, const std::string& table, int address, const std::string& type,
                     nlohmann::json more) {
  more["name"] = name;
  more["table"] = table;
  more["address"] = address;
  if (!type.empty()) more["type"] = type;
  return more;
}

nlohmann::json Thing(int unit, nlohmann::json points, nlohmann::json more) {
  more["name"] = "unit-" + std::to_string(unit);
  more["unit"] = unit;
  more["points"] = std::move(points);
  return more;
}

std::string ReasonInTheEnd(Bus& bus) {
  const std::int64_t give_up = NowNs() + kLimitMs * 1'000'000LL;
  std::string reason = "never read";
  while (!reason.empty() && NowNs() < give_up) reason = bus.ReadAll(0)[0].reason;
  return reason;
}

nlohmann::json RtuBus(const std::string& device, int baud, nlohmann::json things, nlohmann::json more) {
  more["transport"] = "rtu";
  more["device"] = device;
  more["baud"] = baud;
  more.emplace("timeout_ms", kLimitMs / 3);
  return {{"bus", std::move(more)}, {"things", std::move(things)}};
}

nlohmann::json TcpBus(int port, nlohmann::json things, nlohmann::json more) {
  more.emplace("transport", "tcp");
  more["host"] = "127.0.0.1";
  more["port"] = port;
  more.emplace("timeout_ms", kLimitMs / 3);
  more.emplace("connect_timeout_ms", kLimitMs / 3);
  return {{"bus", std::move(more)}, {"things", std::move(things)}};
}

int Pattern(const std::string& table, int unit, int address) {
  return (unit * 4096 + address + 7 * (table == "input" ? 3 : 4)) & 0xFFFF;
}

}  // namespace penumbra::modbus_rig
