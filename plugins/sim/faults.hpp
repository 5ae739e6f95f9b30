// What the simulated driver can do wrong, by name: the demo and the tests switch it on and off. Bus thread.
#pragma once

#include <penumbra/driver.h>

#include <cstdint>
#include <string>

namespace penumbra_sim {

struct FaultOptions {
  std::string fault = "none";
  std::int64_t after = 0;  // reads of the thing before the fault begins
  std::string fault_file;  // while this file exists, its content names the fault
};

// The fault in force at the `reads`th read (from 0). An unknown name in the file counts as "none".
std::string CurrentFault(const FaultOptions& options, std::int64_t reads);

// Carries out the faults that hit the process ("crash", "hang", "exit", "flood", "garbage"); returns after the others,
// which the read itself plays.
void Misbehave(const std::string& fault, const penumbra_host& host);

}  // namespace penumbra_sim
