#include "store/codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "base/bytes.hpp"
#include "store/column.hpp"
#include "store/crc32.hpp"
#include "store/seq_mark.hpp"
#include "store/series.hpp"
#include "store/wrapping.hpp"

namespace penumbra {
namespace {

using Kind = Dictionary::Kind;

constexpr std::uint8_t kOldVersion = 1;
constexpr std::uint8_t kOldVersionWithHoles = 2;
constexpr std::uint8_t kVersion = 3;
constexpr std::size_t kCrcBytes = 4;
constexpr std::uint8_t kRowTrusted = 1;
constexpr std::uint8_t kRowHasTrusted = 2;
constexpr std::uint8_t kRowHoles = 4;
constexpr std::uint8_t kRunTrusted = 1;
constexpr std::uint8_t kRunBootInline = 2;
constexpr std::uint8_t kRunPointsInline = 4;
constexpr std::uint8_t kRunHoles = 8;
constexpr std::uint8_t kRunSeries = 16;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr char kPointSeparator = '\n';

std::int64_t MsToNs(std::int64_t ms) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(ms) * static_cast<std::uint64_t>(kNsPerMs));
}

using ReadingList = std::vector<const Reading*>;

bool SamePoints(const Reading& a, const Reading& b) {
  return std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(),
                    [](const PointValue& x, const PointValue& y) { return x.point == y.point; });
}

bool SameRun(const Reading& a, const Reading& b) {
  return a.time_trusted == b.time_trusted && a.boot_id == b.boot_id && SamePoints(a, b);
}

// The names as one text, or nullopt when that would not split again.
std::optional<std::string> JoinPoints(const Reading& reading) {
  std::string joined;
  for (const PointValue& value : reading.values) {
    if (value.point.empty() || value.point.find(kPointSeparator) != std::string::npos) return std::nullopt;
    if (!joined.empty()) joined += kPointSeparator;
    joined += value.point;
  }
  return joined.empty() ? std::nullopt : std::optional(joined);
}

bool IsSeries(std::size_t count) {
  return count >= kFewestForSeries;
}

void WriteRunHead(ByteWriter& out, const Reading& first, std::size_t count, bool holes, Dictionary& dictionary) {
  const auto boot = dictionary.Intern(Kind::kWord, first.boot_id);
  const std::optional<std::string> joined = JoinPoints(first);
  const auto points = joined ? dictionary.Intern(Kind::kPointSet, *joined) : std::nullopt;
  out.Varint(count);
  out.U8(static_cast<std::uint8_t>((first.time_trusted ? kRunTrusted : 0) | (boot ? 0 : kRunBootInline) |
                                   (points ? 0 : kRunPointsInline) | (holes ? kRunHoles : 0) |
                                   (IsSeries(count) ? kRunSeries : 0)));
  if (boot) {
    out.Varint(*boot);
  } else {
    out.String(first.boot_id);
  }
  if (points) {
    out.Varint(*points);
    return;
  }
  out.Varint(first.values.size());
  for (const PointValue& value : first.values) out.String(value.point);
}

// `next`: the seq that follows what was written before.
bool HasHoles(std::span<const Reading* const> run, std::uint64_t next) {
  return std::any_of(run.begin(), run.end(), [&next](const Reading* reading) { return reading->seq != next++; });
}

void WriteHoles(ByteWriter& out, std::span<const Reading* const> run, std::uint64_t next) {
  for (const Reading* reading : run) {
    out.Varint(reading->seq - next);
    next = reading->seq + 1;
  }
}

struct TimeBase {
  std::int64_t ms;
  std::int64_t boot_ns;
};

// What is left of BootTime when the milliseconds are taken off: both clocks advance together.
void WriteTimeSeries(ByteWriter& out, std::span<const Reading* const> run, TimeBase& before) {
  std::vector<std::int64_t> ms(run.size());
  std::vector<std::int64_t> rest(run.size());
  for (std::size_t i = 0; i < run.size(); ++i) {
    ms[i] = Minus(run[i]->unix_ms, before.ms);
    rest[i] = Minus(Minus(run[i]->boot_ns, before.boot_ns), MsToNs(ms[i]));
  }
  EncodeSeries(out, ms);
  EncodeSeries(out, rest);
  before = {run.back()->unix_ms, run.back()->boot_ns};
}

void WriteTimes(ByteWriter& out, std::span<const Reading* const> run, TimeBase& before) {
  if (IsSeries(run.size())) return WriteTimeSeries(out, run, before);
  for (const Reading* reading : run) {
    const std::int64_t ms = Minus(reading->unix_ms, before.ms);
    out.Zigzag(ms);
    // Both clocks advance together, so what is left is the part below a millisecond.
    out.Zigzag(Minus(Minus(reading->boot_ns, before.boot_ns), MsToNs(ms)));
    before = {reading->unix_ms, reading->boot_ns};
  }
}

std::string EncodeSection(const ReadingList& readings, TimeBase before, Dictionary& dictionary) {
  ByteWriter out;
  std::uint64_t next = readings.front()->seq;
  for (std::size_t begin = 0; begin < readings.size();) {
    std::size_t end = begin + 1;
    while (end < readings.size() && SameRun(*readings[begin], *readings[end])) ++end;
    const std::span run(readings.data() + begin, end - begin);
    const bool holes = HasHoles(run, next);
    WriteRunHead(out, *run.front(), run.size(), holes, dictionary);
    if (holes) WriteHoles(out, run, next);
    next = run.back()->seq + 1;
    WriteTimes(out, run, before);
    std::vector<const PointValue*> column(run.size());
    for (std::size_t point = 0; point < run.front()->values.size(); ++point) {
      for (std::size_t i = 0; i < run.size(); ++i) column[i] = &run[i]->values[point];
      EncodeColumn(out, column, IsSeries(run.size()), dictionary);
    }
    begin = end;
  }
  return out.Take();
}

struct Section {
  std::uint64_t thing;
  ReadingList readings;
  std::uint64_t holes() const {
    return readings.back()->seq - readings.front()->seq + 1 - static_cast<std::uint64_t>(readings.size());
  }
};

std::vector<Section> GroupByThing(std::span<const Reading> readings, Dictionary& dictionary) {
  std::vector<Section> sections;
  std::unordered_map<std::string_view, std::size_t> places;
  for (const Reading& reading : readings) {
    const auto [it, added] = places.try_emplace(reading.thing, sections.size());
    if (added) sections.push_back({*dictionary.Intern(Kind::kThing, reading.thing), {}});
    sections[it->second].readings.push_back(&reading);
  }
  return sections;
}

// What the number of a thing's first ack is told against: acks ride with the thing's next readings, else the thing
// before it is as good as anything.
class AckBase {
 public:
  explicit AckBase(const std::vector<RowSection>& sections) {
    for (const RowSection& section : sections) firsts_.emplace(section.thing, section.first_seq);
  }
  std::uint64_t For(std::uint64_t thing, std::uint64_t acked_before) const {
    const auto it = firsts_.find(thing);
    return it == firsts_.end() ? acked_before : it->second;
  }

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> firsts_;
};

void WriteAcks(ByteWriter& out, std::span<const AckRange> acks, const std::vector<RowSection>& sections) {
  std::size_t things = 0;
  for (std::size_t i = 0; i < acks.size(); ++i) things += i == 0 || acks[i].thing != acks[i - 1].thing ? 1 : 0;
  out.Varint(things);
  const AckBase base(sections);
  AckRange before;
  for (std::size_t begin = 0; begin < acks.size();) {
    std::size_t end = begin;
    while (end < acks.size() && acks[end].thing == acks[begin].thing) ++end;
    const bool one = end == begin + 1 && acks[begin].first == acks[begin].last;
    out.Varint(acks[begin].thing - before.thing);
    out.Varint(one ? 0 : end - begin);
    out.Zigzag(static_cast<std::int64_t>(acks[begin].first - base.For(acks[begin].thing, before.first)));
    before = acks[begin];
    if (!one) out.Varint(acks[begin].last - acks[begin].first);
    for (std::size_t i = begin + 1; i < end; ++i) {
      out.Varint(acks[i].first - acks[i - 1].last);
      out.Varint(acks[i].last - acks[i].first);
    }
    begin = end;
  }
}

void WriteTimeSpan(ByteWriter& out, std::span<const Reading> readings, std::int64_t base_ms, bool holes) {
  std::int64_t oldest = base_ms;
  std::int64_t newest = base_ms;
  std::optional<std::int64_t> trusted;
  bool all = true;
  for (const Reading& reading : readings) {
    oldest = std::min(oldest, reading.unix_ms);
    newest = std::max(newest, reading.unix_ms);
    if (reading.time_trusted) trusted = std::max(trusted.value_or(reading.unix_ms), reading.unix_ms);
    all &= reading.time_trusted;
  }
  out.U8(static_cast<std::uint8_t>((all ? kRowTrusted : 0) | (trusted ? kRowHasTrusted : 0) | (holes ? kRowHoles : 0)));
  out.Zigzag(Minus(oldest, base_ms));
  out.Zigzag(Minus(newest, base_ms));
  if (trusted) out.Zigzag(Minus(*trusted, base_ms));
}

Error Damaged(std::string_view what) {
  return {Action::kGiveUp, fmt::format("damaged journal row: {}", what)};
}

bool ReadAcks(ByteReader& in, RowHeader& header) {
  const AckBase base(header.sections);
  const std::size_t things = in.Count();
  AckRange before;
  for (std::size_t i = 0; i < things && in.Ok(); ++i) {
    AckRange ack{.thing = before.thing + in.Varint()};
    const std::size_t more = in.Count();
    ack.first = base.For(ack.thing, before.first) + static_cast<std::uint64_t>(in.Zigzag());
    ack.last = ack.first + (more == 0 ? 0 : in.Varint());
    before = ack;
    for (std::size_t r = 0; in.Ok(); ++r) {
      if (ack.first == 0 || ack.first > ack.last || ack.last > SeqMark::kMaxSeq) return false;
      header.acks.push_back(ack);
      if (r + 1 >= more) break;
      const std::uint64_t end = ack.last;
      ack.first = end + in.Varint();
      ack.last = ack.first + in.Varint();
      if (ack.first < end) return false;
    }
  }
  return in.Ok();
}

bool ReadOldAcks(ByteReader& in, std::vector<AckRange>& acks) {
  const std::size_t things = in.Count();
  for (std::size_t i = 0; i < things; ++i) {
    const std::uint64_t thing = in.Varint();
    const std::size_t ranges = in.Count();
    std::uint64_t before = 0;
    for (std::size_t r = 0; r < ranges && in.Ok(); ++r) {
      const std::uint64_t first = before + in.Varint();
      const std::uint64_t last = first + in.Varint();
      if (first < before || last < first || last > SeqMark::kMaxSeq || first == 0) return false;
      acks.push_back({thing, first, last});
      before = last;
    }
  }
  return in.Ok();
}

std::uint8_t ReadTimeSpan(ByteReader& in, RowHeader& header) {
  const std::uint8_t flags = in.U8();
  header.all_trusted = (flags & kRowTrusted) != 0;
  header.oldest_ms = Plus(header.base_ms, in.Zigzag());
  header.newest_ms = Plus(header.base_ms, in.Zigzag());
  if ((flags & kRowHasTrusted) != 0) header.newest_trusted_ms = Plus(header.base_ms, in.Zigzag());
  return flags;
}

bool ReadDirectory(ByteReader& in, bool with_holes, RowHeader& header) {
  const std::size_t sections = in.Count();
  std::uint64_t thing = 0;
  std::uint64_t seq = 0;
  for (std::size_t i = 0; i < sections && in.Ok(); ++i) {
    RowSection section;
    section.thing = thing += static_cast<std::uint64_t>(in.Zigzag());
    section.first_seq = seq += static_cast<std::uint64_t>(in.Zigzag());
    section.count = in.Varint();
    if (with_holes) section.holes = in.Varint();
    section.last_ms = Plus(header.base_ms, in.Zigzag());
    section.length = in.Varint();
    if (section.count == 0 || section.first_seq == 0 || section.first_seq > SeqMark::kMaxSeq ||
        section.count > MostInSeries(section.length) || section.holes > SeqMark::kMaxSeq ||
        section.last_seq() > SeqMark::kMaxSeq) {
      return false;
    }
    header.sections.push_back(section);
  }
  return in.Ok();
}

// Gives each section its place; they must fill the rest of the blob exactly.
bool PlaceSections(RowHeader& header, std::size_t begin, std::size_t end) {
  for (RowSection& section : header.sections) {
    if (section.length > end - begin) return false;
    section.offset = begin;
    begin += section.length;
  }
  return begin == end;
}

struct RunHead {
  std::size_t count = 0;
  bool trusted = false;
  bool holes = false;
  bool series = false;
  std::string boot_id;
  std::vector<std::string> points;
};

bool SplitPoints(const std::string* joined, std::vector<std::string>& points) {
  if (joined == nullptr) return false;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = joined->find(kPointSeparator, begin);
    points.push_back(joined->substr(begin, end - begin));
    if (end == std::string::npos) return true;
    begin = end + 1;
  }
}

bool ReadRunHead(ByteReader& in, const Dictionary& dictionary, RunHead& head) {
  head.count = in.Varint();
  const std::uint8_t flags = in.U8();
  head.series = (flags & kRunSeries) != 0;
  if (head.count > (head.series ? MostInSeries(in.remaining()) : in.remaining())) return false;
  head.trusted = (flags & kRunTrusted) != 0;
  head.holes = (flags & kRunHoles) != 0;
  if ((flags & kRunBootInline) != 0) {
    head.boot_id = in.String();
  } else {
    const std::string* boot = dictionary.Find(Kind::kWord, in.Varint());
    if (boot == nullptr) return false;
    head.boot_id = *boot;
  }
  if ((flags & kRunPointsInline) == 0) return SplitPoints(dictionary.Find(Kind::kPointSet, in.Varint()), head.points);
  const std::size_t points = in.Count();
  for (std::size_t i = 0; i < points && in.Ok(); ++i) head.points.emplace_back(in.String());
  return in.Ok();
}

bool ReadTimes(ByteReader& in, bool series, TimeBase& before, std::span<Reading> run) {
  if (!series) {
    for (Reading& reading : run) {
      const std::int64_t ms = in.Zigzag();
      const std::int64_t rest = in.Zigzag();
      before = {Plus(before.ms, ms), Plus(Plus(before.boot_ns, MsToNs(ms)), rest)};
      reading.unix_ms = before.ms;
      reading.boot_ns = before.boot_ns;
    }
    return in.Ok();
  }
  std::vector<std::int64_t> ms(run.size());
  std::vector<std::int64_t> rest(run.size());
  if (!DecodeSeries(in, ms) || !DecodeSeries(in, rest)) return false;
  for (std::size_t i = 0; i < run.size(); ++i) {
    run[i].unix_ms = Plus(before.ms, ms[i]);
    run[i].boot_ns = Plus(Plus(before.boot_ns, MsToNs(ms[i])), rest[i]);
  }
  before = {run.back().unix_ms, run.back().boot_ns};
  return true;
}

bool ReadRun(ByteReader& in, const RunHead& head, const Dictionary& dictionary, TimeBase& before,
             std::span<Reading> run) {
  if (!ReadTimes(in, head.series, before, run)) return false;
  for (Reading& reading : run) {
    reading.boot_id = head.boot_id;
    reading.time_trusted = head.trusted;
  }
  std::vector<PointValue*> column(run.size());
  for (std::size_t point = 0; point < head.points.size(); ++point) {
    // Each value takes at least a byte, or a bit of a series, so memory stays proportional to the input.
    if (!in.Ok() || run.size() > (head.series ? MostInSeries(in.remaining()) : in.remaining())) return false;
    for (std::size_t i = 0; i < run.size(); ++i) {
      column[i] = &run[i].values.emplace_back();
      column[i]->point = head.points[point];
    }
    if (!DecodeColumn(in, column, dictionary)) return false;
  }
  return in.Ok();
}

}  // namespace

const RowSection* RowHeader::Find(std::uint64_t thing) const {
  for (const RowSection& section : sections) {
    if (section.thing == thing) return &section;
  }
  return nullptr;
}

std::uint64_t RowHeader::readings() const {
  std::uint64_t count = 0;
  for (const RowSection& section : sections) count += section.count;
  return count;
}

std::string EncodeRow(std::span<const Reading> readings, std::span<const AckRange> acks, Dictionary& dictionary) {
  const TimeBase base =
      readings.empty() ? TimeBase{0, 0} : TimeBase{readings.front().unix_ms, readings.front().boot_ns};
  const std::vector<Section> sections = GroupByThing(readings, dictionary);
  const bool holes = std::any_of(sections.begin(), sections.end(), [](const Section& s) { return s.holes() > 0; });
  ByteWriter out;
  out.U8(kVersion);
  out.Zigzag(base.ms);
  out.Zigzag(base.boot_ns);
  WriteTimeSpan(out, readings, base.ms, holes);
  out.Varint(sections.size());
  std::vector<RowSection> directory;
  std::string bodies;
  std::uint64_t thing = 0;
  std::uint64_t seq = 0;
  for (const Section& section : sections) {
    const std::string body = EncodeSection(section.readings, base, dictionary);
    out.Zigzag(static_cast<std::int64_t>(section.thing - thing));
    out.Zigzag(static_cast<std::int64_t>(section.readings.front()->seq - seq));
    out.Varint(section.readings.size());
    if (holes) out.Varint(section.holes());
    out.Zigzag(Minus(section.readings.back()->unix_ms, base.ms));
    out.Varint(body.size());
    bodies += body;
    thing = section.thing;
    seq = section.readings.front()->seq;
    directory.push_back({.thing = thing, .first_seq = seq});
  }
  WriteAcks(out, acks, directory);
  out.Raw(bodies);
  const std::uint32_t crc = Crc32(out.bytes());
  std::string blob;
  blob.reserve(kCrcBytes + out.bytes().size());
  for (int shift = 0; shift < 32; shift += 8) blob.push_back(static_cast<char>(crc >> shift));
  return blob + out.bytes();
}

Result<RowHeader> DecodeHeader(std::string_view blob) {
  if (blob.size() < kCrcBytes + 1) return Fail(Damaged("too short"));
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < kCrcBytes; ++i) {
    crc |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(blob[i])) << (8 * i);
  }
  const std::string_view body = blob.substr(kCrcBytes);
  if (Crc32(body) != crc) return Fail(Damaged("checksum"));
  ByteReader in(body);
  const std::uint8_t version = in.U8();
  if (version < kOldVersion || version > kVersion) return Fail(Damaged("unknown version"));
  const bool old = version != kVersion;
  RowHeader header;
  header.base_ms = in.Zigzag();
  header.base_boot_ns = in.Zigzag();
  if (old && !ReadOldAcks(in, header.acks)) return Fail(Damaged("acks"));
  const std::uint8_t flags = ReadTimeSpan(in, header);
  const bool holes = old ? version == kOldVersionWithHoles : (flags & kRowHoles) != 0;
  if (!ReadDirectory(in, holes, header)) return Fail(Damaged("directory"));
  if (!old && !ReadAcks(in, header)) return Fail(Damaged("acks"));
  if (!PlaceSections(header, blob.size() - in.remaining(), blob.size())) return Fail(Damaged("section lengths"));
  return header;
}

Status DecodeSection(std::string_view blob, const RowHeader& header, const RowSection& section,
                     const Dictionary& dictionary, std::vector<Reading>& out) {
  const std::string* thing = dictionary.Find(Kind::kThing, section.thing);
  if (thing == nullptr) return Fail(Damaged("unknown thing"));
  const std::size_t begin = out.size();
  ByteReader in(blob.substr(section.offset, section.length));
  TimeBase before{header.base_ms, header.base_boot_ns};
  std::uint64_t seq = section.first_seq;
  bool good = true;
  while (!in.AtEnd() && in.Ok()) {
    RunHead head;
    const std::size_t run_begin = out.size();
    if (!ReadRunHead(in, dictionary, head) || head.count == 0 || head.count > section.count - (run_begin - begin))
      break;
    out.resize(run_begin + head.count);
    const std::span run(out.data() + run_begin, head.count);
    for (Reading& reading : run) {
      reading.thing = *thing;
      const std::uint64_t hole = head.holes ? in.Varint() : 0;
      good &= hole <= section.holes && seq + hole <= section.last_seq();
      reading.seq = good ? seq += hole : 0;
      ++seq;
    }
    if (!good || !ReadRun(in, head, dictionary, before, run)) break;
  }
  const bool all = out.size() - begin == section.count && seq == section.last_seq() + 1;
  if (in.Ok() && in.AtEnd() && good && all) return {};
  out.resize(begin);
  return Fail(Damaged("section"));
}

}  // namespace penumbra
