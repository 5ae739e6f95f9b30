// The shadows of all things, tied to the world: the uplink's sessions, the store, the buses, the loop's timers.
// All decisions are ThingShadows'; this file only carries effects out in their order: commit, then publish, then touch
// the device. Loop thread.
// Deliberately not here: what to send or write (thing_shadows.hpp), SQL (shadow_store.hpp), the command line's texts.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "driver/bus_manager.hpp"
#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "shadow/shadow_store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra::shadow {

class Shadows : public LinkClient {
 public:
  struct Options {
    ThingOptions thing;
    std::string session;     // unique among processes, [a-zA-Z0-9], at most 16 characters
    std::uint64_t seed = 1;  // of jitter
  };

  // All references outlive it.
  Shadows(Options options, EventLoop& loop, TimeTrust& time_trust, ShadowStore& store, BusManager& buses);
  ~Shadows() override;

  // Once, before the uplink starts: reads what is stored, then `done`. What cannot be read is reported in the log and
  // begun again from the cloud and the devices. Readings and calls before `done` are not heard.
  void Start(std::vector<ThingSettings> things, std::function<void()> done);

  // Every finished poll, as the bus manager gives it.
  void OnReading(const Reading& reading);
  // What update_config or the file says while desired.sample_interval is absent.
  void SetBaseInterval(const std::string& thing, Duration interval);

  // For the local API. Errors kGiveUp: no such thing; what is wrong with the patch.
  // {"thing","name","state":{"desired","reported"},"version","cloud_version","pending"}; reported is the device's own.
  Result<Json> Get(const std::string& thing, const std::string& name) const;
  // {"thing","name","local","cloud","base","to_send","blocked"}: side by side, and what will be sent.
  Result<Json> Diff(const std::string& thing, const std::string& name) const;
  // Merges into desired; null removes. `done` when it is durable.
  void Set(const std::string& thing, const std::string& name, const Json& desired, std::function<void(Status)> done);
  const ThingShadows* Find(const std::string& thing) const;

  std::vector<std::string> Subscriptions(const std::string& thing) override;
  void OnOnline(ThingLink& link, bool session_present) override;
  void OnOffline(ThingLink& link) override;
  void OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) override;

 private:
  struct Entry {
    std::unique_ptr<ThingShadows> shadows;
    ThingLink* link = nullptr;
    SubscriptionPtr timer;
    std::string status;
  };
  static constexpr Duration kStatusPeriod = std::chrono::seconds(5);  // for things that fall silent
  static constexpr Duration kSaveRetry = std::chrono::seconds(1);

  Moment Now();
  void Add(const ThingSettings& settings, StoredThing stored);
  void Advance(const std::string& thing, std::function<void(Status)> durable = {});
  void Arm(const std::string& thing, Entry& entry);
  void CarryOut(const std::string& thing, Entry& entry, Effects& effects);
  void Publish(const std::string& thing, Entry& entry, Publication publication);
  void AtDevice(const std::string& thing, const CommandBook::Step& step);
  void NotSaved(const std::string& thing, Entry& entry, const Effects& effects, const Error& error);
  void WatchStatus();
  void UpdateStatus(const std::string& thing, Entry& entry);
  Entry* FindEntry(const std::string& thing);

  Options options_;
  EventLoop& loop_;
  TimeTrust& time_trust_;
  ShadowStore& store_;
  BusManager& buses_;
  std::map<std::string, Entry> things_;
  SubscriptionPtr status_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penumbra::shadow
