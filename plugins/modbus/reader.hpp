// Reads and writes the points of one thing: plans blocks, sends them through a Line, decodes the answers, and when a
// device refuses a merged block finds out what it refuses, so that one bad register costs only itself.
// Deliberately without I/O and without a memory beyond the process. One thread. Source: Modbus Application Protocol
// V1.1b3; the design notes of the read planner in ARCHITECTURE.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "modbus/options.hpp"

namespace penumbra::modbus {

// When a call must be over. The line returns at or before the deadline.
struct Budget {
  std::int64_t deadline_ns = 0;
  int cancel_fd = -1;
};

struct Outcome {
  enum class Kind {
    kAnswer,
    kException,  // the unit answered no
    kFailed,     // no valid answer; `reason`
    kCancelled
  };
  Kind kind = Kind::kFailed;
  std::uint8_t exception = 0;
  const char* reason = nullptr;  // static text
  std::int64_t time_ns = 0;      // when the answer was complete
  Pdu pdu;
};

// One request and its answer, with retries, within the time given.
class Line {
 public:
  virtual ~Line() = default;
  virtual Outcome Exchange(const Request& request, const ThingOptions& thing, const Budget& budget) = 0;
  virtual std::int64_t NowNs() = 0;
};

struct PointResult {
  Value value;
  const char* reason = nullptr;  // static text; set: bad, there is no value
  std::int64_t time_ns = 0;
};

class ThingReader {
 public:
  // `log` gets one line for each thing learned about the device. `options` and `costs` are copied.
  ThingReader(ThingOptions options, Costs costs, std::function<void(const std::string&)> log);

  // Fills results[k] for points[k] (indices of the thing's points, each in range). Answers false when cancelled;
  // the results are then void.
  bool Read(std::span<const std::uint32_t> points, Line& line, const Budget& budget, std::span<PointResult> results);

  struct WriteResult {
    Outcome::Kind kind = Outcome::Kind::kAnswer;
    bool unsupported = false;  // the point cannot be written
    std::string error;         // for the operator; empty: the device acknowledged
  };
  WriteResult Write(std::uint32_t point, const Value& value, Line& line, const Budget& budget);

 private:
  // What an exception taught about one point.
  struct Refusal {
    std::uint8_t exception;
    std::int64_t ask_again_ns;
  };
  struct Call;  // state of one Read

  const std::vector<Block>& PlanFor(std::span<const std::uint32_t> points);
  void ReadBlock(const Block& block, Call& call);
  void Take(const Block& block, const Outcome& outcome, Call& call);
  void Split(const Block& block, std::uint8_t exception, Call& call);
  void LearnFromSplit(const Block& whole, const Block& left, const Block& right, Call& call);
  void LearnRefusal(std::uint32_t point, std::uint8_t exception, Call& call);
  void Forget();
  Block BlockOver(std::span<const std::uint32_t> items, std::span<const std::uint32_t> points) const;
  WriteResult WriteBit(const PointOptions& point, const Value& value, Line& line, const Budget& budget);

  ThingOptions options_;
  Costs costs_;
  std::function<void(const std::string&)> log_;

  Limits limits_;                              // the configured ones and what was learned
  std::map<std::uint32_t, Refusal> refusals_;  // by point
  std::int64_t forget_at_ns_ = 0;              // 0: nothing learned

  std::vector<std::uint32_t> planned_points_;  // what plan_ is for
  std::vector<Block> plan_;
  bool plan_valid_ = false;
  std::size_t next_block_ = 0;  // where to begin when the last call ran out of time
};

}  // namespace penumbra::modbus
