// What this configuration costs at AWS IoT Core in a month, before anything is connected: plain arithmetic over
// intervals, message sizes and prices. Pure; any thread. Source: aws-iot-core.md section 3, "Metering".
//
// Counted as what the daemon sends (process.aws compares): readings, shadow updates, health, metrics, and what each
// session begins with. Apart, because it is not settled whether AWS meters messages on reserved topics: updates and
// answers of shadows, and the device's PUBACKs for them.
// Not counted: DynamoDB, Lambda and CloudWatch themselves, data transfer, and what is rare: orders, gaps, refusals.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "model/aws_settings.hpp"
#include "model/duty_settings.hpp"
#include "model/settings.hpp"

namespace penumbra::cloud {

struct Prices {
  std::string as_of, region, source;
  std::uint64_t message_unit = 5120, shadow_unit = 1024;                                                    // bytes
  double connection_minutes = 0, messages = 0, shadow_operations = 0, rule_triggers = 0, rule_actions = 0;  // a million
};
// config/aws-prices.json as it was at the build.
extern const std::string_view kBuiltInPrices;
// Error kFixConfig: not a price file, or a price is missing or negative.
Result<Prices> ParsePrices(std::string_view json);

// Two numbers where the sensors decide: when nothing changes, and when every poll does.
struct Range {
  double least = 0, most = 0;
};

struct CostRow {
  std::string what;
  Range count;  // a month
  Range price;
};

struct Saving {
  std::string how;  // the setting to write
  Range price;      // what the month costs then
};

struct Cost {
  std::vector<CostRow> rows;
  Range total;
  CostRow unsettled;              // what comes on top if AWS meters it; not in `total`
  std::size_t message_bytes = 0;  // of the largest telemetry message, topic included
  std::vector<Saving> savings;    // each alone; only those that save
};

// A month of 30 days.
Cost Estimate(const Settings& settings, const std::vector<RuleSettings>& rules, const Prices& prices,
              const DutySettings& duties = {});

OrderedJson Render(const Cost& cost, const Prices& prices);

}  // namespace penumbra::cloud
