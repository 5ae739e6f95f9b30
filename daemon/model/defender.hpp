// What this gateway and AWS IoT Device Defender say to each other: topics, the custom metrics, and the cloud's answers.
// Here, because who sends the reports (app) and who writes the account's infrastructure (cloud) must mean the same.
// Pure; any thread. Source: AWS IoT developer guide, "Device-side metrics" and "Device Defender troubleshooting guide";
// aws-iot-core.md, section 6.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace penumbra {

// Where reports go; AWS answers each on "/accepted" or "/rejected" below it.
std::string DefenderTopic(const std::string& thing);

// A custom metric must be created in the account, with its type, before a report may contain it.
struct CustomMetric {
  const char* name;
  const char* type;   // as `aws iot create-custom-metric --metric-type` takes it
  const char* title;  // for people
};
inline constexpr std::array<CustomMetric, 3> kCustomMetrics{{
    {"backlog", "number", "Readings that are not sent yet"},
    {"oldest_unsent_s", "number", "Age of the oldest unsent reading, in seconds"},
    {"bus_load", "number", "Load of the busiest bus, 0 to 1"},
}};

// What became of the reports, as far as is known.
struct DefenderState {
  bool on = false;         // [health] defender
  std::string answer;      // to the last report: "" none yet, "accepted", "rejected", "unanswered"
  std::string reason;      // of "rejected": "InvalidPayload: Malformed metrics report"
  std::int64_t at_ms = 0;  // Unix time of that answer; 0: none
};

// One line why a report was rejected, at most 200 bytes of UTF-8. Foreign bytes: `payload` may be anything.
std::string RejectionReason(std::string_view payload);

}  // namespace penumbra
