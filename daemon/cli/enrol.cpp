#include "cli/enrol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>

#include "base/text.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "event/asio_loop.hpp"
#include "mqtt/paho_transport.hpp"

namespace penumbra::cli {
namespace {

void Progress(const std::string& thing, const std::string& text) {
  fmt::print(stderr, "{}: {}\n", thing, text);
}

// One enrolment after the other on one loop.
class Run {
 public:
  Run(AsioLoop& loop, mqtt::Transport& transport, const EnrolRequest& request)
      : loop_(loop), transport_(transport), request_(request), random_(std::random_device{}()) {}

  void Next() {
    if (outcomes_.size() == request_.plans.size() || stopped_) return loop_.Stop();
    const identity::Plan& plan = request_.plans[outcomes_.size()];
    auto options = request_.office(plan);
    if (!office_ || office_->options().client_id != options.client_id) {
      office_ = std::make_unique<identity::Office>(loop_, transport_, std::move(options));
    }
    identity::Enrolment::Ports ports{loop_, transport_, random_};
    ports.progress = Progress;
    enrolment_ = std::make_unique<identity::Enrolment>(
        std::move(ports), *office_, plan, request_.rotation, [this, &plan](Result<identity::Enrolled> result) {
          stopped_ = !result && result.error().action == Action::kFixConfig;
          outcomes_.push_back({plan.thing, std::move(result)});
          next_ = loop_.After(Duration::zero(), [this] {
            enrolment_.reset();
            Next();
          });
        });
    enrolment_->Start(request_.afresh);
  }
  std::vector<EnrolOutcome> Take() { return std::move(outcomes_); }

 private:
  AsioLoop& loop_;
  mqtt::Transport& transport_;
  const EnrolRequest& request_;
  Random random_;
  std::unique_ptr<identity::Office> office_;
  std::unique_ptr<identity::Enrolment> enrolment_;
  SubscriptionPtr next_;
  std::vector<EnrolOutcome> outcomes_;
  bool stopped_ = false;
};

}  // namespace

std::optional<std::vector<identity::Plan>> ChosenPlans(const std::vector<identity::Plan>& all,
                                                       const std::vector<std::string>& words, bool everything) {
  if (everything) return all;
  std::vector<identity::Plan> chosen;
  for (const std::string& word : words) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const identity::Plan& one) { return one.thing == word; });
    if (found != all.end()) {
      chosen.push_back(*found);
      continue;
    }
    std::vector<std::string> names;
    for (const identity::Plan& one : all) names.push_back(one.thing);
    const auto near = Suggest(word, names);
    Complain(near ? fmt::format("no thing is called \"{}\"; did you mean \"{}\"?", word, *near)
                  : fmt::format("no thing is called \"{}\"", word));
    return std::nullopt;
  }
  if (!chosen.empty()) return chosen;
  Complain("which thing? name it, or give --all");
  return std::nullopt;
}

std::vector<identity::Plan> PlansOf(const Settings& settings, const Invocation& invocation) {
  std::vector<identity::Plan> plans = identity::MakePlans(settings, invocation.parameters);
  for (identity::Plan& plan : plans) {
    if (invocation.template_name) plan.template_name = *invocation.template_name;
    if (invocation.rsa) plan.key = KeyKind::kRsa2048;
  }
  return plans;
}

std::vector<EnrolOutcome> EnrolAll(const EnrolRequest& request) {
  SystemClock clock;
  AsioLoop loop(clock);
  const auto transport = mqtt::PahoTransport::Create(loop);
  Run run(loop, *transport, request);
  loop.Post([&run] { run.Next(); });
  loop.Run();
  return run.Take();
}

Result<std::vector<UniqueFd>> LockFolders(const std::vector<identity::Plan>& plans) {
  std::set<std::filesystem::path> folders;
  for (const identity::Plan& plan : plans) folders.insert(plan.certificate.parent_path());
  std::vector<UniqueFd> locks;
  for (const auto& folder : folders) {
    if (auto made = MakeFolder(folder); !made) return Fail(made.error());
    auto lock = identity::LockCredentials(folder);
    if (!lock) return Fail(lock.error());
    locks.push_back(std::move(*lock));
  }
  return locks;
}

int PrintOutcomes(const Invocation& invocation, const std::vector<std::string>& kept,
                  const std::vector<EnrolOutcome>& done, std::size_t wanted) {
  OrderedJson rows = OrderedJson::array();
  std::string text;
  bool good = done.size() == wanted;
  for (const std::string& thing : kept) {
    rows.push_back({{"thing", thing}, {"status", "kept"}});
    text += fmt::format("{}: has good credentials\n", thing);
  }
  for (const EnrolOutcome& one : done) {
    if (!one.result) {
      good = false;
      rows.push_back({{"thing", one.thing}, {"status", "failed"}, {"error", one.result.error().message}});
      Complain(fmt::format("{}: {}", one.thing, one.result.error().message));
      continue;
    }
    rows.push_back({{"thing", one.thing},
                    {"status", "provisioned"},
                    {"certificate_id", one.result->certificate_id},
                    {"old_certificate_id", one.result->old_certificate_id}});
    text += fmt::format("{}: certificate {}\n", one.thing, one.result->certificate_id);
    if (one.result->old_certificate_id.empty()) continue;
    text += fmt::format("  no longer used: aws iot update-certificate --new-status INACTIVE --certificate-id {}\n",
                        one.result->old_certificate_id);
  }
  if (done.size() < wanted) Complain(fmt::format("{} more not tried; run the command again", wanted - done.size()));
  Print(invocation.json ? OrderedJson{{"things", std::move(rows)}}.dump() + "\n" : text);
  return good ? kExitOk : kExitFailed;
}

}  // namespace penumbra::cli
