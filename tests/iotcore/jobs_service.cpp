#include "iotcore/jobs_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "iotcore/words.hpp"

namespace penumbra::iotcore {

struct JobsService::Request {
  std::string thing;
  std::string operation;  // "get-pending", "start-next", "describe", "update"
  std::string job;        // or "$next"
  Json body = Json::object();
};

namespace {

constexpr const char* kUsage =
    "usage: jobs create JOB THING[,THING..] [timeout=MINUTES] [retries=N] JSON | cancel JOB [force] | remove JOB | "
    "executions THING | get JOB THING | notify THING | fault ...";

std::int64_t Seconds(std::int64_t ms) {
  return ms / 1000;
}

bool IsTerminal(const std::string& status) {
  return status != "QUEUED" && status != "IN_PROGRESS";
}

bool IsJobId(std::string_view id) {
  return !id.empty() && id.size() <= JobsService::kMaxJobId && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

bool IsDetailKey(const std::string& key) {
  return !key.empty() && key.size() <= JobsService::kMaxDetailKey && std::all_of(key.begin(), key.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '_' || c == '-';
  });
}

bool IsDetailValue(const std::string& value) {
  return !value.empty() && value.size() <= JobsService::kMaxDetailValue &&
         std::none_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// Status details: at most ten short pairs of strings, without control characters (API reference, UpdateJobExecution).
bool AreDetails(const Json& details) {
  if (!details.is_object() || details.size() > JobsService::kMaxDetails) return false;
  return std::all_of(details.items().begin(), details.items().end(), [](const auto& item) {
    return IsDetailKey(item.key()) && item.value().is_string() &&
           IsDetailValue(item.value().template get_ref<const std::string&>());
  });
}

Json State(const JobExecution& execution) {
  return {{"status", execution.status}, {"statusDetails", execution.details}, {"versionNumber", execution.version}};
}

Json Brief(const JobExecution& execution) {
  Json json = {{"jobId", execution.job},
               {"queuedAt", Seconds(execution.queued_ms)},
               {"lastUpdatedAt", Seconds(execution.updated_ms)},
               {"executionNumber", execution.number},
               {"versionNumber", execution.version}};
  if (execution.started_ms > 0) json["startedAt"] = Seconds(execution.started_ms);
  return json;
}

const char* Text(const std::string& code) {
  if (code == "ResourceNotFound") return "The specified job execution does not exist.";
  if (code == "VersionMismatch") return "The expected version does not match the version of the job execution.";
  if (code == "InvalidStateTransition") return "The job execution cannot change to the requested status.";
  if (code == "TerminalStateReached") return "The job execution is in a terminal state.";
  if (code == "InvalidJson") return "The payload could not be interpreted as valid UTF-8-encoded JSON.";
  if (code == "RequestThrottled") return "The request was throttled.";
  if (code == "InvalidRequest") return "The contents of the request were invalid.";
  return "There was an internal error during the processing of the request.";
}

// A number that may be missing: false where it is there and wrong.
bool TakeNumber(const Json& body, const char* key, std::optional<std::int64_t>& out) {
  if (!body.contains(key)) return true;
  out = GetInt(body, key);
  return out.has_value();
}

// stepTimeoutInMinutes: 1 to 10080, or -1 to cancel.
bool TakeStepTimeout(const Json& body, std::optional<std::int64_t>& minutes) {
  return TakeNumber(body, "stepTimeoutInMinutes", minutes) &&
         (!minutes || *minutes == -1 || (*minutes >= 1 && *minutes <= JobsService::kMaxMinutes));
}

}  // namespace

std::vector<std::string> JobsService::Filters() const {
  return {"$aws/things/+/jobs/get", "$aws/things/+/jobs/start-next", "$aws/things/+/jobs/+/get",
          "$aws/things/+/jobs/+/update"};
}

std::vector<Message> JobsService::OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) {
  const std::vector<std::string> levels = Split(topic, '/');
  if (levels.size() < 5 || levels.size() > 6 || levels[0] != "$aws" || levels[1] != "things" || levels[3] != "jobs") {
    return {};
  }
  Request request{.thing = levels[2]};
  if (levels.size() == 5) {
    if (levels[4] != "get" && levels[4] != "start-next") return {};
    request.operation = levels[4] == "get" ? "get-pending" : "start-next";
  } else {
    if (levels[5] != "get" && levels[5] != "update") return {};
    request.operation = levels[5] == "get" ? "describe" : "update";
    request.job = levels[4];
  }
  if (!IsThingName(request.thing)) {
    ++ignored_names_;
    return {};
  }
  ++requests_;
  std::string code;
  if (!payload.empty()) {
    const auto body = ParseJson(payload);
    if (!body || !body->is_object()) {
      code = "InvalidJson";
    } else {
      request.body = *body;
    }
  }
  if (request.body.contains("clientToken") &&
      GetString(request.body, "clientToken").value_or(std::string(kMaxToken + 1, 'x')).size() > kMaxToken) {
    code = "InvalidRequest";
    request.body.erase("clientToken");
  }
  Json answer = Json::object();
  if (const auto injected = faults_.TakeInjected()) {
    code = *injected;
  } else if (code.empty()) {
    answer = Handle(request, now_ms, code);
  }
  if (code.empty()) {
    ++accepted_;
  } else {
    ++rejected_[code];
    answer["code"] = code;
    answer["message"] = Text(code);
  }
  answer["timestamp"] = Seconds(now_ms);
  if (request.body.contains("clientToken")) answer["clientToken"] = request.body["clientToken"];
  const std::string outcome = code.empty() ? "accepted" : "rejected";
  auto out = faults_.Pass({{fmt::format("{}/{}", topic, outcome), Dump(answer)}}, now_ms);
  for (Message& message : faults_.Pass(Notifications(request.thing, now_ms), now_ms)) out.push_back(std::move(message));
  return out;
}

Json JobsService::Handle(const Request& request, std::int64_t now_ms, std::string& code) {
  if (request.operation == "get-pending") return GetPending(request);
  if (request.operation == "start-next") return StartNext(request, now_ms, code);
  if (request.operation == "describe") return Describe(request, code);
  return Update(request, now_ms, code);
}

Json JobsService::GetPending(const Request& request) const {
  Json answer = {{"inProgressJobs", Json::array()}, {"queuedJobs", Json::array()}};
  for (const JobExecution* execution : Pending(request.thing)) {
    answer[execution->status == "QUEUED" ? "queuedJobs" : "inProgressJobs"].push_back(Brief(*execution));
  }
  return answer;
}

Json JobsService::StartNext(const Request& request, std::int64_t now_ms, std::string& code) {
  const Json details = request.body.value("statusDetails", Json::object());
  std::optional<std::int64_t> minutes;
  if (!AreDetails(details) || !TakeStepTimeout(request.body, minutes)) {
    code = "InvalidRequest";
    return Json::object();
  }
  const JobExecution* head = Head(request.thing);
  if (head == nullptr) return Json::object();
  JobExecution& execution = *Find(request.thing, head->job);
  if (minutes) execution.step_minutes = static_cast<int>(std::max<std::int64_t>(*minutes, 0));
  // One that is in progress already is given again as it is: its details and its version do not change.
  if (execution.status == "QUEUED") {
    execution.status = "IN_PROGRESS";
    execution.details = details;
    execution.started_ms = execution.updated_ms = now_ms;
    ++execution.version;
    StartTimers(execution, now_ms, true);
  } else if (minutes) {
    StartTimers(execution, now_ms, false);
  }
  return {{"execution", Full(request.thing, execution, true)}};
}

Json JobsService::Describe(const Request& request, std::string& code) const {
  const JobExecution* execution =
      request.job == "$next" ? Head(request.thing) : const_cast<JobsService*>(this)->Find(request.thing, request.job);
  std::optional<std::int64_t> number;
  if (!TakeNumber(request.body, "executionNumber", number)) {
    code = "InvalidRequest";
    return Json::object();
  }
  if (execution == nullptr && request.job == "$next") return Json::object();
  if (execution == nullptr || (number && *number != execution->number)) {
    code = "ResourceNotFound";
    return Json::object();
  }
  if (IsTerminal(execution->status)) {
    code = "TerminalStateReached";
    return Json::object();
  }
  return {{"execution", Full(request.thing, *execution, GetBool(request.body, "includeJobDocument").value_or(true))}};
}

Json JobsService::Update(const Request& request, std::int64_t now_ms, std::string& code) {
  const Json& body = request.body;
  const std::string status = GetString(body, "status").value_or("");
  std::optional<std::int64_t> expected, number, minutes;
  const bool known = status == "IN_PROGRESS" || status == "SUCCEEDED" || status == "FAILED" || status == "REJECTED";
  if (!known || request.job == "$next" || !TakeNumber(body, "expectedVersion", expected) ||
      !TakeNumber(body, "executionNumber", number) || !TakeStepTimeout(body, minutes) ||
      (body.contains("statusDetails") && !AreDetails(body["statusDetails"]))) {
    code = "InvalidRequest";
    return Json::object();
  }
  JobExecution* execution = Find(request.thing, request.job);
  if (execution == nullptr || (number && *number != execution->number)) {
    code = "ResourceNotFound";
    return Json::object();
  }
  const bool reachable = execution->status == "IN_PROGRESS" ||
                         (execution->status == "QUEUED" && (status == "IN_PROGRESS" || status == "REJECTED"));
  if (expected && *expected != execution->version) {
    code = "VersionMismatch";
  } else if (!reachable) {
    code = "InvalidStateTransition";
  }
  if (!code.empty()) return {{"executionState", State(*execution)}};

  if (body.contains("statusDetails")) execution->details = body["statusDetails"];
  if (minutes) execution->step_minutes = static_cast<int>(std::max<std::int64_t>(*minutes, 0));
  const bool first = execution->status == "QUEUED";
  ++execution->version;
  execution->updated_ms = now_ms;
  if (status == "IN_PROGRESS") {
    execution->status = status;
    if (first) execution->started_ms = now_ms;
    StartTimers(*execution, now_ms, first);
  } else {
    End(*execution, status, now_ms);
  }
  Json answer = Json::object();
  if (GetBool(body, "includeJobExecutionState").value_or(false)) answer["executionState"] = State(*execution);
  if (GetBool(body, "includeJobDocument").value_or(false)) answer["jobDocument"] = jobs_.at(request.job).document;
  return answer;
}

void JobsService::StartTimers(JobExecution& execution, std::int64_t now_ms, bool first) {
  constexpr std::int64_t kMinuteMs = 60'000;
  const std::int64_t total = jobs_.at(execution.job).timeout_minutes;
  if (first && total > 0) execution.total_due_ms = now_ms + total * kMinuteMs;
  execution.step_due_ms.reset();
  if (execution.step_minutes > 0) execution.step_due_ms = now_ms + execution.step_minutes * kMinuteMs;
}

// FAILED and TIMED_OUT are tried again as often as the job says, each time as an execution with the next number.
void JobsService::End(JobExecution& execution, const std::string& status, std::int64_t now_ms) {
  execution.status = status;
  execution.updated_ms = now_ms;
  execution.step_due_ms.reset();
  execution.total_due_ms.reset();
  if (execution.retries_left == 0 || (status != "FAILED" && status != "TIMED_OUT")) return;
  ++retried_;
  const JobExecution before = execution;
  execution = JobExecution{.job = before.job, .order = next_order_++, .queued_ms = now_ms, .updated_ms = now_ms};
  execution.number = before.number + 1;
  execution.retries_left = before.retries_left - 1;
}

JobExecution* JobsService::Find(const std::string& thing, const std::string& job) {
  const auto executions = things_.find(thing);
  if (executions == things_.end()) return nullptr;
  const auto it = executions->second.find(job);
  return it == executions->second.end() ? nullptr : &it->second;
}

// In progress first, then in the order of queueing.
std::vector<const JobExecution*> JobsService::Pending(const std::string& thing) const {
  std::vector<const JobExecution*> pending;
  const auto executions = things_.find(thing);
  if (executions == things_.end()) return pending;
  for (const auto& [job, execution] : executions->second) {
    if (!IsTerminal(execution.status)) pending.push_back(&execution);
  }
  std::sort(pending.begin(), pending.end(), [](const JobExecution* a, const JobExecution* b) {
    const bool a_queued = a->status == "QUEUED", b_queued = b->status == "QUEUED";
    return a_queued != b_queued ? b_queued : a->order < b->order;
  });
  return pending;
}

const JobExecution* JobsService::Head(const std::string& thing) const {
  const auto pending = Pending(thing);
  return pending.empty() ? nullptr : pending.front();
}

Json JobsService::Full(const std::string& thing, const JobExecution& execution, bool with_document) const {
  Json json = Brief(execution);
  json["thingName"] = thing;
  json["status"] = execution.status;
  json["statusDetails"] = execution.details;
  if (with_document) json["jobDocument"] = jobs_.at(execution.job).document;
  return json;
}

std::vector<Message> JobsService::Notifications(const std::string& thing, std::int64_t now_ms, bool always) {
  Seen now;
  Json lists = Json::object();
  const auto pending = Pending(thing);
  for (const JobExecution* execution : pending) {
    now.pending.push_back(fmt::format("{}#{}", execution->job, execution->number));
    if (now.pending.size() <= kMaxNotified) lists[execution->status].push_back(Brief(*execution));
  }
  if (!pending.empty()) now.head = now.pending.front();
  std::sort(now.pending.begin(), now.pending.end());
  Seen& before = seen_[thing];
  const std::string prefix = fmt::format("$aws/things/{}/jobs/", thing);
  std::vector<Message> out;
  if (always || now.pending != before.pending) {
    out.push_back({prefix + "notify", Dump({{"timestamp", Seconds(now_ms)}, {"jobs", lists}})});
  }
  if (always || now.head != before.head) {
    Json body = {{"timestamp", Seconds(now_ms)}};
    if (!pending.empty()) body["execution"] = Full(thing, *pending.front(), true);
    out.push_back({prefix + "notify-next", Dump(body)});
  }
  before = std::move(now);
  return out;
}

std::optional<std::int64_t> JobsService::NextDue() const {
  std::optional<std::int64_t> due = faults_.NextDue();
  const auto consider = [&due](const std::optional<std::int64_t>& at) {
    if (at && (!due || *at < *due)) due = at;
  };
  for (const auto& [thing, executions] : things_) {
    for (const auto& [job, execution] : executions) {
      consider(execution.step_due_ms);
      consider(execution.total_due_ms);
    }
  }
  return due;
}

std::vector<Message> JobsService::OnTick(std::int64_t now_ms) {
  std::vector<Message> out = faults_.OnTick(now_ms);
  for (auto& [thing, executions] : things_) {
    for (auto& [job, execution] : executions) {
      const bool step = execution.step_due_ms && *execution.step_due_ms <= now_ms;
      const bool total = execution.total_due_ms && *execution.total_due_ms <= now_ms;
      if (!step && !total) continue;
      ++timed_out_;
      ++execution.version;
      End(execution, "TIMED_OUT", now_ms);
    }
    for (Message& message : Notifications(thing, now_ms)) out.push_back(std::move(message));
  }
  return out;
}

Result<Service::Reply> JobsService::OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) {
  if (words.empty()) return Fail(Action::kGiveUp, kUsage);
  const std::string& verb = words[0];
  if (verb == "fault") {
    if (const Status set = faults_.OnCommand({words.begin() + 1, words.end()}); !set) return Fail(set.error());
    return Reply{nullptr, {}};
  }
  if (verb == "create") return Create(words, now_ms);
  if (verb == "cancel" || verb == "remove") return Cancel(words, now_ms);
  if (verb == "notify" && words.size() == 2) return Reply{nullptr, Notifications(words[1], now_ms, true)};
  if (verb == "get" && words.size() == 3) {
    const JobExecution* execution = Find(words[2], words[1]);
    return Reply{execution != nullptr ? Full(words[2], *execution, true) : Json(), {}};
  }
  if (verb == "executions" && words.size() == 2) {
    Json list = Json::array();
    for (const auto& [job, execution] : things_[words[1]]) list.push_back(Full(words[1], execution, false));
    return Reply{list, {}};
  }
  return Fail(Action::kGiveUp, kUsage);
}

Result<Service::Reply> JobsService::Create(const std::vector<std::string>& words, std::int64_t now_ms) {
  if (words.size() < 4) return Fail(Action::kGiveUp, kUsage);
  const std::string& id = words[1];
  if (!IsJobId(id)) return Fail(Action::kGiveUp, fmt::format("'{}' is no job id ([a-zA-Z0-9_-], at most 64)", id));
  if (jobs_.count(id) > 0) return Fail(Action::kGiveUp, fmt::format("there is a job '{}' already", id));
  if (jobs_.size() >= kMaxJobs) return Fail(Action::kGiveUp, "too many jobs");
  Job job;
  std::int64_t retries = 0;
  for (std::size_t i = 3; i + 1 < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    const std::string key = words[i].substr(0, equals);
    const auto value =
        equals == std::string::npos ? std::nullopt : WholeNumber(words[i].substr(equals + 1), kMaxMinutes);
    if (!value || (key != "timeout" && key != "retries")) return Fail(Action::kGiveUp, kUsage);
    (key == "timeout" ? job.timeout_minutes : retries) = *value;
  }
  if (words.back().size() > kMaxDocumentBytes) return Fail(Action::kGiveUp, "a job document has at most 32 KB");
  const auto document = ParseJson(words.back());
  if (!document || !document->is_object()) return Fail(Action::kGiveUp, "a job document is a JSON object");
  job.document = *document;
  const auto things = Split(words[2], ',');
  for (const std::string& thing : things) {
    if (!IsThingName(thing)) return Fail(Action::kGiveUp, fmt::format("'{}' is no thing name", thing));
  }
  jobs_[id] = std::move(job);
  Reply reply;
  for (const std::string& thing : things) {
    JobExecution execution{.job = id, .order = next_order_++, .queued_ms = now_ms, .updated_ms = now_ms};
    execution.retries_left = static_cast<int>(std::min<std::int64_t>(retries, 10));
    things_[thing].insert_or_assign(id, std::move(execution));
    for (Message& message : faults_.Pass(Notifications(thing, now_ms), now_ms)) {
      reply.publish.push_back(std::move(message));
    }
  }
  return reply;
}

Result<Service::Reply> JobsService::Cancel(const std::vector<std::string>& words, std::int64_t now_ms) {
  const bool force = words.size() == 3 && words[2] == "force";
  if (words.size() != 2 && !force) return Fail(Action::kGiveUp, kUsage);
  if (jobs_.count(words[1]) == 0) return Fail(Action::kGiveUp, fmt::format("there is no job '{}'", words[1]));
  const bool remove = words[0] == "remove";
  Reply reply;
  std::int64_t ended = 0;
  for (auto& [thing, executions] : things_) {
    const auto it = executions.find(words[1]);
    if (it == executions.end() || IsTerminal(it->second.status)) continue;
    if (it->second.status == "IN_PROGRESS" && !force && !remove) continue;
    ++ended;
    ++it->second.version;
    it->second.retries_left = 0;
    End(it->second, remove ? "REMOVED" : "CANCELED", now_ms);
    for (Message& message : Notifications(thing, now_ms)) reply.publish.push_back(std::move(message));
  }
  reply.json = {{"ended", ended}};
  return reply;
}

Json JobsService::Summary() const {
  return {{"requests", requests_},           {"accepted", accepted_},      {"rejected", rejected_},
          {"timed_out", timed_out_},         {"retried", retried_},        {"jobs", jobs_.size()},
          {"ignored_names", ignored_names_}, {"faults", faults_.Summary()}};
}

}  // namespace penumbra::iotcore
