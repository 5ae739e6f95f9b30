#include "cli/nonsense_device.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>  // NOLINT: posix_openpt
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

namespace penumbra::cli {
namespace {

constexpr int kTickMs = 20;
constexpr std::size_t kMaxClients = 8;

// Always the same nonsense, so that a finding can be repeated.
class Nonsense {
 public:
  void WriteTo(int fd) {
    std::array<unsigned char, 64> bytes{};
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random_());
    const ssize_t written = ::write(fd, bytes.data(), 1 + random_() % bytes.size());
    static_cast<void>(written);
  }

 private:
  std::minstd_rand random_{7};
};

// False: the other side has gone.
bool Reply(int fd, Nonsense& nonsense) {
  std::array<char, 512> ignored{};
  if (::read(fd, ignored.data(), ignored.size()) <= 0) return false;
  nonsense.WriteTo(fd);
  return true;
}

}  // namespace

NonsenseDevice::NonsenseDevice(UniqueFd fd, bool listens) : fd_(std::move(fd)), listens_(listens) {}

NonsenseDevice::~NonsenseDevice() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

std::unique_ptr<NonsenseDevice> NonsenseDevice::Serial() {
  UniqueFd fd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 64> name{};
  if (fd.get() < 0 || ::grantpt(fd.get()) != 0 || ::unlockpt(fd.get()) != 0 ||
      ::ptsname_r(fd.get(), name.data(), name.size()) != 0) {
    return nullptr;
  }
  termios raw{};
  if (::tcgetattr(fd.get(), &raw) == 0) {
    ::cfmakeraw(&raw);
    ::tcsetattr(fd.get(), TCSANOW, &raw);
  }
  std::unique_ptr<NonsenseDevice> device(new NonsenseDevice(std::move(fd), false));
  device->name_ = name.data();
  device->thread_ = std::thread([raw_device = device.get()] { raw_device->Talk(); });
  return device;
}

std::unique_ptr<NonsenseDevice> NonsenseDevice::Tcp() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd.get() < 0 || ::bind(fd.get(), generic, size) != 0 || ::listen(fd.get(), 16) != 0 ||
      ::getsockname(fd.get(), generic, &size) != 0) {
    return nullptr;
  }
  std::unique_ptr<NonsenseDevice> device(new NonsenseDevice(std::move(fd), true));
  device->port_ = ntohs(address.sin_port);
  device->thread_ = std::thread([raw_device = device.get()] { raw_device->Talk(); });
  return device;
}

void NonsenseDevice::Talk() {
  Nonsense nonsense;
  std::vector<UniqueFd> clients;
  while (!stop_) {
    std::vector<pollfd> watched{{fd_.get(), POLLIN, 0}};
    for (const UniqueFd& client : clients) watched.push_back({client.get(), POLLIN, 0});
    if (::poll(watched.data(), watched.size(), kTickMs) <= 0) continue;
    for (std::size_t i = watched.size() - 1; i > 0; --i) {
      const bool gone = watched[i].revents != 0 && !Reply(watched[i].fd, nonsense);
      if (gone) clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(i) - 1);
    }
    if (watched[0].revents == 0) continue;
    if (listens_) {
      UniqueFd client(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (client.get() >= 0 && clients.size() < kMaxClients) clients.push_back(std::move(client));
    } else if (!Reply(fd_.get(), nonsense)) {
      // Nobody has the terminal open just now: it reports that at once, again and again.
      ::poll(nullptr, 0, kTickMs);
    }
  }
}

}  // namespace penumbra::cli
