// What the kit says about faults, and its arithmetic.
#include <gtest/gtest.h>

#include <set>

#include "i2c/core/chip.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;

TEST(I2cBus, TheKernelsFaultCodesHaveTheirMeaning) {
  EXPECT_EQ(FaultOf(ENXIO), Fault::kNoAnswer);
  EXPECT_EQ(FaultOf(EREMOTEIO), Fault::kNoAnswer);
  EXPECT_EQ(FaultOf(EAGAIN), Fault::kArbitration);
  EXPECT_EQ(FaultOf(ETIMEDOUT), Fault::kTimeout);
  EXPECT_EQ(FaultOf(EBUSY), Fault::kBusy);
  EXPECT_EQ(FaultOf(ENODEV), Fault::kBusGone);
  EXPECT_EQ(FaultOf(EOPNOTSUPP), Fault::kUnsupported);
  EXPECT_EQ(FaultOf(EIO), Fault::kIo);
}

TEST(I2cBus, EveryFaultHasAReasonOfItsOwn) {
  std::set<std::string> reasons;
  for (int fault = 0; fault <= static_cast<int>(Fault::kCancelled); ++fault) {
    EXPECT_TRUE(reasons.insert(Reason(static_cast<Fault>(fault))).second) << fault;
  }
}

TEST(I2cBus, OnlySilenceCountsAsSilence) {
  EXPECT_EQ(StatusOf(Fault::kNoAnswer), PENUMBRA_IO);
  EXPECT_EQ(StatusOf(Fault::kTimeout), PENUMBRA_TIMEOUT);
  EXPECT_EQ(StatusOf(Fault::kOwned), PENUMBRA_REFUSED);
  EXPECT_EQ(StatusOf(Fault::kForeign), PENUMBRA_REFUSED);
}

TEST(I2cBus, DividesRoundedHalfAwayFromZero) {
  EXPECT_EQ(RoundedDivide(5, 2), 3);
  EXPECT_EQ(RoundedDivide(-5, 2), -3);
  EXPECT_EQ(RoundedDivide(4, 3), 1);
  EXPECT_EQ(RoundedDivide(-4, 3), -1);
  EXPECT_EQ(RoundedDivide(0, 7), 0);
}

}  // namespace
}  // namespace penumbra::test
