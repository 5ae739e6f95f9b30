// Hostile journal rows and block directories: whatever the bytes, decoding ends with an error or with readings whose
// encoding decodes to the same again. The checksum is made right, or no input would get past it.
#include <cstdint>
#include <cstdlib>

#include "store/codec.hpp"
#include "store/crc32.hpp"
#include "store/journal_block.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penumbra;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  (void)DecodeBlockThings(body);
  std::string blob;
  const std::uint32_t crc = Crc32(body);
  for (int shift = 0; shift < 32; shift += 8) blob.push_back(static_cast<char>(crc >> shift));
  blob += body;
  const Result<RowHeader> header = DecodeHeader(blob);
  if (!header) return 0;
  Dictionary dictionary;
  dictionary.Load(Dictionary::Kind::kThing, 1, "sensor-001");
  dictionary.Load(Dictionary::Kind::kThing, 2, "sensor-002");
  dictionary.Load(Dictionary::Kind::kWord, 1, "boot-1");
  dictionary.Load(Dictionary::Kind::kPointSet, 1, "temperature\nhumidity");
  for (const RowSection& section : header->sections) {
    std::vector<Reading> readings;
    if (!DecodeSection(blob, *header, section, dictionary, readings)) continue;
    if (readings.size() != section.count) std::abort();
    // One reading of one thing survives a round trip (NaN, which the model never lets in, does not compare equal).
    const std::string again = EncodeRow(readings, {}, dictionary);
    const Result<RowHeader> second = DecodeHeader(again);
    if (!second || second->sections.size() != 1) std::abort();
    std::vector<Reading> back;
    if (!DecodeSection(again, *second, second->sections[0], dictionary, back)) std::abort();
    if (EncodeRow(back, {}, dictionary) != again) std::abort();
  }
  return 0;
}
