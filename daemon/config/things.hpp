// [[bus]], [[thing]] and [[thing.point]] to settings: the checks that a schema cannot say (unique names, references,
// names that messages reserve), and the driver's part. One thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/diagnostics.hpp"
#include "config/drivers.hpp"
#include "config/node.hpp"
#include "config/profiles.hpp"
#include "config/section.hpp"

namespace penumbra {

class ThingReader {
 public:
  // `settings`: gateway and paths are read already; buses and things are added.
  ThingReader(Settings& settings, Drivers& drivers, Profiles& profiles, Diagnostics& diagnostics,
              std::vector<Origin>& origins)
      : settings_(settings), drivers_(drivers), profiles_(profiles), diagnostics_(diagnostics), origins_(origins) {}

  // `gateway_name`: where [gateway] thing stands, or a place without a file.
  void Read(const Node& root, const Place& gateway_name);

 private:
  struct Bus {
    const Node* table = nullptr;
    const DriverSchemas* schemas = nullptr;  // nullptr: unknown driver
    bool driver_ok = true;
    bool used = false;
    std::size_t index = 0;  // in settings_.buses
    std::vector<ThingSettings> sound_things;
    Drivers::Tables tables;
  };
  struct Context {  // of the thing that is being read
    const DriverSchemas* schemas = nullptr;
    std::string driver;
    bool complete = true;  // its profile and driver are known: what is missing is really missing
    bool driver_ok = true;
  };

  void ReadBus(const Node& table);
  void ReadThing(const Node& table);
  void ReadThingValues(const Node& table, const Section& section, ThingSettings& thing);
  void ReadCredentials(const Section& section, ThingSettings& thing);
  void ReadTopic(const Section& section, ThingSettings& thing);
  void ReadPoints(const Node& table, const std::string& path, Context& context, ThingSettings& thing);
  void ReadPrimary(const Section& section, ThingSettings& thing);
  void CheckAttributes(const Section& section, const ThingSettings& thing);
  void CheckProfileDriver(const Node& table, Context& context);
  Bus* BusOf(const Node& table);
  void NoteDriverKeys(const Section& section, const Json& options);
  // Reports a second use of a name in `seen`; `what`: "thing".
  void CheckUnique(const Node& name, std::string_view what, std::map<std::string, Place>& seen);

  Settings& settings_;
  Drivers& drivers_;
  Profiles& profiles_;
  Diagnostics& diagnostics_;
  std::vector<Origin>& origins_;
  std::deque<Node> merged_;  // tables with their profile, alive for the drivers' complaints
  std::map<std::string, Bus> buses_;
  std::map<std::string, Place> bus_names_, thing_names_;
};

BreakerSettings ReadBreaker(const Section& section, Diagnostics& diagnostics);

}  // namespace penumbra
