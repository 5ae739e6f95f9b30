// What differs between the settings in force and new ones, key by key, and what it takes to apply each difference.
// Pure.
//
// Every member of every settings structure is listed once, by structured binding (settings_diff.cpp): a member that is
// added there and not here does not compile, so no change of a file can go unseen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "model/duty_settings.hpp"
#include "model/settings.hpp"

namespace penumbra {

// What applying a change touches, beyond the thing or bus that it names.
enum class Effect {
  kLive,       // nothing
  kReopen,     // the driver host of the bus starts again; its other things keep their time tables
  kReconnect,  // the MQTT session ends and begins again: of the thing, or, for [upstream], of all
  kRestart,    // cannot be applied by a running daemon
};
std::string_view ToString(Effect effect);  // "live" "reopen" "reconnect" "restart"

struct SettingsChange {
  enum class Kind { kAdded, kRemoved, kChanged };

  std::string table;  // as the file has it: "gateway" "upstream" "store" "clock" "paths" "orders" "health"
                      // "bus" "thing" "thing.point"
  std::string name;   // of the bus or thing, or THING.POINT; empty for the other tables
  Kind kind = Kind::kChanged;
  std::string key;  // of kChanged: as in the file, "sample_interval"; options of a driver likewise
  Json from, to;    // of kChanged: as the file would have them, durations as text; null: not set
  Effect effect = Effect::kLive;
  friend bool operator==(const SettingsChange&, const SettingsChange&) = default;
};
std::string_view ToString(SettingsChange::Kind kind);  // "added" "removed" "changed"
// "thing sensor-001: sample_interval", "bus hall-a: added", "[store]: retention": one line for the log.
std::string ToString(const SettingsChange& change);

struct SettingsDiff {
  // Tables in the order of Settings, then buses, then each thing with its points; what is gone comes last of its kind.
  std::vector<SettingsChange> changes;

  bool empty() const { return changes.empty(); }
  // Something of it only a restart can apply.
  bool NeedsRestart() const;
  // The other's changes behind these.
  void Append(SettingsDiff other);
};

// The order of buses and things means nothing; that of a thing's points does.
SettingsDiff Compare(const Settings& running, const Settings& wanted);
// [orders] and [health].
SettingsDiff Compare(const DutySettings& running, const DutySettings& wanted);

}  // namespace penumbra
