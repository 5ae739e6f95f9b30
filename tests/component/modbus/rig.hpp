// What the component tests of the Modbus driver stand on: the .so loaded through its C ABI, a pymodbus server in a
// process of its own, and a pty pair for a serial line. Every wait has a limit; every process dies with the test.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "penumbra/driver.h"

namespace penumbra::modbus_rig {

std::int64_t NowNs();

// How long a test waits for what will come, on whatever machine. A bus of TcpBus or RtuBus waits a third of it for each
// answer, unless it is told otherwise.
constexpr int kLimitMs = 60'000;

// tests/support/modbus_server.py with these arguments (without --port and --serial).
class Server {
 public:
  // On a free port of 127.0.0.1, or on `port`.
  static Server Tcp(std::vector<std::string> arguments, int port = 0);
  static Server Serial(const std::string& device, std::vector<std::string> arguments);
  Server(Server&& other) noexcept;
  Server(const Server&) = delete;
  ~Server();

  int port() const { return port_; }
  void Kill();

 private:
  Server() = default;
  void Start(std::vector<std::string> arguments);
  pid_t pid_ = -1;
  int port_ = 0;
};

// Two pty masters with a thread's worth of copying between them in a process of its own.
class SerialLine {
 public:
  SerialLine();
  ~SerialLine();
  SerialLine(const SerialLine&) = delete;
  const std::string& ours() const { return ours_; }
  const std::string& theirs() const { return theirs_; }

 private:
  std::string ours_, theirs_;
  pid_t pid_ = -1;
};

// A value copied out of the driver.
struct Read {
  std::uint32_t type = PENUMBRA_NONE;
  std::string reason;  // empty: good
  std::uint32_t status = PENUMBRA_OK;
  double number = 0;  // of whatever numeric type
  std::string text;
};

// An open bus of the driver.
class Bus {
 public:
  explicit Bus(const nlohmann::json& configuration);
  ~Bus();
  Bus(const Bus&) = delete;

  // All points of a thing, within `limit_ms`. The status is the driver's; the call itself must keep the limit.
  penumbra_status ReadAll(std::uint32_t thing, std::vector<Read>& values, int limit_ms = kLimitMs, int cancel_fd = -1);
  std::vector<Read> ReadAll(std::uint32_t thing, int limit_ms = kLimitMs);
  penumbra_status Write(std::uint32_t thing, std::uint32_t point, const penumbra_value& value, std::string& error);

  const std::vector<std::string>& log() const { return log_; }

 private:
  nlohmann::json configuration_;
  penumbra_host host_{};
  penumbra_bus* bus_ = nullptr;
  std::vector<std::string> log_;
};

// Reads over and over, until the first value is good or the limit has passed: its reason then.
std::string ReasonInTheEnd(Bus& bus);

const penumbra_driver& Driver();

penumbra_value RealValue(double value);
penumbra_value IntValue(std::int64_t value);

// {"table":"holding","address":100,...}
nlohmann::json Point(const std::string& name, const std::string& table, int address, const std::string& type = "",
                     nlohmann::json more = nlohmann::json::object());
nlohmann::json TcpBus(int port, nlohmann::json things, nlohmann::json more = nlohmann::json::object());
nlohmann::json RtuBus(const std::string& device, int baud, nlohmann::json things,
                      nlohmann::json more = nlohmann::json::object());
nlohmann::json Thing(int unit, nlohmann::json points, nlohmann::json more = nlohmann::json::object());

// What the server's pattern registers hold.
int Pattern(const std::string& table, int unit, int address);

}  // namespace penumbra::modbus_rig
