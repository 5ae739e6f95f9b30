#include "driver_host/confine.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "driver_host/driver_library.hpp"
#include "driver_host/syscall_filter.hpp"

namespace penumbra::host {
namespace {

// Newer than Debian 12's headers; the kernel says with its ABI number whether it knows them.
constexpr std::uint64_t kTruncate = 1ULL << 14;     // ABI 3
constexpr std::uint64_t kIoctlDevice = 1ULL << 15;  // ABI 5
constexpr std::uint64_t kScopes = 3;                // ABI 6: abstract sockets and signals beyond this process

// The kernel's structure, as long as ABI 6 has it.
struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scoped = 0;
};

constexpr std::uint64_t kReading =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t kWriting =
    kReading | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE | kTruncate;
constexpr std::uint64_t kDevice =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;
// What of these a single file can have.
constexpr std::uint64_t kOfFiles = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                   LANDLOCK_ACCESS_FS_EXECUTE | kTruncate | kIoctlDevice;

// Libraries that are loaded late, time zones, chance; for everybody.
constexpr const char* kAlwaysReadable[] = {"/usr",           "/lib",         "/lib64",      "/etc/ld.so.cache",
                                           "/etc/localtime", "/dev/urandom", "/dev/random", "/dev/zero"};
// What resolving a name reads.
constexpr const char* kNetworkReadable[] = {
    "/etc/resolv.conf", "/etc/hosts",     "/etc/nsswitch.conf", "/etc/host.conf",       "/etc/gai.conf",
    "/etc/services",    "/etc/protocols", "/etc/ssl",           "/run/systemd/resolve", "/run/resolvconf"};

struct Needs {
  bool network = false;
  std::vector<std::pair<std::uint64_t, std::string>> paths;  // rights and path
  std::vector<std::string> devices;

  static void Take(void* context, std::uint32_t kind, const char* path) {
    auto& needs = *static_cast<Needs*>(context);
    if (kind == PENUMBRA_NEED_NETWORK) needs.network = true;
    if (path == nullptr || *path == '\0') return;
    if (kind == PENUMBRA_NEED_DEVICE) {
      needs.paths.emplace_back(kDevice, path);
      needs.devices.emplace_back(path);
    }
    if (kind == PENUMBRA_NEED_READ) needs.paths.emplace_back(kReading, path);
    if (kind == PENUMBRA_NEED_WRITE) needs.paths.emplace_back(kWriting, path);
  }
};

// All rights that a kernel of this ABI can deny.
std::uint64_t Handled(int abi) {
  std::uint64_t rights = (1ULL << 13) - 1;  // ABI 1
  if (abi >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) rights |= kTruncate;
  if (abi >= 5) rights |= kIoctlDevice;
  return rights;
}

void Grant(int ruleset, std::uint64_t handled, std::uint64_t rights, const char* path) {
  const int fd = ::open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return;  // what is not there needs no access
  struct stat info {};
  if (::fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode)) rights &= kOfFiles;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = rights & handled;
  rule.parent_fd = fd;
  ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  ::close(fd);
}

std::string LimitFiles(const Needs& needs) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi <= 0) return "files are open: this kernel has no Landlock";
  const std::uint64_t handled = Handled(static_cast<int>(abi));
  const Ruleset attributes{handled, 0, abi >= 6 ? kScopes : 0};
  const std::size_t size = abi >= 6 ? sizeof attributes : sizeof attributes.files;
  const int ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
  if (ruleset < 0) return std::string("files are open: ") + std::strerror(errno);
  for (const char* path : kAlwaysReadable) Grant(ruleset, handled, kReading, path);
  Grant(ruleset, handled, kDevice, "/dev/null");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  Grant(ruleset, handled, kReading, "/proc");  // the sanitizers' reports
#endif
  if (needs.network) {
    for (const char* path : kNetworkReadable) Grant(ruleset, handled, kReading, path);
  }
  for (const auto& [rights, path] : needs.paths) Grant(ruleset, handled, rights, path.c_str());
  const bool done = ::syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
  const int error = errno;
  ::close(ruleset);
  return done ? std::string() : std::string("files are open: ") + std::strerror(error);
}

DeviceNode NodeOf(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_ino, info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
}

void Add(std::string& text, const std::string& more) {
  if (!more.empty()) text += (text.empty() ? "" : "; ") + more;
}

}  // namespace

Confinement Confine(const penumbra_driver& driver, const std::string& configuration) {
  Confinement confinement;
  Needs needs;
  const bool declares = PENUMBRA_HAS_FIELD(&driver, needs);
  if (declares) {
    driver.needs(configuration.c_str(), Needs::Take, &needs);
    for (const std::string& path : needs.devices) confinement.devices.push_back({path, NodeOf(path)});
    Add(confinement.shortcomings, LimitFiles(needs));
  } else {
    Add(confinement.shortcomings, "files and network are open: the driver does not say what it needs");
  }
  Add(confinement.shortcomings, FilterSyscalls(needs.network || !declares));
  return confinement;
}

std::string ReplacedDevice(const std::vector<GrantedDevice>& devices) {
  for (const GrantedDevice& device : devices) {
    const DeviceNode now = NodeOf(device.path);
    if (now.inode != 0 && now != device.node) return device.path;
  }
  return {};
}

}  // namespace penumbra::host
