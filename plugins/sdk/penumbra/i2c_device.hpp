// The I2C bus behind a device node of the kernel (/dev/i2c-N). Each transaction holds flock() on the node, so that
// several processes share one bus; an address that a kernel driver owns is refused, because two masters' worth of
// commands wedge a chip; and after an error that may mean "unplugged" the node is closed and opened again, because an
// open descriptor keeps the kernel from bringing a replugged adapter back. An adapter that only speaks SMBus is used
// with SMBus commands where a transaction has that form.
//
// It does not change the adapter's own time limit (I2C_TIMEOUT), which is everybody's: a stuck bus therefore costs what
// the adapter takes, 1 s as a rule.
//
// Thread: the driver host's one bus thread. Source: the kernel's Documentation/i2c/dev-interface.rst,
// smbus-protocol.rst.
#ifndef PENUMBRA_I2C_DEVICE_HPP
#define PENUMBRA_I2C_DEVICE_HPP

#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>

#include "penumbra/i2c.hpp"

namespace penumbra::i2c {

class DeviceBus : public Bus {
 public:
  // `path`: /dev/i2c-1, or a link to it. Nothing is opened yet.
  explicit DeviceBus(std::string path) : path_(std::move(path)) {}
  ~DeviceBus() override { Disconnect(); }

  // Opens the node if it is not open. kBusGone: it is not there (the note says what to do); kUnsupported: it is no bus.
  Outcome Connect() {
    if (fd_ >= 0) return {};
    fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd_ < 0) return OpenFailed(errno);
    if (::ioctl(fd_, I2C_FUNCS, &functions_) == 0) return {};
    const int error = errno;
    Disconnect();
    if (error == ENOTTY || error == EINVAL) return {Fault::kUnsupported, error, path_ + " is no I2C bus"};
    return {FaultOf(error), error, path_ + ": " + std::strerror(error)};
  }

  Outcome Transfer(std::uint8_t address, std::span<Message> messages, const Budget& budget) override {
    return Locked(address, budget,
                  [&] { return (functions_ & I2C_FUNC_I2C) != 0 ? Plain(address, messages) : AsSmbus(messages); });
  }

  // As i2cdetect does: the address with the write bit and nothing behind it; where some EEPROM would take that for a
  // write (0x30-0x37, 0x50-0x5f), or the adapter cannot, one byte is read.
  Outcome Probe(std::uint8_t address, const Budget& budget) override {
    return Locked(address, budget, [&]() -> Outcome {
      const bool eeprom = (address >= 0x30 && address <= 0x37) || (address >= 0x50 && address <= 0x5f);
      if (!eeprom && (functions_ & I2C_FUNC_SMBUS_QUICK) != 0) {
        return Smbus(I2C_SMBUS_WRITE, 0, I2C_SMBUS_QUICK, nullptr);
      }
      if ((functions_ & I2C_FUNC_SMBUS_READ_BYTE) == 0) return {Fault::kUnsupported, 0, "the adapter cannot probe"};
      i2c_smbus_data data{};
      return Smbus(I2C_SMBUS_READ, 0, I2C_SMBUS_BYTE, &data);
    });
  }

  std::int64_t NowNs() override {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
  }

  Outcome Sleep(std::int64_t ns, const Budget& budget) override {
    const std::int64_t end = NowNs() + ns;
    if (end > budget.deadline_ns) return {Fault::kDeadline, 0, {}};
    for (std::int64_t left = ns; left > 0; left = end - NowNs()) {
      if (Cancelled(budget, left)) return {Fault::kCancelled, 0, {}};
    }
    return {};
  }

  void Disconnect() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  const std::string& path() const { return path_; }
  bool connected() const { return fd_ >= 0; }
  // The name of the kernel driver that owns an address of this bus, or empty. `sysfs`: /sys.
  std::string OwnerOf(std::uint8_t address, const std::string& sysfs = "/sys") const {
    const int number = BusNumber();
    if (number < 0) return {};
    char name[32];
    std::snprintf(name, sizeof name, "%d-%04x", number, static_cast<unsigned>(address));
    char target[256];
    const std::string link = sysfs + "/bus/i2c/devices/" + name + "/driver";
    const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
    if (size <= 0 || size == sizeof target) return {};
    const std::string text(target, static_cast<std::size_t>(size));
    return text.substr(text.rfind('/') + 1);
  }

 private:
  // How long one try to get the lock of a busy bus is put off. A transaction of 8 bytes takes 1 ms at 100 kHz.
  static constexpr std::int64_t kLockPauseNs = 500'000;

  template <typename Work>
  Outcome Locked(std::uint8_t address, const Budget& budget, const Work& work) {
    if (Cancelled(budget, 0)) return {Fault::kCancelled, 0, {}};
    if (NowNs() >= budget.deadline_ns) return {Fault::kDeadline, 0, {}};
    Outcome outcome = Connect();
    if (outcome.ok()) outcome = Lock(budget);
    if (!outcome.ok()) return outcome;
    outcome = Select(address);
    if (outcome.ok()) outcome = work();
    ::flock(fd_, LOCK_UN);
    // EIO is also what some adapters say for a bus error; opening again costs microseconds.
    if (outcome.error == EIO || outcome.error == ENODEV || outcome.error == ESHUTDOWN) Disconnect();
    return outcome;
  }

  Outcome Lock(const Budget& budget) {
    while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) {
        const int error = errno;
        return {Fault::kIo, error, path_ + ": flock: " + std::strerror(error)};
      }
      const Outcome waited = Sleep(kLockPauseNs, budget);
      if (waited.fault == Fault::kCancelled) return waited;
      if (!waited.ok()) return {Fault::kBusy, 0, "another process holds the lock of " + path_};
    }
    return {};
  }

  // Also the test for a kernel driver at the address, in every transaction: one may be bound at any time.
  Outcome Select(std::uint8_t address) {
    if (::ioctl(fd_, I2C_SLAVE, static_cast<unsigned long>(address)) == 0) return {};
    const int error = errno;
    if (error != EBUSY) return {FaultOf(error), error, path_ + ": " + std::strerror(error)};
    const std::string owner = OwnerOf(address);
    return {Fault::kOwned, error,
            "address " + Hex(address) + " of " + path_ + " belongs to the kernel driver" +
                (owner.empty() ? std::string() : " " + owner) +
                "; read it with driver = \"hwmon\", or unbind that driver"};
  }

  Outcome Plain(std::uint8_t address, std::span<Message> messages) {
    i2c_msg parts[kMaxMessages];
    if (messages.size() > kMaxMessages) return {Fault::kUnsupported, 0, "too many messages in one transaction"};
    for (std::size_t i = 0; i < messages.size(); ++i) {
      parts[i] = {};
      parts[i].addr = address;
      parts[i].flags = messages[i].read ? I2C_M_RD : 0;
      parts[i].len = messages[i].size;
      parts[i].buf = messages[i].data;
    }
    i2c_rdwr_ioctl_data all{parts, static_cast<std::uint32_t>(messages.size())};
    const int done = ::ioctl(fd_, I2C_RDWR, &all);
    if (done == static_cast<int>(messages.size())) return {};
    if (done >= 0) return {Fault::kNoAnswer, 0, "the device stopped answering within the transaction"};
    return Failed(errno);
  }

  // The transactions of sensors in SMBus terms. A command byte written and nothing more leaves a register pointer where
  // it should be; more than one byte read without a command has no SMBus form.
  Outcome AsSmbus(std::span<Message> messages) {
    i2c_smbus_data data{};
    const Message& first = messages[0];
    if (messages.size() == 1 && !first.read) {
      if (first.size == 0) return Smbus(I2C_SMBUS_WRITE, 0, I2C_SMBUS_QUICK, nullptr);
      if (first.size == 1) return Smbus(I2C_SMBUS_WRITE, first.data[0], I2C_SMBUS_BYTE, nullptr);
      if (first.size == 2) {
        data.byte = first.data[1];
        return Smbus(I2C_SMBUS_WRITE, first.data[0], I2C_SMBUS_BYTE_DATA, &data);
      }
      if (first.size <= I2C_SMBUS_BLOCK_MAX + 1) {
        data.block[0] = static_cast<std::uint8_t>(first.size - 1);
        std::memcpy(data.block + 1, first.data + 1, first.size - 1U);
        return Smbus(I2C_SMBUS_WRITE, first.data[0], I2C_SMBUS_I2C_BLOCK_DATA, &data);
      }
    } else if (messages.size() == 1 && first.size == 1) {
      const Outcome outcome = Smbus(I2C_SMBUS_READ, 0, I2C_SMBUS_BYTE, &data);
      first.data[0] = data.byte;
      return outcome;
    } else if (messages.size() == 2 && !first.read && first.size == 1 && messages[1].read) {
      return ReadAsSmbus(first.data[0], messages[1]);
    }
    return {Fault::kUnsupported, 0, path_ + ": this adapter speaks only SMBus, and the chip needs more than that"};
  }

  Outcome ReadAsSmbus(std::uint8_t command, const Message& into) {
    i2c_smbus_data data{};
    if (into.size == 1) {
      const Outcome outcome = Smbus(I2C_SMBUS_READ, command, I2C_SMBUS_BYTE_DATA, &data);
      into.data[0] = data.byte;
      return outcome;
    }
    if (into.size == 2) {
      const Outcome outcome = Smbus(I2C_SMBUS_READ, command, I2C_SMBUS_WORD_DATA, &data);
      into.data[0] = static_cast<std::uint8_t>(data.word & 0xffU);  // SMBus has the low byte first
      into.data[1] = static_cast<std::uint8_t>(data.word >> 8U);
      return outcome;
    }
    if (into.size > I2C_SMBUS_BLOCK_MAX)
      return {Fault::kUnsupported, 0, path_ + ": SMBus reads at most 32 bytes at once"};
    data.block[0] = static_cast<std::uint8_t>(into.size);
    const Outcome outcome = Smbus(I2C_SMBUS_READ, command, I2C_SMBUS_I2C_BLOCK_DATA, &data);
    if (outcome.ok() && data.block[0] != into.size) return {Fault::kNoAnswer, 0, "the device sent too few bytes"};
    std::memcpy(into.data, data.block + 1, into.size);
    return outcome;
  }

  Outcome Smbus(std::uint8_t read_write, std::uint8_t command, std::uint32_t size, i2c_smbus_data* data) {
    i2c_smbus_ioctl_data call{read_write, command, size, data};
    return ::ioctl(fd_, I2C_SMBUS, &call) == 0 ? Outcome{} : Failed(errno);
  }

  Outcome Failed(int error) const { return {FaultOf(error), error, path_ + ": " + std::strerror(error)}; }

  Outcome OpenFailed(int error) const {
    std::string note = path_ + ": " + std::strerror(error);
    if (error == ENOENT) note += "; enable I2C (raspi-config, or dtparam=i2c_arm=on) and load the module i2c-dev";
    if (error == EACCES) note += "; the gateway's user must be in the group i2c";
    return {Fault::kBusGone, error, note};
  }

  // Waits up to `ns` for the cancel descriptor.
  static bool Cancelled(const Budget& budget, std::int64_t ns) {
    if (budget.cancel_fd < 0 && ns <= 0) return false;
    pollfd cancel{budget.cancel_fd, POLLIN, 0};
    const timespec wait{static_cast<time_t>(std::max<std::int64_t>(ns, 0) / 1'000'000'000),
                        static_cast<long>(std::max<std::int64_t>(ns, 0) % 1'000'000'000)};
    return ::ppoll(&cancel, 1, &wait, nullptr) > 0;
  }

  // N of /dev/i2c-N, also through links; -1 when the node is another.
  int BusNumber() const {
    if (fd_ < 0) return -1;
    char real[512];
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd_);
    const ssize_t size = ::readlink(path, real, sizeof real - 1);
    if (size <= 0) return -1;
    real[size] = '\0';
    int number = -1;
    return std::sscanf(real, "/dev/i2c-%d", &number) == 1 ? number : -1;
  }

  static constexpr std::size_t kMaxMessages = 4;
  std::string path_;
  int fd_ = -1;
  unsigned long functions_ = 0;
};

}  // namespace penumbra::i2c

#endif
