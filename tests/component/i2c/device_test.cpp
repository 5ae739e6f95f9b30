// The kit's transport on a device node: each error of the kernel's I2C interface as a person reads it.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/file.h>

#include "bus_rig.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;
using ::testing::HasSubstr;

class I2cDevice : public BusRig {
 protected:
  Outcome ReadId(int within_ms = kPatienceMs) {
    std::uint8_t id = 0;
    Device device(bus_, 0x76, {In(within_ms), cancel_fd_});
    const Outcome outcome = device.ReadRegister(0xD0, {&id, 1});
    if (outcome.ok()) {
      EXPECT_EQ(id, 0x60);
    }
    return outcome;
  }
  void SetFault(const std::string& fault, int count = -1) {
    Command(R"({"fault":")" + fault + R"(","count":)" + std::to_string(count) + R"(,"delay_ms":20})");
  }
  DeviceBus bus_{kNode};
  int cancel_fd_ = -1;
};

TEST_F(I2cDevice, ReadsARegisterInOneTransaction) {
  EXPECT_TRUE(ReadId().ok());
  EXPECT_THAT(Command("{}"), HasSubstr("\"transactions\":1"));
}

TEST_F(I2cDevice, NamesTheKernelsErrors) {
  const std::pair<const char*, Fault> expected[] = {{"nack", Fault::kNoAnswer},
                                                    {"arbitration", Fault::kArbitration},
                                                    {"busy", Fault::kBusy},
                                                    {"stuck", Fault::kTimeout},
                                                    {"io", Fault::kIo}};
  for (const auto& [fault, meaning] : expected) {
    SetFault(fault, 1);
    EXPECT_EQ(ReadId().fault, meaning) << fault;
    EXPECT_TRUE(ReadId().ok()) << fault;
  }
}

TEST_F(I2cDevice, SaysWhatToDoWhenThereIsNoSuchBus) {
  DeviceBus missing("/dev/i2c-does-not-exist");
  const Outcome outcome = missing.Connect();
  EXPECT_EQ(outcome.fault, Fault::kBusGone);
  EXPECT_THAT(outcome.note, HasSubstr("i2c-dev"));
}

TEST_F(I2cDevice, KnowsANodeThatIsNoBus) {
  DeviceBus other("/dev/null");
  const Outcome outcome = other.Connect();
  EXPECT_EQ(outcome.fault, Fault::kUnsupported);
  EXPECT_THAT(outcome.note, HasSubstr("/dev/null is no I2C bus"));
  EXPECT_FALSE(other.connected());
}

TEST_F(I2cDevice, RefusesAnAddressThatAKernelDriverOwnsAlsoWhenItIsBoundLater) {
  EXPECT_TRUE(ReadId().ok());
  Command(R"({"own":true,"address":118})");
  const Outcome outcome = ReadId();
  EXPECT_EQ(outcome.fault, Fault::kOwned);
  EXPECT_THAT(outcome.note, HasSubstr("address 0x76 of /dev/i2c-77 belongs to the kernel driver"));
  EXPECT_THAT(outcome.note, HasSubstr("hwmon"));
  EXPECT_THAT(Command("{}"), HasSubstr("\"transactions\":1"));
}

// The kernel lets a replugged adapter come back only when nobody holds the old one open.
TEST_F(I2cDevice, LetsGoOfABusThatWasUnpluggedAndFindsItAgain) {
  EXPECT_TRUE(ReadId().ok());
  Command(R"({"present":false})");
  EXPECT_EQ(ReadId().fault, Fault::kIo);
  EXPECT_FALSE(bus_.connected());
  EXPECT_EQ(ReadId().fault, Fault::kBusGone);
  Command(R"({"present":true})");
  ::usleep(5000);  // the chip's own start
  EXPECT_TRUE(ReadId().ok());
}

TEST_F(I2cDevice, WaitsForTheLockOfAnotherProcessAndNoLongerThanItMay) {
  EXPECT_TRUE(ReadId().ok());
  const int other = ::open((socket_ + ".lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  const std::int64_t begun = SimulatorServer::NowNs();
  const Outcome outcome = ReadId(50);
  EXPECT_EQ(outcome.fault, Fault::kBusy);
  EXPECT_THAT(outcome.note, HasSubstr("another process holds the lock"));
  EXPECT_LT(SimulatorServer::NowNs() - begun, 30'000'000'000);
  std::thread releasing([other] {
    ::usleep(20'000);
    ::close(other);
  });
  EXPECT_TRUE(ReadId().ok());
  releasing.join();
}

TEST_F(I2cDevice, HoldsTheLockOnlyDuringATransaction) {
  EXPECT_TRUE(ReadId().ok());
  const int other = ::open((socket_ + ".lock").c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_EQ(::flock(other, LOCK_EX | LOCK_NB), 0);
  ::close(other);
}

TEST_F(I2cDevice, EndsAWaitWhenItIsCancelled) {
  cancel_fd_ = ::eventfd(1, EFD_CLOEXEC);
  EXPECT_EQ(ReadId().fault, Fault::kCancelled);
  const std::int64_t begun = SimulatorServer::NowNs();
  EXPECT_EQ(bus_.Sleep(60'000'000'000, {In(2 * kPatienceMs), cancel_fd_}).fault, Fault::kCancelled);
  EXPECT_LT(SimulatorServer::NowNs() - begun, 30'000'000'000);
  ::close(cancel_fd_);
}

TEST_F(I2cDevice, BeginsNothingAfterTheDeadline) {
  EXPECT_EQ(ReadId(-1).fault, Fault::kDeadline);
  EXPECT_EQ(bus_.Sleep(50'000'000, {In(10), -1}).fault, Fault::kDeadline);
  EXPECT_THAT(Command("{}"), HasSubstr("\"transactions\":0"));
}

TEST_F(I2cDevice, ReadsRegistersOverAnAdapterThatSpeaksOnlySmbus) {
  ::setenv("I2C_SHIM_SMBUS", "1", 1);
  EXPECT_TRUE(ReadId().ok());
  Device tmp102(bus_, 0x48, {In(kPatienceMs), -1});
  std::array<std::uint8_t, 2> word{};
  ASSERT_TRUE(tmp102.ReadRegister(1, word).ok());
  EXPECT_EQ(BigEndian16(word) & 0x7FFF, 0x60A0);  // in the order in which it came over the wire
  std::array<std::uint8_t, 26> block{};
  Device bme280(bus_, 0x76, {In(kPatienceMs), -1});
  ASSERT_TRUE(bme280.ReadRegister(0x88, block).ok());
  EXPECT_EQ(LittleEndian16(std::span(block).first<2>()), 27504);
  EXPECT_TRUE(bme280.WriteBytes(0xF5, 0x04).ok());
  ASSERT_TRUE(bme280.ReadRegister(0xF5, std::span(block).first(1)).ok());
  EXPECT_EQ(block[0], 0x04);
}

TEST_F(I2cDevice, SaysThatSmbusIsTooLittleForAnSht3x) {
  ::setenv("I2C_SHIM_SMBUS", "1", 1);
  Device sht3x(bus_, 0x44, {In(kPatienceMs), -1});
  std::array<std::uint8_t, 6> answer{};
  const Outcome outcome = sht3x.Read(answer);
  EXPECT_EQ(outcome.fault, Fault::kUnsupported);
  EXPECT_THAT(outcome.note, HasSubstr("speaks only SMBus"));
}

TEST_F(I2cDevice, ProbesWithoutSendingAByte) {
  EXPECT_TRUE(bus_.Probe(0x44, {In(kPatienceMs), -1}).ok());
  EXPECT_TRUE(bus_.Probe(0x76, {In(kPatienceMs), -1}).ok());
  EXPECT_EQ(bus_.Probe(0x20, {In(kPatienceMs), -1}).fault, Fault::kNoAnswer);
}

}  // namespace
}  // namespace penumbra::test
