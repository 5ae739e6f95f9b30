// AWS IoT policy documents: what they allow, and by which of their grants.
// Deliberately not here: policy variables of certificates, IAM conditions other than IsAttached, HTTPS-only actions
// (they are read and have no effect on MQTT). Pure; any thread. Source: aws-iot-core.md section 9.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace penumbra::iotcore {

// Who asks: the thing that the certificate belongs to, and the client id of the connection.
struct Principal {
  std::string thing;
  std::string client_id;
  // The certificate is attached to a thing, and the client id is its name: only then do the thing variables resolve.
  bool attached = true;
};

struct Statement {
  bool allow = true;
  std::vector<std::string> actions;    // "iot:Publish", "iot:*"
  std::vector<std::string> resources;  // without the ARN's head: "topic/sensors/${iot:ClientId}/*", or "*"
  std::optional<bool> is_attached;     // Condition Bool iot:Connection.Thing.IsAttached
};

class Policy {
 public:
  // Error kFixConfig with the statement's number: what AWS would refuse, and what we cannot evaluate (NotAction, other
  // conditions), so that nothing is silently granted or denied.
  static Result<Policy> Parse(std::string_view json);

  // As AWS decides: an explicit Deny wins, else some Allow, else no. `resource`: "client/ID", "topic/T",
  // "topicfilter/F". An unresolved variable stays literal.
  bool Allows(std::string_view action, std::string_view resource, const Principal& principal) const;

  // The resource pattern that allows it, as the document has it; nullopt: not allowed.
  std::optional<std::string> Grant(std::string_view action, std::string_view resource,
                                   const Principal& principal) const;
  // Every pair of an allowed action and a resource that fits it ("iot:Publish topic/a/*"), for telling which are used.
  std::vector<std::string> Grants() const;

  const std::vector<Statement>& statements() const { return statements_; }

 private:
  std::vector<Statement> statements_;
};

// AWS wildcards: `*` any run of characters, also over '/', `?` one character; all else is literal, `+` and `#` too.
bool AwsMatch(std::string_view pattern, std::string_view text);

}  // namespace penumbra::iotcore
