// Every service case of the shadow vectors against the whole stand-in: a real mosquitto, TLS with client certificates,
// the policy's access rules, and an MQTT client of its own on the other side. One stand-in serves all cases.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include "component/iotcore/mqtt_client.hpp"
#include "conformance/shadow_vectors.hpp"
#include "iotcore/iot_core.hpp"
#include "iotcore/shadow_host.hpp"

namespace penumbra::test {
namespace {

constexpr const char* kThing = "thing1";
constexpr std::chrono::seconds kStartLimit(60);

// The stand-in on a thread of its own, in a temporary folder.
class StandIn {
 public:
  StandIn() {
    char folder[] = "/tmp/vectors-XXXXXX";
    if (::mkdtemp(folder) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = folder;
    std::ifstream policy(IOTCORE_POLICY), claim_policy(IOTCORE_CLAIM_POLICY);
    iotcore::IotCore::Options options{.folder = folder_, .things = {kThing}};
    options.policy.assign(std::istreambuf_iterator<char>(policy), {});
    options.claim_policy.assign(std::istreambuf_iterator<char>(claim_policy), {});
    auto core = iotcore::IotCore::Create(context_, std::move(options), [](auto&, auto&) {
      iotcore::IotCore::Services services;
      services.push_back(std::make_unique<iotcore::ShadowHost>());
      return services;
    });
    if (!core) throw std::runtime_error(core.error().message);
    core_ = std::move(*core);
    std::promise<Status> ready;
    core_->Start([&ready](const Status& status) { ready.set_value(status); });
    thread_ = std::thread([this] { context_.run(); });
    auto started = ready.get_future();
    if (started.wait_for(kStartLimit) != std::future_status::ready) throw std::runtime_error("it does not start");
    if (const Status status = started.get(); !status) throw std::runtime_error(status.error().message);
  }
  ~StandIn() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
    core_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  Json Command(const std::vector<std::string>& words) {
    std::promise<Result<Json>> answer;
    boost::asio::post(context_, [&] { answer.set_value(core_->Command(words)); });
    auto result = answer.get_future().get();
    if (!result) throw std::runtime_error(result.error().message);
    return *result;
  }

 private:
  boost::asio::io_context context_{1};
  std::filesystem::path folder_;
  std::unique_ptr<iotcore::IotCore> core_;
  std::thread thread_;
};

class MqttBench : public ShadowBench {
 public:
  MqttBench() : info_(cloud_.Command({"info"})), client_(Port(), Path("root_ca"), Path("credentials"), kThing) {
    // As AWS counts them: classic and named shadows, every kind of answer.
    client_.Subscribe({"$aws/things/thing1/shadow/+/+", "$aws/things/thing1/shadow/name/+/+/+"});
  }

  void Reset(std::int64_t now_s, std::size_t max_document_bytes) override {
    cloud_.Command({"shadow", "forget"});
    cloud_.Command({"shadow", "clock", "freeze", std::to_string(now_s)});
    cloud_.Command({"shadow", "limit", "document-bytes", std::to_string(max_document_bytes)});
  }
  void Load(const std::string& shadow, const Json& state, std::int64_t version, std::int64_t leaf_time_s) override {
    cloud_.Command(
        {"shadow", "load", Name(shadow), std::to_string(version), std::to_string(leaf_time_s), state.dump()});
  }
  void LoadTombstone(const std::string& shadow, std::int64_t version, std::int64_t age_s) override {
    cloud_.Command({"shadow", "tombstone", Name(shadow), std::to_string(version), std::to_string(age_s)});
  }
  void AdvanceClock(std::int64_t seconds) override {
    cloud_.Command({"shadow", "clock", "advance", std::to_string(seconds)});
  }

  // The service works in the order of arrival, so the answer to a second request, whose shadow is never there, says
  // that all answers to the first have come, and that none will come where none should.
  std::vector<Answer> Send(const std::string& shadow, const std::string& operation,
                           const std::string& payload) override {
    const std::string prefix = "$aws/things/thing1/shadow" + (shadow.empty() ? "" : "/name/" + shadow) + "/";
    client_.Publish({{prefix + operation, payload}, {std::string(kMarker) + "get", ""}});
    std::vector<Answer> answers;
    for (;;) {
      const iotcore::Message message = client_.Receive();
      if (message.topic == std::string(kMarker) + "get/rejected") return answers;
      EXPECT_EQ(message.topic.substr(0, prefix.size()), prefix);
      const auto body = ParseJson(message.payload);
      EXPECT_TRUE(body) << message.payload;
      answers.push_back({message.topic.substr(prefix.size()), body.value_or(Json())});
    }
  }
  Json Peek(const std::string& shadow) override { return cloud_.Command({"shadow", "get", Name(shadow)}); }

 private:
  static constexpr const char* kMarker = "$aws/things/thing1/shadow/name/never-there/";
  static std::string Name(const std::string& shadow) {
    return shadow.empty() ? kThing : std::string(kThing) + "/" + shadow;
  }
  std::uint16_t Port() const { return static_cast<std::uint16_t>(GetInt(info_, "port").value_or(0)); }
  std::filesystem::path Path(const char* key) const { return GetString(info_, key).value_or(""); }

  StandIn cloud_;
  Json info_;
  MqttClient client_;
};

TEST(ShadowVectorsOverMqttTest, TheStandInPassesEveryServiceCase) {
  MqttBench bench;
  EXPECT_GE(RunServiceCases(bench), 150) << "the vectors were not run";
}

}  // namespace
}  // namespace penumbra::test
