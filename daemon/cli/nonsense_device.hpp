// The other end of a bus that answers whatever it gets with bytes that mean nothing: a pseudo terminal, or a TCP server
// on the loopback. For examinations of drivers. A thread of its own does the talking until the object goes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "base/unique_fd.hpp"

namespace penumbra::cli {

class NonsenseDevice {
 public:
  // nullptr: the system has none left.
  static std::unique_ptr<NonsenseDevice> Serial();
  static std::unique_ptr<NonsenseDevice> Tcp();
  ~NonsenseDevice();

  const std::string& name() const { return name_; }  // of the terminal
  std::uint16_t port() const { return port_; }

 private:
  NonsenseDevice(UniqueFd fd, bool listens);
  void Talk();

  UniqueFd fd_;
  bool listens_;
  std::string name_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace penumbra::cli
