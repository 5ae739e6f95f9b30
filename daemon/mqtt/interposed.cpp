#include "mqtt/interposed.hpp"

#include <dlfcn.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "credentials/private_key.hpp"

namespace penumbra::mqtt {
namespace {

// The one place with process-wide state: the functions below have no argument to carry it.
struct Leases {
  std::mutex mutex;
  std::map<std::string, std::vector<std::string>> addresses;  // by host, the newest last
};

Leases& AllLeases() {
  static auto* const leases = new Leases;  // never destroyed: Paho's threads may outlive main
  return *leases;
}

std::string LeasedAddress(const char* node) {
  Leases& leases = AllLeases();
  const std::lock_guard lock(leases.mutex);
  const auto found = leases.addresses.find(node);
  return found == leases.addresses.end() ? std::string() : found->second.back();
}

thread_local bool host_mismatch = false;

// The connection whose write has just failed on this thread, until SSL_get_error has told it.
thread_local const SSL* failed_write = nullptr;

// The connection that this thread has read from last.
thread_local const SSL* last_read = nullptr;

struct Withheld {
  std::atomic<std::size_t> count{0};  // so that a write need not take the mutex for nothing
  std::mutex mutex;
  std::set<std::pair<const void*, int>> pubacks;  // connection, packet id
};

Withheld& AllWithheld() {
  static auto* const withheld = new Withheld;  // never destroyed, as the leases
  return *withheld;
}

// Whether these bytes are a PUBACK (MQTT 5 section 3.4; Paho never says a reason) that is not to be sent.
bool TakeWithheld(const SSL* ssl, const void* data, int size) {
  Withheld& withheld = AllWithheld();
  const auto* const bytes = static_cast<const unsigned char*>(data);
  if (withheld.count == 0 || size != 4 || bytes[0] != 0x40 || bytes[1] != 2) return false;
  const std::lock_guard lock(withheld.mutex);
  const bool taken = withheld.pubacks.erase({ssl, bytes[2] << 8 | bytes[3]}) > 0;
  withheld.count = withheld.pubacks.size();
  return taken;
}

int RealSslError(const SSL* ssl, int result) {
  using Function = int (*)(const SSL*, int);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "SSL_get_error"));
  return real ? real(ssl, result) : SSL_ERROR_SSL;
}

// MQTTProperties.h, without including a header of Paho's outside paho_transport.cpp.
struct Properties {
  int count;
  int max_count;
  int length;
  void* array;
};

// What Paho itself builds: room for ten more at a time, and no array without room.
bool WasSetUp(const Properties& p) {
  if (p.max_count == 0) return p.count == 0 && p.array == nullptr;
  return p.array != nullptr && p.count >= 0 && p.count <= p.max_count && p.max_count % 10 == 0;
}

}  // namespace

NameLease::NameLease(std::string host, std::string address) : host_(std::move(host)), address_(std::move(address)) {
  Leases& leases = AllLeases();
  const std::lock_guard lock(leases.mutex);
  leases.addresses[host_].push_back(address_);
}

NameLease::~NameLease() {
  Leases& leases = AllLeases();
  const std::lock_guard lock(leases.mutex);
  auto& addresses = leases.addresses[host_];
  for (auto it = addresses.begin(); it != addresses.end(); ++it) {
    if (*it != address_) continue;
    addresses.erase(it);
    break;
  }
  if (addresses.empty()) leases.addresses.erase(host_);
}

WithheldPubacks::~WithheldPubacks() {
  if (connection_ == nullptr) return;
  Withheld& withheld = AllWithheld();
  const std::lock_guard lock(withheld.mutex);
  std::erase_if(withheld.pubacks, [this](const auto& puback) { return puback.first == connection_; });
  withheld.count = withheld.pubacks.size();
}

std::size_t WithheldPubacks::Add(int packet_id) {
  connection_ = last_read;
  Withheld& withheld = AllWithheld();
  const std::lock_guard lock(withheld.mutex);
  withheld.pubacks.emplace(connection_, packet_id);
  withheld.count = withheld.pubacks.size();
  return ++count_;
}

int RealGetaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return real ? real(node, service, hints, result) : EAI_SYSTEM;
}

bool TakeHostMismatch() {
  return std::exchange(host_mismatch, false);
}

}  // namespace penumbra::mqtt

extern "C" {

__attribute__((visibility("default"))) int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                                                       addrinfo** result) {
  const std::string address = node ? penumbra::mqtt::LeasedAddress(node) : std::string();
  return penumbra::mqtt::RealGetaddrinfo(address.empty() ? node : address.c_str(), service, hints, result);
}

__attribute__((visibility("default"))) int X509_check_host(X509* certificate, const char* name, std::size_t length,
                                                           unsigned int flags, char** peer_name) {
  using Function = int (*)(X509*, const char*, std::size_t, unsigned int, char**);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "X509_check_host"));
  const int result = real ? real(certificate, name, length, flags, peer_name) : -1;
  // Paho then tries the name as an address (an endpoint configured as 192.0.2.1).
  penumbra::mqtt::host_mismatch =
      result != 1 && X509_check_ip_asc(certificate, std::string(name, length).c_str(), 0) != 1;
  return result;
}

__attribute__((visibility("default"))) int SSL_read(SSL* ssl, void* data, int size) {
  using Function = int (*)(SSL*, void*, int);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "SSL_read"));
  penumbra::mqtt::last_read = ssl;
  return real ? real(ssl, data, size) : -1;
}

__attribute__((visibility("default"))) int SSL_write(SSL* ssl, const void* data, int size) {
  using Function = int (*)(SSL*, const void*, int);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "SSL_write"));
  penumbra::mqtt::failed_write = nullptr;
  if (penumbra::mqtt::TakeWithheld(ssl, data, size)) return size;
  const int result = real ? real(ssl, data, size) : -1;
  if (result > 0) return result;
  const int error = penumbra::mqtt::RealSslError(ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return result;
  // What the server still said (an alert, a DISCONNECT) stays readable before the end.
  ::shutdown(SSL_get_fd(ssl), SHUT_RDWR);
  ERR_clear_error();
  penumbra::mqtt::failed_write = ssl;
  return -1;
}

__attribute__((visibility("default"))) int SSL_get_error(const SSL* ssl, int result) {
  if (std::exchange(penumbra::mqtt::failed_write, nullptr) == ssl) return SSL_ERROR_WANT_WRITE;
  return penumbra::mqtt::RealSslError(ssl, result);
}

__attribute__((visibility("default"))) void MQTTProperties_free(void* properties) {
  using Function = void (*)(void*);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "MQTTProperties_free"));
  if (!properties || !real) return;
  if (penumbra::mqtt::WasSetUp(*static_cast<penumbra::mqtt::Properties*>(properties))) real(properties);
}

__attribute__((visibility("default"))) int SSL_CTX_use_PrivateKey_file(SSL_CTX* context, const char* file, int type) {
  using Function = int (*)(SSL_CTX*, const char*, int);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "SSL_CTX_use_PrivateKey_file"));
  if (file == nullptr || !penumbra::IsPkcs11Uri(file)) return real ? real(context, file, type) : 0;
  const auto key = penumbra::LoadPrivateKey(file);
  if (key) return SSL_CTX_use_PrivateKey(context, key->get());
  penumbra::log::Error("mqtt.token_key", key.error().message);
  return 0;
}

}  // extern "C"
