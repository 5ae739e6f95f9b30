#include "app/patience.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

class PatienceTest : public testing::Test {
 protected:
  // Every try takes `takes`; the first `failures` of them fail.
  Result<int> Ask(int failures, std::chrono::seconds takes) {
    return WithPatience(
        [&]() -> Result<int> {
          now_ += takes;
          if (++tries < failures + 1) return Fail(Action::kFixConfig, "no");
          return 7;
        },
        [this] { return now_; });
  }
  int tries = 0;

 private:
  std::chrono::steady_clock::time_point now_;
};

TEST_F(PatienceTest, TakesAnErrorThatComesAtOnceAsTheAnswer) {
  EXPECT_FALSE(Ask(1, 0s));
  EXPECT_EQ(tries, 1);
}

TEST_F(PatienceTest, GivesUpOnWhatNeverAnswers) {
  EXPECT_FALSE(Ask(100, 5s));
  EXPECT_EQ(tries, kTries);
}

TEST_F(PatienceTest, AsksAgainAfterADeadline) {
  EXPECT_EQ(Ask(2, 5s).value_or(0), 7);
  EXPECT_EQ(tries, 3);
}

}  // namespace
}  // namespace penumbra
