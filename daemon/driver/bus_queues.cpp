#include "driver/bus_queues.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace penumbra {
namespace {

void Answer(const BusQueues::Write& write, const Error& cause) {
  write.done(Fail(cause));
}

void Answer(const BusQueues::Read& read, const Error& cause) {
  for (const auto& done : read.done) done(Fail(cause));
}

void Answer(const BusQueues::Question& question, const Error& cause) {
  question.done(Fail(cause));
}

template <typename Item>
std::optional<Item> TakeHead(std::deque<Item>& queue) {
  if (queue.empty()) return std::nullopt;
  Item head = std::move(queue.front());
  queue.pop_front();
  return head;
}

// One that is answered is not in the queue any more: its callback may ask again.
template <typename Item>
void FailOlder(std::deque<Item>& queue, BootTime oldest) {
  while (!queue.empty() && queue.front().asked < oldest) {
    Answer(*TakeHead(queue), {Action::kRetry, "waited too long for the bus"});
  }
}

template <typename Item>
void FailEach(std::deque<Item>& queue, const Error& cause) {
  for (const Item& item : std::exchange(queue, {})) Answer(item, cause);
}

template <typename Item, typename NowAt>
void RenumberEach(std::deque<Item>& queue, const NowAt& now_at, const Error& cause) {
  for (Item& item : std::exchange(queue, {})) {
    if (const auto thing = now_at(item.thing)) {
      item.thing = *thing;
      queue.push_back(std::move(item));
    } else {
      Answer(item, cause);
    }
  }
}

bool IsShort(const Value& value) {
  return !std::holds_alternative<std::string>(value);
}

Error Full(const std::string& bus, std::size_t waiting, const char* what) {
  return {Action::kBackOff, fmt::format("bus {} has {} {} waiting", bus, waiting, what)};
}

}  // namespace

void BusQueues::Add(Write write) {
  if (writes_.size() >= kMaxWrites) return Answer(write, Full(bus_, writes_.size(), "writes"));
  writes_.push_back(std::move(write));
}

void BusQueues::AddRead(std::uint32_t thing, BootTime now, std::function<void(Result<Reading>)> done) {
  const auto same = std::ranges::find(reads_, thing, &Read::thing);
  if (same != reads_.end() && same->done.size() < kMaxReads) {
    same->done.push_back(std::move(done));
    return;
  }
  if (reads_.size() >= kMaxReads) return done(Fail(Full(bus_, reads_.size(), "reads")));
  reads_.push_back({thing, now, {}});
  reads_.back().done.push_back(std::move(done));
}

void BusQueues::Add(Question question) {
  if (questions_.size() >= kMaxQuestions) return Answer(question, Full(bus_, questions_.size(), "questions"));
  questions_.push_back(std::move(question));
}

std::vector<BusQueues::Write> BusQueues::TakeWrites(std::size_t most) {
  std::vector<Write> together;
  const auto fits = [&together](const Write& write) {
    return together.empty() ||
           (write.thing == together.front().thing && IsShort(write.raw) && IsShort(together.front().raw));
  };
  while (!writes_.empty() && together.size() < most && fits(writes_.front())) {
    together.push_back(*TakeHead(writes_));
  }
  return together;
}

std::optional<BusQueues::Read> BusQueues::TakeRead() {
  return TakeHead(reads_);
}

std::optional<BusQueues::Question> BusQueues::TakeQuestion() {
  return TakeHead(questions_);
}

void BusQueues::FailUnwanted() {
  const auto unwanted =
      std::stable_partition(writes_.begin(), writes_.end(), [](const Write& w) { return !w.wanted || w.wanted(); });
  std::deque<Write> out(std::make_move_iterator(unwanted), std::make_move_iterator(writes_.end()));
  writes_.erase(unwanted, writes_.end());
  FailEach(out, {Action::kRetry, "not wanted any more"});
}

void BusQueues::FailLate(BootTime now) {
  const BootTime oldest = now - kMaxTime;
  FailOlder(writes_, oldest);
  FailOlder(reads_, oldest);
  FailOlder(questions_, oldest);
}

void BusQueues::FailAll(const Error& cause) {
  FailEach(writes_, cause);
  FailEach(reads_, cause);
  FailEach(questions_, cause);
}

void BusQueues::Renumber(const std::function<std::optional<std::uint32_t>(std::uint32_t)>& now_at, const Error& cause) {
  RenumberEach(writes_, now_at, cause);
  RenumberEach(reads_, now_at, cause);
}

}  // namespace penumbra
