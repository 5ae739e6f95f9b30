#include "credentials/private_key.hpp"

// The engine interface is deprecated in OpenSSL 3 in favour of providers; Debian 12 has the engine and no provider for
// PKCS#11.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <fmt/format.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace penumbra {
namespace {

// The engine and the keys it has found: process-wide, as OpenSSL's engines are. Never taken down, because Paho's
// threads may still sign while main returns.
struct Tokens {
  std::mutex mutex;
  ENGINE* engine = nullptr;
  std::string module;
  std::map<std::string, PrivateKey> keys;  // by URI
};

Tokens& AllTokens() {
  static auto* const tokens = new Tokens;
  return *tokens;
}

std::string OpenSslReason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason : "no reason given";
  ERR_clear_error();
  return text;
}

Status StartEngine(Tokens& tokens, const std::string& module) {
  if (tokens.engine != nullptr) {
    if (module.empty() || module == tokens.module) return {};
    return Fail(Action::kFixConfig,
                fmt::format("keys from two PKCS#11 libraries at once ({} and {}); use one for all things",
                            tokens.module.empty() ? "p11-kit's" : tokens.module, module));
  }
  // The engine itself finds out only when it looks for a key, and then does not say so.
  if (!module.empty() && ::access(module.c_str(), R_OK) != 0) {
    return Fail(Action::kFixConfig, ErrnoMessage("cannot load the PKCS#11 library " + module, errno));
  }
  ENGINE_load_dynamic();
  ENGINE* const engine = ENGINE_by_id("pkcs11");
  if (engine == nullptr) {
    return Fail(
        Action::kFixConfig,
        fmt::format("OpenSSL has no engine for PKCS#11 ({}); install libengine-pkcs11-openssl", OpenSslReason()));
  }
  if (!module.empty() && ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", module.c_str(), 0) != 1) {
    ENGINE_free(engine);
    return Fail(Action::kFixConfig, fmt::format("the PKCS#11 library {} cannot be set: {}", module, OpenSslReason()));
  }
  // Its own complaints on standard error would show the PIN.
  ENGINE_ctrl_cmd_string(engine, "QUIET", nullptr, 0);
  if (ENGINE_init(engine) != 1) {
    ENGINE_free(engine);
    return Fail(Action::kFixConfig, fmt::format("the PKCS#11 library {} cannot be loaded: {}",
                                                module.empty() ? "of p11-kit" : module, OpenSslReason()));
  }
  tokens.engine = engine;
  tokens.module = module;
  return {};
}

// The engine refuses URIs with attributes that it does not know, and module-path, though of RFC 7512, is one.
std::string WithoutModulePath(const std::string& uri) {
  const std::size_t query = uri.find('?');
  if (query == std::string::npos) return uri;
  std::string kept = uri.substr(0, query);
  char join = '?';
  for (std::size_t begin = query + 1; begin <= uri.size();) {
    const std::size_t end = std::min(uri.find('&', begin), uri.size());
    const std::string attribute = uri.substr(begin, end - begin);
    if (!attribute.empty() && !attribute.starts_with("module-path=")) kept += std::exchange(join, '&') + attribute;
    begin = end + 1;
  }
  return kept;
}

Result<PrivateKey> LoadTokenKey(const std::string& uri) {
  Tokens& tokens = AllTokens();
  const std::lock_guard lock(tokens.mutex);
  auto found = tokens.keys.find(uri);
  if (found == tokens.keys.end()) {
    if (const Status started = StartEngine(tokens, Pkcs11QueryAttribute(uri, "module-path")); !started) {
      return Fail(started.error());
    }
    PrivateKey key(ENGINE_load_private_key(tokens.engine, WithoutModulePath(uri).c_str(), nullptr, nullptr));
    if (!key) {
      return Fail(
          Action::kFixConfig,
          fmt::format("no private key for {} in any token ({}); is the token there, does the URI name it, and is "
                      "its PIN right (pin-value or pin-source)?",
                      PrivateKeyLabel(uri), OpenSslReason()));
    }
    ERR_clear_error();
    found = tokens.keys.emplace(uri, std::move(key)).first;
  }
  EVP_PKEY_up_ref(found->second.get());
  return PrivateKey(found->second.get());
}

Result<PrivateKey> LoadFileKey(const std::filesystem::path& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file) return Fail(Action::kFixConfig, ErrnoMessage("cannot read the key " + path.string(), errno));
  const auto no_password = [](char*, int, int, void*) { return -1; };
  PrivateKey key(PEM_read_PrivateKey(file.get(), nullptr, no_password, nullptr));
  if (key) return key;
  ERR_clear_error();
  return Fail(Action::kFixConfig, fmt::format("{} is not an unencrypted private key in PEM form", path.string()));
}

}  // namespace

void FreePrivateKey::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}

bool IsPkcs11Uri(const std::filesystem::path& private_key) {
  return private_key.native().starts_with("pkcs11:");
}

std::string PrivateKeyLabel(const std::filesystem::path& private_key) {
  const std::string& text = private_key.native();
  return IsPkcs11Uri(private_key) ? text.substr(0, text.find('?')) : text;
}

Result<PrivateKey> LoadPrivateKey(const std::filesystem::path& where) {
  return IsPkcs11Uri(where) ? LoadTokenKey(where.native()) : LoadFileKey(where);
}

std::string Pkcs11QueryAttribute(const std::string& uri, std::string_view name) {
  std::size_t begin = uri.find('?');
  while (begin != std::string::npos) {
    ++begin;
    const std::size_t end = std::min(uri.find('&', begin), uri.size());
    const std::string_view attribute = std::string_view(uri).substr(begin, end - begin);
    if (attribute.size() > name.size() && attribute.starts_with(name) && attribute[name.size()] == '=') {
      std::string value;
      for (std::size_t i = name.size() + 1; i < attribute.size(); ++i) {
        unsigned int byte = 0;
        const char* const digits = attribute.data() + i + 1;
        if (attribute[i] == '%' && i + 2 < attribute.size() &&
            std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
          value += static_cast<char>(byte);
          i += 2;
        } else {
          value += attribute[i];
        }
      }
      return value;
    }
    begin = end < uri.size() ? end : std::string::npos;
  }
  return {};
}

}  // namespace penumbra
