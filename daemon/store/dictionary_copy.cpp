#include "store/dictionary_copy.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "store/crc32.hpp"

namespace penumbra {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSumBytes = 4;
constexpr Dictionary::Kind kKinds[] = {Dictionary::Kind::kThing, Dictionary::Kind::kPointSet, Dictionary::Kind::kWord};

// Version, then entries (kind, id, text) to the end; in front of it all its CRC-32, little endian.
std::string WithSum(const std::string& body) {
  const std::uint32_t sum = Crc32(body);
  std::string bytes;
  for (std::size_t i = 0; i < kSumBytes; ++i) bytes.push_back(static_cast<char>(sum >> (8 * i)));
  return bytes + body;
}

}  // namespace

std::filesystem::path DictionaryCopy::Beside(const std::filesystem::path& database) {
  std::filesystem::path file = database;
  file += ".words";
  return file;
}

std::string DictionaryCopy::Encode(const Dictionary& dictionary) {
  ByteWriter body;
  body.U8(kVersion);
  for (const Dictionary::Kind kind : kKinds) {
    const auto& texts = dictionary.texts(kind);
    std::vector<std::pair<std::uint64_t, std::string_view>> entries(texts.begin(), texts.end());
    std::sort(entries.begin(), entries.end());
    for (const auto& [id, text] : entries) {
      if (body.bytes().size() + text.size() > kMaxBytes) break;
      body.U8(static_cast<std::uint8_t>(kind));
      body.Varint(id);
      body.String(text);
    }
  }
  return WithSum(body.bytes());
}

bool DictionaryCopy::Decode(std::string_view bytes, Dictionary& into) {
  if (bytes.size() < kSumBytes || WithSum(std::string(bytes.substr(kSumBytes))) != bytes) return false;
  ByteReader body(bytes.substr(kSumBytes));
  if (body.U8() != kVersion) return false;
  while (body.Ok() && !body.AtEnd()) {
    const std::uint8_t kind = body.U8();
    const std::uint64_t id = body.Varint();
    const std::string_view text = body.String();
    const bool known = std::any_of(std::begin(kKinds), std::end(kKinds),
                                   [kind](Dictionary::Kind k) { return static_cast<std::uint8_t>(k) == kind; });
    if (!body.Ok() || !known) return false;
    into.Load(static_cast<Dictionary::Kind>(kind), id, std::string(text));
  }
  return body.Ok();
}

void DictionaryCopy::LoadInto(Dictionary& dictionary, const std::filesystem::path& file, Files& files) {
  const auto bytes = files.Read(file);
  Dictionary copy;
  if (!bytes || !*bytes || !Decode(**bytes, copy)) return;
  for (const Dictionary::Kind kind : kKinds) {
    for (const auto& [id, text] : copy.texts(kind)) {
      const std::string* known = dictionary.Find(kind, id);
      if (known == nullptr || *known == text) continue;
      log::Warning("store.words_of_another", "the copy of the names belongs to another database and is not used",
                   {{"file", file.string()}});
      return;
    }
  }
  for (const Dictionary::Kind kind : kKinds) {
    for (const auto& [id, text] : copy.texts(kind)) dictionary.Load(kind, id, text);
  }
}

Status DictionaryCopy::Keep(const Dictionary& dictionary, Time now) {
  if (kept_ == dictionary.size() || (not_before_ && now < *not_before_)) return {};
  not_before_ = now + kPause;
  const std::string bytes = Encode(dictionary);
  if (!kept_) {
    const auto there = files_.Read(file_);
    if (there && *there == bytes) {
      kept_ = dictionary.size();
      return {};
    }
  }
  std::filesystem::path fresh = file_;
  fresh += ".new";
  if (const Status written = files_.WriteSynced(fresh, bytes); !written) return written;
  if (const Status renamed = files_.Rename(fresh, file_); !renamed) return renamed;
  kept_ = dictionary.size();
  return {};
}

}  // namespace penumbra
