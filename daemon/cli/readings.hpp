// Readings as a table whose columns are the thing's points. Pure; one thread.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "cli/table.hpp"

namespace penumbra::cli {

class ReadingsTable {
 public:
  // `points` of GET /v1/things/<t> give columns and units; none (a thing no longer configured): the columns are taken
  // from the first page.
  explicit ReadingsTable(const Json& points);

  // The rows of a page, with the header the first time.
  std::string Page(const Json& readings, const Style& style);

 private:
  struct PointColumn {
    std::string point, title;
  };
  std::vector<PointColumn> points_;
  bool header_done_ = false;
};

}  // namespace penumbra::cli
