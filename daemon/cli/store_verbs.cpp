#include "cli/store_verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "api/target.hpp"
#include "api/when.hpp"
#include "base/text.hpp"
#include "cli/client.hpp"
#include "cli/daemon_verbs.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"
#include "cli/store_export.hpp"
#include "cli/views.hpp"
#include "store/database_reader.hpp"

namespace penumbra::cli {
namespace {

constexpr const char* kStorePath = "/v1/store";

std::string Size(const Json& object, std::string_view key) {
  return FormatSize(static_cast<std::uint64_t>(std::max<std::int64_t>(GetInt(object, key).value_or(0), 0)));
}

int ComplainAnd(const Error& error) {
  Complain(error);
  return error.action == Action::kFixConfig ? kExitConfig : kExitFailed;
}

int Stats(const Client& client, const Invocation& invocation) {
  const Fetched fetched = Fetch(client, kStorePath);
  if (fetched.exit_code != kExitOk) return fetched.exit_code;
  Print(invocation.json ? fetched.body : StoreView(fetched.json, OutputStyle(invocation.no_color), NowMs()));
  return kExitOk;
}

int Vacuum(const Client& client, const Invocation& invocation) {
  constexpr timespec kPause{0, 100'000'000};
  constexpr int kMostLooks = 6000;  // ten minutes: a gigabyte of free pages takes minutes on a card
  const auto answer = client.Post(std::string(kStorePath) + "/vacuum", "");
  if (!answer) {
    Complain(answer.error());
    return kExitUnavailable;
  }
  const auto started = ParseJson(answer->body);
  if (answer->status != 200 || !started) {
    Complain(started ? GetString(*started, "error").value_or("penumbrad refused") : "penumbrad refused");
    return kExitFailed;
  }
  for (int look = 0; look < kMostLooks; ++look) {
    const Fetched now = Fetch(client, kStorePath);
    if (now.exit_code != kExitOk) return now.exit_code;
    if (!GetBool(now.json, "vacuuming").value_or(false)) {
      const std::int64_t less = GetInt(*started, "bytes").value_or(0) - GetInt(now.json, "bytes").value_or(0);
      const auto given_back = static_cast<std::uint64_t>(std::max<std::int64_t>(less, 0));
      Print(invocation.json ? Dump(Json{{"given_back_bytes", given_back}}) + "\n"
                            : fmt::format("{} given back to the file system\n", FormatSize(given_back)));
      return kExitOk;
    }
    ::nanosleep(&kPause, nullptr);
  }
  Complain("still vacuuming; `penumbra store stats` shows when it is over");
  return kExitFailed;
}

// The database of the running daemon, else of the configuration.
Result<std::filesystem::path> FindDatabase(const Invocation& invocation) {
  const auto socket = FindSocket(invocation);
  if (!socket) return Fail(Action::kFixConfig, "the configuration does not say where the database is");
  if (const auto answer = Client(*socket).Get(kStorePath); answer && answer->status == 200) {
    const auto json = ParseJson(answer->body);
    if (const auto file = json ? GetString(*json, "file") : std::nullopt) return std::filesystem::path(*file);
  }
  return FindStateDirectory(invocation) / "penumbra.db";
}

Result<Archive::Filter> FilterOf(const Invocation& invocation) {
  Archive::Filter filter;
  filter.thing = invocation.thing;
  const std::pair<const std::optional<std::string>*, std::int64_t*> bounds[] = {{&invocation.from, &filter.since_ms},
                                                                                {&invocation.to, &filter.until_ms}};
  for (const auto& [text, into] : bounds) {
    if (!*text) continue;
    const auto moment = ParseMoment(**text, NowMs());
    if (!moment) return Fail(moment.error());
    *into = *moment;
  }
  return filter;
}

penumbra::Status CheckThing(const Archive& archive, const std::optional<std::string>& thing) {
  const std::vector<std::string> things = archive.Things();
  if (!thing || std::find(things.begin(), things.end(), *thing) != things.end()) return {};
  const auto near = Suggest(*thing, things);
  return Fail(Action::kGiveUp, fmt::format("nothing of \"{}\" is stored{}", *thing,
                                           near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
}

Result<std::uint64_t> Pump(const Archive& archive, const Archive::Filter& filter, ExportSink& sink) {
  Archive::Scan scan(archive, filter);
  std::uint64_t count = 0;
  std::vector<StoredReading> page;
  for (;;) {
    page.clear();
    if (const penumbra::Status read = scan.Next(page); !read) return Fail(read.error());
    if (page.empty()) break;
    for (const StoredReading& reading : page) {
      if (const penumbra::Status taken = sink.Take(reading); !taken) return Fail(taken.error());
    }
    count += page.size();
  }
  if (scan.damaged_rows() > 0) Complain(fmt::format("{} damaged rows were left out", scan.damaged_rows()));
  if (const penumbra::Status finished = sink.Finish(); !finished) return Fail(finished.error());
  return count;
}

int Export(const Invocation& invocation) {
  const auto filter = FilterOf(invocation);
  if (!filter) {
    Complain(filter.error());
    return kExitUsage;
  }
  const auto file = FindDatabase(invocation);
  if (!file) return ComplainAnd(file.error());
  const auto database = Database::OpenReadOnly(*file);
  if (!database) return ComplainAnd(database.error());
  DatabaseReader reader(**database);
  // What Open reads belongs together; the pages behind it are read one by one, so that no checkpoint waits for us.
  penumbra::Status together = (*database)->Execute("BEGIN");
  if (!together) return ComplainAnd(together.error());
  auto archive = Archive::Open(reader);
  (*database)->Rollback();
  if (!archive) return ComplainAnd(archive.error());
  if (const penumbra::Status known = CheckThing(*archive, filter->thing); !known) return ComplainAnd(known.error());
  const auto sink =
      MakeSink(invocation.format.value_or(invocation.json ? "jsonl" : "csv"), invocation.output.value_or(""), *archive);
  if (!sink) {
    Complain(sink.error());
    return kExitUsage;
  }
  const auto count = Pump(*archive, *filter, **sink);
  if (!count) return ComplainAnd(count.error());
  if (invocation.output) Complain(fmt::format("{} readings written to {}", *count, *invocation.output));
  return kExitOk;
}

std::string Share(double share) {
  return share < 0.001 ? "less than 0.1 %" : fmt::format("{:.1f} %", share * 100);
}

std::string ForecastLine(const Json& store) {
  static const Json kNone = Json::object();
  const Json& forecast = store.contains("forecast") ? store["forecast"] : kNone;
  if (GetInt(forecast, "bytes_per_day").value_or(0) == 0) return "forecast  not known yet\n";
  std::string line =
      fmt::format("forecast  {} a day, {} a year", Size(forecast, "bytes_per_day"), Size(forecast, "bytes_per_year"));
  const auto share = GetNumber(forecast, "endurance_per_year");
  const auto years = GetNumber(forecast, "years_left");
  if (share && years) {
    line += fmt::format(": {} of the card's {} each year, {:.0f} years left", Share(*share), Size(store, "endurance"),
                        *years);
  } else {
    line += "; with [store] endurance = \"...\" of the card's data sheet this says what share that is";
  }
  return line + "\n";
}

}  // namespace

penumbra::Status ReadStored(const Invocation& invocation, const Archive::Filter& filter,
                            const std::function<void(const StoredReading&)>& each) {
  const auto file = FindDatabase(invocation);
  if (!file) return Fail(file.error());
  const auto database = Database::OpenReadOnly(*file);
  if (!database) return Fail(database.error());
  DatabaseReader reader(**database);
  if (const penumbra::Status together = (*database)->Execute("BEGIN"); !together) return together;
  auto archive = Archive::Open(reader);
  (*database)->Rollback();
  if (!archive) return Fail(archive.error());
  Archive::Scan scan(*archive, filter);
  for (std::vector<StoredReading> page;; page.clear()) {
    if (const penumbra::Status read = scan.Next(page); !read) return read;
    if (page.empty()) return {};
    for (const StoredReading& reading : page) each(reading);
  }
}

std::string StoreView(const Json& store, const Style& style, std::int64_t now_ms) {
  const auto milliseconds = [&](std::string_view key) {
    return FormatDuration(
        std::chrono::milliseconds(std::clamp<std::int64_t>(GetInt(store, key).value_or(0), 0, INT64_MAX / 1'000'000)));
  };
  std::string out = fmt::format("file      {}\n", Printable(GetString(store, "file").value_or("-")));
  out += fmt::format("size      {} of {}, of it WAL {}, unused pages {} (page size {} B)\n", Size(store, "bytes"),
                     Size(store, "max_size"), Size(store, "wal_bytes"), Size(store, "free_bytes"),
                     GetInt(store, "page_size").value_or(0));
  out += fmt::format("readings  {}, kept for {}; dropped unsent {}, dropped with a full queue {}\n",
                     GetInt(store, "readings").value_or(0), milliseconds("retention_ms"),
                     GetInt(store, "dropped_unsent").value_or(0), GetInt(store, "dropped_queue_full").value_or(0));
  if (const std::int64_t gaps = GetInt(store, "gaps").value_or(0); gaps > 0) {
    out += fmt::format("gaps      {} to be told to the cloud (penumbra outbox)\n", gaps);
  }
  const std::int64_t salvaged = GetInt(store, "salvaged").value_or(0);
  const bool salvaging = GetBool(store, "salvaging").value_or(false);
  if (salvaged > 0 || salvaging) {
    out +=
        fmt::format("salvage   {} readings back from a damaged file{}\n", salvaged, salvaging ? ", more to come" : "");
  }
  if (const std::int64_t kept = GetInt(store, "kept_files").value_or(0); kept > 0) {
    out += fmt::format("aside     {} damaged or foreign database{} beside it, {}; they go when the room is needed\n",
                       kept, kept == 1 ? "" : "s", Size(store, "kept_bytes"));
  }
  out += fmt::format(
      "commits   {}, the last {}, every {} (at most {}); checkpoints {}\n", GetInt(store, "commits").value_or(0),
      api::Moment(GetInt(store, "last_commit_ms").value_or(0), now_ms), milliseconds("commit_interval_ms"),
      milliseconds("longest_commit_interval_ms"), GetInt(store, "checkpoints").value_or(0));
  out += fmt::format(
      "written   {} by the store since the start, {} by the daemon in all (kernel); {} in the store's life\n",
      Size(store, "written_bytes"), Size(store, "process_written_bytes"), Size(store, "lifetime_written_bytes"));
  out += ForecastLine(store);
  if (const auto budget = GetInt(store, "write_budget")) {
    const bool over = GetBool(store, "over_budget").value_or(false);
    out += Paint(fmt::format("budget    {} a day{}",
                             FormatSize(static_cast<std::uint64_t>(std::max<std::int64_t>(*budget, 0))),
                             over ? ", which a commit every commit_interval still exceeds" : ", kept"),
                 over ? Tone::kWarning : Tone::kGood, style) +
           "\n";
  }
  if (const std::string trouble = GetString(store, "trouble").value_or(""); !trouble.empty()) {
    out += Paint("trouble   " + Printable(trouble), Tone::kBad, style) + "\n";
  }
  return out;
}

Result<std::int64_t> ParseMoment(std::string_view text, std::int64_t now_ms) {
  const std::string whole(text);
  if (const auto number = api::ParseNumber(whole, INT64_MAX)) return static_cast<std::int64_t>(*number);
  if (const auto ago = ParseDuration(whole)) {
    return now_ms - std::chrono::duration_cast<std::chrono::milliseconds>(*ago).count();
  }
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"}) {
    std::tm utc{};
    const char* end = ::strptime(whole.c_str(), format, &utc);
    if (end != nullptr && *end == '\0') return static_cast<std::int64_t>(::timegm(&utc)) * 1000;
  }
  return Fail(Action::kFixConfig,
              fmt::format("\"{}\" is no moment; write \"2h\" (ago), \"2026-11-25\", \"2026-11-25T10:00:00Z\" (UTC) or "
                          "Unix milliseconds",
                          whole));
}

std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

int StoreVerb(const Invocation& invocation) {
  const std::string& what = invocation.words[0];
  const bool options = invocation.thing || invocation.from || invocation.to || invocation.format || invocation.output;
  if (what == "export") return Export(invocation);
  if ((what != "stats" && what != "vacuum") || options) {
    Complain(options && (what == "stats" || what == "vacuum")
                 ? fmt::format("store {} has no options of its own", what)
                 : fmt::format("store \"{}\" is not stats, export or vacuum; see penumbra help store", what));
    return kExitUsage;
  }
  const auto socket = FindSocket(invocation);
  if (!socket) return kExitConfig;
  return what == "stats" ? Stats(Client(*socket), invocation) : Vacuum(Client(*socket), invocation);
}

}  // namespace penumbra::cli
