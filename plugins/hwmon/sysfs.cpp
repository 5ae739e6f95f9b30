#include "hwmon/sysfs.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <system_error>

namespace penumbra::hwmon {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxText = 64;

// A prefix of attribute names: raw value / divisor * factor is the value.
struct Scale {
  std::string_view prefix;
  double divisor, factor;
};
// sysfs-interface.rst: milli-degrees, milli-percent, millivolts, milliamperes, microwatts, microjoules.
constexpr std::array<Scale, 8> kHwmon{{{"temp", 1000, 1},
                                       {"humidity", 1000, 1},
                                       {"in", 1000, 1},
                                       {"curr", 1000, 1},
                                       {"power", 1e6, 1},
                                       {"energy", 1e6, 1},
                                       {"fan", 1, 1},
                                       {"freq", 1, 1}}};
// sysfs-bus-iio: milli-degrees, milli-percent, kilopascals, millivolts, milliamperes, milliwatts, lux.
constexpr std::array<Scale, 7> kIio{{{"in_temp", 1000, 1},
                                     {"in_humidityrelative", 1000, 1},
                                     {"in_pressure", 1, 10},
                                     {"in_voltage", 1000, 1},
                                     {"in_current", 1000, 1},
                                     {"in_power", 1000, 1},
                                     {"in_illuminance", 1, 1}}};

struct Candidates {
  const char* quantity;
  std::array<const char*, 3> attributes;
};
constexpr std::array<Candidates, 3> kQuantities{
    {{"temperature", {"temp1_input", "in_temp_input", "in_temp_raw"}},
     {"humidity", {"humidity1_input", "in_humidityrelative_input", "in_humidityrelative_raw"}},
     {"pressure", {"in_pressure_input", "in_pressure_raw", "in_pressure_raw"}}}};

Reading Bad(penumbra_status status, const char* reason) {
  return {std::nullopt, status, reason};
}

Reading Failed(int error) {
  switch (error) {
    case ENOENT:
      return Bad(PENUMBRA_REFUSED, "the chip has no such attribute");
    case EACCES:
      return Bad(PENUMBRA_REFUSED, "not allowed to read the attribute");
    case ETIMEDOUT:
      return Bad(PENUMBRA_TIMEOUT, "timeout");
    case ENODATA:
    case EAGAIN:
      return Bad(PENUMBRA_TIMEOUT, "no value yet");
    default:
      return Bad(PENUMBRA_IO, "the kernel's driver gets no answer");
  }
}

// The text of a small file. Negative: -errno.
int ReadText(const fs::path& path, std::string& text) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return -errno;
  std::array<char, kMaxText> buffer{};
  ssize_t size = 0;
  do {
    size = ::read(fd, buffer.data(), buffer.size());
  } while (size < 0 && errno == EINTR);
  const int error = errno;
  ::close(fd);
  if (size < 0) return -error;
  text.assign(buffer.data(), static_cast<std::size_t>(size));
  return 0;
}

std::string Line(const fs::path& path) {
  std::string text;
  if (ReadText(path, text) != 0) return {};
  return text.substr(0, text.find('\n'));
}

Reading ReadNumber(const fs::path& path) {
  std::string text;
  if (const int result = ReadText(path, text); result != 0) return Failed(-result);
  const auto number = ParseNumber(text);
  if (!number) return Bad(PENUMBRA_IO, "the attribute is no number");
  return {number, PENUMBRA_OK, nullptr};
}

// Six decimals: more than any sensor has, and few enough to print as written.
double Rounded(double value) {
  return std::abs(value) < 1e9 ? std::round(value * 1e6) / 1e6 : value;
}

template <std::size_t Size>
const Scale* ScaleOf(const std::array<Scale, Size>& scales, std::string_view attribute) {
  for (const Scale& scale : scales) {
    if (attribute.starts_with(scale.prefix)) return &scale;
  }
  return nullptr;
}

Reading Scaled(const Reading& reading, const Scale* scale) {
  if (!reading.value || scale == nullptr) return reading;
  const double value = Rounded(*reading.value / scale->divisor * scale->factor);
  if (!std::isfinite(value)) return Bad(PENUMBRA_IO, "the attribute is no number");
  return {value, PENUMBRA_OK, nullptr};
}

// sysfs-bus-iio: (raw + offset) * scale, both of the channel or of its kind; absent ones are 0 and 1.
Reading ReadRaw(const fs::path& folder, const std::string& attribute) {
  const std::string channel = attribute.substr(0, attribute.size() - 3);  // "in_temp_"
  Reading raw = ReadNumber(folder / attribute);
  if (!raw.value) return raw;
  const Reading offset = ReadNumber(folder / (channel + "offset"));
  const Reading scale = ReadNumber(folder / (channel + "scale"));
  raw.value = (*raw.value + offset.value.value_or(0)) * scale.value.value_or(1);
  return raw;
}

void List(const fs::path& parent, std::vector<KernelChip>& chips) {
  std::error_code error;
  std::vector<fs::path> folders;
  for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error)) {
    folders.push_back(it->path());
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    if (chips.size() >= kMaxChips) return;
    KernelChip chip{Line(folder / "name"), {}, folder};
    if (chip.name.empty()) continue;
    const fs::path device = fs::read_symlink(folder / "device", error);
    if (!error) chip.device = device.filename().string();
    // An iio device is a child of the device that it belongs to.
    if (error && fs::is_symlink(folder, error)) {
      chip.device = fs::read_symlink(folder, error).parent_path().filename().string();
    }
    chips.push_back(std::move(chip));
  }
}

bool Readable(const std::string& name) {
  return name.ends_with("_input") || (name.starts_with("in_") && name.ends_with("_raw"));
}

}  // namespace

std::vector<KernelChip> ListChips(const fs::path& root) {
  std::vector<KernelChip> chips;
  List(root / "class" / "hwmon", chips);
  List(root / "bus" / "iio" / "devices", chips);
  return chips;
}

std::optional<KernelChip> FindChip(const fs::path& root, const std::string& name, const std::string& device,
                                   std::string& why) {
  std::optional<KernelChip> found;
  std::string all, same;
  for (KernelChip& chip : ListChips(root)) {
    all += (all.empty() ? "" : ", ") + chip.name + (chip.device.empty() ? "" : " (" + chip.device + ")");
    if (chip.name != name || (!device.empty() && chip.device != device)) continue;
    same += (same.empty() ? "" : ", ") + chip.device;
    if (found) {
      why = "several chips are called " + name + "; set device to one of " + same;
      return std::nullopt;
    }
    found = std::move(chip);
  }
  if (!found) {
    why = "the kernel shows no chip " + name + (device.empty() ? "" : " of device " + device) + "; there " +
          (all.empty() ? "is none" : "are " + all);
  }
  return found;
}

std::vector<std::string> AttributesOf(const KernelChip& chip) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(chip.folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (Readable(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Reading ReadQuantity(const KernelChip& chip, const std::string& quantity) {
  for (const Candidates& candidates : kQuantities) {
    if (quantity != candidates.quantity) continue;
    for (const char* attribute : candidates.attributes) {
      std::error_code error;
      if (fs::exists(chip.folder / attribute, error)) return ReadAttribute(chip, attribute);
    }
  }
  return Bad(PENUMBRA_REFUSED, "the chip has no such quantity");
}

Reading ReadAttribute(const KernelChip& chip, const std::string& attribute) {
  if (attribute.starts_with("in_")) {
    const Reading reading =
        attribute.ends_with("_raw") ? ReadRaw(chip.folder, attribute) : ReadNumber(chip.folder / attribute);
    return Scaled(reading, ScaleOf(kIio, attribute));
  }
  return Scaled(ReadNumber(chip.folder / attribute), ScaleOf(kHwmon, attribute));
}

std::optional<double> ParseNumber(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace penumbra::hwmon
