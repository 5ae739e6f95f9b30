// Takes out of texts what must not leave the machine. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/json.hpp"

namespace penumbra::cli {

// Passwords in URLs, PINs of tokens (pkcs11:...?pin-value=), bearer tokens, values whose name has password, passwd,
// passphrase, secret, token, api_key, pin or psk in it ("token=abc", "AWS_SESSION_TOKEN: abc", "\"door_pin\":\"1\""),
// and PEM private keys become "[removed]". What stands around them stays.
std::string Redact(std::string_view text);
// The same for every text in a document, keys excepted. A text whose key is such a name goes as a whole, also in a row
// {"key": name, "value": text} of the configuration in force; so do the parameters of a provisioning template.
OrderedJson RedactAll(const OrderedJson& json);

}  // namespace penumbra::cli
