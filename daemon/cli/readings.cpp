#include "cli/readings.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <deque>

#include "api/routes.hpp"
#include "api/target.hpp"
#include "api/when.hpp"
#include "cli/daemon_verbs.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/views.hpp"

namespace penumbra::cli {
namespace {

constexpr std::uint64_t kDefaultLimit = 20;
constexpr timespec kFollowPause{0, 500'000'000};
// A daemon that restarts is away for a second or two; one that is away for longer is reported.
constexpr int kMaxMissedPolls = 40;
constexpr int kNotFound = 404;

int ComplainAnd(int exit_code, std::string_view message) {
  Complain(message);
  return exit_code;
}

const Json& Object(const Json& row, const char* key) {
  static const Json kNone = Json::object();
  const auto it = row.is_object() ? row.find(key) : row.end();
  return row.is_object() && it != row.end() && it->is_object() ? *it : kNone;
}

Cell PointCell(const Json& row, const std::string& point) {
  const Json& bad = Object(row, "bad");
  if (bad.contains(point)) return {"!" + Field(bad, point), Tone::kBad};
  const std::string value = Field(Object(row, "values"), point);
  return Object(row, "uncertain").contains(point) ? Cell{value + "?", Tone::kWarning} : Cell{value};
}

std::vector<std::string> PointsOf(const Json& readings) {
  std::vector<std::string> points;
  for (const Json& row : readings) {
    for (const char* key : {"values", "bad"}) {
      for (const auto& [point, value] : Object(row, key).items()) {
        if (std::find(points.begin(), points.end(), point) == points.end()) points.push_back(point);
      }
    }
  }
  return points;
}

}  // namespace

ReadingsTable::ReadingsTable(const Json& points) {
  for (const Json& point : points) {
    const std::string name = Field(point, "point");
    const std::string unit = Field(point, "unit");
    points_.push_back({name, unit == "-" ? name : fmt::format("{} ({})", name, unit)});
  }
}

std::string ReadingsTable::Page(const Json& readings, const Style& style) {
  if (points_.empty()) {
    for (std::string& point : PointsOf(readings)) points_.push_back({point, point});
  }
  // Wide enough for what may come on the next page.
  std::vector<Column> columns = {{"TIME", false, 23}, {"SEQ", true, 14}};
  for (const PointColumn& point : points_) columns.push_back({Printable(point.title), true, 9});
  columns.push_back({"SENT"});
  Table table(std::move(columns));
  for (const Json& row : readings) {
    const bool trusted = GetBool(row, "time_trusted").value_or(true);
    std::vector<Cell> cells = {{api::FullTime(GetInt(row, "time_ms").value_or(0)) + (trusted ? "" : "?"),
                                trusted ? Tone::kPlain : Tone::kWarning},
                               {Field(row, "seq")}};
    for (const PointColumn& point : points_) cells.push_back(PointCell(row, point.point));
    cells.push_back({GetBool(row, "sent").value_or(false) ? "yes" : "no"});
    table.Row(std::move(cells));
  }
  if (table.empty()) return {};
  const bool with_header = !header_done_;
  header_done_ = true;
  return table.Text(style, with_header);
}

namespace {

// Where printing has got to, and how it looks.
class Reader {
 public:
  Reader(const Client& client, const Invocation& invocation)
      : client_(client),
        invocation_(invocation),
        base_("/v1/readings/" + api::PercentEncode(invocation.words[0])),
        style_(OutputStyle(invocation.no_color)) {}

  int Run();

 private:
  int Collect();
  int CollectNewest(std::uint64_t limit);
  int CollectAll();
  int Follow();
  penumbra::Status FindEnd();
  bool FollowPage(const Answer& answer);
  bool WaitOutAbsence();
  std::int64_t SinceMs() const;
  void Take(Json readings);
  void PrintRows(const Json& readings);
  void PrintObject() const;
  Json Points() const;

  const Client& client_;
  const Invocation& invocation_;
  std::string base_;
  Style style_;
  std::deque<Json> rows_;
  std::uint64_t last_seq_ = 0;
  std::optional<ReadingsTable> table_;
};

std::int64_t Reader::SinceMs() const {
  if (!invocation_.since) return 0;
  const auto length = std::chrono::duration_cast<std::chrono::milliseconds>(*invocation_.since).count();
  return std::max<std::int64_t>(0, NowMs() - length);
}

void Reader::Take(Json readings) {
  for (Json& row : readings) {
    last_seq_ = std::max(last_seq_, static_cast<std::uint64_t>(GetInt(row, "seq").value_or(0)));
    rows_.push_back(std::move(row));
  }
}

int Reader::CollectNewest(std::uint64_t limit) {
  Fetched page = Fetch(client_, fmt::format("{}?newest=1&limit={}&since_ms={}", base_, limit, SinceMs()));
  if (page.exit_code == kExitOk) Take(Rows(page.json, "readings"));
  return page.exit_code;
}

int Reader::CollectAll() {
  const std::int64_t since_ms = SinceMs();
  for (bool more = true; more;) {
    const Fetched page =
        Fetch(client_, fmt::format("{}?since_ms={}&after_seq={}&limit={}", base_, since_ms, last_seq_, api::kMaxRows));
    if (page.exit_code != kExitOk) return page.exit_code;
    const std::uint64_t before = last_seq_;
    const Json& readings = Rows(page.json, "readings");
    Take(readings);
    while (invocation_.limit && rows_.size() > *invocation_.limit) rows_.pop_front();
    // A page that does not advance would be asked for again and again.
    more = GetBool(page.json, "more").value_or(false) && last_seq_ > before;
    if (invocation_.json || invocation_.limit) continue;
    PrintRows(readings);
    rows_.clear();
  }
  return kExitOk;
}

int Reader::Collect() {
  const bool all = invocation_.since && !invocation_.limit;
  const std::uint64_t limit = invocation_.limit.value_or(kDefaultLimit);
  return all || limit > api::kMaxRows ? CollectAll() : CollectNewest(limit);
}

Json Reader::Points() const {
  const auto answer = client_.Get("/v1/things/" + api::PercentEncode(invocation_.words[0]));
  const auto thing = answer && answer->status == 200 ? ParseJson(answer->body) : ParseJson("{}");
  return thing ? Rows(*thing, "points") : Json::array();
}

// Ctrl-C while a line is being written would cut it: the signal waits until it is out.
class HoldSignals {
 public:
  HoldSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &before_);
  }
  ~HoldSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  HoldSignals(const HoldSignals&) = delete;
  HoldSignals& operator=(const HoldSignals&) = delete;

 private:
  sigset_t before_{};
};

void Reader::PrintRows(const Json& readings) {
  if (readings.empty()) return;
  const HoldSignals hold;
  if (invocation_.json) {
    std::string lines;
    for (const Json& row : readings) lines += Dump(row) + "\n";
    return Print(lines);
  }
  if (!table_) table_.emplace(Points());
  Print(table_->Page(readings, style_));
}

void Reader::PrintObject() const {
  Print(Dump(Json{{"thing", invocation_.words[0]}, {"readings", Json(rows_)}}) + "\n");
}

// True when the daemon is back, false when it stays away.
bool Reader::WaitOutAbsence() {
  Complain("penumbrad is away; waiting for it");
  for (int missed = 0; missed < kMaxMissedPolls; ++missed) {
    ::nanosleep(&kFollowPause, nullptr);
    const auto answer = client_.Get("/v1/buses");
    if (answer && answer->status == 200) return true;
  }
  return false;
}

// The seq to go on from when nothing was printed, so that following does not begin with the whole store.
penumbra::Status Reader::FindEnd() {
  const auto answer = client_.Get(base_ + "?newest=1&limit=1");
  if (!answer) return Fail(answer.error());
  if (const auto page = ParseJson(answer->body)) Take(Rows(*page, "readings"));
  rows_.clear();
  return {};
}

// One page of what is new. False: `more` is not to be had at once.
bool Reader::FollowPage(const Answer& answer) {
  const auto page = ParseJson(answer.body);
  if (answer.status != 200 || !page) return false;
  rows_.clear();
  Take(Rows(*page, "readings"));
  PrintRows(Json(rows_));
  return GetBool(*page, "more").value_or(false) && !rows_.empty();
}

int Reader::Follow() {
  // Nothing is open that would need tidying; an exit from the handler is a clean end.
  const auto end = [](int) { std::_Exit(kExitOk); };
  std::signal(SIGINT, end);
  std::signal(SIGTERM, end);
  if (last_seq_ == 0) {
    if (const penumbra::Status found = FindEnd(); !found) return ComplainAnd(kExitUnavailable, found.error().message);
  }
  for (;;) {
    const auto answer = client_.Get(fmt::format("{}?after_seq={}&limit={}", base_, last_seq_, api::kMaxRows));
    if (!answer && !WaitOutAbsence()) return ComplainAnd(kExitUnavailable, answer.error().message);
    if (answer && answer->status == kNotFound) {
      return ComplainAnd(kExitFailed, fmt::format("{} is gone from the gateway", invocation_.words[0]));
    }
    if (!answer || !FollowPage(*answer)) ::nanosleep(&kFollowPause, nullptr);
  }
}

int Reader::Run() {
  if (const int exit_code = Collect(); exit_code != kExitOk) return exit_code;
  if (invocation_.json && !invocation_.follow) {
    PrintObject();
    return kExitOk;
  }
  PrintRows(Json(rows_));
  if (invocation_.follow) return Follow();
  if (last_seq_ == 0) Print(fmt::format("no readings of {} are stored\n", Printable(invocation_.words[0])));
  return kExitOk;
}

}  // namespace

int Readings(const Client& client, const Invocation& invocation) {
  return Reader(client, invocation).Run();
}

}  // namespace penumbra::cli
