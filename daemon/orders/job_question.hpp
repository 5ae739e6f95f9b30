// "Is there a job for this thing?" (start-next): asked after every connect and every hint, one question at a time,
// later after each failure. Pure, on the caller's time; loop thread. Deliberately not here: what is done with the
// answer (book.hpp). Source: aws-iot-core.md, section 5, state machine 1.
#pragma once

#include <optional>
#include <string>

#include "event/backoff.hpp"

namespace penumbra::orders {

class JobQuestion {
 public:
  JobQuestion(Duration retry_base, Duration retry_max, Duration answer_timeout)
      : answer_timeout_(answer_timeout), backoff_(retry_base, retry_max) {}

  void OnOnline();   // whatever was asked before is forgotten, and it is asked at once
  void OnOffline();  // nobody will answer
  void Want() { wanted_ = true; }

  bool MayAsk(BootTime now) const { return wanted_ && token_.empty() && after_ <= now; }
  void Asked(std::string token, BootTime now);
  // `token`: of an answer or a PUBACK. Whether it is of the question that is under way.
  bool Is(const std::string& token) const { return !token.empty() && token == token_; }
  void Answered();
  void Failed(BootTime now, Random& random);  // refused, or not sent: again later
  void NotAsked() { token_.clear(); }         // it never left
  bool TimedOut(BootTime now) const { return !token_.empty() && now >= deadline_; }

  // When to look again; `may_ask`: whether there is a link, and nothing speaks against a question.
  std::optional<BootTime> Due(bool may_ask) const;
  bool under_way() const { return !token_.empty(); }
  bool wanted() const { return wanted_; }

 private:
  const Duration answer_timeout_;
  bool wanted_ = true;
  std::string token_;  // "": none under way
  BootTime deadline_{};
  BootTime after_{};
  Backoff backoff_;
};

}  // namespace penumbra::orders
