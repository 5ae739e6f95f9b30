// A simulator of an I2C bus in a thread, and the environment that makes the shim put it in the place of /dev/i2c-77.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "penumbra/i2c_device.hpp"
#include "support/i2c/simulator_server.hpp"

namespace penumbra::test {

constexpr const char* kNode = "/dev/i2c-77";
constexpr int kPatienceMs = 60'000;  // that the machine is not dead

class BusRig : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "penumbra-i2c-" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
    socket_ = folder_ + "/bus";
    ::setenv("I2C_SHIM_DEVICE", kNode, 1);
    ::setenv("I2C_SHIM_SOCKET", socket_.c_str(), 1);
    ::unsetenv("I2C_SHIM_SMBUS");
    server_ = std::make_unique<SimulatorServer>(socket_);
    const std::pair<std::uint8_t, const char*> chips[] = {{0x44, "sht3x"}, {0x48, "tmp102"}, {0x76, "bme280"}};
    for (const auto& [address, chip] : chips) {
      server_->world.Plug(address, chip, SimulatorServer::NowNs() - 1'000'000'000);
    }
    thread_ = std::thread([this] { server_->Run(); });
  }
  void TearDown() override {
    server_->Stop();
    thread_.join();
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  // A command to the simulator (SimulatorServer::Command); answered when it has been done.
  std::string Command(const std::string& json) {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_.c_str(), sizeof address.sun_path - 1);
    const std::string request = "C" + json;
    std::string answer(SimulatorServer::kMaxPacket, '\0');
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::send(fd, request.data(), request.size(), 0) < 0) {
      ADD_FAILURE() << std::strerror(errno);
    }
    answer.resize(static_cast<std::size_t>(std::max<ssize_t>(::recv(fd, answer.data(), answer.size(), 0), 0)));
    ::close(fd);
    return answer;
  }

  static std::int64_t In(std::int64_t ms) { return SimulatorServer::NowNs() + ms * 1'000'000; }

  std::string folder_, socket_;
  std::unique_ptr<SimulatorServer> server_;
  std::thread thread_;
};

}  // namespace penumbra::test
