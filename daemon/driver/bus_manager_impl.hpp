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

  ~BusManagerImpl() override { BusManagerImpl::Stop(); }
  BusManagerImpl(const BusManagerImpl&) = delete;
  BusManagerImpl& operator=(const BusManagerImpl&) = delete;

  void Start(std::vector<BusSettings> buses, std::vector<ThingSettings> things) override;
  void Stop() override;
  bool SetSampleInterval(const std::string& thing, Duration interval) override;
  void ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) override;
  void Write(const std::string& thing, const std::string& point, const Value& value,
             std::function<void(Status)> done) override;
  void Ask(const std::string& bus, const Json& question, Duration timeout, AskDone done) override;
  std::vector<BusStatus> Buses() const override;
  std::optional<ThingStatus> Thing(const std::string& thing) const override;

 private:
  struct Place {
    BusRunner* bus = nullptr;
    std::uint32_t thing = 0;
  };
  const Place* Find(const std::string& thing) const;

  std::unique_ptr<HostLauncher> launcher_;
  Recorder recorder_;
  Random random_;
  BusContext context_;
  std::vector<std::unique_ptr<BusRunner>> buses_;
  std::unordered_map<std::string, Place> places_;
};

}  // namespace penumbra
