// What is asked of one bus and waits for it to be free: writes before reads before questions, each in their order.
// Bounded in number and in time; whoever asked is answered in every case, once. Loop thread; callbacks may ask again.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "driver/bus_manager.hpp"

namespace penumbra {

class BusQueues {
 public:
  static constexpr std::size_t kMaxWrites = 64;
  static constexpr std::size_t kMaxReads = 64;  // things, and callers for one thing
  static constexpr std::size_t kMaxQuestions = 8;
  // What waited longer for the bus is answered with an error: the caller has given up by then.
  static constexpr Duration kMaxTime = std::chrono::seconds(30);

  using ReadCallbacks = std::vector<std::function<void(Result<Reading>)>>;
  // `thing`, `point`: by their numbers on this bus.
  struct Read {
    std::uint32_t thing = 0;
    BootTime asked;
    ReadCallbacks done;
  };
  struct Write {
    std::uint32_t thing = 0;
    std::uint32_t point = 0;
    BootTime asked;
    Value raw;
    std::function<void(Status)> done;
    std::function<bool()> wanted = {};  // empty: always
  };
  struct Question {
    std::string text;  // JSON
    std::string name;
    Duration timeout{};
    BootTime asked;
    BusManager::AskDone done;
  };

  explicit BusQueues(std::string bus) : bus_(std::move(bus)) {}

  // Full: answered with kBackOff at once. Reads of one thing become one.
  void Add(Write write);
  void AddRead(std::uint32_t thing, BootTime now, std::function<void(Result<Reading>)> done);
  void Add(Question question);

  // Those at the head that may go to the driver together, at most `most` and of one thing. Texts go by themselves: what
  // is written together is a question, and that has a bound.
  std::vector<Write> TakeWrites(std::size_t most);
  std::optional<Read> TakeRead();
  std::optional<Question> TakeQuestion();

  // Answers writes that nobody wants any more with kRetry.
  void FailUnwanted();
  // Answers what waited too long with kRetry.
  void FailLate(BootTime now);
  // Answers everything.
  void FailAll(const Error& cause);
  // The things have other numbers: `now_at` tells the new one of an old one; what is queued for those without one
  // fails.
  void Renumber(const std::function<std::optional<std::uint32_t>(std::uint32_t)>& now_at, const Error& cause);

 private:
  std::string bus_;
  std::deque<Write> writes_;
  std::deque<Read> reads_;
  std::deque<Question> questions_;
};

}  // namespace penumbra
