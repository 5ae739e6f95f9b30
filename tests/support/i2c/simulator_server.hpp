// An emulated I2C bus behind a Unix socket, in real time: the other side of shim.c, which puts it in the place of a
// device node at the system call boundary. Also takes JSON commands that change the world ("control").
//
// SOCK_SEQPACKET, one connection for each process. Requests, one packet each:
//   P                                  open: answer i32 errno
//   X                                  close: i32 0
//   S address                          I2C_SLAVE: i32 errno
//   T address count {read u16 [bytes]} a transaction: i32 errno, bytes of all reads
//   C json                             a command: json
// Numbers little-endian. As in the kernel, an adapter that was unplugged does not come back while a descriptor from
// before is open. Thread: Run() is the only one that touches the bus; Stop() may be called from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "support/i2c/emulated_i2c.hpp"

namespace penumbra::test {

class SimulatorServer {
 public:
  static constexpr std::size_t kMaxPacket = 8192;
  static constexpr std::size_t kMaxConnections = 64;

  // Listens at once. Throws std::runtime_error.
  explicit SimulatorServer(std::string socket_path);
  ~SimulatorServer();
  SimulatorServer(const SimulatorServer&) = delete;
  SimulatorServer& operator=(const SimulatorServer&) = delete;

  // Serves until Stop().
  void Run();
  void Stop();

  EmulatedI2c world;    // before Run(), or from Run()'s thread
  bool wander = false;  // the climate moves with time, for demonstrations

  static std::int64_t NowNs();

 private:
  struct Connection {
    int opened = 0;      // descriptors
    bool stale = false;  // one of them is from before the adapter was unplugged
  };
  void Accept();
  bool Serve(int fd);
  std::string Answer(Connection& connection, std::string_view request);
  std::string Transaction(Connection& connection, std::string_view request);
  std::string Command(std::string_view json);
  void Settle();
  void Wander();

  std::string path_;
  int listener_ = -1;
  int stop_fd_ = -1;
  bool wanted_present_ = true;
  std::map<int, Connection> connections_;
};

}  // namespace penumbra::test
