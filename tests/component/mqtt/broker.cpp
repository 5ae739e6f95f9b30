#include "component/mqtt/broker.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

extern char** environ;

namespace penumbra::test {
namespace {

void Sh(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0) throw std::runtime_error("failed: " + command);
}

sockaddr_in Local(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool Answers(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Local(port);
  const bool ok = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return ok;
}

}  // namespace

Pki::Pki() {
  std::string name = std::filesystem::temp_directory_path() / "penumbra-pki-XXXXXX";
  if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
  folder_ = name;
  MakeAuthority("ca");
  MakeAuthority("other-ca");
  Issue("server");
}

Pki::~Pki() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Pki::MakeAuthority(const std::string& name) {
  Sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" + name + " -keyout " +
     Path(name + ".key").string() + " -out " + Path(name + ".pem").string());
}

void Pki::Issue(const std::string& name, const std::string& authority) {
  const std::string file = Path(name).string();
  const std::string extensions = file + ".ext";
  std::ofstream(extensions) << "subjectAltName=DNS:localhost,DNS:broker.test,IP:127.0.0.1\n";
  Sh("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name + " -keyout " + file +
     ".key -out " + file + ".csr");
  Sh("openssl x509 -req -days 2 -in " + file + ".csr -CA " + Path(authority + ".pem").string() + " -CAkey " +
     Path(authority + ".key").string() + " -CAcreateserial -extfile " + extensions + " -out " + file + ".crt");
  std::filesystem::permissions(file + ".key", std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

Broker::Broker(const Pki& pki, const std::string& extra) : pki_(pki) {
  std::ofstream(pki_.Path("mosquitto.conf")) << "listener " << port_ << " 127.0.0.1\n"
                                             << "cafile " << pki_.Path("ca.pem").string() << "\n"
                                             << "certfile " << pki_.Path("server.crt").string() << "\n"
                                             << "keyfile " << pki_.Path("server.key").string() << "\n"
                                             << "require_certificate true\nuse_identity_as_username true\n"
                                             << (::geteuid() == 0 ? "user root\n" : "") << extra << "\n";
  Start();
}

Broker::~Broker() {
  Kill();
}

void Broker::Start() {
  const std::string config = pki_.Path("mosquitto.conf").string();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  const std::string log = pki_.Path("mosquitto.log").string();
  ::posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const char* const candidates[] = {"/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"};
  for (const char* program : candidates) {
    if (::access(program, X_OK) != 0) continue;
    char* const argv[] = {const_cast<char*>(program), const_cast<char*>("-c"), const_cast<char*>(config.c_str()),
                          nullptr};
    ::posix_spawn(&pid_, program, &actions, nullptr, argv, environ);
    break;
  }
  ::posix_spawn_file_actions_destroy(&actions);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!Answers(port_)) {
    if (pid_ < 0 || std::chrono::steady_clock::now() > end) throw std::runtime_error("mosquitto does not start");
    ::poll(nullptr, 0, 10);
  }
}

void Broker::Kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Broker::Pause() {
  ::kill(pid_, SIGSTOP);
}

void Broker::Resume() {
  ::kill(pid_, SIGCONT);
}

}  // namespace penumbra::test
