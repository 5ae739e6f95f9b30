// The api's GatewayView over the modules. Loop thread.
#pragma once

#include "api/gateway_view.hpp"
#include "app/health.hpp"
#include "app/reloader.hpp"
#include "event/asio_loop.hpp"
#include "event/time_trust.hpp"
#include "orders/orders.hpp"
#include "shadow/shadows.hpp"

namespace penumbra {

class View : public api::GatewayView {
 public:
  // Everything outlives the view, except the buses: see BusesGone.
  View(const LoadedConfig& loaded, Reloader& reloader, AsioLoop& loop, TimeTrust& time_trust, Store& store,
       BusManager& buses, Uplink& uplink, shadow::Shadows& shadows, identity::CertificateKeeper& keeper);

  // Once, before the first question: what the cloud orders, and what is told of the gateway itself.
  void Serve(const orders::Orders& orders, const Health& health) {
    orders_ = &orders;
    health_ = &health;
  }

  // The daemon is stopping and has taken its buses down; questions about them are answered with nothing from here on.
  void BusesGone() { buses_ = nullptr; }
  void KeeperGone() { keeper_ = nullptr; }

  api::GatewayInfo Info() const override;
  const Settings& settings() const override { return loaded_.settings; }
  // The files' values, and those that the shadow has set instead.
  std::vector<Origin> EffectiveConfig() const override;
  std::vector<BusStatus> Buses() const override;
  std::optional<ThingStatus> Thing(const std::string& thing) const override;
  std::vector<LinkStatus> Links() const override { return uplink_.Links(); }
  std::vector<identity::CertificateState> Certificates() const override;
  void RotateCertificate(const std::string& thing, const identity::RotationWishes& wishes,
                         std::function<void(Result<identity::Enrolled>)> done) override;
  StoreStats Stats() const override { return store_.Stats(); }
  std::filesystem::path StoreFile() const override { return loaded_.settings.paths.state / "penumbra.db"; }
  void Vacuum(std::function<void(Result<std::uint64_t>)> done) override { store_.Vacuum(std::move(done)); }
  orders::BookCounters Orders() const override {
    return orders_ != nullptr ? orders_->Totals() : orders::BookCounters{};
  }
  std::vector<orders::OrderRow> OrdersOf(const std::string& thing) const override;
  OutboxState Outbox(const std::string& thing) const override { return store_.Outbox(thing); }
  std::vector<std::string> StoredThings() const override { return store_.Things(); }
  void Readings(ReadingQuery query, std::function<void(Result<std::vector<StoredReading>>)> done) override {
    store_.Query(std::move(query), std::move(done));
  }
  std::string ExplainDelivery(const std::string& thing, std::uint64_t seq) const override {
    return uplink_.Explain(thing, seq);
  }
  Result<api::ShadowState> Shadow(const std::string& thing, const std::string& name) const override;
  void SetDesired(const std::string& thing, const std::string& name, const Json& patch,
                  std::function<void(Status)> done) override {
    shadows_.Set(thing, name, patch, std::move(done));
  }
  std::optional<api::CommandInfo> Command(const std::string& thing, const std::string& point) const override;
  void Reload(bool dry_run, std::function<void(Result<api::ReloadReport>)> done) override {
    reloader_.Request(dry_run, std::move(done));
  }
  void TryReload(Duration trial, std::function<void(Result<api::ReloadReport>)> done) override {
    reloader_.Try(trial, std::move(done));
  }
  void ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) override;
  void AskBus(const std::string& bus, const Json& question, Duration timeout,
              std::function<void(Result<OrderedJson>)> done) override;

 private:
  const LoadedConfig& loaded_;
  Reloader& reloader_;
  AsioLoop& loop_;
  TimeTrust& time_trust_;
  Store& store_;
  BusManager* buses_;
  Uplink& uplink_;
  shadow::Shadows& shadows_;
  identity::CertificateKeeper* keeper_;
  const orders::Orders* orders_ = nullptr;
  const Health* health_ = nullptr;
  BootTime started_;
};

}  // namespace penumbra
