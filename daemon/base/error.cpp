#include "base/error.hpp"

#include <system_error>

namespace penumbra {

std::string_view ToString(Action action) {
  switch (action) {
    case Action::kRetry:
      return "retry";
    case Action::kBackOff:
      return "back off";
    case Action::kGiveUp:
      return "give up";
    case Action::kFixConfig:
      return "fix the configuration";
    case Action::kFatal:
      return "fatal";
  }
  return "unknown";
}

Error Error::WithContext(std::string_view context) const {
  return Error{action, std::string(context) + ": " + message};
}

std::string ErrnoMessage(std::string_view what, int error_number) {
  return std::string(what) + ": " + std::generic_category().message(error_number);
}

}  // namespace penumbra
