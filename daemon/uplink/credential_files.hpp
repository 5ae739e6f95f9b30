// Whether a thing's certificate and key files are there, and whether they are still the ones that were used: cheap
// looks (a few stat calls) for the loop thread. What is wrong inside them is the transport's business.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "model/settings.hpp"

namespace penumbra {

// Another one means that a file was changed, replaced, removed or made (un)readable.
std::string FilesFingerprint(const ThingSettings& thing, const std::filesystem::path& root_ca);

// Of what stands in them; reads them, so only when a fingerprint has changed or a session begins.
std::string ContentsDigest(const ThingSettings& thing, const std::filesystem::path& root_ca);

// For the operator: which file does not exist; a key in a token is not looked for. nullopt: none is missing.
std::optional<std::string> MissingFile(const ThingSettings& thing);

}  // namespace penumbra
