// Hostile requests to the stand-in's services, and any text as a provisioning template: they answer with JSON on the
// answer topics of the request or not at all.
// Input: lines "TOPIC PAYLOAD"; the first line is a provisioning template and then its parameters.
#include <cstdint>
#include <cstdlib>
#include <initializer_list>

#include "iotcore/commands_service.hpp"
#include "iotcore/defender_service.hpp"
#include "iotcore/jobs_service.hpp"
#include "iotcore/provisioning_service.hpp"

namespace {

using namespace penumbra;
using namespace penumbra::iotcore;

class Office : public CertificateOffice {
 public:
  Result<IssuedCertificate> SignRequest(const std::string&) override { return IssuedCertificate{"c1", "pem", ""}; }
  Result<IssuedCertificate> MakeKeysAndCertificate() override { return IssuedCertificate{"c2", "pem", "key"}; }
};

std::string_view TakeLine(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  CertificateRegistry registry;
  Office office;
  ProvisioningService provisioning(registry, office);
  JobsService jobs;
  CommandsService commands;
  DefenderService defender;
  (void)jobs.OnCommand({"create", "j1", "t1", "retries=2", "{}"}, 1);
  (void)defender.OnCommand({"metrics", R"({"backlog":"number","names":"string-list"})"}, 1);
  (void)commands.OnCommand({"start", "t1", "id=e1", "{}"}, 1);

  const auto made = ProvisioningTemplate::Parse(std::string(TakeLine(text)));
  const auto parameters = ParseJson(TakeLine(text));
  if (made && parameters) (void)made->Apply(*parameters, "c1");
  for (std::int64_t now_ms = 1; !text.empty() && now_ms < 200; ++now_ms) {
    const std::string_view line = TakeLine(text);
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string_view topic = line.substr(0, space), payload = line.substr(std::min(space + 1, line.size()));
    for (Service* service : std::initializer_list<Service*>{&jobs, &commands, &defender, &provisioning}) {
      for (const Message& message : service->OnMessage(topic, payload, now_ms)) {
        if (!ParseJson(message.payload) || !message.topic.starts_with("$aws/")) std::abort();
      }
    }
  }
  return 0;
}
