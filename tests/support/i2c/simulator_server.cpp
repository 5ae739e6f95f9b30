#include "support/i2c/simulator_server.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

namespace penumbra::test {
namespace {

using Json = nlohmann::json;

std::string Errno(int error) {
  std::string text(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) text[i] = static_cast<char>(static_cast<std::uint32_t>(error) >> 8U * i);
  return text;
}

std::uint8_t Byte(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

}  // namespace

std::int64_t SimulatorServer::NowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

SimulatorServer::SimulatorServer(std::string socket_path) : path_(std::move(socket_path)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) throw std::runtime_error("socket path too long: " + path_);
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  listener_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  stop_fd_ = ::eventfd(0, EFD_CLOEXEC);
  ::unlink(path_.c_str());
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 16) != 0) {
    throw std::runtime_error(path_ + ": " + std::strerror(errno));
  }
}

SimulatorServer::~SimulatorServer() {
  for (const auto& [fd, connection] : connections_) ::close(fd);
  if (listener_ >= 0) ::close(listener_);
  if (stop_fd_ >= 0) ::close(stop_fd_);
  ::unlink(path_.c_str());
}

void SimulatorServer::Stop() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_fd_, &one, sizeof one);
}

void SimulatorServer::Run() {
  for (;;) {
    std::vector<pollfd> fds{{stop_fd_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const auto& [fd, connection] : connections_) fds.push_back({fd, POLLIN, 0});
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) return;
    for (std::size_t i = 2; i < fds.size(); ++i) {
      if (fds[i].revents == 0 || Serve(fds[i].fd)) continue;
      ::close(fds[i].fd);
      connections_.erase(fds[i].fd);
      Settle();
    }
    if (fds[1].revents != 0) Accept();
  }
}

void SimulatorServer::Accept() {
  const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  if (connections_.size() >= kMaxConnections) {
    ::close(fd);
    return;
  }
  connections_[fd] = {};
}

// False: the connection is over.
bool SimulatorServer::Serve(int fd) {
  std::string request(kMaxPacket, '\0');
  const ssize_t size = ::recv(fd, request.data(), request.size(), 0);
  if (size <= 0) return false;
  request.resize(static_cast<std::size_t>(size));
  const std::string answer = Answer(connections_[fd], request);
  return ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(answer.size());
}

std::string SimulatorServer::Answer(Connection& connection, std::string_view request) {
  if (wander) Wander();
  switch (request.front()) {
    case 'P':
      if (world.present()) ++connection.opened;
      return Errno(world.present() ? 0 : ENOENT);
    case 'X':
      if (connection.opened > 0) --connection.opened;
      connection.stale = connection.stale && connection.opened > 0;
      Settle();
      return Errno(0);
    case 'S':
      if (request.size() < 2) return Errno(EINVAL);
      if (!world.present() || connection.stale) return Errno(EIO);
      return Errno(world.Owned(Byte(request, 1)) ? EBUSY : 0);
    case 'T':
      return Transaction(connection, request);
    case 'C':
      return Command(request.substr(1));
    default:
      return Errno(EINVAL);
  }
}

std::string SimulatorServer::Transaction(Connection& connection, std::string_view request) {
  if (request.size() < 3) return Errno(EINVAL);
  if (connection.stale) return Errno(EIO);
  std::vector<std::vector<std::uint8_t>> buffers;
  std::vector<BusMessage> messages;
  std::size_t at = 3;
  for (int i = 0; i < Byte(request, 2); ++i) {
    if (at + 3 > request.size()) return Errno(EINVAL);
    const bool read = request[at] != 0;
    const std::size_t size = Byte(request, at + 1) | Byte(request, at + 2) << 8U;
    at += 3;
    if (size > kMaxPacket / 2 || (!read && at + size > request.size())) return Errno(EINVAL);
    auto& buffer = buffers.emplace_back(size);
    for (std::size_t k = 0; !read && k < size; ++k) buffer[k] = Byte(request, at++);
    messages.push_back({read, {}});
  }
  for (std::size_t i = 0; i < messages.size(); ++i) messages[i].bytes = buffers[i];
  const EmulatedI2c::Result result = world.Transfer(Byte(request, 1), messages, NowNs());
  const timespec took{static_cast<time_t>(result.took_ns / 1'000'000'000),
                      static_cast<long>(result.took_ns % 1'000'000'000)};
  ::nanosleep(&took, nullptr);  // the wire is busy for everybody
  std::string answer = Errno(result.error);
  for (const BusMessage& message : messages) {
    if (message.read) answer.append(reinterpret_cast<const char*>(message.bytes.data()), message.bytes.size());
  }
  return answer.size() > kMaxPacket ? Errno(EINVAL) : answer;
}

// {"address":68,"temperature":21.5,"humidity":..,"pressure":..}  what the chip there sees
// {"fault":"nack","count":3,"address":68,"delay_ms":100}         see BusFault
// {"plug":"sht3x","address":68}, {"unplug":true,"address":68}, {"own":true,"address":68}, {"present":false}
std::string SimulatorServer::Command(std::string_view text) try {
  const Json json = Json::parse(text);
  const int address = json.value("address", -1);
  if (json.contains("fault")) {
    BusFault fault{.count = json.value("count", -1), .address = address};
    fault.delay_ns = json.value("delay_ms", std::int64_t{0}) * 1'000'000;
    if (!ParseFault(json["fault"].get<std::string>(), fault.kind)) return R"({"error":"no such fault"})";
    world.SetFault(fault);
  }
  if (json.contains("plug")) world.Plug(static_cast<std::uint8_t>(address), json["plug"].get<std::string>(), NowNs());
  if (json.contains("unplug")) world.Unplug(static_cast<std::uint8_t>(address));
  if (json.contains("own")) world.Own(static_cast<std::uint8_t>(address));
  if (json.contains("present")) {
    wanted_present_ = json["present"].get<bool>();
    if (!wanted_present_) {
      for (auto& [fd, connection] : connections_) connection.stale = connection.opened > 0;
    }
    Settle();
  }
  if (ChipModel* chip = address < 0 ? nullptr : world.At(static_cast<std::uint8_t>(address))) {
    chip->climate.temperature = json.value("temperature", chip->climate.temperature);
    chip->climate.humidity = json.value("humidity", chip->climate.humidity);
    chip->climate.pressure = json.value("pressure", chip->climate.pressure);
  }
  return Json{{"transactions", world.transactions()}, {"present", world.present()}}.dump();
} catch (const std::exception& failure) {
  return Json{{"error", failure.what()}}.dump();
}

// The adapter is there when it is plugged and nobody holds a descriptor from before it was unplugged.
void SimulatorServer::Settle() {
  bool held = false;
  for (const auto& [fd, connection] : connections_) held = held || connection.stale;
  world.SetPresent(wanted_present_ && !held, NowNs());
}

void SimulatorServer::Wander() {
  const double t = static_cast<double>(NowNs() % 3'600'000'000'000) * 1e-9;
  for (int address = 0; address < 128; ++address) {
    ChipModel* chip = world.At(static_cast<std::uint8_t>(address));
    if (chip == nullptr) continue;
    chip->climate.temperature = 21.5 + 2 * std::sin(t / 20 + address);
    chip->climate.humidity = 45 + 5 * std::sin(t / 30 + address);
    chip->climate.pressure = 1013.25 + 2 * std::sin(t / 50 + address);
  }
}

}  // namespace penumbra::test
