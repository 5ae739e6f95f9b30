// `penumbra cert rotate`: by the running daemon, which holds the thing's session meanwhile, or here when none runs.
// Answers the exit code. Blocking; one thread.
#pragma once

#include <vector>

#include "cli/options.hpp"
#include "identity/plan.hpp"
#include "model/settings.hpp"

namespace penumbra::cli {

int Rotate(const Invocation& invocation, const Settings& settings, const std::vector<identity::Plan>& plans);

}  // namespace penumbra::cli
