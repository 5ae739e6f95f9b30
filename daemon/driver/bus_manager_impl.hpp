// BusManager over a given launcher: what bus_manager.cpp creates with real processes and tests with scripted hosts.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "driver/bus_manager.hpp"
#include "driver/bus_runner.hpp"

namespace penumbra {

class BusManagerImpl : public BusManager {
 public:
  // `seed`: of all jitter.
  BusManagerImpl(std::unique_ptr<HostLauncher> launcher, EventLoop& loop, TimeTrust& time_trust, ReadingHandler handler,
                 std::uint64_t seed, FactKeeper facts = {}, std::filesystem::path recordings = {});

  ~BusManagerImpl() override;
  BusManagerImpl(const BusManagerImpl&) = delete;
  BusManagerImpl& operator=(const BusManagerImpl&) = delete;

  void Start(std::vector<BusSettings> buses, std::vector<ThingSettings> things) override;
  void Stop() override;
  void Reconfigure(std::vector<BusSettings> buses, std::vector<ThingSettings> things) override;
  bool SetSampleInterval(const std::string& thing, Duration interval) override;
  void ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) override;
  void Write(const std::string& thing, const std::string& point, const Value& value, std::function<void(Status)> done,
             std::function<bool()> wanted = {}) override;
  void Ask(const std::string& bus, const Json& question, Duration timeout, AskDone done) override;
  std::vector<BusStatus> Buses() const override;
  std::optional<ThingStatus> Thing(const std::string& thing) const override;

 private:
  // How long the start of new buses waits for the end of old ones, which may hold the same device.
  static constexpr Duration kLeaveTime = std::chrono::milliseconds(500);

  BusRunner* Find(const std::string& thing) const;
  BusRunner* FindBus(const std::string& bus) const;
  void Retire(std::unique_ptr<BusRunner> bus);
  void Left(const BusRunner* bus);
  void StartNew();

  std::unique_ptr<HostLauncher> launcher_;
  Recorder recorder_;
  Random random_;
  BusContext context_;
  std::vector<std::unique_ptr<BusRunner>> buses_;
  std::vector<std::unique_ptr<BusRunner>> leaving_;     // their hosts are ending
  std::vector<BusRunner*> new_;                         // of buses_: not started yet
  std::unordered_map<std::string, BusRunner*> places_;  // by thing
  SubscriptionPtr start_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penumbra
