// Hostile database files: whatever the bytes, looking for rows page by page ends, stays within them, and gives each
// journal row once. And the dictionary's copy. The first byte says which, and whether the header names the page size.
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

#include "store/dictionary_copy.hpp"
#include "store/page_scan.hpp"

namespace {

using namespace penumbra;

// One file, nothing else, and nothing is written.
class OneFile : public Files {
 public:
  explicit OneFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::optional<std::string>> Read(const std::filesystem::path&) override { return std::nullopt; }
  Result<std::string> ReadPart(const std::filesystem::path&, std::uint64_t at, std::size_t size) override {
    return at < bytes_.size() ? bytes_.substr(at, size) : std::string();
  }
  Status WriteSynced(const std::filesystem::path&, std::string_view) override { return {}; }
  Status Rewrite(const std::filesystem::path&) override { return {}; }
  Status Rename(const std::filesystem::path&, const std::filesystem::path&) override { return {}; }
  Status Remove(const std::filesystem::path&) override { return {}; }
  std::vector<std::string> List(const std::filesystem::path&) override { return {}; }
  Status SyncFolder(const std::filesystem::path&) override { return {}; }
  bool Exists(const std::filesystem::path&) override { return true; }
  std::uint64_t Size(const std::filesystem::path&) override { return bytes_.size(); }
  Space SpaceAt(const std::filesystem::path&) override { return {}; }
  Result<std::optional<UniqueFd>> Lock(const std::filesystem::path&) override { return std::nullopt; }

 private:
  std::string bytes_;
};

void ScanPages(std::string bytes, bool small_pages) {
  if (small_pages && bytes.size() >= 18) {
    bytes.replace(0, 16, "SQLite format 3", 16);
    bytes[16] = 2;  // 512 bytes
    bytes[17] = 0;
  }
  const std::size_t size = bytes.size();
  OneFile files(std::move(bytes));
  PageScan scan(files, "/penumbra.db", {{3, "thing"}, {4, "word"}, {6, "journal"}, {8, "outbox"}, {9, "meta"}});
  const auto take = [size](std::string_view table, std::int64_t, const std::vector<btree::Value>& row) {
    if (table.empty() || table == "journal") std::abort();
    for (const btree::Value& value : row) {
      if (value.bytes.size() > size + 65536) std::abort();
    }
  };
  while (!scan.Step(4, take)) {
  }
  std::int64_t after = std::numeric_limits<std::int64_t>::min();
  while (const auto row = scan.NextRow(after)) {
    if (row->id <= after) std::abort();
    after = row->id;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 2) == 0) {
    ScanPages(std::move(bytes), (data[0] & 1) != 0);
    return 0;
  }
  Dictionary dictionary;
  if (!DictionaryCopy::Decode(bytes, dictionary)) return 0;
  Dictionary again;
  if (!DictionaryCopy::Decode(DictionaryCopy::Encode(dictionary), again)) std::abort();
  return 0;
}
