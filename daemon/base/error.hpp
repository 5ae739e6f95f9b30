// Errors as values: what happened, and what the caller should do about it.
// Deliberately without exceptions of our own: third-party exceptions end in the file that calls the third party.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace penumbra {

// What the caller should do. Decide on this, never on the text.
enum class Action {
  kRetry,      // try again at once or soon: nothing is known to be wrong
  kBackOff,    // try again after a growing pause: the other side is away or overloaded
  kGiveUp,     // this request can never succeed as it is; set it aside and report it
  kFixConfig,  // the operator must change configuration or credentials
  kFatal,      // our own invariant is broken, or the platform fails us: close, reopen, recover
};

std::string_view ToString(Action action);

struct Error {
  Action action = Action::kGiveUp;
  std::string message;  // one line, for an operator: what, where, what instead

  // The same error, seen from one level higher: "opening store: " + message.
  Error WithContext(std::string_view context) const;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> Fail(Action action, std::string message) {
  return tl::unexpected<Error>(Error{action, std::move(message)});
}

inline tl::unexpected<Error> Fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

// "cannot open /dev/ttyUSB0: No such file or directory", from an errno value.
std::string ErrnoMessage(std::string_view what, int error_number);

}  // namespace penumbra
