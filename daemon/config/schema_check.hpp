// Checks values against JSON Schemas and says in a user's words what is wrong and what to write instead. One checker
// for our own keys and for those of drivers. Deliberately only the subset that penumbra/driver.h names, with our
// extensions (format duration, size and deadband; x-hint, x-minimum, x-maximum); what else a schema says is ignored.
#pragma once

#include <string>

#include "base/json.hpp"
#include "config/diagnostics.hpp"
#include "config/node.hpp"

namespace penumbra {

// The keys that may stand in one table.
struct TableRules {
  const Json* core = nullptr;
  const Json* driver = nullptr;  // what the driver adds; nullptr: nothing
  bool driver_unknown = false;   // the driver could not be asked: an unknown key may be its own, and passes
};

struct TableVerdict {
  bool driver_ok = true;  // the driver's own check may see this table: its keys are right and none is misspelt
};

// `label`: how messages call the table, "[[bus]] \"hall-a\"". Tables in tables are checked too, except those whose
// schema says x-tables.
TableVerdict CheckTable(const Node& table, const TableRules& rules, const std::string& label, Diagnostics& diagnostics);

// One value. `name`: its key. False: at least one error was reported.
bool CheckValue(const Node& value, const Json& schema, const std::string& name, Diagnostics& diagnostics);

}  // namespace penumbra
