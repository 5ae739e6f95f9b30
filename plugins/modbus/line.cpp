#include "modbus/line.hpp"

#include <modbus.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace penumbra::modbus {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
// Noise without end must not hold the caller: more than this at once is left for the next time.
constexpr int kMaxDiscard = 64 * 1024;
// A connection nobody uses is tested by the kernel, so that a gateway that was power-cycled is noticed.
constexpr int kKeepAliveIdleSeconds = 30;
constexpr int kKeepAliveIntervalSeconds = 10;
constexpr int kKeepAliveProbes = 3;

const char* ConnectReason(int error) {
  switch (error) {
    case ECONNREFUSED:
      return "connection refused";
    case ETIMEDOUT:
      return "connection timeout";
    case EHOSTUNREACH:
      return "connection failed (no route to host)";
    case ENETUNREACH:
      return "connection failed (network unreachable)";
    case ECONNRESET:
      return "connection closed";
    default:
      return "connection failed";
  }
}

const char* OpenReason(int error) {
  switch (error) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
      return "connection failed (no such device)";
    case EACCES:
    case EPERM:
      return "connection failed (permission denied)";
    case EBUSY:
      return "connection failed (device in use)";
    case ENOTTY:
      return "connection failed (not a serial port)";
    default:
      return "connection failed";
  }
}

void SetOption(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof value);
}

void SetTcpOptions(int fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

Wait WaitFor(int fd, short events, std::int64_t until_ns, int cancel_fd, const std::function<std::int64_t()>& now_ns) {
  while (true) {
    const std::int64_t left_ns = std::max<std::int64_t>(0, until_ns - now_ns());
    const timespec left{.tv_sec = left_ns / kNsPerSecond, .tv_nsec = left_ns % kNsPerSecond};
    // A negative descriptor is passed over by ppoll.
    std::array<pollfd, 2> fds{
        {{.fd = fd, .events = events, .revents = 0}, {.fd = cancel_fd, .events = POLLIN, .revents = 0}}};
    const int ready = ppoll(fds.data(), fds.size(), &left, nullptr);
    if (fds[1].revents != 0) return Wait::kCancelled;
    if (ready > 0) return Wait::kReady;
    if (now_ns() >= until_ns) return Wait::kTimeout;
  }
}

}  // namespace

Port::Port(const BusOptions& bus, std::function<std::int64_t()> now_ns) : bus_(bus), now_ns_(std::move(now_ns)) {}

Port::~Port() {
  Close();
}

const char* Port::Open(const Budget& budget) {
  if (is_open()) return nullptr;
  return IsSocket(bus_.transport) ? OpenTcp(budget) : OpenSerial();
}

void Port::Close() {
  if (context_ == nullptr) return;
  modbus_close(context_);
  modbus_free(context_);
  context_ = nullptr;
  fd_ = -1;
}

const char* Port::OpenTcp(const Budget& budget) {
  Budget connect = budget;
  connect.deadline_ns = std::min(budget.deadline_ns, now_ns_() + bus_.connect_timeout_ms * kNsPerMs);
  std::vector<Address> addresses;
  const auto may_wait = [&] {
    const Wait wait = Sleep(now_ns_(), connect.cancel_fd);
    if (wait == Wait::kCancelled) return Resolver::Answer::kCancelled;
    return now_ns_() < connect.deadline_ns ? Resolver::Answer::kFound : Resolver::Answer::kTimeout;
  };
  switch (resolver_.Resolve(bus_.host, bus_.port, may_wait, addresses)) {
    case Resolver::Answer::kFound:
      break;
    case Resolver::Answer::kUnknown:
      return "connection failed (host name unknown)";
    case Resolver::Answer::kTimeout:
      return "connection failed (no answer from the name server)";
    case Resolver::Answer::kCancelled:
      return "cancelled";
  }
  const char* reason = "connection failed";
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // Each address gets its share of the time, so that a dead first one does not hide a working second one.
    Budget share = connect;
    const std::int64_t now = now_ns_();
    share.deadline_ns = now + (connect.deadline_ns - now) / static_cast<std::int64_t>(addresses.size() - i);
    reason = ConnectTo(addresses[i], share);
    if (reason == nullptr || std::string_view(reason) == "cancelled") return reason;
  }
  return reason;
}

const char* Port::ConnectTo(const Address& address, const Budget& budget) {
  const int fd = socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return ConnectReason(errno);
  SetTcpOptions(fd);
  int error = connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    const Wait wait = WaitFor(fd, POLLOUT, budget.deadline_ns, budget.cancel_fd, now_ns_);
    if (wait == Wait::kCancelled) {
      close(fd);
      return "cancelled";
    }
    socklen_t size = sizeof error;
    if (wait == Wait::kTimeout) {
      error = ETIMEDOUT;
    } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
  }
  if (error != 0) {
    close(fd);
    return ConnectReason(error);
  }
  return Adopt(fd);
}

// Gives the connected socket to a libmodbus context, which owns it from then on.
const char* Port::Adopt(int fd) {
  context_ = modbus_new_tcp_pi(bus_.host.c_str(), std::to_string(bus_.port).c_str());
  if (context_ == nullptr) {
    close(fd);
    return "connection failed";
  }
  modbus_set_error_recovery(context_, MODBUS_ERROR_RECOVERY_NONE);
  modbus_set_socket(context_, fd);
  fd_ = fd;
  return nullptr;
}

const char* Port::OpenSerial() {
  context_ =
      modbus_new_rtu(bus_.device.c_str(), static_cast<int>(bus_.baud), bus_.parity, bus_.data_bits, bus_.stop_bits);
  if (context_ == nullptr) return OpenReason(errno);
  modbus_set_error_recovery(context_, MODBUS_ERROR_RECOVERY_NONE);
  if (modbus_connect(context_) != 0) {
    const char* reason = OpenReason(errno);
    modbus_free(context_);
    context_ = nullptr;
    return reason;
  }
  fd_ = modbus_get_socket(context_);
  // Two masters on one line destroy each other's frames; the kernel refuses the second from now on.
  ioctl(fd_, TIOCEXCL);
  if (bus_.rs485 && modbus_rtu_set_serial_mode(context_, MODBUS_RTU_RS485) != 0) {
    Close();
    return "connection failed (the port has no RS-485 mode)";
  }
  modbus_flush(context_);
  return nullptr;
}

Wait Port::WaitReadable(std::int64_t until_ns, int cancel_fd) {
  return WaitFor(fd_, POLLIN, until_ns, cancel_fd, now_ns_);
}

Wait Port::Sleep(std::int64_t until_ns, int cancel_fd) {
  return WaitFor(-1, 0, until_ns, cancel_fd, now_ns_);
}

bool Port::Send(std::span<const std::uint8_t> bytes, const Budget& budget) {
  while (!bytes.empty()) {
    const ssize_t sent = IsSocket(bus_.transport) ? send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL)
                                                  : write(fd_, bytes.data(), bytes.size());
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return false;
    } else if (WaitFor(fd_, POLLOUT, budget.deadline_ns, budget.cancel_fd, now_ns_) != Wait::kReady) {
      return false;
    }
  }
  return true;
}

int Port::Receive(std::span<std::uint8_t> buffer) {
  const bool tcp = IsSocket(bus_.transport);
  const ssize_t count = tcp ? recv(fd_, buffer.data(), buffer.size(), 0) : read(fd_, buffer.data(), buffer.size());
  if (count > 0) return static_cast<int>(count);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (count < 0 || tcp) return -1;
  // A serial port set to return at once answers 0 both for "nothing there" and for "unplugged"; only poll tells which.
  pollfd state{.fd = fd_, .events = POLLIN, .revents = 0};
  return poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0 ? -1 : 0;
}

int Port::Discard(const std::function<void(std::span<const std::uint8_t>)>& show) {
  std::array<std::uint8_t, 512> waste;
  int total = 0;
  while (total < kMaxDiscard) {
    const int count = Receive(waste);
    if (count < 0) return count;
    if (count == 0) break;
    show({waste.data(), static_cast<std::size_t>(count)});
    total += count;
  }
  return total;
}

bool Port::PeerAcknowledged() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  return getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_unacked == 0;
}

}  // namespace penumbra::modbus
