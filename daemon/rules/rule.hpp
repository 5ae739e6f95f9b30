// A rule of AWS IoT Core, run here: what `SELECT ... FROM ... WHERE ...` makes of a message, before it is deployed.
// Deliberately not here: what an action does with the result, and functions that only the cloud has (Parse refuses
// them). A Rule and a Template may be used from several threads; a run touches nothing but its arguments. No I/O, but
// that parse_time() and time_to_epoch() read the machine's time zone files. Source: aws-iot-core.md section 8. Where
// AWS does not say, and what we took: see the heads of the .cpp files.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "rules/value.hpp"

namespace penumbra::rules {

struct Statement;
struct Node;

// The payload of a message, parsed once for all rules that see it.
class Payload {
 public:
  explicit Payload(std::string bytes);
  const std::string& bytes() const { return bytes_; }
  // nullptr: not JSON, why() says where.
  const Value* json() const { return json_ ? &*json_ : nullptr; }
  const std::string& why() const { return why_; }

 private:
  std::string bytes_;
  std::optional<Value> json_;
  std::string why_;
};

// What functions can ask beside the payload. Absent: Undefined.
struct Facts {
  std::string topic;  // as published; the prefix of Basic Ingest is not shown to the rule
  std::string client_id = "n/a";
  std::optional<std::string> principal, account, source_ip, trace_id;
  std::int64_t now_ms = 0;                             // timestamp()
  std::uint64_t random_seed = 0;                       // rand(), newuuid()
  std::map<std::string, std::string> mqtt_properties;  // content_type, response_topic, ...
  std::vector<std::pair<std::string, std::string>> user_properties;
  bool exact_division = false;  // 7 / 2 is 3.5: what AWS does is not settled, so a caller may compare both
};

inline constexpr std::size_t kMaxTextBytes = 512 * 1024;    // of any text on the way
inline constexpr std::size_t kMaxResultBytes = 128 * 1024;  // of what an action gets: AWS's limit of a message
inline constexpr std::uint64_t kMaxSteps = 1'000'000;       // of one run

struct Outcome {
  enum class Kind {
    kFired,       // WHERE is true, or there is none
    kNotMatched,  // WHERE is false
    kUndefined,   // WHERE is neither: an attribute is missing, or is not what an operator takes. Nothing happens
    kFailed,      // the rule ends with an error and its error action, `why` says which
  };
  Kind kind = Kind::kNotMatched;
  Value result;      // kFired: what the actions get; Undefined for bytes that are no JSON
  std::string text;  // kFired: the same as bytes
  std::string why;
  std::vector<std::string> missing;    // attributes that were asked for and are not there; at most kMaxMissing
  std::vector<std::string> undefined;  // kFired: names in SELECT that have no value and so are left out
};
inline constexpr std::size_t kMaxMissing = 16;

class Rule {
 public:
  // Errors: kFixConfig the place, what is wrong there and what to write instead; kGiveUp it calls a function that only
  // the cloud has.
  static Result<Rule> Parse(std::string_view sql);
  Rule(Rule&&) noexcept;
  Rule& operator=(Rule&&) noexcept;
  ~Rule();

  const std::string& filter() const;  // empty: no FROM, for Basic Ingest alone
  bool has_condition() const;
  // Values in WHERE that something is compared with: 40 and 0 of "value > 40 OR value < 0". For whoever looks for a
  // message that fires.
  std::vector<Value> Thresholds() const;
  // Allowed, but hardly what was meant; one line each.
  const std::vector<std::string>& notes() const { return notes_; }

  // Does this rule, called `name`, see messages on `topic`?
  bool Sees(std::string_view name, std::string_view topic) const;
  Outcome Run(const Payload& payload, const Facts& facts) const;

 private:
  Rule();
  std::unique_ptr<Statement> statement_;
  std::vector<std::string> notes_;
};

// Text with ${expression} in it, as in the topic of a republish action. An expression sees the payload and the
// functions, not what SELECT calls things.
class Template {
 public:
  // Error kFixConfig: "${" without end, or a fault in an expression.
  static Result<Template> Parse(std::string_view text);
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // Undefined is empty text. Error kGiveUp: an expression failed.
  Result<std::string> Render(const Payload& payload, const Facts& facts) const;

 private:
  struct Part {
    std::string text;
    std::unique_ptr<Node> expression;  // nullptr: text as it is
  };
  Template();
  std::vector<Part> parts_;
};

}  // namespace penumbra::rules
