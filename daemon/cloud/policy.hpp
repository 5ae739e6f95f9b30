// The one IoT policy of the gateway and all its things: least privilege, within AWS's 2,048 characters, each line with
// its reason. Policy variables make one document serve every thing. Pure; any thread.
// Source: aws-iot-core.md section 9; AWS IoT Core quotas (policy document size).
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "model/duty_settings.hpp"
#include "model/settings.hpp"

namespace penumbra::cloud {

inline constexpr std::size_t kMaxPolicyCharacters = 2048;  // white space does not count

// The head of every resource: "arn:aws:iot:us-east-1:123456789012:". Text, because a Terraform expression may stand in
// it.
struct PolicyLine {
  std::string action;    // "iot:Publish"
  std::string resource;  // without the head: "topic/sensors/${iot:ClientId}/*"
  std::vector<std::string> why;
};

struct DevicePolicy {
  std::vector<PolicyLine> lines;
  // Things whose telemetry topic does not name them: any thing of the gateway may publish there.
  std::vector<std::string> shared_topics;

  OrderedJson Document(const std::string& arn_head) const;
  // Characters that AWS counts.
  std::size_t Characters(const std::string& arn_head) const;
};

// Connect is tied to the attached thing's name, so ${iot:ClientId} is that name everywhere else, and shorter. When the
// exact lines do not fit, lines over the thing's own topics are widened to a prefix (sensors/T/*, its reserved topics);
// error kFixConfig when it does not fit even so (too many telemetry topics that are not the thing's own).
Result<DevicePolicy> MakePolicy(const Settings& settings, const std::string& arn_head, const DutySettings& duties = {});

}  // namespace penumbra::cloud
