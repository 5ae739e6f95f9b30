#include "component/mqtt/tls_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <stdexcept>

namespace penumbra::test {

TlsServer::TlsServer(const Pki& pki, std::string answer, const char* address, std::uint16_t port,
                     std::chrono::milliseconds listens)
    : pki_(pki), answer_(std::move(answer)), listens_(listens) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &local.sin_addr);
  socklen_t length = sizeof local;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0 || ::listen(listener_, 4) != 0) {
    ::close(listener_);
    throw std::runtime_error("cannot listen");
  }
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&local), &length);
  port_ = ntohs(local.sin_port);
  thread_ = std::thread([this] { Run(); });
}

TlsServer::~TlsServer() {
  stopping_ = true;
  thread_.join();
  ::close(listener_);
}

std::string TlsServer::server_name() const {
  const std::lock_guard lock(mutex_);
  return server_name_;
}

std::string TlsServer::alpn() const {
  const std::lock_guard lock(mutex_);
  return alpn_;
}

std::string TlsServer::connect() const {
  const std::lock_guard lock(mutex_);
  return connect_;
}

std::string TlsServer::later() const {
  const std::lock_guard lock(mutex_);
  return later_;
}

void TlsServer::Run() {
  while (!stopping_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (::poll(&waiting, 1, 20) <= 0) continue;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const timeval limit{60, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    Serve(fd);
    ::close(fd);
  }
}

void TlsServer::Listen(ssl_st* ssl, int fd) {
  const auto end = std::chrono::steady_clock::now() + listens_;
  while (!stopping_ && std::chrono::steady_clock::now() < end) {
    pollfd waiting{fd, POLLIN, 0};
    if (SSL_pending(ssl) == 0 && ::poll(&waiting, 1, 50) <= 0) continue;
    char bytes[1024];
    const int length = SSL_read(ssl, bytes, sizeof bytes);
    if (length <= 0) return;
    const std::lock_guard lock(mutex_);
    later_.append(bytes, static_cast<std::size_t>(length));
  }
}

void TlsServer::Serve(int fd) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate_chain_file(context, pki_.Path("server.crt").c_str());
  SSL_CTX_use_PrivateKey_file(context, pki_.Path("server.key").c_str(), SSL_FILETYPE_PEM);
  const auto hello = [](SSL* ssl, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                        unsigned int length, void* self) {
    auto& server = *static_cast<TlsServer*>(self);
    const std::lock_guard lock(server.mutex_);
    server.alpn_.assign(reinterpret_cast<const char*>(offered), length);
    *out = offered + 1;
    *out_length = offered[0];
    (void)ssl;
    return SSL_TLSEXT_ERR_OK;
  };
  SSL_CTX_set_alpn_select_cb(context, hello, this);
  SSL* const ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    char packet[1024];
    const int length = SSL_read(ssl, packet, sizeof packet);
    {
      const std::lock_guard lock(mutex_);
      const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
      server_name_ = name ? name : "";
      connect_.assign(packet, static_cast<std::size_t>(length > 0 ? length : 0));
    }
    if (!answer_.empty()) SSL_write(ssl, answer_.data(), static_cast<int>(answer_.size()));
    Listen(ssl, fd);
    SSL_shutdown(ssl);
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
}

}  // namespace penumbra::test
