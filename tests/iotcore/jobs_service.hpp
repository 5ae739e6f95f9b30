// AWS IoT Jobs as a device sees them: executions queued by control command, taken, described and updated over
// $aws/things/<thing>/jobs/..., with AWS's error codes, versions, time-outs, retries and notifications.
//
// Deliberately not here: job templates, roll-out rates, presigned URLs, job groups, $aws/events/job topics, the HTTPS
// side. Answers go to the topic and not to the requester alone. Where the sources are silent: only REJECTED may follow
// QUEUED directly; time stamps are whole seconds.
// One thread; pure. Source: aws-iot-core.md, section 5.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "iotcore/answer_faults.hpp"
#include "iotcore/service.hpp"

namespace penumbra::iotcore {

struct JobExecution {
  std::string job;
  std::string status = "QUEUED";
  Json details = Json::object();
  std::int64_t order = 0;  // of queueing, over all jobs
  std::int64_t queued_ms = 0, started_ms = 0, updated_ms = 0;
  std::int64_t version = 1;
  std::int64_t number = 1;
  int step_minutes = 0;                      // 0: no step timer
  std::optional<std::int64_t> step_due_ms;   // when the cloud says TIMED_OUT, by the step's own time
  std::optional<std::int64_t> total_due_ms;  // and by the job's
  int retries_left = 0;
};

class JobsService : public Service {
 public:
  static constexpr std::size_t kMaxJobId = 64, kMaxDocumentBytes = 32 * 1024, kMaxNotified = 10;
  static constexpr std::size_t kMaxDetails = 10, kMaxDetailKey = 128, kMaxDetailValue = 1024, kMaxToken = 64;
  static constexpr std::size_t kMaxJobs = 10'000;
  static constexpr std::int64_t kMaxMinutes = 10'080;

  std::string_view Name() const override { return "jobs"; }
  std::vector<std::string> Filters() const override;
  std::vector<Message> OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) override;
  std::optional<std::int64_t> NextDue() const override;
  std::vector<Message> OnTick(std::int64_t now_ms) override;

  // create JOB THING[,THING..] [timeout=MINUTES] [retries=N] DOCUMENT_JSON
  // cancel JOB [force]        QUEUED becomes CANCELED, IN_PROGRESS only with force
  // remove JOB                every execution that is not at its end becomes REMOVED
  // executions THING | get JOB THING     what the cloud knows, for the judge
  // notify THING              sends notify and notify-next again, as AWS may
  // fault ...                 as in answer_faults.hpp; CODE is one of AWS's ("RequestThrottled", "InternalError")
  Result<Reply> OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) override;
  Json Summary() const override;

 private:
  struct Job {
    Json document;
    std::int64_t timeout_minutes = 0;  // 0: none
  };
  struct Request;
  using Executions = std::map<std::string, JobExecution>;  // by job

  Json Handle(const Request& request, std::int64_t now_ms, std::string& code);
  Json GetPending(const Request& request) const;
  Json StartNext(const Request& request, std::int64_t now_ms, std::string& code);
  Json Describe(const Request& request, std::string& code) const;
  Json Update(const Request& request, std::int64_t now_ms, std::string& code);
  JobExecution* Find(const std::string& thing, const std::string& job);
  const JobExecution* Head(const std::string& thing) const;
  std::vector<const JobExecution*> Pending(const std::string& thing) const;
  Json Full(const std::string& thing, const JobExecution& execution, bool with_document) const;
  void End(JobExecution& execution, const std::string& status, std::int64_t now_ms);
  void StartTimers(JobExecution& execution, std::int64_t now_ms, bool first);

  // What has to be told when the queue of a thing changed: compares with `seen_`.
  std::vector<Message> Notifications(const std::string& thing, std::int64_t now_ms, bool always = false);

  Result<Reply> Create(const std::vector<std::string>& words, std::int64_t now_ms);
  Result<Reply> Cancel(const std::vector<std::string>& words, std::int64_t now_ms);

  struct Seen {
    std::vector<std::string> pending;
    std::string head;
  };
  std::map<std::string, Job> jobs_;
  std::map<std::string, Executions> things_;
  std::map<std::string, Seen> seen_;
  std::int64_t next_order_ = 1;
  AnswerFaults faults_;
  std::uint64_t requests_ = 0, accepted_ = 0, timed_out_ = 0, retried_ = 0, ignored_names_ = 0;
  std::map<std::string, std::uint64_t> rejected_;
};

}  // namespace penumbra::iotcore
