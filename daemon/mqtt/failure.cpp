#include "mqtt/failure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace penumbra::mqtt {
namespace {

constexpr int kProtocolError = 0x82;

constexpr std::array kReasons = {
    std::pair{0x00, "normal"},
    std::pair{0x80, "unspecified error"},
    std::pair{0x81, "malformed packet"},
    std::pair{0x82, "protocol error"},
    std::pair{0x83, "implementation specific error"},
    std::pair{0x84, "unsupported protocol version"},
    std::pair{0x85, "client identifier not valid"},
    std::pair{0x86, "bad user name or password"},
    std::pair{0x87, "not authorized"},
    std::pair{0x88, "server unavailable"},
    std::pair{0x89, "server busy"},
    std::pair{0x8A, "banned"},
    std::pair{0x8B, "server shutting down"},
    std::pair{0x8D, "keep alive timeout"},
    std::pair{0x8E, "session taken over: another client connected with the same client id"},
    std::pair{0x8F, "topic filter invalid"},
    std::pair{0x90, "topic name invalid"},
    std::pair{0x91, "packet identifier in use"},
    std::pair{0x93, "receive maximum exceeded"},
    std::pair{0x94, "topic alias invalid"},
    std::pair{0x95, "packet too large"},
    std::pair{0x96, "message rate too high"},
    std::pair{0x97, "quota exceeded"},
    std::pair{0x98, "administrative action"},
    std::pair{0x99, "payload format invalid"},
    std::pair{0x9A, "retain not supported"},
    std::pair{0x9B, "QoS not supported"},
    std::pair{0x9C, "use another server"},
    std::pair{0x9D, "server moved"},
    std::pair{0x9F, "connection rate exceeded"},
};

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// MQTT 3.1.1 section 3.2.2.3. AWS answers 7 where the policy denies the connect.
std::string_view OldConnackText(int code) {
  switch (code) {
    case 1:
      return "unacceptable protocol version";
    case 2:
      return "client id rejected";
    case 3:
      return "server unavailable";
    case 4:
      return "bad user name or password";
    case 5:
    case 7:
      return "not authorized";
    default:
      return "refused";
  }
}

bool IsAuthorization(int code, Version version) {
  return version == Version::k5 ? code == 0x85 || code == 0x86 || code == 0x87 : code == 5 || code == 7;
}

Failure Refused(const ConnectReport& report, const ConnectOptions& options) {
  const int code = report.code;
  // A server older than MQTT 5 answers a version 5 CONNECT with the code of its own version.
  if (code == 1 || (options.version == Version::k5 && code == 0x84)) {
    return {Failure::Kind::kProtocolVersion, code,
            fmt::format("the server does not speak MQTT {}", Name(options.version))};
  }
  std::string text = options.version == Version::k5 ? ReasonText(code) : std::string(OldConnackText(code));
  text = fmt::format("CONNECT refused: {}", text);
  if (IsAuthorization(code, options.version)) {
    text += fmt::format("; is the certificate active, attached to the thing {} and to a policy that allows iot:Connect",
                        options.client_id);
    text += options.will ? fmt::format(", and iot:Publish on {}?", options.will->topic) : "?";
  }
  return {Failure::Kind::kRefused, code, text};
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

Failure Tls(const ConnectReport& report, const ConnectOptions& options) {
  const auto tls = [](std::string text) { return Failure{Failure::Kind::kTls, 0, std::move(text)}; };
  if (report.host_mismatch) {
    return tls(fmt::format("the server's certificate is not for {}: check [upstream] endpoint", options.host));
  }
  if (Contains(report.tls, "certificate verify failed")) {
    return tls(
        fmt::format("the server's certificate cannot be verified with {}: wrong root_ca, or this machine's "
                    "clock is wrong",
                    options.root_ca.empty() ? "the system's roots" : options.root_ca.string()));
  }
  if (Contains(report.tls, "alert")) {
    return tls(fmt::format("the server rejected our certificate {}: is it registered and active? ({})",
                           options.certificate.string(), OneLine(report.tls)));
  }
  return tls(fmt::format("TLS handshake with {} failed: {}", options.host, OneLine(report.tls)));
}

}  // namespace

std::string ReasonText(int code) {
  const auto* found = std::find_if(kReasons.begin(), kReasons.end(), [code](const auto& r) { return r.first == code; });
  return fmt::format("0x{:02X} {}", code, found == kReasons.end() ? "unknown reason" : found->second);
}

Failure ConnectFailure(const ConnectReport& report, const ConnectOptions& options, const std::string& address) {
  if (report.text == "CONNACK return code" && report.code > 0) return Refused(report, options);
  if (report.host_mismatch || !report.tls.empty()) return Tls(report, options);
  const std::string where = fmt::format("{} ({}) port {}", options.host, address, options.port);
  if (report.text == "TCP connect completion failure" || report.text == "socket error") {
    return {Failure::Kind::kRefused, 0,
            fmt::format("{} closed the connection before CONNACK: the certificate is not active or not attached to the "
                        "thing, the policy does not allow iot:Connect, or the client id {} differs from the thing's "
                        "name{}",
                        where, options.client_id,
                        options.version == Version::k5
                            ? "; a server that speaks only MQTT 3.1.1 needs [upstream] protocol = \"3.1.1\""
                            : "")};
  }
  return {Failure::Kind::kNetwork, 0,
          fmt::format("cannot connect to {}: refused, unreachable, or reset; a server that answers may also reset "
                      "because it does not accept our certificate",
                      where)};
}

std::optional<Failure> ForbiddenInConnack(const Session& session) {
  const auto forbidden = [](std::string_view what) {
    return Failure{Failure::Kind::kRefused, kProtocolError,
                   fmt::format("protocol error of the server ({}): its CONNACK says {}, which MQTT 5 forbids; nothing "
                               "can be sent to it, readings stay in the store",
                               ReasonText(kProtocolError), what)};
  };
  if (session.receive_maximum == 0) return forbidden("Receive Maximum 0");
  if (session.maximum_packet == 0) return forbidden("Maximum Packet Size 0");
  return std::nullopt;
}

bool MayBlameMessage(const Failure& failure, Version version) {
  if (failure.kind != Failure::Kind::kClosed) return false;
  if (version == Version::k311) return true;
  switch (failure.reason_code) {
    case 0x89:  // server busy
    case 0x8B:  // server shutting down
    case 0x8D:  // keep alive timeout
    case 0x8E:  // session taken over
    case 0x93:  // receive maximum exceeded
    case 0x96:  // message rate too high
    case 0x97:  // quota exceeded
    case 0x98:  // administrative action
    case 0x9A:  // retain not supported
    case 0x9C:  // use another server
    case 0x9D:  // server moved
    case 0x9F:  // connection rate exceeded
    case 0xA0:  // maximum connect time
      return false;
    default:
      return true;
  }
}

Failure ClosedFailure(int reason) {
  if (reason == 0) return {Failure::Kind::kClosed, 0, "the connection was closed by the server or the network"};
  return {Failure::Kind::kClosed, reason, "the server closed the connection: " + ReasonText(reason)};
}

}  // namespace penumbra::mqtt
