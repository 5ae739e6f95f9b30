// A driver that behaves until it is told otherwise by a question: {"ask":"deed","in":"read","what":"crash"}, once. And
// one that reports what it can reach: {"ask":"probe",...}. With the C++ kit.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <penumbra/sensor.hpp>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace kit = penumbra::kit;

namespace {

constexpr int kHostSocket = 3;

[[noreturn]] void Hang() {
  for (;;) ::pause();
}

void BlockSignals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
}

void LeakMemory() {
  for (;;) {
    auto* block = new char[1 << 20];
    std::memset(block, 1, 1 << 20);
    static std::vector<char*> kept;
    kept.push_back(block);
  }
}

void LeakDescriptors() {
  while (::dup(0) >= 0) {
  }
}

void Flood(const kit::Host& host) {
  for (int i = 0; i < 100000; ++i) host.Log(PENUMBRA_LOG_ERROR, "flood");
}

void Garbage() {
  static const char kNoise[300] = "this is no frame";
  for (int i = 0; i < 100; ++i) {
    const ssize_t sent = ::write(kHostSocket, kNoise, sizeof kNoise);
    static_cast<void>(sent);
  }
}

// What of these works is said by "probe"; here it is only tried, as often as it goes.
void Fork() {
  for (int i = 0; i < 1000; ++i) {
    const pid_t child = ::fork();
    if (child == 0) Hang();
    if (child < 0) break;
  }
  std::abort();
}

void Threads() {
  static std::vector<std::thread> threads;
  for (;;) threads.emplace_back(Hang);
}

void Crash() {
  volatile int* volatile wild = reinterpret_cast<volatile int*>(8);
  *wild = 1;
}

void Do(const std::string& deed, const kit::Host& host) {
  if (deed == "crash") Crash();
  if (deed == "abort") std::abort();
  if (deed == "exit") std::exit(0);
  if (deed == "hang") Hang();
  if (deed == "block_signals") {
    BlockSignals();
    Hang();
  }
  if (deed == "leak_memory") LeakMemory();
  if (deed == "leak_descriptors") LeakDescriptors();
  if (deed == "flood") Flood(host);
  if (deed == "garbage") Garbage();
  if (deed == "fork") Fork();
  if (deed == "threads") Threads();
  if (deed == "close_socket") {
    ::close(kHostSocket);
    Hang();
  }
}

struct Bus : kit::Bus {
  Bus(const kit::Configuration& configuration, kit::Host h) : host(h) {
    const std::string deed = configuration.facts.value("in_open", "");
    if (deed.empty()) return;
    host.Forget("in_open");
    Do(deed, host);
  }
  ~Bus() override { Do(in_close, host); }

  void Read(const kit::Call&, std::size_t, std::span<const std::uint32_t>, std::span<kit::Slot> values) override {
    const std::string deed = std::exchange(in_read, "");
    Do(deed, host);
    for (kit::Slot& value : values) value.Good(1);
    if (deed == "throw") throw std::runtime_error("thrown");
    // More values than asked for: far beyond what is there.
    volatile std::size_t much = 64UL * 1024 * 1024;
    if (deed == "overflow") std::memset(static_cast<void*>(&values), 0xA5, much);
  }
  void Write(const kit::Call&, std::size_t, std::size_t, const kit::Wanted&) override {
    Do(std::exchange(in_write, ""), host);
  }
  void Ask(const kit::Call& call, const std::string& question, const kit::Json& all,
           const kit::Answer& answer) override;

  kit::Host host;
  std::string in_read, in_write, in_close;
};

std::string Outcome(long result) {
  return result >= 0 ? "ok" : std::strerror(errno);
}

std::string Opened(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0600);
  const std::string outcome = Outcome(fd);
  if (fd >= 0) ::close(fd);
  return outcome;
}

std::string Socket(int family, int type) {
  const int fd = ::socket(family, type | SOCK_CLOEXEC, 0);
  const std::string outcome = Outcome(fd);
  if (fd >= 0) ::close(fd);
  return outcome;
}

std::string Forked() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  const std::string outcome = Outcome(child);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return outcome;
}

std::string Threaded() {
  std::atomic<bool> ran{false};
  std::thread([&ran] { ran = true; }).join();
  return ran ? "ok" : "did not run";
}

// The limits of another process of the same user, for example the daemon's.
std::string LimitsOfParent() {
  rlimit limit{};
  return Outcome(::prlimit(::getppid(), RLIMIT_NOFILE, nullptr, &limit));
}

void Probe(const kit::Json& all, const kit::Answer& answer) {
  const auto say = [&answer](const char* attempt, const std::string& outcome) {
    answer(nlohmann::ordered_json{{"attempt", attempt}, {"outcome", outcome}});
  };
  say("read a file of the system", Opened("/etc/passwd", O_RDONLY));
  say("read the configuration", Opened(all.value("config", "/etc/penumbra/penumbra.toml"), O_RDONLY));
  say("create a file", Opened(all.value("folder", "/tmp") + "/penumbra-probe", O_RDWR | O_CREAT));
  say("open its device", Opened(all.value("device", "/dev/null"), O_RDWR));
  say("open another device", Opened(all.value("other", "/dev/full"), O_RDWR));
  say("load a library", Opened("/usr/lib/os-release", O_RDONLY));
  say("internet socket", Socket(AF_INET, SOCK_STREAM));
  say("local socket", Socket(AF_UNIX, SOCK_STREAM));
  say("raw packets", Socket(AF_PACKET, SOCK_RAW));
  say("fork", Forked());
  say("run a program", Outcome(::execl("/bin/true", "true", nullptr)));
  say("signal the daemon", Outcome(::kill(::getppid(), 0)));
  say("trace the daemon", Outcome(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr)));
  say("limits of the daemon", LimitsOfParent());
  say("io_uring", Outcome(::syscall(SYS_io_uring_setup, 1, nullptr)));
  say("start a thread", Threaded());
  say("signal itself", Outcome(::kill(::getpid(), 0)));
}

void Bus::Ask(const kit::Call& call, const std::string& question, const kit::Json& all, const kit::Answer& answer) {
  if (question == "probe") return Probe(all, answer);
  if (question != "deed") return kit::Bus::Ask(call, question, all, answer);
  const std::string where = all.value("in", "");
  const std::string what = all.value("what", "");
  if (where == "read") in_read = what;
  if (where == "write") in_write = what;
  if (where == "close") in_close = what;
  if (where == "ask") Do(what, host);
  // The next open: this one ends, the next finds the deed among its facts.
  if (where == "open") {
    host.Remember("in_open", what);
    std::abort();
  }
  // So does the next needs(), which has no host to forget by: once, because it takes the file "marker" away.
  if (where == "needs") {
    host.Remember("in_needs", all.value("marker", ""));
    std::abort();
  }
}

constexpr const char* kBusSchema = R"({"type":"object","additionalProperties":false,"properties":{
  "device":{"type":"string","description":"What it may open."},
  "network":{"type":"boolean","default":false,"description":"Whether it may reach the network."}}})";

std::unique_ptr<kit::Bus> Open(const kit::Configuration& configuration, kit::Host host) {
  return std::make_unique<Bus>(configuration, host);
}

void Needs(const kit::Configuration& configuration, kit::Needs& needs) {
  const std::string marker = configuration.facts.value("in_needs", "");
  if (!marker.empty() && ::unlink(marker.c_str()) == 0) Crash();
  if (configuration.bus.Has("device")) needs.Device(configuration.bus.Text("device"));
  if (configuration.bus.Flag("network")) needs.Network();
}

const kit::Definition kDefinition{.name = "test_fault",
                                  .version = "1",
                                  .capabilities = PENUMBRA_CAN_WRITE | PENUMBRA_CAN_ASK,
                                  .bus_schema = kBusSchema,
                                  .open = Open,
                                  .needs = Needs};

}  // namespace

PENUMBRA_DRIVER(kDefinition)
