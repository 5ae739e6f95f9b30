#include "orders/order_store.hpp"

#include <fmt/format.h>

#include "store/rows.hpp"

namespace penumbra::orders {
namespace {

constexpr std::string_view kSave =
    "INSERT OR REPLACE INTO remote_order(thing,channel,id,anonymous,number,seq,action,arguments,phase,verdict,reason,"
    "result,asked_ms,received_ms,received_boot,received_boot_ns,received_age_ms,ttl_ms,acting_boot,acting_ns,version) "
    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
constexpr std::string_view kLoad =
    "SELECT thing,channel,id,anonymous,number,seq,action,arguments,phase,verdict,reason,result,asked_ms,received_ms,"
    "received_boot,received_boot_ns,received_age_ms,ttl_ms,acting_boot,acting_ns,version FROM remote_order";
constexpr std::string_view kForget = "DELETE FROM remote_order WHERE thing=? AND channel=? AND id=?";

Status SaveOne(Database& database, const std::string& thing, const OrderRow& row) {
  auto statement = database.Prepare(kSave);
  if (!statement) return Fail(statement.error());
  // Bound text is not copied: it has to live until the statement has run.
  const std::string arguments = Dump(row.arguments);
  const std::string result = Dump(row.result);
  statement->Bind(1, thing).Bind(2, static_cast<int>(row.channel)).Bind(3, row.id).Bind(4, row.anonymous ? 1 : 0);
  statement->Bind(5, row.number).Bind(6, row.seq).Bind(7, row.action).Bind(8, arguments);
  statement->Bind(9, static_cast<int>(row.phase)).Bind(10, static_cast<int>(row.verdict)).Bind(11, row.reason);
  statement->Bind(12, result).Bind(13, row.receipt.asked_ms).Bind(14, row.receipt.unix_ms).Bind(15, row.receipt.boot);
  statement->Bind(16, row.receipt.boot_ns).Bind(17, row.receipt.age_ms).Bind(18, row.ttl_ms);
  statement->Bind(19, row.acting_boot).Bind(20, row.acting_ns).Bind(21, row.version);
  return statement->Run();
}

Status ForgetOne(Database& database, const std::string& thing, const OrderKey& key) {
  auto statement = database.Prepare(kForget);
  if (!statement) return Fail(statement.error());
  statement->Bind(1, thing).Bind(2, static_cast<int>(key.first)).Bind(3, key.second);
  return statement->Run();
}

Status ReadOne(const Statement& statement, StoredOrders& loaded) {
  OrderRow row;
  const std::string thing(statement.Bytes(0));
  row.id = statement.Bytes(2);
  const std::int64_t channel = statement.Int(1), phase = statement.Int(8), verdict = statement.Int(9);
  const bool known = channel >= 0 && channel <= 2 && phase >= 0 && phase <= 3 && verdict >= 0 && verdict <= 4;
  if (!known || !TakeObject(statement, 7, row.arguments) || !TakeObject(statement, 11, row.result)) {
    return Fail(Action::kGiveUp, fmt::format("stored order '{}' of {} cannot be read", row.id, thing));
  }
  row.channel = static_cast<Channel>(channel);
  row.phase = static_cast<Phase>(phase);
  row.verdict = static_cast<Verdict>(verdict);
  row.anonymous = statement.Int(3) != 0;
  row.number = statement.Int(4);
  row.seq = statement.Int(5);
  row.action = statement.Bytes(6);
  row.reason = statement.Bytes(10);
  row.receipt.asked_ms = statement.Int(12);
  row.receipt.unix_ms = statement.Int(13);
  row.receipt.boot = statement.Bytes(14);
  row.receipt.boot_ns = statement.Int(15);
  row.receipt.age_ms = statement.Int(16);
  row.ttl_ms = statement.Int(17);
  row.acting_boot = statement.Bytes(18);
  row.acting_ns = statement.Int(19);
  row.version = statement.Int(20);
  loaded.things[thing].push_back(std::move(row));
  return {};
}

class SqliteOrderStore : public OrderStore {
 public:
  explicit SqliteOrderStore(Store& store) : store_(store) {}

  void Load(std::function<void(Result<StoredOrders>)> done) override {
    LoadThrough<StoredOrders>(store_, "orders", &LoadOrders, std::move(done));
  }

  void Save(const std::string& thing, std::vector<OrderRow> save, std::vector<OrderKey> forget,
            std::function<void(Status)> done) override {
    store_.Transact([thing, save = std::move(save), forget = std::move(forget)](
                        Database& database) { return SaveOrders(database, thing, save, forget); },
                    std::move(done));
  }

 private:
  Store& store_;
};

}  // namespace

Status SaveOrders(Database& database, const std::string& thing, const std::vector<OrderRow>& save,
                  const std::vector<OrderKey>& forget) {
  for (const OrderRow& row : save) {
    if (auto status = SaveOne(database, thing, row); !status) return status;
  }
  for (const OrderKey& key : forget) {
    if (auto status = ForgetOne(database, thing, key); !status) return status;
  }
  return {};
}

Result<StoredOrders> LoadOrders(Database& database) {
  StoredOrders loaded;
  const auto read = [&loaded](const Statement& row) { return ReadOne(row, loaded); };
  if (auto status = ReadRows(database, kLoad, read, loaded.unreadable); !status) return Fail(status.error());
  return loaded;
}

std::unique_ptr<OrderStore> MakeSqliteOrderStore(Store& store) {
  return std::make_unique<SqliteOrderStore>(store);
}

}  // namespace penumbra::orders
