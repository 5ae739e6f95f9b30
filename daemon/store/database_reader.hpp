// Archive's SQL over a Database.
#pragma once

#include "store/archive.hpp"
#include "store/database.hpp"

namespace penumbra {

class DatabaseReader : public SqlReader {
 public:
  explicit DatabaseReader(Database& database) : database_(database) {}

  Status Select(std::string_view sql, std::span<const std::int64_t> parameters,
                const std::function<Status(const Row&)>& each) override {
    auto statement = database_.Prepare(sql);
    if (!statement) return Fail(statement.error());
    for (std::size_t i = 0; i < parameters.size(); ++i) statement->Bind(static_cast<int>(i) + 1, parameters[i]);
    const StatementRow row(*statement);
    for (;;) {
      const Result<bool> more = statement->Step();
      if (!more) return Fail(more.error());
      if (!*more) return {};
      if (const Status done = each(row); !done) return done;
    }
  }

 private:
  class StatementRow : public Row {
   public:
    explicit StatementRow(const Statement& statement) : statement_(statement) {}
    std::int64_t Int(int column) const override { return statement_.Int(column); }
    std::string_view Bytes(int column) const override { return statement_.Bytes(column); }

   private:
    const Statement& statement_;
  };

  Database& database_;
};

}  // namespace penumbra
