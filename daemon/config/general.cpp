#include "config/general.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "base/text.hpp"
#include "config/core_schema.hpp"
#include "config/schema_check.hpp"
#include "config/section.hpp"
#include "rules/parser.hpp"

namespace penumbra {
namespace {

// AWS IoT Core quotas; beyond them AWS rounds or throttles, it does not refuse.
constexpr Duration kAwsLeastKeepAlive = std::chrono::seconds(30);
constexpr Duration kAwsMostKeepAlive = std::chrono::seconds(1200);
constexpr double kAwsPublishRate = 100;

class GeneralReader {
 public:
  GeneralReader(const Node& root, LoadedConfig& loaded, Diagnostics& diagnostics)
      : root_(root),
        settings_(loaded.settings),
        aws_(loaded.aws),
        duties_(loaded.duties),
        diagnostics_(diagnostics),
        origins_(loaded.origins) {}

  void Read() {
    ReadPaths(Table("paths"), settings_.paths);
    ReadGateway(Table("gateway"), settings_.gateway);
    ReadUpstream(Table("upstream"), settings_.upstream);
    ReadStore(Table("store"), settings_.store);
    const Section clock = Table("clock");
    settings_.clock.always_trusted = clock.Text("trust") == "always";
    settings_.clock.patience = clock.Time("patience").value_or(settings_.clock.patience);
    ReadCredentials(Table("credentials"), settings_.credentials);
    ReadAws(Table("aws"), aws_);
    ReadOrders(Table("orders"), duties_.orders);
    const Section health = Table("health");
    duties_.health.interval = health.Time("interval").value_or(duties_.health.interval);
    duties_.health.defender = health.Flag("defender").value_or(duties_.health.defender);
  }

 private:
  Section Table(std::string_view name) { return {root_.Find(name), CoreTable(name), std::string(name), origins_}; }

  void ReadPaths(const Section& section, PathSettings& paths) {
    paths.state = section.File("state").value_or(paths.state);
    paths.run = section.File("run").value_or(paths.run);
    paths.profiles = section.File("profiles").value_or(paths.profiles);
    paths.drivers = FileOr(section, "drivers", PENUMBRA_DRIVER_DIR);
    if (const char* host = std::getenv("PENUMBRA_DRIVER_HOST"); host != nullptr && *host != '\0') {
      paths.driver_host = std::filesystem::absolute(host);
      origins_.push_back(
          {"paths.driver_host", "\"" + paths.driver_host.string() + "\"", "environment PENUMBRA_DRIVER_HOST"});
    } else {
      paths.driver_host = FileOr(section, "driver_host", PENUMBRA_DRIVER_HOST_PATH);
    }
  }

  static std::filesystem::path FileOr(const Section& section, std::string_view key, std::string_view built_in) {
    if (const auto path = section.File(key)) return *path;
    section.NoteDefault(key, fmt::format("\"{}\"", built_in));
    return built_in;
  }

  void ReadGateway(const Section& section, GatewaySettings& gateway) {
    gateway.thing = section.Text("thing").value_or("");
    if (gateway.thing.empty()) return;
    const auto read = [&](std::string_view key, std::string_view ending) -> std::filesystem::path {
      if (const Node* raw = section.Raw(key); raw != nullptr && raw->text.starts_with("pkcs11:")) {
        section.Note(key);
        return raw->text;
      }
      return section.Has(key)
                 ? section.File(key, settings_.paths.state).value_or("")
                 : FileOr(section, key,
                          (settings_.paths.state / "credentials" / (gateway.thing + std::string(ending))).string());
    };
    gateway.certificate = read("certificate", ".pem.crt");
    gateway.private_key = read("private_key", ".pem.key");
  }

  void ReadUpstream(const Section& section, UpstreamSettings& upstream) {
    if (root_.Find("upstream") == nullptr) {
      diagnostics_.Warning({root_.place.file, 0, 0},
                           "no [upstream]: readings are stored and sent nowhere; add [upstream] with endpoint = "
                           "\"...-ats.iot.REGION.amazonaws.com\"");
      return;
    }
    upstream.endpoint = section.Text("endpoint").value_or("");
    upstream.port = static_cast<std::uint16_t>(section.Integer("port").value_or(upstream.port));
    upstream.root_ca = section.File("root_ca").value_or("");
    const std::string protocol = section.Text("protocol").value_or("auto");
    upstream.protocol = protocol == "5"       ? MqttProtocol::k5
                        : protocol == "3.1.1" ? MqttProtocol::k311
                                              : MqttProtocol::kAuto;
    upstream.connect_timeout = section.Time("connect_timeout").value_or(upstream.connect_timeout);
    upstream.operation_timeout = section.Time("operation_timeout").value_or(upstream.operation_timeout);
    upstream.keep_alive = section.Time("keep_alive").value_or(upstream.keep_alive);
    upstream.session_expiry = section.Time("session_expiry").value_or(upstream.session_expiry);
    upstream.status_retained = section.Flag("status_retained").value_or(upstream.status_retained);
    ReadReconnect(section.Sub("reconnect"), upstream);
    ReadLimits(section.Sub("limits"), upstream);
    CheckAgainstAws(section, upstream);
  }

  void ReadReconnect(const Section& section, UpstreamSettings& upstream) {
    upstream.reconnect_base = section.Time("base").value_or(upstream.reconnect_base);
    upstream.reconnect_max = section.Time("max").value_or(upstream.reconnect_max);
    upstream.reconnect_stable = section.Time("stable").value_or(upstream.reconnect_stable);
    if (upstream.reconnect_base > upstream.reconnect_max) {
      diagnostics_.Error(section.PlaceOf(section.Has("base") ? "base" : "max"),
                         fmt::format("reconnect: base = \"{}\" is longer than max = \"{}\"; swap them",
                                     FormatDuration(upstream.reconnect_base), FormatDuration(upstream.reconnect_max)));
    }
  }

  static void ReadLimits(const Section& section, UpstreamSettings& upstream) {
    upstream.publish_rate = section.Number("publish_rate").value_or(upstream.publish_rate);
    upstream.in_flight = static_cast<int>(section.Integer("in_flight").value_or(upstream.in_flight));
    upstream.connect_rate = section.Number("connect_rate").value_or(upstream.connect_rate);
  }

  void CheckAgainstAws(const Section& section, const UpstreamSettings& upstream) {
    if (!upstream.endpoint.ends_with(".amazonaws.com")) return;
    if (upstream.endpoint.find("-ats.iot.") == std::string::npos) {
      diagnostics_.Warning(
          section.PlaceOf("endpoint"),
          "this looks like a legacy endpoint, whose certificate the Amazon roots do not cover; use the "
          "one that `aws iot describe-endpoint --endpoint-type iot:Data-ATS` prints");
    }
    if (upstream.keep_alive < kAwsLeastKeepAlive || upstream.keep_alive > kAwsMostKeepAlive) {
      diagnostics_.Warning(section.PlaceOf("keep_alive"), "AWS IoT rounds keep_alive to 30s ... 1200s");
    }
    if (upstream.publish_rate > kAwsPublishRate) {
      diagnostics_.Warning(section.Sub("limits").PlaceOf("publish_rate"),
                           "AWS IoT throttles a connection above 100 publishes a second");
    }
  }

  static void ReadStore(const Section& section, StoreSettings& store) {
    store.commit_interval = section.Time("commit_interval").value_or(store.commit_interval);
    store.retention = section.Time("retention").value_or(store.retention);
    store.max_size = section.Size("max_size").value_or(store.max_size);
    store.min_free = section.Size("min_free");
    store.write_budget = section.Size("write_budget");
    store.endurance = section.Size("endurance");
  }

  void ReadCredentials(const Section& section, CredentialSettings& credentials) {
    credentials.template_name = section.Text("template").value_or("");
    credentials.rsa = section.Text("key") == "rsa-2048";
    credentials.rotate_before = section.Time("rotate_before");
    if (const Node* parameters = section.Raw("parameters"); parameters != nullptr && parameters->IsTable()) {
      for (const auto& [key, value] : parameters->members) {
        if (value.IsText()) credentials.parameters.emplace(key, value.text);
      }
      section.Note("parameters");
    }
    if (credentials.rotate_before && credentials.template_name.empty()) {
      diagnostics_.Error(
          section.PlaceOf("rotate_before"),
          "rotate_before needs template = \"...\", the provisioning template that gives out certificates");
    }
  }

  void ReadAws(const Section& section, AwsSettings& aws) {
    aws.region = section.Text("region").value_or("");
    aws.account = section.Text("account").value_or("");
    aws.policy = section.Text("policy").value_or(aws.policy);
    aws.log_group = section.Text("log_group").value_or(aws.log_group);
    const Node* rules = root_.Find("rule");
    if (rules == nullptr || rules->kind != Node::Kind::kArray) return;
    std::map<std::string, Place> seen;
    for (const Node& table : rules->items) {
      if (table.IsTable()) ReadRule(table, aws, seen);
    }
  }

  static void ReadOrders(const Section& section, OrderSettings& orders) {
    const std::string reboot = section.Text("reboot").value_or("gateway");
    orders.reboot = reboot == "all" ? MayReboot::kAll : reboot == "nobody" ? MayReboot::kNobody : MayReboot::kGateway;
    orders.reboot_command = section.Text("reboot_command").value_or(orders.reboot_command);
    orders.reboot_pause = section.Time("reboot_pause").value_or(orders.reboot_pause);
    orders.ttl = section.Time("ttl").value_or(orders.ttl);
  }

  void ReadRule(const Node& table, AwsSettings& aws, std::map<std::string, Place>& seen) {
    CheckTable(table, {&CoreTable("rule")}, "[[rule]]", diagnostics_);
    const Node* name = table.Find("name");
    const Section section(&table, CoreTable("rule"),
                          fmt::format("rule.{}", name != nullptr && name->IsText() ? name->text : "?"), origins_);
    RuleSettings rule{section.Text("name").value_or(""), section.Text("sql").value_or(""),
                      section.Text("action").value_or(""), section.Text("target").value_or("")};
    if (!rule.name.empty()) {
      const auto [first, inserted] = seen.emplace(rule.name, section.PlaceOf("name"));
      if (!inserted) {
        diagnostics_.Error(section.PlaceOf("name"),
                           fmt::format("rule {} exists already ({})", Quoted(rule.name), ToString(first->second)));
      }
    }
    const auto parsed = rules::ParseStatement(rule.sql);
    if (!rule.sql.empty() && !parsed) {
      diagnostics_.Error(section.PlaceOf("sql"), "sql: " + parsed.error().message);
    }
    aws.rules.push_back(std::move(rule));
  }

  const Node& root_;
  Settings& settings_;
  AwsSettings& aws_;
  DutySettings& duties_;
  Diagnostics& diagnostics_;
  std::vector<Origin>& origins_;
};

}  // namespace

void ReadGeneral(const Node& root, LoadedConfig& loaded, Diagnostics& diagnostics) {
  GeneralReader(root, loaded, diagnostics).Read();
}

}  // namespace penumbra
