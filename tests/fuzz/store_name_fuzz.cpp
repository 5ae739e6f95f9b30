// Names of files beside the database: only what the store itself gives is taken for its own, because what is, may go.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "store/kept_files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using penumbra::KeptFiles;
  constexpr std::string_view kDatabase = "penumbra.db";
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto name = KeptFiles::ParseName(kDatabase, file);
  if (!name) return 0;
  if (!file.starts_with(name->name) || !name->name.starts_with(kDatabase)) std::abort();
  if (file.find('/') != std::string_view::npos || file.find('\0') != std::string_view::npos) std::abort();
  const auto again = KeptFiles::ParseName(kDatabase, name->name);
  if (!again || again->name != name->name || again->ms != name->ms) std::abort();
  return 0;
}
