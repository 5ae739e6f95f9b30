// Every file in wrong/ is refused, each expected text stands in an error of its line, and no error is there that nobody
// expects (no cascades). The same files run through the real programs and drivers in tests/process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include "fake_drivers.hpp"

namespace penumbra {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = PENUMBRA_SOURCE_DIR;

struct Expectation {
  int line;
  std::string text;
};

std::vector<fs::path> WrongFiles() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kSource / "tests/unit/config/wrong")) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string ReadAll(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<Expectation> ExpectationsOf(const std::string& text) {
  static const std::regex kExpect("# expect: ([0-9]+): (.*)");
  std::vector<Expectation> expected;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kExpect)) expected.push_back({std::stoi(match[1]), match[2]});
  }
  return expected;
}

LoadedConfig Load(const fs::path& file) {
  test::FakeDrivers drivers;
  // The profiles of the source tree, as a configuration beside them would find them.
  test::TestFolder folder;
  const fs::path copy = folder.Write("penumbra.toml", ReadAll(file));
  fs::create_directory_symlink(kSource / "config/profiles", folder.path() / "profiles");
  return LoadConfig(copy, drivers.Knowledge());
}

TEST(WrongConfig, ThereAreAtLeastForty) {
  EXPECT_GE(WrongFiles().size(), 40U);
}

class WrongConfigTest : public testing::TestWithParam<fs::path> {};

TEST_P(WrongConfigTest, IsRefusedAtItsLineWithWhatToWriteInstead) {
  const std::vector<Expectation> expected = ExpectationsOf(ReadAll(GetParam()));
  ASSERT_FALSE(expected.empty()) << "the file says no '# expect: LINE: TEXT'";
  const LoadedConfig config = Load(GetParam());
  EXPECT_FALSE(config.Ok());
  for (const Expectation& want : expected) {
    const bool found = std::any_of(config.diagnostics.begin(), config.diagnostics.end(), [&want](const Diagnostic& d) {
      return !d.warning && d.line == want.line && d.message.find(want.text) != std::string::npos;
    });
    EXPECT_TRUE(found) << "line " << want.line << ": " << want.text << "\nnot in\n" << test::Errors(config);
  }
  for (const Diagnostic& got : config.diagnostics) {
    if (got.warning) continue;
    const bool wanted = std::any_of(expected.begin(), expected.end(), [&got](const Expectation& want) {
      return got.line == want.line && got.message.find(want.text) != std::string::npos;
    });
    EXPECT_TRUE(wanted) << "nobody expects: " << ToString(got);
    EXPECT_GT(got.column, 0) << ToString(got);
  }
}

INSTANTIATE_TEST_SUITE_P(All, WrongConfigTest, testing::ValuesIn(WrongFiles()),
                         [](const testing::TestParamInfo<fs::path>& parameter) {
                           std::string name = parameter.param.stem().string();
                           std::replace_if(
                               name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace penumbra
