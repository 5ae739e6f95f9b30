// A thing's private key as OpenSSL uses it: from a PEM file, or from a token (HSM, TPM) by its PKCS#11 URI, which it
// never leaves. Deliberately hands out the handle and never the key's bytes.
//
// A token is reached through OpenSSL's engine "pkcs11" (Debian: libengine-pkcs11-openssl). URIs: RFC 7512, such as
// pkcs11:token=gateway;object=sensor-001;type=private?pin-source=file:/etc/penumbra/pin. module-path=/usr/lib/... in
// the query names the token's library; without it p11-kit's list is used. One process uses one library.
// Any thread; a token may take a second. Source: RFC 7512; libp11's README.
#pragma once

#include <filesystem>
#include <memory>

#include "base/error.hpp"

struct evp_pkey_st;

namespace penumbra {

struct FreePrivateKey {
  void operator()(evp_pkey_st* key) const;
};
using PrivateKey = std::unique_ptr<evp_pkey_st, FreePrivateKey>;

// True for a key that stays in a token: "pkcs11:token=...".
bool IsPkcs11Uri(const std::filesystem::path& private_key);

// How messages name a key: the file, or the URI without its query, in which the PIN may stand.
std::string PrivateKeyLabel(const std::filesystem::path& private_key);

// `where`: a file or a URI. Errors: kFixConfig: what is missing or wrong, and what to do. The handle of a token's key
// is kept for the life of the process, so that the next call does not log in again.
Result<PrivateKey> LoadPrivateKey(const std::filesystem::path& where);

// A query attribute of a PKCS#11 URI ("module-path"), percent-decoded; empty: not there.
std::string Pkcs11QueryAttribute(const std::string& uri, std::string_view name);

}  // namespace penumbra
