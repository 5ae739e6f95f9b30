#include "driver/wire.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bytes.hpp"

namespace penumbra::wire {
namespace {

enum class Kind : std::uint8_t {
  kRead = 1,
  kWrite = 2,
  kAsk = 3,
  kLoaded = 16,
  kLoadFailed = 17,
  kOpened = 18,
  kReadAnswer = 19,
  kWriteAnswer = 20,
  kLogLine = 21,
  kAskObject = 22,
  kAskAnswer = 23,
  kFact = 24,
  kEnding = 25,
};

enum class Type : std::uint8_t { kNone = 0, kFalse = 1, kTrue = 2, kInt = 3, kUint = 4, kReal = 5, kText = 6 };

std::string_view Cut(std::string_view text, std::size_t max) {
  return text.substr(0, std::min(text.size(), max));
}

void PutKind(ByteWriter& out, Kind kind) {
  out.U8(static_cast<std::uint8_t>(kind));
}

void PutType(ByteWriter& out, Type type) {
  out.U8(static_cast<std::uint8_t>(type));
}

void PutValue(ByteWriter& out, const Value& value, std::size_t max_text) {
  if (const auto* b = std::get_if<bool>(&value)) {
    PutType(out, *b ? Type::kTrue : Type::kFalse);
  } else if (const auto* i = std::get_if<std::int64_t>(&value)) {
    PutType(out, Type::kInt);
    out.Zigzag(*i);
  } else if (const auto* u = std::get_if<std::uint64_t>(&value)) {
    PutType(out, Type::kUint);
    out.Varint(*u);
  } else if (const auto* d = std::get_if<double>(&value)) {
    PutType(out, Type::kReal);
    out.F64(*d);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    PutType(out, Type::kText);
    out.String(Cut(*text, max_text));
  } else {
    PutType(out, Type::kNone);
  }
}

// Answers false for an unknown type; the reader's own faults are checked once, at the end of the frame.
bool TakeValue(ByteReader& in, Value& value) {
  switch (static_cast<Type>(in.U8())) {
    case Type::kNone:
      value = std::monostate{};
      return true;
    case Type::kFalse:
      value = false;
      return true;
    case Type::kTrue:
      value = true;
      return true;
    case Type::kInt:
      value = in.Zigzag();
      return true;
    case Type::kUint:
      value = in.Varint();
      return true;
    case Type::kReal:
      value = in.F64();
      return true;
    case Type::kText: {
      const std::string_view text = in.String();
      value = std::string(text);
      return text.size() <= kMaxText;
    }
  }
  return false;
}

bool TakeU32(ByteReader& in, std::uint32_t& out) {
  const std::uint64_t value = in.Varint();
  out = static_cast<std::uint32_t>(value);
  return value <= std::numeric_limits<std::uint32_t>::max();
}

bool TakeCode(ByteReader& in, Code& code) {
  const std::uint8_t value = in.U8();
  code = static_cast<Code>(value);
  return value <= static_cast<std::uint8_t>(Code::kRefused);
}

bool TakeText(ByteReader& in, std::string& out, std::size_t max) {
  const std::string_view text = in.String();
  if (text.size() > max) return false;
  out = text;
  return true;
}

// One byte says quality, code and whether a reason follows: most values are good and have none.
constexpr std::uint8_t kHasReason = 0x80;

void PutRawValue(ByteWriter& out, const RawValue& raw, std::size_t& text_left) {
  const auto* text = std::get_if<std::string>(&raw.value);
  const std::size_t max_text = std::min(kMaxText, text_left);
  const bool cut = text != nullptr && text->size() > max_text;
  const Quality quality = cut && raw.quality == Quality::kGood ? Quality::kUncertain : raw.quality;
  std::string_view reason = cut && raw.reason.empty() ? "text cut" : Cut(raw.reason, kMaxReason);
  if (text != nullptr) text_left -= std::min(text->size(), max_text);
  reason = Cut(reason, text_left);
  text_left -= reason.size();
  out.U8(static_cast<std::uint8_t>(static_cast<unsigned>(quality) | static_cast<unsigned>(raw.code) << 2 |
                                   (reason.empty() ? 0U : kHasReason)));
  PutValue(out, raw.value, max_text);
  if (!reason.empty()) out.String(reason);
  out.Zigzag(raw.time_ns);
}

bool TakeRawValue(ByteReader& in, RawValue& raw) {
  const std::uint8_t flags = in.U8();
  const unsigned quality = flags & 3U;
  const unsigned code = flags >> 2U & 0x1FU;
  if (quality > 2 || code > static_cast<unsigned>(Code::kRefused)) return false;
  raw.quality = static_cast<Quality>(quality);
  raw.code = static_cast<Code>(code);
  if (!TakeValue(in, raw.value)) return false;
  if ((flags & kHasReason) != 0 && !TakeText(in, raw.reason, kMaxReason)) return false;
  raw.time_ns = in.Zigzag();
  return HasValue(raw.value) == (raw.quality != Quality::kBad);
}

void Put(ByteWriter& out, const ReadRequest& request) {
  PutKind(out, Kind::kRead);
  out.Varint(request.id);
  out.Varint(request.thing);
  const std::size_t count = std::min(request.points.size(), kMaxPoints);
  out.Varint(count);
  for (std::size_t i = 0; i < count; ++i) out.Varint(request.points[i]);
  out.Zigzag(request.deadline_ns);
}

bool Take(ByteReader& in, ReadRequest& request) {
  if (!TakeU32(in, request.id) || !TakeU32(in, request.thing)) return false;
  const std::size_t count = in.Count();
  if (count > kMaxPoints) return false;
  request.points.resize(count);
  for (std::uint32_t& point : request.points) {
    if (!TakeU32(in, point)) return false;
  }
  request.deadline_ns = in.Zigzag();
  return true;
}

void Put(ByteWriter& out, const WriteRequest& request) {
  PutKind(out, Kind::kWrite);
  out.Varint(request.id);
  out.Varint(request.thing);
  out.Varint(request.point);
  PutValue(out, request.value, kMaxText);
  out.Zigzag(request.deadline_ns);
}

bool Take(ByteReader& in, WriteRequest& request) {
  if (!TakeU32(in, request.id) || !TakeU32(in, request.thing) || !TakeU32(in, request.point)) return false;
  if (!TakeValue(in, request.value)) return false;
  request.deadline_ns = in.Zigzag();
  return true;
}

void Put(ByteWriter& out, const AskRequest& request) {
  PutKind(out, Kind::kAsk);
  out.Varint(request.id);
  out.String(Cut(request.question, kMaxQuestion));
  out.Zigzag(request.deadline_ns);
}

bool Take(ByteReader& in, AskRequest& request) {
  if (!TakeU32(in, request.id) || !TakeText(in, request.question, kMaxQuestion)) return false;
  request.deadline_ns = in.Zigzag();
  return true;
}

void Put(ByteWriter& out, const Loaded& message) {
  PutKind(out, Kind::kLoaded);
  out.String(Cut(message.version, kMaxReason));
  out.Varint(message.capabilities);
}

bool Take(ByteReader& in, Loaded& message) {
  if (!TakeText(in, message.version, kMaxReason)) return false;
  message.capabilities = in.Varint();
  return true;
}

void Put(ByteWriter& out, const LoadFailed& message) {
  PutKind(out, Kind::kLoadFailed);
  out.String(Cut(message.error, kMaxLogLine));
}

bool Take(ByteReader& in, LoadFailed& message) {
  return TakeText(in, message.error, kMaxLogLine);
}

void Put(ByteWriter& out, const Opened& message) {
  PutKind(out, Kind::kOpened);
  out.U8(static_cast<std::uint8_t>(message.code));
  out.String(Cut(message.error, kMaxLogLine));
  out.String(Cut(message.shortcomings, kMaxLogLine));
}

bool Take(ByteReader& in, Opened& message) {
  return TakeCode(in, message.code) && TakeText(in, message.error, kMaxLogLine) &&
         TakeText(in, message.shortcomings, kMaxLogLine);
}

void Put(ByteWriter& out, const Ending& message) {
  PutKind(out, Kind::kEnding);
  out.U8(static_cast<std::uint8_t>(message.code));
  out.String(Cut(message.reason, kMaxReason));
}

bool Take(ByteReader& in, Ending& message) {
  return TakeCode(in, message.code) && TakeText(in, message.reason, kMaxReason);
}

void Put(ByteWriter& out, const ReadAnswer& answer) {
  PutKind(out, Kind::kReadAnswer);
  out.Varint(answer.id);
  out.U8(static_cast<std::uint8_t>(answer.code));
  const std::size_t count = std::min(answer.values.size(), kMaxPoints);
  out.Varint(count);
  std::size_t text_left = kMaxTextBytes;
  for (std::size_t i = 0; i < count; ++i) PutRawValue(out, answer.values[i], text_left);
}

bool Take(ByteReader& in, ReadAnswer& answer) {
  if (!TakeU32(in, answer.id) || !TakeCode(in, answer.code)) return false;
  const std::size_t count = in.Count();
  if (count > kMaxPoints || (answer.code != Code::kOk && count > 0)) return false;
  answer.values.resize(count);
  for (RawValue& value : answer.values) {
    if (!TakeRawValue(in, value)) return false;
  }
  return true;
}

void Put(ByteWriter& out, const WriteAnswer& answer) {
  PutKind(out, Kind::kWriteAnswer);
  out.Varint(answer.id);
  out.U8(static_cast<std::uint8_t>(answer.code));
  out.String(Cut(answer.error, kMaxReason));
}

bool Take(ByteReader& in, WriteAnswer& answer) {
  return TakeU32(in, answer.id) && TakeCode(in, answer.code) && TakeText(in, answer.error, kMaxReason);
}

void Put(ByteWriter& out, const AskObject& object) {
  PutKind(out, Kind::kAskObject);
  out.Varint(object.id);
  out.String(Cut(object.json, kMaxAnswerObject));
}

bool Take(ByteReader& in, AskObject& object) {
  return TakeU32(in, object.id) && TakeText(in, object.json, kMaxAnswerObject);
}

void Put(ByteWriter& out, const AskAnswer& answer) {
  PutKind(out, Kind::kAskAnswer);
  out.Varint(answer.id);
  out.U8(static_cast<std::uint8_t>(answer.code));
  out.String(Cut(answer.error, kMaxLogLine));
}

bool Take(ByteReader& in, AskAnswer& answer) {
  return TakeU32(in, answer.id) && TakeCode(in, answer.code) && TakeText(in, answer.error, kMaxLogLine);
}

void Put(ByteWriter& out, const Fact& fact) {
  PutKind(out, Kind::kFact);
  out.String(Cut(fact.key, kMaxFactKey));
  out.String(Cut(fact.json, kMaxFactValue));
}

bool Take(ByteReader& in, Fact& fact) {
  return TakeText(in, fact.key, kMaxFactKey) && IsFactKey(fact.key) && TakeText(in, fact.json, kMaxFactValue);
}

void Put(ByteWriter& out, const LogLine& line) {
  PutKind(out, Kind::kLogLine);
  out.U8(line.level);
  out.String(Cut(line.text, kMaxLogLine));
  out.Varint(line.dropped);
}

bool Take(ByteReader& in, LogLine& line) {
  line.level = in.U8();
  if (line.level > 7 || !TakeText(in, line.text, kMaxLogLine)) return false;
  line.dropped = in.Varint();
  return true;
}

template <typename Message, typename Variant>
std::optional<Variant> TakeAll(ByteReader& in) {
  Message message;
  if (!Take(in, message) || !in.Ok() || !in.AtEnd()) return std::nullopt;
  return Variant(std::move(message));
}

template <typename Variant>
std::string EncodeVariant(const Variant& message) {
  ByteWriter out;
  std::visit([&out](const auto& m) { Put(out, m); }, message);
  return out.Take();
}

}  // namespace

std::string_view ToString(Code code) {
  switch (code) {
    case Code::kOk:
      return "no value";
    case Code::kBadOptions:
      return "bad options";
    case Code::kNoDevice:
      return "no device";
    case Code::kTimeout:
      return "timeout";
    case Code::kIo:
      return "i/o error";
    case Code::kCancelled:
      return "cancelled";
    case Code::kUnsupported:
      return "not supported";
    case Code::kRefused:
      return "refused by the device";
  }
  return "unknown";
}

bool IsFactKey(std::string_view key) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == ':' || c == '-';
  };
  return !key.empty() && key.size() <= kMaxFactKey && std::all_of(key.begin(), key.end(), allowed);
}

std::string Encode(const Request& request) {
  return EncodeVariant(request);
}

std::string Encode(const FromHost& message) {
  return EncodeVariant(message);
}

std::optional<Request> DecodeRequest(std::string_view frame) {
  ByteReader in(frame);
  switch (static_cast<Kind>(in.U8())) {
    case Kind::kRead:
      return TakeAll<ReadRequest, Request>(in);
    case Kind::kWrite:
      return TakeAll<WriteRequest, Request>(in);
    case Kind::kAsk:
      return TakeAll<AskRequest, Request>(in);
    default:
      return std::nullopt;
  }
}

std::optional<FromHost> DecodeFromHost(std::string_view frame) {
  ByteReader in(frame);
  switch (static_cast<Kind>(in.U8())) {
    case Kind::kLoaded:
      return TakeAll<Loaded, FromHost>(in);
    case Kind::kLoadFailed:
      return TakeAll<LoadFailed, FromHost>(in);
    case Kind::kOpened:
      return TakeAll<Opened, FromHost>(in);
    case Kind::kReadAnswer:
      return TakeAll<ReadAnswer, FromHost>(in);
    case Kind::kWriteAnswer:
      return TakeAll<WriteAnswer, FromHost>(in);
    case Kind::kLogLine:
      return TakeAll<LogLine, FromHost>(in);
    case Kind::kAskObject:
      return TakeAll<AskObject, FromHost>(in);
    case Kind::kAskAnswer:
      return TakeAll<AskAnswer, FromHost>(in);
    case Kind::kFact:
      return TakeAll<Fact, FromHost>(in);
    case Kind::kEnding:
      return TakeAll<Ending, FromHost>(in);
    default:
      return std::nullopt;
  }
}

}  // namespace penumbra::wire
