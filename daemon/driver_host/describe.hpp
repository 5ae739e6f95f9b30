// `--describe` and `--check`: one JSON object on standard output, for catalog.hpp and for people. Main thread.
#pragma once

#include <string>

namespace penumbra::host {

// {"name","version","can_write","capabilities","bus_schema","thing_schema","point_schema"} with the schemas as the
// driver's own text, or {"error"} and exit code 1.
int Describe(const std::string& file);

// The bus configuration comes on standard input. {"ok":bool,"complaints":[{"pointer","message"}]}, or {"error"} and
// exit code 1. At most kMaxComplaints.
int Check(const std::string& file);

inline constexpr int kMaxComplaints = 100;

}  // namespace penumbra::host
