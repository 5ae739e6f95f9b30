#include "config/schema_check.hpp"

#include <gtest/gtest.h>

#include "config/toml_reader.hpp"

namespace penumbra {
namespace {

class SchemaCheckTest : public testing::Test {
 protected:
  // The messages about `toml`, a table, under a driver's schema.
  std::string Check(const std::string& toml, const std::string& schema_text) {
    Diagnostics diagnostics;
    const std::optional<Node> table = ParseToml(toml, file_, diagnostics);
    EXPECT_TRUE(table.has_value()) << toml;
    const Json schema = ParseJson(schema_text).value();
    if (table) CheckTable(*table, {nullptr, &schema}, "the table", diagnostics);
    std::string messages;
    for (const Diagnostic& diagnostic : diagnostics.Sorted()) messages += diagnostic.message + "\n";
    return messages;
  }

  SourceFile file_{"x.toml", "x.toml", "/", "", 0};
};

TEST_F(SchemaCheckTest, RefusesWhatTheSubsetCanSay) {
  EXPECT_EQ(Check("a = 5", R"({"properties":{"a":{"type":"integer","maximum":4}}})"),
            "a = 5 is out of range: it must be at most 4\n");
  EXPECT_EQ(Check("a = \"\"", R"({"properties":{"a":{"type":"string","minLength":1}}})"), "a must not be empty\n");
  EXPECT_EQ(Check("a = \"toolong\"", R"({"properties":{"a":{"type":"string","maxLength":3}}})"),
            "a is longer than 3 characters\n");
  EXPECT_EQ(Check("a = \"x\"", R"({"properties":{"a":{"type":"string","pattern":"^[0-9]+$"}}})"),
            "a \"x\" is not allowed; it must match ^[0-9]+$\n");
  EXPECT_EQ(Check("a = [1, \"x\"]", R"({"properties":{"a":{"type":"array","items":{"type":"integer"}}}})"),
            "a must be a whole number, not the text \"x\"\n");
  EXPECT_EQ(Check("a = []", R"({"properties":{"a":{"type":"array","minItems":1}}})"),
            "a has 0 entries; at least 1 are needed\n");
  EXPECT_EQ(Check("a = 1.0", R"({"properties":{"a":{"type":"integer"}}})"),
            "a must be a whole number, not the number 1.0; write a = 1\n");
  EXPECT_EQ(Check("a = 7", R"({"properties":{"a":{"enum":[8,9]}}})"), "a cannot be the number 7; write one of 8, 9\n");
  EXPECT_EQ(Check("a = { b = 1 }",
                  R"({"properties":{"a":{"type":"object","properties":{"c":{}},"additionalProperties":false}}})"),
            "unknown key \"b\" in a; did you mean \"c\"?\n");
  EXPECT_EQ(Check("", R"({"properties":{"a":{"description":"The bus device."}},"required":["a"]})"),
            "the table needs the key a: The bus device.\n");
}

TEST_F(SchemaCheckTest, AppliesPatternToTextsAndLimitsToNumbersOnly) {
  const std::string schema =
      R"({"properties":{"a":{"type":["integer","string"],"minimum":0,"maximum":9,"pattern":"^3[0-9]{4}$"}}})";
  EXPECT_EQ(Check("a = 9", schema), "");
  EXPECT_EQ(Check("a = \"30001\"", schema), "");
  EXPECT_NE(Check("a = 30001", schema), "");
  EXPECT_NE(Check("a = \"9\"", schema), "");
}

TEST_F(SchemaCheckTest, AcceptsOtherKeysOnlyWhenTheSchemaSaysSo) {
  EXPECT_NE(Check("b = 1", R"({"properties":{}})"), "");
  EXPECT_EQ(Check("b = 1", R"({"properties":{},"additionalProperties":true})"), "");
}

TEST_F(SchemaCheckTest, SurvivesSchemasThatAreWrong) {
  EXPECT_EQ(Check("a = \"x\"", R"({"properties":{"a":{"pattern":"["}}})"), "");
  EXPECT_EQ(Check("a = 1", R"({"properties":{"a":{"type":7,"enum":"x","minimum":"y"}},"required":"a"})"), "");
  EXPECT_NE(Check("a = 1", R"({"properties":[]})"), "");
  EXPECT_NE(Check("a = 1", R"([])"), "");
}

TEST_F(SchemaCheckTest, KeepsMessagesShortWhateverTheUserWrote) {
  const std::string schema = R"({"properties":{"a":{"type":"string","pattern":"^b$"}}})";
  EXPECT_LT(Check("a = \"" + std::string(3000, 'x') + "\"", schema).size(), 300U);
  EXPECT_LT(Check(std::string(3000, 'k') + " = 1", schema).size(), 300U);
}

TEST(DepthScan, RefusesDeepNestingBeforeTheParserSeesIt) {
  const SourceFile file{"x.toml", "x.toml", "/", "", 0};
  std::string dotted = "a";
  for (int i = 0; i < 100000; ++i) dotted += ".a";
  for (const std::string& deep : {dotted + " = 1", "a = " + std::string(100000, '['), "[" + dotted + "]"}) {
    Diagnostics diagnostics;
    EXPECT_FALSE(ParseToml(deep, file, diagnostics).has_value());
    EXPECT_NE(diagnostics.Sorted().at(0).message.find("nested deeper"), std::string::npos);
  }
}

TEST(DepthScan, DoesNotCountInsideStringsAndComments) {
  const SourceFile file{"x.toml", "x.toml", "/", "", 0};
  const std::string brackets(50, '[');
  Diagnostics diagnostics;
  const auto table = ParseToml("# " + brackets + "\na = \"" + brackets + "\\\"" + brackets + "\"\nb = '" + brackets +
                                   "'\nc = \"\"\"\n" + brackets + "\"\"\"\"\nd = '''" + brackets + "'''\n",
                               file, diagnostics);
  EXPECT_TRUE(table.has_value());
}

}  // namespace
}  // namespace penumbra
