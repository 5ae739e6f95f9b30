// The shadows of all things, tied to the world: the uplink's sessions, the store, the buses, the loop's timers.
// All decisions are ThingShadows'; this file only carries effects out in their order: commit, then publish, then touch
// the device. Loop thread.
// Deliberately not here: what to send or write (thing_shadows.hpp), SQL (shadow_store.hpp), texts for people.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "driver/bus_manager.hpp"
#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "shadow/shadow_store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra::shadow {

// The moments in the life of a command at which a crash must cost nothing; see Options::at_moment.
namespace moment {
inline constexpr std::string_view kBeforeCommit = "before-commit";    // desired has arrived, nothing is durable
inline constexpr std::string_view kCommitted = "committed";           // durable, the device knows nothing
inline constexpr std::string_view kBeforeWrite = "before-write";      // the write is about to be handed to the bus
inline constexpr std::string_view kWritten = "written";               // acknowledged by the device, nobody was told
inline constexpr std::string_view kBeforeReadBack = "before-read";    // written is durable, the read is about to go
inline constexpr std::string_view kReadBack = "read-back";            // read back, nothing of it is durable
inline constexpr std::string_view kBeforePublish = "before-publish";  // verified is durable, the report not sent
inline constexpr std::string_view kPublished = "published";           // handed to the session, no answer yet
}  // namespace moment

class Shadows : public LinkClient {
 public:
  struct Options {
    ThingOptions thing;
    std::string session;     // unique among processes, [a-zA-Z0-9], at most 16 characters
    std::uint64_t seed = 1;  // of jitter
    // For tests that kill the process at a named moment; empty in the daemon that is shipped.
    std::function<void(std::string_view)> at_moment;
    std::string gateway;  // the gateway's own thing, which has shadows and no device; empty: none
  };

  // All references outlive it, except the buses: see BusesGone.
  Shadows(Options options, EventLoop& loop, TimeTrust& time_trust, ShadowStore& store, BusManager& buses);
  ~Shadows() override;

  // Once, before the uplink starts: reads what is stored, then `done`. A store in trouble is asked again for
  // kLoadPatience; what cannot be read is reported in the log and begun again from the cloud and the devices. Readings
  // and calls before `done` are not heard.
  void Start(std::vector<ThingSettings> things, std::function<void()> done);
  // Other things, while everything runs; after Start's `done`. What is gone is forgotten here and stays stored: a thing
  // that comes again goes on from there. `done`, later: the new ones are loaded, and their sessions may begin; other
  // intervals are in force. Not while another one is under way. A store in trouble is treated as by Start.
  void Reconfigure(const std::vector<ThingSettings>& things, std::function<void()> done);
  // The daemon is stopping and takes its buses down: nothing is written or read from here on.
  void BusesGone() { buses_ = nullptr; }

  // Every finished poll, as the bus manager gives it.
  void OnReading(const Reading& reading);
  // What update_config or the file says: holds while desired.sample_interval is absent.
  void SetBaseInterval(const std::string& thing, Duration interval);

  // For the local API; nullptr: no such thing (or not loaded yet).
  const ThingShadows* Find(const std::string& thing) const;
  // Merges into desired; null removes. `done` when it is durable, or why not (kGiveUp: no such thing, or what is wrong
  // with the patch). Keys of the classic shadow that no device would take are refused here, before they go anywhere.
  // `age_ms`: how old the wish is already; counts towards the ttl of what it sets.
  void Set(const std::string& thing, const std::string& name, const Json& desired, std::function<void(Status)> done,
           std::int64_t age_ms = 0);
  // Whether Set would take `desired` for the classic shadow.
  Status Check(const std::string& thing, const Json& desired) const;
  // `done` once, when the commands that bring these values of the classic shadow's desired to the device have come to
  // their end: all done, or the first that was refused, failed, expired or overtaken (kGiveUp with the reason). At most
  // kMaxFollowed at a time and thing (kBackOff).
  void Follow(const std::string& thing, const Json& values, std::function<void(Status)> done);
  // Merges into `reported` of a shadow; a named one is made when it is missing. Errors as in ThingShadows::Report.
  Status Report(const std::string& thing, const std::string& name, const Json& patch, Urgency urgency);

  std::vector<std::string> Subscriptions(const std::string& thing) override;
  void OnOnline(ThingLink& link) override;
  void OnOffline(ThingLink& link) override;
  void OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) override;

 private:
  struct Followed {
    Json values;
    std::function<void(Status)> done;
  };
  static constexpr std::size_t kMaxFollowed = 32;
  struct Entry {
    std::unique_ptr<ThingShadows> shadows;
    ThingSettings settings;
    ThingLink* link = nullptr;
    SubscriptionPtr timer;
    std::string status;
    std::map<std::string, std::string> blocked;  // by shadow: why the cloud refuses it, as it was told last
    std::uint64_t life = 0;  // tells this entry from an earlier one of the same thing: late answers are not for it
    std::vector<Followed> followed;
  };
  static constexpr Duration kStatusPeriod = std::chrono::seconds(5);  // for things that fall silent
  static constexpr Duration kSaveRetry = std::chrono::seconds(1);
  static constexpr Duration kLoadRetry = std::chrono::seconds(1);
  static constexpr Duration kLoadPatience = std::chrono::seconds(30);

  Moment Now();
  void Load(BootTime give_up);
  void OneIsReady();
  void Loaded(StoredShadows stored);
  void Add(const ThingSettings& settings, StoredThing stored);
  void TellFollowers(Entry& entry);
  void TellGone(const std::string& thing, Entry& entry);
  void Advance(const std::string& thing, std::function<void(Status)> durable = {});
  void Arm(const std::string& thing, Entry& entry);
  void Durable(const std::string& thing, Entry& entry, Effects& effects);
  void CarryOut(const std::string& thing, Entry& entry, Effects& effects);
  void Publish(const std::string& thing, Entry& entry, Publication publication);
  void AtDevice(const std::string& thing, Entry& entry, const CommandBook::Step& step);
  void Write(const std::string& thing, std::uint64_t life, const CommandBook::Step& step);
  void ReadBack(const std::string& thing, std::uint64_t life, const CommandBook::Step& step);
  void StepFailed(Entry& entry, const CommandBook::Step& step, const Error& error);
  void NotSaved(const std::string& thing, Entry& entry, const Effects& effects, const Error& error);
  void TellBlocked(const std::string& thing, Entry& entry);
  void WatchStatus();
  void UpdateStatus(const std::string& thing, Entry& entry);
  Entry* FindEntry(const std::string& thing);
  Entry* FindEntry(const std::string& thing, std::uint64_t life);
  void At(std::string_view moment) const {
    if (options_.at_moment) options_.at_moment(moment);
  }

  Options options_;
  EventLoop& loop_;
  TimeTrust& time_trust_;
  ShadowStore& store_;
  BusManager* buses_;
  std::vector<ThingSettings> configured_;
  std::function<void()> ready_;  // of a Start or Reconfigure under way, when unready_ has come to zero
  std::size_t unready_ = 0;      // its things whose change is not durable yet, and one for those that are loaded
  std::map<std::string, Entry> things_;
  std::uint64_t lives_ = 0;
  std::string store_trouble_;  // why the last commit failed; empty: it did not
  SubscriptionPtr load_timer_;
  SubscriptionPtr status_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penumbra::shadow
