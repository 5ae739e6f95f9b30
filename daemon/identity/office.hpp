// The cloud's office for certificates: one MQTT connection on which fleet provisioning is asked, made when the first
// question comes and again when it is lost. One question at a time; each is answered, or fails, within its deadline.
// Deliberately does not repeat a question: the caller knows whether that is wise. Loop thread.
// Source: aws-iot-core.md section 4.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "identity/answers.hpp"
#include "model/settings.hpp"
#include "mqtt/transport.hpp"

namespace penumbra::identity {

class Office : private mqtt::Listener {
 public:
  // From the PUBLISH to the answer; a hook at AWS alone may take five seconds.
  static constexpr Duration kAnswerLimit = std::chrono::seconds(15);

  struct Options {
    UpstreamSettings upstream;
    std::string client_id;
    std::filesystem::path certificate, private_key;  // of the claim, or the thing's own
    std::string template_name;
    std::string whose;  // "the claim certificate", for messages
  };
  // `loop` and `transport` outlive it.
  Office(EventLoop& loop, mqtt::Transport& transport, Options options);
  ~Office() override;

  // Errors of both: kFixConfig (the connection is not allowed, or a topic of it), kBackOff (network, silence,
  // throttled), and those of ReadRejected. Only when nothing is being asked.
  void CreateCertificate(const std::string& request_pem, std::function<void(Result<IssuedCertificate>)> done);
  void RegisterThing(const std::string& token, const std::map<std::string, std::string>& parameters,
                     std::function<void(Result<RegisteredThing>)> done);
  // Closes the connection; the next question opens it again.
  void Close();
  const Options& options() const { return options_; }

 private:
  using Done = std::function<void(Result<std::string>)>;

  void Ask(std::string topic, std::string payload, Done done);
  void Connect();
  void SubscribeNext();
  void Send();
  void Finish(Result<std::string> answer);
  void OnConnected(const mqtt::Session& session) override;
  void OnDown(const mqtt::Failure& failure) override;
  void OnPublished(std::uint64_t token, mqtt::Outcome outcome) override;
  void OnSubscribed(std::uint64_t token, mqtt::Outcome outcome) override;
  void OnMessage(mqtt::Message message) override;

  EventLoop& loop_;
  mqtt::Transport& transport_;
  const Options options_;
  std::unique_ptr<mqtt::Connection> connection_;
  mqtt::Version version_;
  bool ready_ = false;  // connected and subscribed
  std::deque<std::string> to_subscribe_;
  std::string subscribing_;
  std::string topic_, payload_;
  Done done_;
  SubscriptionPtr deadline_, next_;
  std::uint64_t token_ = 0;
};

// What a failure to connect or to stay means for who asked: kFixConfig where only the operator can help.
Error AsError(const mqtt::Failure& failure, const std::string& whose);

}  // namespace penumbra::identity
