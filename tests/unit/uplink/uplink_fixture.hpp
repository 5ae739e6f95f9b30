// An uplink on virtual time, before a fake server and a fake store.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "support/fake_store.hpp"
#include "support/fake_transport.hpp"
#include "support/virtual_loop.hpp"
#include "uplink/uplink.hpp"

namespace penumbra::test {

using namespace std::chrono_literals;

// Wants `filters` of each thing, and notes what it hears.
struct RecordingClient : LinkClient {
  std::vector<std::string> Subscriptions(const std::string& thing) override {
    std::vector<std::string> all;
    for (int i = 0; i < filters; ++i) all.push_back("commands/" + thing + "/" + std::to_string(i));
    return all;
  }
  void OnOnline(ThingLink& l) override {
    link = &l;
    ++online;
  }
  void OnOffline(ThingLink&) override { ++offline; }
  void OnMessage(ThingLink& l, const std::string& topic, const std::string& payload) override {
    messages.emplace_back(topic, payload);
    waited.push_back(l.MayHaveWaited());
  }
  int filters = 1, online = 0, offline = 0;
  ThingLink* link = nullptr;
  std::vector<std::pair<std::string, std::string>> messages;
  std::vector<Duration> waited;  // what the link said of each
};

class UplinkFixture : public ::testing::Test {
 protected:
  UplinkFixture() {
    std::string name = std::filesystem::temp_directory_path() / "penumbra-uplink-XXXXXX";
    state = ::mkdtemp(name.data());
    std::filesystem::create_directories(state / "credentials");
    upstream.endpoint = "broker.test";
  }
  ~UplinkFixture() override { std::filesystem::remove_all(state); }

  void Provision(const std::string& thing) {
    std::ofstream(state / "credentials" / (thing + ".pem.crt")) << "certificate";
    std::ofstream(state / "credentials" / (thing + ".pem.key")) << "key";
  }

  ThingSettings Thing(const std::string& name, bool provisioned = true) {
    if (provisioned) Provision(name);
    ThingSettings thing;
    thing.name = name;
    thing.topic = "sensors/" + name + "/temperature";
    thing.primary = "temperature";
    PointSettings point;
    point.name = "temperature";
    thing.points.push_back(point);
    return thing;
  }

  void Create(std::vector<ThingSettings> things, const std::string& gateway = {}) {
    if (!gateway.empty()) Provision(gateway);
    Uplink::Options options;
    options.upstream = upstream;
    options.clock = clock_settings;
    options.state = state;
    options.seed = 42;
    uplink = Uplink::Create(options, loop, transport, store, trust);
    store.OnCommitted([this](const std::vector<Reading>& readings) { uplink->OnCommitted(readings); });
    for (LinkClient* client : clients) uplink->Attach(*client);
    GatewaySettings settings;
    settings.thing = gateway;
    uplink->Start(settings, things);
  }

  // A reading taken now, committed at once. Answers its seq.
  std::uint64_t Read(const std::string& thing, double value = 20, bool trusted = true) {
    Reading reading;
    reading.thing = thing;
    reading.unix_ms = loop.virtual_clock.UnixMs();
    reading.boot_ns = loop.Now().ns;
    reading.boot_id = loop.virtual_clock.boot_id;
    reading.time_trusted = trusted;
    reading.values.push_back({"temperature", value, Quality::kGood, ""});
    store.Append(reading);
    return store.Outbox(thing).newest_seq;
  }

  LinkStatus Link(const std::string& thing) const {
    for (LinkStatus& link : uplink->Links()) {
      if (link.thing == thing) return link;
    }
    return {};
  }
  bool Online(const std::string& thing) const { return Link(thing).link == "online"; }
  void AdvanceUntil(const std::function<bool()>& done, Duration limit = 120s) {
    const BootTime end = loop.Now() + limit;
    while (!done() && loop.Now() < end) loop.Advance(10ms);
    ASSERT_TRUE(done());
  }

  // seqs in the order in which they reached the server; batches are taken apart.
  std::vector<std::uint64_t> Sent(const std::string& thing) const {
    std::vector<std::uint64_t> seqs;
    for (const auto& message : transport.published) {
      if (message.client_id != thing || message.topic.rfind("sensors/", 0) != 0) continue;
      const Json json = *ParseJson(message.payload);
      if (json.is_array()) {
        for (const Json& one : json) seqs.push_back(one["seq"]);
      } else {
        seqs.push_back(json["seq"]);
      }
    }
    return seqs;
  }
  std::map<std::uint64_t, int> SentCounts(const std::string& thing) const {
    std::map<std::uint64_t, int> counts;
    for (const std::uint64_t seq : Sent(thing)) ++counts[seq];
    return counts;
  }
  // The most events in any window of `length` that is closed on the left only.
  static int Busiest(const std::vector<BootTime>& events, Duration length) {
    int most = 0;
    for (std::size_t first = 0, last = 0; last < events.size(); ++last) {
      while (events[last] - events[first] >= length) ++first;
      most = std::max(most, static_cast<int>(last - first + 1));
    }
    return most;
  }
  std::vector<BootTime> PublishTimes(const std::string& thing) const {
    std::vector<BootTime> times;
    for (const auto& message : transport.published) {
      if (message.client_id == thing) times.push_back(message.at);
    }
    return times;
  }

  VirtualLoop loop;
  FakeTransport transport{loop};
  FakeStore store{loop};
  TimeTrust trust{loop.virtual_clock, false, 0};
  UpstreamSettings upstream;
  ClockSettings clock_settings;
  std::filesystem::path state;
  std::vector<LinkClient*> clients;
  std::unique_ptr<Uplink> uplink;
};

}  // namespace penumbra::test
