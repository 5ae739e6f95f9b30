// CRC-32 (IEEE 802.3, reflected, as in zlib): tells a damaged journal row or mark file from a whole one. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace penumbra {

std::uint32_t Crc32(std::string_view bytes);

}  // namespace penumbra
