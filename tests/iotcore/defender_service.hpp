// Device Defender's metrics as a device sees them: a report on $aws/things/<thing>/defender/metrics/json, its answer on
// .../accepted or .../rejected.
//
// Documented: the report with its long and short names, the fields of both answers, ErrorCode InvalidPayload and its
// message "Malformed metrics report", one report in 300 s. Ours, stricter than anything documented: a field that the
// documentation does not name, a report_id that does not grow, and a custom metric that was not created (or has another
// type) are refused with InvalidPayload; the code of a report that comes too early is "Throttled".
// Deliberately not here: CBOR, security profiles and their alarms.
// One thread; pure. Source: AWS IoT developer guide, "Device-side metrics" (device metrics document specification) and
// "Device Defender troubleshooting guide"; aws-iot-core.md, section 6.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "iotcore/answer_faults.hpp"
#include "iotcore/service.hpp"

namespace penumbra::iotcore {

class DefenderService : public Service {
 public:
  static constexpr std::int64_t kIntervalS = 300;     // between two reports of a device
  static constexpr std::size_t kMaxMetrics = 100;     // custom metrics of an account
  static constexpr std::size_t kMaxThings = 100'000;  // that have ever reported
  static constexpr std::size_t kMaxMetricName = 128;  // characters

  std::string_view Name() const override { return "defender"; }
  std::vector<std::string> Filters() const override { return {"$aws/things/+/defender/metrics/json"}; }
  std::vector<Message> OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) override;
  std::optional<std::int64_t> NextDue() const override { return faults_.NextDue(); }
  std::vector<Message> OnTick(std::int64_t now_ms) override { return faults_.OnTick(now_ms); }

  // metric NAME number|number-list|string-list|ip-address-list   creates it, as `aws iot create-custom-metric` does
  // metrics [JSON]            all of them, {"NAME":"TYPE"}; with JSON these and no others
  // get THING                 {"accepted","rejected","report","answer"}: its last report and answer
  // interval SECONDS          between two reports of a device, instead of 300
  // fault ...                 as in answer_faults.hpp
  Result<Reply> OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) override;
  Json Summary() const override;

 private:
  struct Device {
    std::uint64_t accepted = 0, rejected = 0;
    std::int64_t report_id = 0, accepted_ms = 0;
    Json report, answer;
  };
  struct Refusal {
    std::string code, message;
  };
  std::optional<Refusal> Judge(const Json& report, Device& device, std::int64_t now_ms);
  // What is wrong with a block of custom metrics; empty: nothing.
  std::string WrongMetrics(const Json& metrics) const;
  Status Create(const std::string& name, const std::string& type);

  std::map<std::string, std::string> metrics_;  // type by name
  std::map<std::string, Device> devices_;
  std::int64_t interval_ms_ = kIntervalS * 1000;
  AnswerFaults faults_;
  std::uint64_t accepted_ = 0, rejected_ = 0, throttled_ = 0;
};

}  // namespace penumbra::iotcore
