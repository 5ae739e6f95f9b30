// Device profiles: TOML files that a thing begins with. Finds, reads and keeps them; lays a thing's own keys over them.
// Deliberately knows nothing of drivers: the merged thing is checked like any other, with places in the profile's file.
#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.hpp"
#include "config/node.hpp"

namespace penumbra {

class Profiles {
 public:
  // Asked in this order; the first folder that has NAME.toml wins. `files` owns the source files that places point to.
  Profiles(std::vector<std::filesystem::path> folders, std::deque<SourceFile>& files, Diagnostics& diagnostics);

  // `thing` laid over the profile it names: tables merge, points merge by name, new points follow. A thing without a
  // profile stays as it is. nullopt: the profile is unknown or broken, which was reported.
  std::optional<Node> Apply(const Node& thing);

  // The driver that the thing's profile is for; nullopt without a profile that can be used.
  std::optional<std::string> DriverOf(const Node& thing) const;

 private:
  struct Profile {
    Node thing;  // a table as [[thing]] is, with its points
    std::string driver;
    bool broken = false;
  };

  // nullptr: unknown; the fault was reported at `place`.
  const Profile* Get(const Node& name);
  std::optional<std::filesystem::path> Find(const std::string& name) const;
  Profile Read(const std::string& name, const std::filesystem::path& path);
  void CheckThing(const Node& thing);
  void CheckMatches(const Node& root);
  std::string UnknownMessage(const std::string& name) const;

  std::vector<std::filesystem::path> folders_;
  std::deque<SourceFile>& files_;
  Diagnostics& diagnostics_;
  std::map<std::string, Profile> read_;
};

}  // namespace penumbra
