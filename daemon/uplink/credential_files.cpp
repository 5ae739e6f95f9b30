#include "uplink/credential_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <functional>

namespace penumbra {
namespace {

constexpr std::size_t kMostRead = 256 * 1024;  // all root certificates of a system are less

}  // namespace

std::string FilesFingerprint(const ThingSettings& thing, const std::filesystem::path& root_ca) {
  std::string all;
  for (const auto& file : {thing.certificate, thing.private_key, root_ca}) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) {
      all += "-;";
      continue;
    }
    all += fmt::format("{}:{}:{}.{}:{};", info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                       info.st_mode);
  }
  return all;
}

std::string ContentsDigest(const ThingSettings& thing, const std::filesystem::path& root_ca) {
  std::string all;
  for (const auto& file : {thing.certificate, thing.private_key, root_ca}) {
    std::ifstream in(file, std::ios::binary);
    std::string text(kMostRead, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    all += fmt::format("{}:{:x};", text.size(), std::hash<std::string>{}(text));
  }
  return all;
}

std::optional<std::string> MissingFile(const ThingSettings& thing) {
  for (const auto& file : {thing.certificate, thing.private_key}) {
    struct stat info {};
    if (file.native().rfind("pkcs11:", 0) == 0 || ::stat(file.c_str(), &info) == 0 || errno != ENOENT) continue;
    return fmt::format("{} does not exist; put the thing's certificate and key there, or run `penumbra provision {}`",
                       file.string(), thing.name);
  }
  return std::nullopt;
}

}  // namespace penumbra
