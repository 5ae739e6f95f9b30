// The formula against the examples of the datasheet; no device and no gateway needed.
#include <cstdio>

#include "formula.hpp"

int main() {
  int faults = 0;
  const auto expect = [&faults](const char* text, std::optional<double> wanted) {
    if (@NAME@::Thousandths(text) == wanted) return;
    std::printf("\"%s\" is wrong\n", text);
    ++faults;
  };
  expect("23125\n", 23.125);
  expect("-5000", -5.0);
  expect("", std::nullopt);
  expect("23.1", std::nullopt);
  expect("99999999999999999999999", std::nullopt);
  std::puts(faults == 0 ? "ok" : "failed");
  return faults == 0 ? 0 : 1;
}
