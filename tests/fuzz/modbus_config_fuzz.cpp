// The configuration text: refused with a complaint, or taken and then free of values that pass the last register.
#include <cstdlib>
#include <string_view>

#include "modbus/options.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penumbra::modbus;
  int complaints = 0;
  const auto parsed = ParseConfiguration({reinterpret_cast<const char*>(data), size},
                                         [&](const std::string&, const std::string&) { ++complaints; });
  if (parsed.has_value() == (complaints > 0)) std::abort();
  if (!parsed) return 0;
  for (const ThingOptions& thing : parsed->things) {
    std::vector<Item> items;
    for (const PointOptions& point : thing.points) {
      items.push_back(point.item());
      if (items.back().count == 0 || items.back().address + items.back().count > 65536) std::abort();
    }
    for (const Block& block : PlanReads(items, thing.limits, CostsOf(parsed->bus, thing))) {
      if (block.count == 0 || block.address + block.count > 65536) std::abort();
    }
  }
  return 0;
}
