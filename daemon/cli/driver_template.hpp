// The files of `penumbra driver new`, from plugins/sdk/template. @NAME@ and the like stand in names and texts.
#pragma once

#include <span>
#include <string_view>

namespace penumbra::cli {

struct TemplateFile {
  std::string_view path;
  std::string_view text;
};

std::span<const TemplateFile> DriverTemplate();

}  // namespace penumbra::cli
