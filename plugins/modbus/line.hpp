// The open line: a TCP connection or a serial port, held by a libmodbus context.
// libmodbus sets the port up and takes it down; connecting, waiting, sending and receiving are done here, because
// libmodbus 3.1.6 waits in select() without regard to a deadline or a cancel descriptor, reports a connect that timed
// out or found no route as "refused", leaves Nagle's delay on for IPv6, and with error recovery switched on sends for
// ever into an unplugged adapter. One thread; no frames here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "modbus/options.hpp"
#include "modbus/reader.hpp"
#include "modbus/resolve.hpp"

struct _modbus;

namespace penumbra::modbus {

enum class Wait { kReady, kTimeout, kCancelled };

class Port {
 public:
  Port(const BusOptions& bus, std::function<std::int64_t()> now_ns);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  // Opens unless open. Answers nullptr, "cancelled", or why not: a static text that begins with "connection".
  const char* Open(const Budget& budget);
  bool is_open() const { return context_ != nullptr; }
  void Close();

  // Until the port can be read or the moment comes.
  Wait WaitReadable(std::int64_t until_ns, int cancel_fd);
  // Lets time pass. kReady does not happen.
  Wait Sleep(std::int64_t until_ns, int cancel_fd);
  // All of it, or false: the line is gone, or does not take it in time.
  bool Send(std::span<const std::uint8_t> bytes, const Budget& budget);
  // Bytes that have come; 0: none; negative: the line is gone.
  int Receive(std::span<std::uint8_t> buffer);
  // Throws away what has come, after showing it. Answers the bytes; negative: the line is gone.
  int Discard(const std::function<void(std::span<const std::uint8_t>)>& show);
  // TCP: has the other host acknowledged all that was sent? False means that the path to it is dead.
  bool PeerAcknowledged() const;

 private:
  const char* OpenTcp(const Budget& budget);
  const char* OpenSerial();
  const char* ConnectTo(const Address& address, const Budget& budget);
  const char* Adopt(int fd);

  const BusOptions& bus_;
  std::function<std::int64_t()> now_ns_;
  Resolver resolver_;
  _modbus* context_ = nullptr;
  int fd_ = -1;  // the context's
};

}  // namespace penumbra::modbus
