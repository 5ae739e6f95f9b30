// What the configuration asks of drivers: their schemas, once each, and their own check, with its complaints brought
// back to the lines of the file. One thread; blocks while a driver host answers.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/diagnostics.hpp"
#include "config/node.hpp"

namespace penumbra {

class Drivers {
 public:
  Drivers(const DriverKnowledge& knowledge, const PathSettings& paths, Diagnostics& diagnostics)
      : knowledge_(knowledge), paths_(paths), diagnostics_(diagnostics) {}

  // nullptr: the driver is missing or broken; reported at `name`.
  const DriverSchemas* Describe(const Node& name);

  // The tables that a bus and its things were read from, in the order given to the driver.
  struct Tables {
    const Node* bus = nullptr;
    std::vector<const Node*> things;
  };
  void Check(const BusSettings& bus, const std::vector<ThingSettings>& things, const Tables& tables);

 private:
  void CheckEndpoint(const BusSettings& bus, Place place);

  const DriverKnowledge& knowledge_;
  const PathSettings& paths_;
  Diagnostics& diagnostics_;
  std::map<std::string, Result<DriverSchemas>> asked_;
  std::map<std::string, std::string> endpoints_;  // the first bus that reaches it
};

// Where the thing that a JSON pointer of the driver ABI ("/things/0/points/1/address") names stands in the file: the
// key itself, or the innermost table that exists. Pure.
Place FindPlace(const std::string& pointer, const Drivers::Tables& tables);

// The keys of `table` that `schema` declares, as the ABI wants them. Pure.
Json DriverOptions(const Node& table, const Json& schema);

}  // namespace penumbra
