// AWS IoT Commands (the "remote commands" feature) as a device sees them: a request on
// $aws/commands/things/<thing>/executions/<id>/request/json, its answers on .../response/json, each acknowledged on
// .../response/accepted|rejected/json. A request that is no JSON comes on .../request/cbor or .../request.
//
// Deliberately not here: the resource "command" with its parameters, answers in CBOR, the HTTPS side, $aws/events. The
// fields of a rejection are not documented; ours are error, errorMessage and executionId. One thread; pure. Source:
// aws-iot-core.md, section 5 (Commands) and section 3 (quotas).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "iotcore/answer_faults.hpp"
#include "iotcore/service.hpp"

namespace penumbra::iotcore {

class CommandsService : public Service {
 public:
  static constexpr std::int64_t kDefaultTimeoutS = 10, kMaxTimeoutS = 43'200;
  static constexpr std::size_t kMaxConcurrent = 100;  // per device
  static constexpr std::size_t kMaxReasonCode = 64, kMaxReasonDescription = 1024;
  static constexpr std::size_t kMaxExecutions = 100'000;

  std::string_view Name() const override { return "commands"; }
  std::vector<std::string> Filters() const override;
  std::vector<Message> OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) override;
  std::optional<std::int64_t> NextDue() const override;
  std::vector<Message> OnTick(std::int64_t now_ms) override;

  // start DEVICE [id=ID] [timeout=SECONDS] [format=cbor|text] PAYLOAD   answers {"executionId"}; DEVICE is THING or
  //                           clients/CLIENT; without format the payload is JSON
  // resend ID                 the request once more, as a QoS 1 duplicate
  // get ID | list DEVICE      what the cloud knows: status, reason, result, every response that was accepted
  // fault ...                 as in answer_faults.hpp, for requests and acknowledgements
  Result<Reply> OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) override;
  Json Summary() const override;

 private:
  struct Execution {
    std::string device;  // "things/sensor-001"
    std::string payload;
    std::string format = "json";
    std::string status = "CREATED";
    bool final = false;  // TIMED_OUT by the cloud is not: the device may still say otherwise
    std::int64_t created_ms = 0, updated_ms = 0;
    std::optional<std::int64_t> due_ms;
    Json reason, result;
    Json responses = Json::array();
  };
  Message RequestOf(const std::string& id, const Execution& execution) const;
  Json Shown(const std::string& id, const Execution& execution) const;
  // Why the response is refused; nullptr: it was applied.
  const char* Apply(const std::string& id, const std::string& device, std::string_view payload, std::int64_t now_ms);
  Result<Reply> Start(const std::vector<std::string>& words, std::int64_t now_ms);

  std::map<std::string, Execution> executions_;
  std::uint64_t next_id_ = 1;
  AnswerFaults faults_;
  std::uint64_t responses_ = 0, accepted_ = 0, rejected_ = 0, timed_out_ = 0;
};

}  // namespace penumbra::iotcore
