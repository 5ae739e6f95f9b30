// Standard output and error of the program. One thread.
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "cli/table.hpp"

namespace penumbra::cli {

// How tables look here: colour only on a terminal without NO_COLOR and unless forbidden; cut to the terminal's width.
Style OutputStyle(bool no_color);

// Writes and flushes. A reader that has gone (a closed pipe: `penumbra readings x | head`) is no fault: Print ends the
// program quietly. Anything else that cannot be written (a full disk) ends it with kExitFailed and a message.
void Print(std::string_view text);

// "penumbra: " and the message, control characters made harmless.
void Complain(std::string_view message);
void Complain(const Error& error);

std::int64_t NowMs();

}  // namespace penumbra::cli
