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

  // Errors (exit code 69), with why and what to do about it: kBackOff nobody is there, kGiveUp somebody may be there
  // but does not talk to us. Anything the daemon answers, also an error status, is an Answer.
  Result<Answer> Get(const std::string& target) const;
  // `extra`: time that the daemon takes longer for this than for most requests.
  Result<Answer> Post(const std::string& target, std::string body, std::chrono::milliseconds extra = {}) const;

  const std::filesystem::path& socket() const { return socket_; }

 private:
  Result<Answer> Run(class Exchange& exchange) const;

  std::filesystem::path socket_;
  std::chrono::milliseconds timeout_;
};

}  // namespace penumbra::cli
