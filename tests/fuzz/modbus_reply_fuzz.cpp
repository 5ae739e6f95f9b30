// Bytes from a device: judged as the reply to a request, and decoded as every type when they are one.
// The first seven bytes of the input choose the request, the rest is what "came".
#include <cstdlib>
#include <span>
#include <vector>

#include "modbus/codec.hpp"
#include "modbus/frame.hpp"

namespace {

using namespace penumbra::modbus;

void Require(bool holds) {
  if (!holds) std::abort();
}

Request RequestFrom(std::span<const std::uint8_t> choice) {
  const auto unit = choice[1];
  const auto address = static_cast<std::uint16_t>(choice[2] << 8 | choice[3]);
  const auto count = static_cast<std::uint16_t>(1 + (choice[4] << 8 | choice[5]) % kMaxReadWords);
  const std::vector<std::uint16_t> words(1 + count % kMaxWriteWords, address);
  switch (choice[0] % 7) {
    case 4:
      return WriteCoilRequest(unit, address, count % 2 == 0, count % 3 == 0);
    case 5:
      return WriteRegistersRequest(unit, address, std::span(words).first(1), false);
    case 6:
      return WriteRegistersRequest(unit, address, words, true);
    default:
      return ReadRequest(unit, static_cast<Table>(choice[0] % 7), address, count);
  }
}

void DecodeAll(std::span<const std::uint8_t> pdu) {
  const std::size_t count = (pdu.size() - 2) / 2;
  std::vector<std::uint16_t> words;
  for (std::size_t i = 0; i < count; ++i) words.push_back(RegisterAt(pdu, i));
  for (int type = 0; type <= static_cast<int>(Type::kString); ++type) {
    for (int order = 0; order < 4; ++order) {
      Encoding encoding{.type = static_cast<Type>(type), .order = static_cast<Order>(order)};
      if (encoding.type == Type::kString) encoding.length = static_cast<std::uint16_t>(count);
      const std::size_t width = WordsOf(encoding);
      if (width == 0 || width > count) continue;
      const Decoded decoded = Decode(encoding, std::span(words).first(width));
      std::vector<std::uint16_t> back;
      if (decoded.fault == nullptr && Encode(encoding, decoded.value, back).empty()) Require(back.size() == width);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kChoice = 7;
  if (size < kChoice) return 0;
  const Request request = RequestFrom({data, kChoice});
  std::span<const std::uint8_t> received(data + kChoice, size - kChoice);
  const Framing framing = data[6] % 2 == 0 ? Framing::kTcp : Framing::kRtu;
  constexpr std::uint16_t kTransaction = 1;
  while (!received.empty()) {
    const Judgement judgement = JudgeReply(framing, received, request, kTransaction);
    Require(judgement.consumed <= received.size());
    if (judgement.verdict == Verdict::kAnswer) {
      Require(judgement.pdu.size() == ReplySize(request));
      if (data[0] % 7 == 2 || data[0] % 7 == 3) DecodeAll(judgement.pdu);
    }
    if (judgement.verdict != Verdict::kForeign) break;
    Require(judgement.consumed > 0);
    received = received.subspan(judgement.consumed);
  }
  return 0;
}
