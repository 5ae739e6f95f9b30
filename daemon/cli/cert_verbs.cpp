#include "cli/cert_verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/text.hpp"
#include "cli/cert_rotate.hpp"
#include "cli/enrol.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"
#include "credentials/inspect.hpp"
#include "credentials/issue.hpp"

namespace penumbra::cli {
namespace {

constexpr std::size_t kMaxFile = 4 * 1024 * 1024;

std::string Day(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm utc{};
  gmtime_r(&time, &utc);
  return fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

int Show(const Invocation& invocation, const std::vector<identity::Plan>& things) {
  Table table({{"THING"}, {"CERTIFICATE ID"}, {"UNTIL"}, {"TROUBLE"}});
  OrderedJson rows = OrderedJson::array();
  bool good = true;
  for (const identity::Plan& thing : things) {
    const CredentialFacts facts = InspectCredentials(thing.certificate, thing.private_key, std::time(nullptr));
    OrderedJson findings = OrderedJson::array();
    for (const CredentialFinding& finding : facts.findings) findings.push_back(finding.message);
    const std::string until = facts.not_after_s == 0 ? "-" : Day(facts.not_after_s);
    const bool usable = facts.Usable().has_value();
    good = good && usable;
    table.Row({{thing.thing},
               {facts.certificate_id.empty() ? "-" : facts.certificate_id.substr(0, 16)},
               {until},
               {facts.findings.empty() ? "-" : facts.findings[0].message, usable ? Tone::kPlain : Tone::kBad}});
    rows.push_back({{"thing", thing.thing},
                    {"certificate", thing.certificate.string()},
                    {"private_key", PrivateKeyLabel(thing.private_key)},
                    {"subject", facts.subject},
                    {"certificate_id", facts.certificate_id},
                    {"not_before_s", facts.not_before_s},
                    {"not_after_s", facts.not_after_s},
                    {"usable", usable},
                    {"findings", std::move(findings)}});
  }
  Print(invocation.json ? OrderedJson{{"certificates", std::move(rows)}}.dump() + "\n"
                        : table.Text(OutputStyle(invocation.no_color)));
  return good ? kExitOk : kExitFailed;
}

// A key where there is none yet, and the request for it. What was made stays when a later one fails.
int Requests(const Invocation& invocation, const std::vector<identity::Plan>& things) {
  const std::filesystem::path folder = invocation.out.value_or(".");
  const KeyKind kind = invocation.rsa ? KeyKind::kRsa2048 : KeyKind::kP256;
  for (const identity::Plan& thing : things) {
    std::error_code ignored;
    if (!IsPkcs11Uri(thing.private_key) && !std::filesystem::exists(thing.private_key, ignored)) {
      if (const auto made = MakePrivateKey(thing.private_key, kind); !made) {
        Complain(made.error());
        return kExitFailed;
      }
    }
    auto request = MakeCertificateRequest(thing.private_key, thing.thing);
    const std::filesystem::path file = folder / (thing.thing + ".csr");
    const Status written = request ? InstallFile(file, *request) : Fail(request.error());
    if (!written) {
      Complain(written.error());
      return kExitFailed;
    }
    Print(fmt::format("{}: key {}, request {}\n", thing.thing, PrivateKeyLabel(thing.private_key), file.string()));
  }
  return kExitOk;
}

// {"sensor-001": "-----BEGIN CERTIFICATE..."}, as `terraform output -json certificates` prints it.
int Install(const Invocation& invocation, const std::vector<identity::Plan>& all) {
  if (invocation.words.size() != 2) {
    Complain("usage: penumbra cert install FILE, a JSON object of thing names and certificates");
    return kExitUsage;
  }
  std::ifstream file(invocation.words[1]);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || text.size() > kMaxFile) {
    Complain(fmt::format("cannot read {}", invocation.words[1]));
    return kExitFailed;
  }
  const auto json = ParseJson(text);
  if (!json || !json->is_object()) {
    Complain(fmt::format("{} is not a JSON object of thing names and certificates", invocation.words[1]));
    return kExitFailed;
  }
  int code = kExitOk;
  for (const auto& [name, pem] : json->items()) {
    const std::string thing = name;
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const identity::Plan& one) { return one.thing == thing; });
    if (found == all.end() || !pem.is_string() ||
        pem.get<std::string>().find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
      Complain(
          fmt::format("{}: {}", thing, found == all.end() ? "no thing is called so" : "not a certificate in PEM form"));
      code = kExitFailed;
      continue;
    }
    // Looked at beside the key before it replaces anything: a certificate of another key would take the thing offline.
    const std::filesystem::path beside = found->certificate.string() + ".check";
    Status status = InstallFile(beside, pem.get<std::string>());
    if (status) status = InspectCredentials(beside, found->private_key, std::nullopt).Usable();
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
    if (status) status = InstallFile(found->certificate, pem.get<std::string>());
    if (!status) {
      Complain(fmt::format("{}: {}", thing, status.error().message));
      code = kExitFailed;
      continue;
    }
    Print(fmt::format("{}: {}\n", thing, found->certificate.string()));
  }
  return code;
}

}  // namespace

int Cert(const Invocation& invocation) {
  const std::string& what = invocation.words[0];
  if (what != "show" && what != "csr" && what != "install" && what != "rotate") {
    Complain(fmt::format("cert {}: there are show, csr, install and rotate", what));
    return kExitUsage;
  }
  const auto loaded = LoadWhole(invocation);
  if (!loaded) return kExitConfig;
  const std::vector<identity::Plan> all = PlansOf(loaded->settings, invocation);
  if (what == "install") return Install(invocation, all);
  const std::vector<std::string> names(invocation.words.begin() + 1, invocation.words.end());
  const auto chosen = ChosenPlans(all, names, invocation.all || (what == "show" && names.empty()));
  if (!chosen) return kExitUsage;
  if (what == "rotate") return Rotate(invocation, loaded->settings, *chosen);
  return what == "show" ? Show(invocation, *chosen) : Requests(invocation, *chosen);
}

}  // namespace penumbra::cli
