// Drivers as the configuration sees them, without any: schemas in the manner of modbus (with a check of its own), sim,
// and sht3x (which cannot write).
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace penumbra::test {

struct FakeDrivers {
  std::vector<std::string> described;  // each question, in order
  std::vector<std::string> checked;    // bus names
  DriverKnowledge Knowledge();         // refers to this object
};

// A folder for one test, removed with it.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::filesystem::path Write(const std::string& name, const std::string& text) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// All errors (not warnings), one a line, as ToString writes them.
std::string Errors(const LoadedConfig& config);
std::string Warnings(const LoadedConfig& config);
// The line of the first error whose message contains `text`, 0 if there is none.
int LineOf(const LoadedConfig& config, const std::string& text);
// "value @ origin" of a key, or "" when it is not listed.
std::string OriginOf(const LoadedConfig& config, const std::string& key);

}  // namespace penumbra::test
