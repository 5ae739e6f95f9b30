// Reads and writes the points of one thing: plans blocks, sends them through a Line, decodes the answers, and when a
// device refuses a merged block finds out what it refuses, so that one bad register costs only itself.
// Deliberately without I/O; what was learned is handed out for keeping and taken back at the next start. One thread.
// Source: Modbus Application Protocol V1.1b3; "How a Modbus unit is read" in ARCHITECTURE.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "modbus/learned.hpp"
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
  bool waited = false;           // kFailed: it took the whole time that an answer may take
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

// Where a reader's news goes.
struct ReaderHooks {
  std::function<void(const std::string&)> log;  // one line for each thing learned about the device
  std::function<void(const Learned&)> keep;     // everything learned, whenever it has changed or been confirmed
  std::function<std::int64_t()> unix_s;
};

struct PointResult {
  Value value;
  const char* reason = nullptr;  // static text; set: bad, there is no value
  std::int64_t time_ns = 0;
};

class ThingReader {
 public:
  // What was learned is tested again this often, a request at a time, because devices get new firmware.
  static constexpr std::int64_t kRecheckS = 24 * 3600;
  // Facts that nobody could test for so long are void: the device may be another one by now.
  static constexpr std::int64_t kExpireS = 30 * kRecheckS;

  // `options` and `costs` are copied. `known`: what `keep` was given before a restart.
  ThingReader(ThingOptions options, Costs costs, ReaderHooks hooks, const std::optional<Learned>& known = {});

  // Fills results[k] for points[k] (indices of the thing's points, each in range). Answers false when cancelled;
  // the results are then void.
  bool Read(std::span<const std::uint32_t> points, Line& line, const Budget& budget, std::span<PointResult> results);
  // In the last Read the unit gave no valid answer and made us wait for it, whatever came instead: halves of frames,
  // frames in another unit's name. It costs the others on its bus as much as one that says nothing.
  bool silent() const { return silent_; }

  struct WriteResult {
    Outcome::Kind kind = Outcome::Kind::kAnswer;
    bool unsupported = false;  // the point cannot be written
    std::string error;         // for the operator; empty: the device acknowledged
  };
  WriteResult Write(std::uint32_t point, const Value& value, Line& line, const Budget& budget);
  struct PointWrite {
    std::uint32_t point = 0;
    Value value;
  };
  // Several in the given order. Neighbours in the list that are neighbours in the device go in one request, unless the
  // list writes a register twice; when the device refuses such a request each is written by itself. One result each;
  // after one without an answer the rest is not tried.
  std::vector<WriteResult> WriteMany(std::span<const PointWrite> writes, Line& line, const Budget& budget);

  const ThingOptions& options() const { return options_; }
  const Costs& costs() const { return costs_; }
  // As it would be kept now.
  Learned learned() const;
  // The blocks that a poll of all points reads now, refused points apart; `items` are indices of points.
  std::vector<Block> Plan() const;

 private:
  // What an exception taught about one point.
  struct Refusal {
    std::uint8_t exception = 0;
    std::int64_t ask_again_ns = 0;
    std::int64_t wait_ns = 0;  // grows: to a day, or less if the point has answered before
  };
  // A question whose answer shows whether something learned still holds.
  struct Recheck {
    enum class Kind { kHole, kSeam, kLength } kind = Kind::kHole;
    Table table = Table::kHolding;
    std::uint32_t first = 0, last = 0;
  };
  enum class Fate { kRead, kRefused, kFailed };
  struct Call;  // state of one Read
  struct WriteGroup;

  void Recall(const Learned& known);
  void ReadPlanned(Call& call);
  void AskRefusedAgain(std::uint32_t asked, std::int64_t now_ns, Call& call);
  const std::vector<Block>& PlanFor(std::span<const std::uint32_t> points);
  Limits LimitsNow() const;
  std::vector<Block> PlanOf(std::span<const std::uint32_t> points, std::span<const std::uint32_t> positions) const;
  void ReadBlock(const Block& block, Call& call);
  void Take(const Block& block, const Outcome& outcome, Call& call);
  bool SplitByLimit(const Block& block, Call& call);
  void Split(const Block& block, std::uint8_t exception, Call& call);
  Fate Probe(Table table, std::uint32_t first, std::uint32_t count, Call& call);
  void LearnFromSplit(const Block& whole, const Block& left, const Block& right, std::uint8_t exception, Call& call);
  void LearnLength(const Block& whole, std::uint32_t good, std::uint8_t exception, Call& call);
  void LearnRefusal(std::uint32_t k, Call& call);
  void Refuse(std::uint32_t point, std::int64_t now_ns);  // once more
  void Accept(std::uint32_t point);
  void ReportRefusals(Call& call);
  void PlanRechecks();
  void PlanLengthRecheck(Table table);
  void RunRecheck(Call& call);
  void Unlearn(const Recheck& recheck);
  void Changed();
  void Keep();
  void Log(const std::string& text) const;
  std::uint16_t LimitOf(Table table) const { return IsBits(table) ? limits_.max_bits : limits_.max_words; }
  Block BlockOver(std::span<const std::uint32_t> items, std::span<const std::uint32_t> points) const;
  WriteResult WriteBit(const PointOptions& point, const Value& value, Line& line, const Budget& budget);
  std::optional<WriteGroup> GroupAt(std::span<const PointWrite> writes) const;

  ThingOptions options_;
  Costs costs_;
  ReaderHooks hooks_;

  Limits limits_;                              // the configured ones and what was learned
  std::map<std::uint32_t, Refusal> refusals_;  // by point
  std::vector<bool> has_answered_;             // by point; since this reader began
  std::uint32_t longest_[2] = {0, 0};          // longest read that was answered, of registers and of bits
  std::optional<Seam> length_place_[2];        // where a limit was found: it may have been a seam instead
  std::int64_t checked_s_ = 0;
  bool changed_ = false;  // since it was last kept
  bool silent_ = false;
  std::vector<Recheck> rechecks_;

  std::vector<std::uint32_t> planned_points_;  // what plan_ is for
  std::vector<Block> plan_;
  bool plan_valid_ = false;
  std::size_t next_block_ = 0;  // where to begin when the last call ran out of time
};

}  // namespace penumbra::modbus
