// Name look-ups that keep a deadline: getaddrinfo() itself has none, and a dead name server holds it for many seconds.
// Uses glibc's getaddrinfo_a, whose threads live in libc, so that an unfinished look-up cannot outlive this driver's
// code. One thread; at most one look-up under way.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace penumbra::modbus {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family = 0;
};

class Resolver {
 public:
  Resolver();
  ~Resolver();

  enum class Answer { kFound, kUnknown, kTimeout, kCancelled };
  // Calls `may_wait` between short waits; it answers kFound to go on waiting, or why to stop. A look-up that was not
  // finished goes on, and the next call for the same name takes its result.
  Answer Resolve(const std::string& host, std::uint16_t port, const std::function<Answer()>& may_wait,
                 std::vector<Address>& addresses);

 private:
  struct LookUp;
  std::unique_ptr<LookUp> look_up_;
};

}  // namespace penumbra::modbus
