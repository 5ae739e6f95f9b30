// The crash-point replay of tests/support/crash_replay.hpp for as many seeds as there is time for. Prints what it
// checked; exit code 1 when a promise was broken, with the seed that shows it.
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>

#include "base/log.hpp"
#include "support/crash_replay.hpp"

namespace po = boost::program_options;

int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t seeds = 4;
  int arbitrary = 8;
  po::options_description options("crash_replay");
  options.add_options()("help", "this text")("first-seed", po::value(&first)->default_value(first), "")(
      "seeds", po::value(&seeds)->default_value(seeds), "workloads")(
      "arbitrary", po::value(&arbitrary)->default_value(arbitrary), "arbitrary survivor sets for each crash point");
  po::variables_map given;
  try {
    po::store(po::parse_command_line(argc, argv, options), given);
    po::notify(given);
  } catch (const po::error& error) {
    std::cerr << error.what() << "\n" << options;
    return 2;
  }
  if (given.count("help") > 0) {
    std::cout << options;
    return 0;
  }
  penumbra::log::SetLevel(static_cast<penumbra::log::Level>(0));
  std::unordered_set<std::uint64_t> distinct;
  std::size_t points = 0;
  std::size_t checked = 0;
  std::size_t violations = 0;
  penumbra::test::CrashReplayResult last;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    auto result = penumbra::test::ReplayCrashes({.seed = seed, .arbitrary = arbitrary});
    points += result.points;
    checked += result.checked;
    violations += result.violations;
    distinct.insert(result.distinct.begin(), result.distinct.end());
    for (const std::string& what : result.first_violations) {
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), what.c_str());
    }
    last = std::move(result);
  }
  std::printf(
      "the last workload: %zu syncs of the file by checkpoints, %zu cuts of it, %zu readings removed, %zu "
      "acknowledged\n",
      last.checkpoints, last.shrunk, last.removed, last.acknowledged);
  std::printf("%llu workloads, %zu crash points, %zu disks checked, %zu distinct, %zu violations\n",
              static_cast<unsigned long long>(seeds), points, checked, distinct.size(), violations);
  return violations == 0 ? 0 : 1;
}
