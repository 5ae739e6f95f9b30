#include "app/reboot_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <sstream>
#include <vector>

namespace penumbra {
namespace {

constexpr std::size_t kSaidMax = 300;  // bytes of the command's own words in an answer to the cloud
// With it D-Bus knows how to start polkit: what logind does when it is asked by somebody who is not root.
constexpr const char* kPolkitService = "/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service";

std::vector<std::string> Words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(std::move(word));
  return words;
}

// In one line of printable ASCII: it goes into a JSON answer.
std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text.substr(0, kSaidMax)) {
    if (c == '\n') {
      line += "; ";
    } else {
      line += c >= ' ' && c <= '~' ? c : '?';
    }
  }
  line.erase(line.find_last_not_of("; ") + 1);
  return line;
}

bool IsSystemctl(const std::string& command) {
  const std::vector<std::string> words = Words(command);
  return !words.empty() && std::filesystem::path(words[0]).filename() == "systemctl";
}

constexpr const char* kCannot = "the machine cannot be rebooted: ";

std::string Contents(int fd) {
  std::array<char, kSaidMax> bytes{};
  const ssize_t n = ::read(fd, bytes.data(), bytes.size());
  return n > 0 ? std::string(bytes.data(), static_cast<std::size_t>(n)) : std::string();
}

}  // namespace

std::string RebootFailure(const std::string& command, const std::string& how, std::string_view said,
                          bool polkit_installed) {
  const std::string words = OneLine(said);
  std::string reason = fmt::format("{}{} {}", kCannot, command, how);
  if (!words.empty()) reason += ": " + words;
  if (IsSystemctl(command) && !polkit_installed) {
    reason += "; polkit is not installed, and without it the service may not reboot the machine (apt install polkitd)";
  }
  return reason;
}

void RebootCommand::Start(const std::string& command, std::function<void(std::string)> failed) {
  const std::vector<std::string> words = Words(command);
  if (words.empty()) return failed(std::string(kCannot) + "[orders] reboot_command is empty");
  // Not blocking for the child either: what it writes beyond the kernel's 64 KiB is lost and holds nothing up.
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return failed(kCannot + ErrnoMessage("pipe", errno));
  }
  said_ = UniqueFd(fds[0]);
  const UniqueFd write(fds[1]);
  auto child = Spawn(words, {{write.get(), STDOUT_FILENO}, {write.get(), STDERR_FILENO}});
  if (!child) return failed(kCannot + child.error().message);
  child_ = std::move(*child);
  watch_ = loop_.WhenReadable(child_.pidfd.get(), [this, command, failed = std::move(failed)] {
    int status = 0;
    if (!Reap(child_, status)) return;
    const Child ended = std::move(child_);
    const UniqueFd said = std::move(said_);
    const SubscriptionPtr watch = std::move(watch_);  // holds this very function
    if (status == 0) return;
    std::error_code error;
    failed(RebootFailure(command, DescribeExit(status), Contents(said.get()),
                         std::filesystem::exists(kPolkitService, error)));
  });
}

}  // namespace penumbra
