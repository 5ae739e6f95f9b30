// A list of points that somebody sends. Whatever comes out must be TOML as far as our own reader is concerned: no text
// of a cell may break out of its quotation marks.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cli/profile_import.hpp"
#include "config/config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto points =
      penumbra::cli::ImportPoints(std::string_view(reinterpret_cast<const char*>(data), size), "thing.point");
  if (!points) return 0;
  penumbra::DriverKnowledge drivers;
  drivers.describe = [](const penumbra::PathSettings&,
                        const std::string&) -> penumbra::Result<penumbra::DriverSchemas> {
    return penumbra::Fail(penumbra::Action::kGiveUp, "none");
  };
  drivers.check =
      [](const penumbra::PathSettings&, const penumbra::BusSettings&,
         const std::vector<penumbra::ThingSettings>&) -> penumbra::Result<std::vector<penumbra::DriverComplaint>> {
    return std::vector<penumbra::DriverComplaint>();
  };
  const auto config =
      penumbra::LoadConfigText("[[thing]]\nname = \"t\"\nbus = \"b\"\n" + points->toml, "x.toml", drivers);
  for (const penumbra::Diagnostic& fault : config.diagnostics) {
    // A key of ours that is repeated, or TOML that does not parse, is our own fault.
    if (fault.message.find("TOML") != std::string::npos) std::abort();
  }
  return 0;
}
