#include "iotcore/answer_faults.hpp"

#include "iotcore/words.hpp"

namespace penumbra::iotcore {

Status AnswerFaults::OnCommand(const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0] == "none") {
    drop_ = drop_after_ = duplicate_ = inject_ = 0;
    delay_ms_ = 0;
    return {};
  }
  if (words.size() < 2 || words.size() > 3) return Fail(Action::kGiveUp, Usage());
  const std::string& kind = words[0];
  if (kind == "inject") {
    const auto count = words.size() == 3 ? WholeNumber(words[2], kMaxCount) : 1;
    if (!count) return Fail(Action::kGiveUp, Usage());
    code_ = words[1];
    inject_ = static_cast<std::size_t>(*count);
    return {};
  }
  const auto number = WholeNumber(words[1], kind == "delay" ? kMaxDelayMs : std::int64_t{kMaxCount});
  if (!number || (words.size() == 3 && kind != "drop")) return Fail(Action::kGiveUp, Usage());
  if (kind == "drop") {
    const auto after = words.size() == 3 ? WholeNumber(words[2], kMaxCount) : 0;
    if (!after) return Fail(Action::kGiveUp, Usage());
    drop_ = static_cast<std::size_t>(*number);
    drop_after_ = static_cast<std::size_t>(*after);
  } else if (kind == "duplicate") {
    duplicate_ = static_cast<std::size_t>(*number);
  } else if (kind == "delay") {
    delay_ms_ = *number;
  } else {
    return Fail(Action::kGiveUp, Usage());
  }
  return {};
}

std::optional<std::string> AnswerFaults::TakeInjected() {
  if (inject_ == 0) return std::nullopt;
  --inject_;
  ++injected_;
  return code_;
}

std::vector<Message> AnswerFaults::Pass(std::vector<Message> answers, std::int64_t now_ms) {
  std::vector<Message> now;
  const auto send = [&](const Message& message) {
    if (delay_ms_ == 0) return now.push_back(message);
    if (waiting_.size() >= kMaxWaiting) {
      ++lost_queue_full_;
      return;
    }
    ++delayed_;
    waiting_.emplace(now_ms + delay_ms_, message);
  };
  for (const Message& message : answers) {
    if (drop_ > 0 && drop_after_ > 0) {
      --drop_after_;
    } else if (drop_ > 0) {
      --drop_;
      ++dropped_;
      continue;
    }
    if (duplicate_ > 0) {
      --duplicate_;
      ++duplicated_;
      send(message);
    }
    send(message);
  }
  return now;
}

std::optional<std::int64_t> AnswerFaults::NextDue() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first;
}

std::vector<Message> AnswerFaults::OnTick(std::int64_t now_ms) {
  std::vector<Message> due;
  const auto end = waiting_.upper_bound(now_ms);
  for (auto it = waiting_.begin(); it != end; ++it) due.push_back(std::move(it->second));
  waiting_.erase(waiting_.begin(), end);
  return due;
}

Json AnswerFaults::Summary() const {
  return {{"dropped", dropped_},
          {"duplicated", duplicated_},
          {"delayed", delayed_},
          {"injected", injected_},
          {"lost_queue_full", lost_queue_full_}};
}

}  // namespace penumbra::iotcore
