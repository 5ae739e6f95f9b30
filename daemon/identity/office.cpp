#include "identity/office.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/json.hpp"

namespace penumbra::identity {
namespace {

constexpr int kUnavailableCodes[] = {0x88, 0x89, 0x97, 0x9F};  // MQTT 5: unavailable, busy, quota, connection rate

mqtt::Version FirstVersion(MqttProtocol protocol) {
  return protocol == MqttProtocol::k311 ? mqtt::Version::k311 : mqtt::Version::k5;
}

bool Passes(int code) {
  for (const int known : kUnavailableCodes) {
    if (code == known) return true;
  }
  return false;
}

}  // namespace

Error AsError(const mqtt::Failure& failure, const std::string& whose) {
  using Kind = mqtt::Failure::Kind;
  switch (failure.kind) {
    case Kind::kTls:
    case Kind::kCredentials:
    case Kind::kProtocolVersion:
      return {Action::kFixConfig, fmt::format("with {}: {}", whose, failure.message)};
    case Kind::kRefused:
      return {Passes(failure.reason_code) ? Action::kBackOff : Action::kFixConfig,
              fmt::format("with {}: {}", whose, failure.message)};
    default:
      return {Action::kBackOff, failure.message};
  }
}

Office::Office(EventLoop& loop, mqtt::Transport& transport, Options options)
    : loop_(loop),
      transport_(transport),
      options_(std::move(options)),
      version_(FirstVersion(options_.upstream.protocol)) {}

Office::~Office() = default;

void Office::CreateCertificate(const std::string& request_pem, std::function<void(Result<IssuedCertificate>)> done) {
  Ask(kCreateTopic, Dump(Json{{"certificateSigningRequest", request_pem}}),
      [done = std::move(done)](const Result<std::string>& answer) {
        done(answer ? ReadIssued(*answer) : Result<IssuedCertificate>(Fail(answer.error())));
      });
}

void Office::RegisterThing(const std::string& token, const std::map<std::string, std::string>& parameters,
                           std::function<void(Result<RegisteredThing>)> done) {
  Ask(ProvisionTopic(options_.template_name),
      Dump(Json{{"certificateOwnershipToken", token}, {"parameters", parameters}}),
      [done = std::move(done)](const Result<std::string>& answer) {
        done(answer ? ReadRegistered(*answer) : Result<RegisteredThing>(Fail(answer.error())));
      });
}

void Office::Close() {
  ready_ = false;
  connection_.reset();
}

void Office::Ask(std::string topic, std::string payload, Done done) {
  topic_ = std::move(topic);
  payload_ = std::move(payload);
  done_ = std::move(done);
  ready_ ? Send() : Connect();
}

void Office::Connect() {
  const UpstreamSettings& upstream = options_.upstream;
  mqtt::ConnectOptions connect;
  connect.client_id = options_.client_id;
  connect.host = upstream.endpoint;
  connect.port = upstream.port;
  connect.root_ca = upstream.root_ca;
  connect.certificate = options_.certificate;
  connect.private_key = options_.private_key;
  connect.version = version_;
  connect.connect_timeout = upstream.connect_timeout;
  connect.keep_alive = upstream.keep_alive;
  // Never inside a call of the connection that this replaces.
  next_ = loop_.After(Duration::zero(),
                      [this, connect = std::move(connect)] { connection_ = transport_.Connect(connect, *this); });
}

void Office::OnConnected(const mqtt::Session&) {
  to_subscribe_.clear();
  for (const std::string& topic : {kCreateTopic, ProvisionTopic(options_.template_name)}) {
    for (const char* kind : {"/accepted", "/rejected"}) to_subscribe_.push_back(topic + kind);
  }
  deadline_ = loop_.After(kAnswerLimit, [this] {
    connection_.reset();
    OnDown({mqtt::Failure::Kind::kNetwork, 0, "the server does not answer SUBSCRIBE of " + subscribing_});
  });
  SubscribeNext();
}

// One at a time: over MQTT 3.1.1 a refusal closes the connection, and then it is known which one it was.
void Office::SubscribeNext() {
  if (to_subscribe_.empty()) {
    subscribing_.clear();
    ready_ = true;
    return Send();
  }
  subscribing_ = std::move(to_subscribe_.front());
  to_subscribe_.pop_front();
  connection_->Subscribe(++token_, subscribing_);
}

void Office::OnSubscribed(std::uint64_t, mqtt::Outcome outcome) {
  if (ready_ || subscribing_.empty()) return;
  if (outcome.ok()) return SubscribeNext();
  Finish(Fail(Action::kFixConfig, fmt::format("{} may not subscribe {}: its policy must allow iot:Subscribe on "
                                              "topicfilter/{} and iot:Receive on the topic",
                                              options_.whose, subscribing_, subscribing_)));
}

void Office::Send() {
  deadline_ = loop_.After(kAnswerLimit, [this] {
    Close();  // an answer that is late would be taken for that to the next question, perhaps another thing's
    Finish(Fail(Action::kBackOff,
                fmt::format("no answer on {} within {} s", topic_, kAnswerLimit / std::chrono::seconds(1))));
  });
  connection_->Publish(++token_, topic_, payload_, false);
}

void Office::OnPublished(std::uint64_t token, mqtt::Outcome outcome) {
  if (token != token_ || outcome.ok() || !done_) return;
  const bool passes = Passes(outcome.code);
  Finish(Fail(passes ? Action::kBackOff : Action::kFixConfig,
              fmt::format("{} may not publish on {} (0x{:02X}): {}", options_.whose, topic_, outcome.code,
                          passes ? "too much at once" : "its policy must allow iot:Publish there")));
}

void Office::OnMessage(mqtt::Message message) {
  if (!done_ || message.topic.compare(0, topic_.size(), topic_) != 0) return;
  const std::string kind = message.topic.substr(topic_.size());
  if (kind == "/accepted") return Finish(std::move(message.payload));
  if (kind == "/rejected") return Finish(Fail(ReadRejected(message.payload, options_.template_name)));
}

void Office::OnDown(const mqtt::Failure& failure) {
  using Kind = mqtt::Failure::Kind;
  connection_.reset();
  const std::string subscribing = std::exchange(subscribing_, {});
  const bool was_ready = std::exchange(ready_, false);
  if (failure.kind == Kind::kProtocolVersion && options_.upstream.protocol == MqttProtocol::kAuto &&
      version_ == mqtt::Version::k5) {
    version_ = mqtt::Version::k311;
    return Connect();
  }
  if (!done_) return;
  Error error = AsError(failure, options_.whose);
  // What MQTT 3.1.1 looks like when the policy says no.
  if (failure.kind == Kind::kClosed && version_ == mqtt::Version::k311) {
    error.message = was_ready ? fmt::format("{} after publishing on {}; does the policy of {} allow iot:Publish there?",
                                            failure.message, topic_, options_.whose)
                              : fmt::format("{} after subscribing {}; does the policy of {} allow iot:Subscribe there?",
                                            failure.message, subscribing, options_.whose);
  }
  Finish(Fail(std::move(error)));
}

void Office::Finish(Result<std::string> answer) {
  deadline_.reset();
  const Done done = std::exchange(done_, {});
  if (done) done(std::move(answer));
}

}  // namespace penumbra::identity
