#include "app/driver_knowledge.hpp"

#include "app/patience.hpp"
#include "driver/catalog.hpp"

namespace penumbra {

DriverKnowledge AskDrivers() {
  DriverKnowledge knowledge;
  knowledge.describe = [](const PathSettings& paths, const std::string& driver) -> Result<DriverSchemas> {
    auto description = WithPatience([&] { return DescribeDriver(paths, driver); }, std::chrono::steady_clock::now);
    if (!description) return Fail(description.error());
    return DriverSchemas{std::move(description->bus_schema), std::move(description->thing_schema),
                         std::move(description->point_schema), description->can_write};
  };
  knowledge.check = [](const PathSettings& paths, const BusSettings& bus,
                       const std::vector<ThingSettings>& things) -> Result<std::vector<DriverComplaint>> {
    const auto configuration = DriverConfiguration(bus, things);
    auto complaints = WithPatience([&] { return CheckDriverConfiguration(paths, bus.driver, configuration); },
                                   std::chrono::steady_clock::now);
    if (!complaints) return Fail(complaints.error());
    std::vector<DriverComplaint> result;
    for (auto& [pointer, message] : *complaints) result.push_back({std::move(pointer), std::move(message)});
    return result;
  };
  return knowledge;
}

}  // namespace penumbra
