// `penumbra bus replay FILE`: a recording of the flight recorder as a simulated device, on a port of the loopback or on
// a pty, that answers each recorded request as it was answered then: late, damaged, twice or not at all. A request that
// was not recorded is not answered. ReplayBook is pure; the verb blocks until it is interrupted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.hpp"
#include "driver/recording.hpp"

namespace penumbra::cli {

class ReplayBook {
 public:
  struct Chunk {
    std::int64_t delay_ns = 0;  // since the request
    std::string bytes;
  };

  explicit ReplayBook(const Recording& recording);

  // Takes the first request out of what a master has sent; empty: not a whole one yet. Bytes that begin no recorded
  // request are dropped (of a serial line) up to where one may begin.
  std::string TakeRequest(std::string& received) const;
  // What was answered to it then; the next time, what was answered the next time, and so on round. Empty: nothing.
  std::vector<Chunk> Answer(const std::string& request);

  bool tcp() const { return tcp_; }  // Modbus TCP framing; else RTU frames
  std::size_t requests() const { return answers_.size(); }

 private:
  struct Answers {
    std::vector<std::pair<std::string, std::vector<Chunk>>> list;  // the request as it was, and its chunks
    std::size_t next = 0;
  };
  std::string KeyOf(const std::string& request) const;

  bool tcp_ = false;
  std::map<std::string, Answers> answers_;
};

int Replay(const Invocation& invocation);

}  // namespace penumbra::cli
