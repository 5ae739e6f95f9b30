#include "shadow/shadow_store.hpp"

#include <fmt/format.h>

#include "store/rows.hpp"

namespace penumbra::shadow {
namespace {

constexpr std::string_view kSaveShadow =
    "INSERT OR REPLACE INTO shadow(thing,name,cloud_exists,cloud_version,cloud_time,delta_version,mirror,desired_times,"
    "reported_local,reported_base,desired_pending,desired_base,local_rev,pushed_rev,delete_intent) "
    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
constexpr std::string_view kLoadShadows =
    "SELECT thing,name,cloud_exists,cloud_version,cloud_time,delta_version,mirror,desired_times,reported_local,"
    "reported_base,desired_pending,desired_base,local_rev,pushed_rev,delete_intent FROM shadow";
constexpr std::string_view kSaveCommand =
    "INSERT OR REPLACE INTO command(thing,key,value,version,desired_s,received_ms,received_boot,received_boot_ns,"
    "received_age_s,superseded,state,reason) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)";
constexpr std::string_view kLoadCommands =
    "SELECT thing,key,value,version,desired_s,received_ms,received_boot,received_boot_ns,received_age_s,superseded,"
    "state,reason FROM command";

Status SaveShadow(Database& database, const ShadowRow& row) {
  auto statement = database.Prepare(kSaveShadow);
  if (!statement) return Fail(statement.error());
  // Bound text is not copied: it has to live until the statement has run.
  const std::string mirror = Dump(row.mirror.state);
  const std::string times = Dump(row.mirror.desired_times);
  const std::string local = Dump(row.reported_local);
  const std::string base = Dump(row.reported_base);
  const std::string pending = Dump(row.desired_pending);
  const std::string desired_base = Dump(row.desired_base);
  statement->Bind(1, row.thing).Bind(2, row.name).Bind(3, row.mirror.exists ? 1 : 0).Bind(4, row.mirror.version);
  statement->Bind(5, row.mirror.timestamp).Bind(6, row.mirror.delta_version).Bind(7, mirror).Bind(8, times);
  statement->Bind(9, local).Bind(10, base).Bind(11, pending).Bind(12, desired_base);
  statement->Bind(13, row.local_rev).Bind(14, row.pushed_rev).Bind(15, static_cast<int>(row.delete_intent));
  return statement->Run();
}

Status SaveCommand(Database& database, const std::string& thing, const CommandRow& row) {
  auto statement = database.Prepare(kSaveCommand);
  if (!statement) return Fail(statement.error());
  const std::string value = Dump(row.value);
  statement->Bind(1, thing).Bind(2, row.key).Bind(3, value).Bind(4, row.version).Bind(5, row.desired_s);
  statement->Bind(6, row.received_ms).Bind(7, row.received_boot).Bind(8, row.received_boot_ns);
  statement->Bind(9, row.received_age_s).Bind(10, row.superseded);
  statement->Bind(11, static_cast<int>(row.state)).Bind(12, row.reason);
  return statement->Run();
}

Status Remove(Database& database, std::string_view sql, const std::string& thing, const std::string& what) {
  auto statement = database.Prepare(sql);
  if (!statement) return Fail(statement.error());
  statement->Bind(1, thing).Bind(2, what);
  return statement->Run();
}

Status ReadShadow(const Statement& statement, StoredShadows& loaded) {
  ShadowRow row;
  row.thing = statement.Bytes(0);
  row.name = statement.Bytes(1);
  row.mirror.exists = statement.Int(2) != 0;
  row.mirror.version = statement.Int(3);
  row.mirror.timestamp = statement.Int(4);
  row.mirror.delta_version = statement.Int(5);
  const bool readable = TakeObject(statement, 6, row.mirror.state) &&
                        TakeObject(statement, 7, row.mirror.desired_times) &&
                        TakeObject(statement, 8, row.reported_local) && TakeObject(statement, 9, row.reported_base) &&
                        TakeObject(statement, 10, row.desired_pending) && TakeObject(statement, 11, row.desired_base);
  const std::int64_t intent = statement.Int(14);
  if (!readable || intent < 0 || intent > 2) {
    return Fail(Action::kGiveUp, fmt::format("stored shadow '{}' of {} cannot be read", row.name, row.thing));
  }
  row.local_rev = statement.Int(12);
  row.pushed_rev = statement.Int(13);
  row.delete_intent = static_cast<DeleteIntent>(intent);
  std::string thing = row.thing;
  loaded.things[std::move(thing)].shadows.push_back(std::move(row));
  return {};
}

Status ReadCommand(const Statement& statement, StoredShadows& loaded) {
  CommandRow row;
  const std::string thing(statement.Bytes(0));
  row.key = statement.Bytes(1);
  auto value = ParseJson(statement.Bytes(2));
  const std::int64_t state = statement.Int(10);
  if (!value || state < 0 || state > static_cast<int>(CommandState::kFailed)) {
    return Fail(Action::kGiveUp, fmt::format("stored command '{}' of {} cannot be read", row.key, thing));
  }
  row.value = std::move(*value);
  row.version = statement.Int(3);
  row.desired_s = statement.Int(4);
  row.received_ms = statement.Int(5);
  row.received_boot = statement.Bytes(6);
  row.received_boot_ns = statement.Int(7);
  row.received_age_s = statement.Int(8);
  row.superseded = statement.Int(9);
  row.state = static_cast<CommandState>(state);
  row.reason = statement.Bytes(11);
  loaded.things[thing].commands.push_back(std::move(row));
  return {};
}

class SqliteShadowStore : public ShadowStore {
 public:
  explicit SqliteShadowStore(Store& store) : store_(store) {}

  void Load(std::function<void(Result<StoredShadows>)> done) override {
    LoadThrough<StoredShadows>(store_, "shadows", &LoadShadows, std::move(done));
  }

  void Save(Batch batch, std::function<void(Status)> done) override {
    store_.Transact([batch = std::move(batch)](Database& database) { return SaveBatch(database, batch); },
                    std::move(done));
  }

 private:
  Store& store_;
};

}  // namespace

Status SaveBatch(Database& database, const Batch& batch) {
  for (const ShadowRow& row : batch.shadows) {
    if (auto status = SaveShadow(database, row); !status) return status;
  }
  for (const CommandRow& row : batch.commands) {
    if (auto status = SaveCommand(database, batch.thing, row); !status) return status;
  }
  for (const std::string& name : batch.removed_shadows) {
    auto status = Remove(database, "DELETE FROM shadow WHERE thing=? AND name=?", batch.thing, name);
    if (!status) return status;
  }
  for (const std::string& key : batch.removed_commands) {
    auto status = Remove(database, "DELETE FROM command WHERE thing=? AND key=?", batch.thing, key);
    if (!status) return status;
  }
  return {};
}

Result<StoredShadows> LoadShadows(Database& database) {
  StoredShadows loaded;
  const auto shadow = [&loaded](const Statement& row) { return ReadShadow(row, loaded); };
  if (auto status = ReadRows(database, kLoadShadows, shadow, loaded.unreadable); !status) return Fail(status.error());
  const auto command = [&loaded](const Statement& row) { return ReadCommand(row, loaded); };
  if (auto status = ReadRows(database, kLoadCommands, command, loaded.unreadable); !status) return Fail(status.error());
  return loaded;
}

std::unique_ptr<ShadowStore> MakeSqliteShadowStore(Store& store) {
  return std::make_unique<SqliteShadowStore>(store);
}

}  // namespace penumbra::shadow
