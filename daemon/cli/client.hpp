// The client side of the local API: one request, one answer, within a deadline, on a Unix socket. Blocking; one thread.
// A connection per request: it costs microseconds here, and nothing goes stale between two polls of --follow.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "base/error.hpp"

namespace penumbra::cli {

struct Answer {
  int status = 0;
  std::string body;
};

class Client {
 public:
  static constexpr std::chrono::seconds kTimeout{12};  // above the server's own 10 s, so that its 504 is seen
  static constexpr std::size_t kMaxBodyBytes = 16 * 1024 * 1024;

  explicit Client(std::filesystem::path socket, std::chrono::milliseconds timeout = kTimeout)
      : socket_(std::move(socket)), timeout_(timeout) {}

  // Error kBackOff: the daemon is not reachable (exit code 69); the message says why and what to do about it. Anything
  // the daemon answers, also an error status, is an Answer.
  Result<Answer> Get(const std::string& target) const;

  const std::filesystem::path& socket() const { return socket_; }

 private:
  std::filesystem::path socket_;
  std::chrono::milliseconds timeout_;
};

}  // namespace penumbra::cli
