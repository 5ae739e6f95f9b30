// Takes out of texts what must not leave the machine. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/json.hpp"

namespace penumbra::cli {

// Passwords in URLs, PINs of tokens (pkcs11:...?pin-value=), values named password, passwd, secret, token or pin
// ("token=abc", "password: abc"), and PEM private keys become "[removed]". What stands around them stays.
std::string Redact(std::string_view text);
// The same for every text in a document, keys excepted.
OrderedJson RedactAll(const OrderedJson& json);

}  // namespace penumbra::cli
