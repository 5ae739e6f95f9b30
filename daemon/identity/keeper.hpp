// Looks after the certificates of a running daemon: says 30, 7 and 1 days before one expires, gives each thing a new
// one when it is asked to, or by itself when the configuration says so, and lets a thing connect anew when its files
// were replaced under it. While a thing rotates its session is held, because AWS lets in one connection for a client
// id; its readings wait in the store. One rotation at a time. Loop thread; files and keys on a thread of its own.
// Source: aws-iot-core.md section 4 ("Rotation").
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/time_trust.hpp"
#include "identity/enrolment.hpp"
#include "model/settings.hpp"
#include "uplink/uplink.hpp"

namespace penumbra::identity {

// What is known of a thing's certificate.
struct CertificateState {
  std::string thing;
  std::string certificate_id;  // empty: none that can be read
  std::int64_t not_after_s = 0;
  std::string trouble;  // the first finding of credentials/inspect.hpp, with what to do; empty: none
  bool rotating = false;
  std::string last_error;  // of the newest rotation, until one works
};

// How many days' warning `left_s` deserves: 30, 7, 1, 0 (expired); nullopt: none yet.
std::optional<int> WarningDays(std::int64_t left_s);

// When a thing's certificate is due: rotate_before its end, less a tenth of that by the thing's name, so that a fleet
// made on one day is not renewed in one second.
std::int64_t RotationDue(std::int64_t not_after_s, Duration rotate_before, std::string_view thing);

class CertificateKeeper {
 public:
  static constexpr Duration kLook = std::chrono::seconds(20);  // files compared with what they were
  static constexpr Duration kInspect = std::chrono::hours(1);  // read again although they are the same
  static constexpr Duration kRetryFirst = std::chrono::hours(1), kRetryLongest = std::chrono::hours(24);
  static constexpr std::size_t kMaxWaiting = 2001;  // rotations: every thing once

  struct Options {
    UpstreamSettings upstream;
    CredentialSettings credentials;
    std::vector<Plan> plans;
    std::uint64_t seed = 0;
    std::function<void(std::string_view)> moment = [](std::string_view) {};  // of Enrolment, for crash tests
  };
  // Everything outlives it. `worker` as in enrolment.hpp; it must have come to rest before the keeper is destroyed.
  CertificateKeeper(Options options, EventLoop& loop, mqtt::Transport& transport, Uplink& uplink, TimeTrust& trust,
                    Worker worker);
  ~CertificateKeeper();

  // Before the uplink starts: installations that a crash interrupted are finished. Blocking.
  void Recover();
  // Begins to look, and resumes rotations that were under way.
  void Start();
  // Other things, other rules for their certificates, while everything runs. A rotation under way is finished as it was
  // begun, also of a thing that is gone; one that waited until a retry is considered at once.
  void Reconfigure(const UpstreamSettings& upstream, const CredentialSettings& credentials, std::vector<Plan> plans);
  // A new key and certificate for this thing. `done` once; errors: kGiveUp (no such thing, no template), and those of
  // Enrolment. A second request while the first waits shares its result, and its wishes; one that a crash interrupted
  // goes on as the configuration says.
  void Rotate(const std::string& thing, const RotationWishes& wishes, std::function<void(Result<Enrolled>)> done);
  std::vector<CertificateState> States() const;

 private:
  struct Kept {
    Plan plan;
    bool leaving = false;  // not configured any more: only its rotation is finished
    CertificateState state;
    std::string fingerprint;
    BootTime inspected{};
    bool known = false;
    std::optional<int> warned;
    BootTime next_try{};
    Backoff retry{kRetryFirst, kRetryLongest, kRetryFirst / 2};
    RotationWishes wishes;  // of the rotation that waits or is under way
    std::vector<std::function<void(Result<Enrolled>)>> waiting;
  };
  struct Seen;

  bool MayRotate(const Kept& kept) const;
  bool UnderWay(const Kept& kept) const;
  void Drop(const std::string& thing);
  void Look();
  void Take(const Seen& seen);
  void Warn(Kept& kept, std::int64_t now_s);
  void Bounce(const std::string& thing);
  void ConsiderRotation(Kept& kept, std::int64_t now_s);
  void Enqueue(Kept& kept);
  void Next();
  void Begin(Kept& kept);
  void Finish(const std::string& thing, const Result<Enrolled>& result);
  Kept* Find(const std::string& thing);

  Options options_;
  EventLoop& loop_;
  mqtt::Transport& transport_;
  Uplink& uplink_;
  TimeTrust& trust_;
  const Worker worker_;
  Random random_;
  std::vector<Kept> kept_;
  std::deque<std::string> queue_;
  std::string busy_;  // the thing that rotates now
  UniqueFd lock_;
  std::unique_ptr<Office> office_;
  std::unique_ptr<Enrolment> enrolment_;
  std::map<std::string, SubscriptionPtr> bounces_;
  bool started_ = false;
  SubscriptionPtr look_timer_, end_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penumbra::identity
