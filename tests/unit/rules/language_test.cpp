// What the language is: faults with place and advice, operators, SELECT, nested queries, SET, templates, filters.
#include <gmock/gmock.h>

#include "rules/topic_filter.hpp"
#include "unit/rules/rules_fixture.hpp"

namespace penumbra::rules {
namespace {

using test::Eval;
using test::Fault;
using test::RunSql;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = Outcome::Kind;

TEST(RuleText, FaultsSayWhereAndWhatInstead) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "column 1: expected SELECT"},
      {"SELEC * FROM 'a'", "column 1: expected SELECT"},
      {"SELECT FROM 'a'", "column 8: expected an expression"},
      {"SELECT * FORM 'a'", "column 10: \"FORM\" is not expected here"},
      {"SELECT * FROM sensors", "column 15: FROM wants a topic filter in single quotes"},
      {"SELECT * FROM 'a/#/b'", "# stands at the end"},
      {"SELECT * FROM 'a+/b'", "+ and # stand for a whole level"},
      {"SELECT * FROM ''", "is empty"},
      {"SELECT * FROM 'a' WHERE", "column 24: expected an expression"},
      {"SELECT * FROM 'a' WHERE x == 1", "column 27: ==: \"equal\" is written ="},
      {"SELECT * FROM 'a' WHERE x != 1", "written <>"},
      {"SELECT * FROM 'a' WHERE x && y", "write AND"},
      {"SELECT * FROM 'a' WHERE x LIKE 'y'", "there is no LIKE"},
      {"SELECT * FROM 'a' WHERE x IN (1)", "there is no IN"},
      {"SELECT * FROM 'a' WHERE x BETWEEN 1 AND 2", "there is no BETWEEN"},
      {"SELECT * FROM 'a' WHERE x IS NULL", "isNull(x)"},
      {"SELECT a[0] FROM 'a'", "get(array, 0)"},
      {"SELECT * FROM 'a' -- all", "no comments"},
      {"SELECT * /* all */ FROM 'a'", "no comments"},
      {"SELECT flor(1) AS x FROM 'a'", "did you mean floor()?"},
      {"SELECT quux(1) AS x FROM 'a'", "there is no function quux()"},
      {"SELECT cast(a AS Float) AS x FROM 'a'", "expected a type"},
      {"SELECT CASE WHEN a THEN 1 END AS x FROM 'a'", "compares one value"},
      {"SELECT CASE a THEN 1 END AS x FROM 'a'", "expected WHEN"},
      {"SELECT (SELECT a FROM 'b') AS x FROM 'a'", "wants an attribute, not a topic"},
      {"SELECT 'open FROM a", "has no end"},
      {"SELECT @f AS f FROM 'a'", "@f has no value"},
      {"SET @f = 1, @f = 2 SELECT @f AS f FROM 'a'", "has a value already"},
      {"SELECT value FROM 'a'", "get(*, \"value\")"},
      {"SELECT VALUE a, b FROM 'a'", "SELECT VALUE takes one expression"},
      {"SELECT *, * FROM 'a'", "* a second time"},
      {"SELECT a b FROM 'a'", "a comma, AS or an operator missing"},
      {"SELECT a AS 'b' FROM 'a'", "expected a name"},
      {"SELECT {a: 1} AS x FROM 'a'", "expected a key in quotes"},
      {"SELECT temperature \xe2\x80\x93 32 AS x FROM 'a'", "write - for minus"},
      {"SELECT *\nFROM 'a'\nWHERE x > ", "line 3, column 11"},
      {"SELECT \xff FROM 'a'", "not UTF-8"},
      {"SELECT * FROM 'a';", "without a semicolon"},
      {"SELECT \xc3\xa4\xc3\xa4 FROM 'a'", "column 8: a character"},
      {"SELECT 1E1000 AS x FROM 'a'", "beyond 1E999"},
      {"SELECT (1 AS x FROM 'a'", "closing parenthesis"},
      {"SELECT 1 FROM 'a' FROM 'b'", "a second FROM"},
  };
  for (const auto& [sql, what] : kCases) EXPECT_THAT(Fault(sql), HasSubstr(what)) << sql;
}

TEST(RuleText, IsBoundedInEveryDirection) {
  EXPECT_THAT(Fault("SELECT " + std::string(200'000, ' ') + "* FROM 'a'"), HasSubstr("AWS allows 131072"));
  EXPECT_THAT(Fault("SELECT " + std::string(5000, '(') + "1"), HasSubstr("nested deeper"));
  EXPECT_THAT(Fault("SELECT " + std::string(5000, '-') + "1"), HasSubstr("nested deeper"));
  EXPECT_THAT(Fault("SELECT " + std::string(5000, '[') + "1"), HasSubstr("nested deeper"));
  std::string nots = "SELECT ", chain = "SELECT 1", path = "SELECT a", nested = "SELECT ";
  for (int i = 0; i < 5000; ++i) {
    nots += "NOT ";
    chain += " + 1";
    path += ".a";
    nested += "(SELECT a FROM ";
  }
  EXPECT_THAT(Fault(nots + "a AS x"), HasSubstr("nested deeper"));
  EXPECT_THAT(Fault(chain + " AS x"), HasSubstr("nested deeper"));
  EXPECT_THAT(Fault(path), HasSubstr("nested deeper"));
  EXPECT_THAT(Fault(nested), HasSubstr("nested deeper"));
  std::string sets = "SET @a = 1";
  for (int i = 0; i < 10; ++i) sets += ", @b" + std::to_string(i) + " = 1";
  EXPECT_THAT(Fault(sets + " SELECT @a FROM 'a'"), HasSubstr("AWS allows 10 variables"));
}

TEST(RuleText, NotesWhatIsAllowedButHardlyMeant) {
  const auto notes = [](const char* sql) { return Rule::Parse(sql)->notes(); };
  EXPECT_THAT(notes("SELECT topic(2) FROM 'a'"), ElementsAre(HasSubstr("no AS")));
  EXPECT_THAT(notes("SELECT pm25 FROM 'a'"), ElementsAre(HasSubstr("get(*, \"pm25\")")));
  EXPECT_THAT(notes("SELECT a AS x, b AS x FROM 'a'"), ElementsAre(HasSubstr("twice")));
  EXPECT_THAT(notes("SELECT * FROM \"a\""), ElementsAre(HasSubstr("single quotes")));
  EXPECT_THAT(notes("SELECT *, floor(ts / 1000) AS s FROM 'a' WHERE b.c > 1"), testing::IsEmpty());
}

TEST(RuleOperators, FollowAwsTables) {
  const std::pair<const char*, const char*> kCases[] = {
      // AND, OR, NOT: both sides count
      {"true AND true", "true"},
      {"true AND false", "false"},
      {"false AND nothing", "Undefined"},
      {"true OR nothing", "Undefined"},
      {"\"TRUE\" AND true", "true"},
      {"1 AND true", "Undefined"},
      {"n OR true", "Undefined"},
      {"NOT true", "false"},
      {"NOT \"False\"", "true"},
      {"NOT 1", "Undefined"},
      {"NOT nothing", "Undefined"},
      {"true OR false AND false", "true"},
      {"NOT false AND false", "false"},
      // order
      {"2 > 1", "true"},
      {"\"10\" > 9", "true"},
      {"\"10\" > \"9\"", "true"},
      {"word > 1", "Undefined"},
      {"t > 0", "Undefined"},
      {"nothing > 0", "Undefined"},
      {"n < 1", "Undefined"},
      {"a <= 1", "Undefined"},
      {"1 <= 1.0", "true"},
      {"1 >= 2", "false"},
      {"22.50 >= 22.5", "true"},
      // equality
      {"1 = 1.0", "true"},
      {"1 = \"1\"", "false"},
      {"1 <> \"1\"", "true"},
      {"n = Null", "true"},
      {"n <> Null", "false"},
      {"nothing = nothing", "Undefined"},
      {"nothing <> 1", "Undefined"},
      {"a = [1,2,3]", "true"},
      {"a <> [1,3,2]", "true"},
      {"o = {\"k\":{\"d\":4.0}}", "true"},
      {"{\"a\":1,\"b\":2} = {\"b\":2,\"a\":1}", "true"},
      {"t = true", "true"},
      {"t = \"true\"", "false"},
      {"word = 'abc'", "true"},
      // arithmetic
      {"1 + 2", "3"},
      {"\"1\" + 2", "\"12\""},
      {"1 + \"2\"", "\"12\""},
      {"1 + n", "Undefined"},
      {"\"x\" + n", "Undefined"},
      {"\"x\" + nothing", "Undefined"},
      {"\"x\" + true + 22.5", "\"xtrue22.5\""},
      {"\"x\" + a", "\"x[1,2,3]\""},
      {"true + 1", "Undefined"},
      {"temperature * 1.8 + 32", "72.5"},
      {"\"7\" - 2", "5"},
      {"\"7\" * \"2\"", "14"},
      {"word - 1", "Undefined"},
      {"7 / 2", "3"},
      {"7 / 2.0", "3.5"},
      {"\"7\" / 2", "3.5"},
      {"7 / 0", "Undefined"},
      {"7 % 4", "3"},
      {"7.5 % 2", "1.5"},
      {"7 % 0", "Undefined"},
      {"-temperature", "-22.5"},
      {"-word", "Undefined"},
      {"- -2", "2"},
      {"2 - -2", "4"},
      {"1 + 2 * 3 - 4 / 2", "5"},
      {"(1 + 2) * 3", "9"},
      {"10 - 3 - 2", "5"},
      {"1E400 * 1E700", "Undefined"},
      // paths
      {"o.k.d", "4"},
      {"o.x.d", "Undefined"},
      {"word.x", "Undefined"},
      {"a.x", "Undefined"},
      {"o.k", R"({"d":4})"},
      {"get(a, 0) + 1", "2"},
      // CASE
      {"CASE word WHEN 'abc' THEN 1 WHEN 'abc' THEN 2 ELSE 3 END", "1"},
      {"CASE word WHEN 'x' THEN 1 ELSE 3 END", "3"},
      {"CASE word WHEN 'x' THEN 1 END", "Undefined"},
      {"CASE nothing WHEN 'x' THEN 1 ELSE 3 END", "Undefined"},
      {"CASE s WHEN 7 THEN 1 ELSE 3 END", "3"},
      {"CASE 7 WHEN 7.0 THEN 'x' END", "\"x\""},
      // literals
      {"[1, nothing, 'a']", "[1,\"a\"]"},
      {"{\"a\": nothing, \"b\": Null, \"b\": 2}", "{\"b\":2}"},
      {"[]", "[]"},
      {"{}", "{}"},
      {"'it''s'", "\"it's\""},
      {"\"a\"\"b\"", "\"a\\\"b\""},
      {"'\\d'", "\"\\\\d\""},
      // nested queries
      {"(SELECT VALUE n FROM e)", "[\"temperature\",\"light\"]"},
      {"(SELECT v FROM e WHERE n = 'temperature')", "[{\"v\":22.5}]"},
      {"get((SELECT v FROM e WHERE n = 'temperature'), 0).v", "22.5"},
      {"(SELECT d FROM o.k)", "{\"d\":4}"},
      {"(SELECT VALUE d FROM o.k)", "4"},
      {"(SELECT * FROM e WHERE v > 100)", R"([{"n":"light","v":135}])"},
      {"(SELECT v FROM nothing)", "Undefined"},
      {"(SELECT v FROM word)", "Undefined"},
      {"(SELECT VALUE nothing FROM e)", "[]"},
      {"(SELECT d FROM o.k WHERE d > 9)", "Undefined"},
  };
  for (const auto& [expression, result] : kCases) EXPECT_EQ(Eval(expression), result) << expression;
}

TEST(RuleOperators, DivideWholeNumbersExactlyWhenAskedTo) {
  Facts facts = test::FactsOf();
  facts.exact_division = true;
  EXPECT_EQ(Eval("7 / 2", test::kPayload, facts), "3.5");
  EXPECT_EQ(Eval("floor(timestamp / 1000)", test::kPayload, facts), "1763841600");
}

TEST(RuleSelect, GivesWhatAwsDocuments) {
  const std::string red = R"({"color":"red","temperature":50})";
  const std::pair<const char*, const char*> kCases[] = {
      {"SELECT * FROM 'a/b'", R"({"color":"red","temperature":50})"},
      {"SELECT color FROM 'a/b'", R"({"color":"red"})"},
      {"SELECT color AS my_color FROM 'a/b'", R"({"my_color":"red"})"},
      {"select color as my_color, temperature as fahrenheit from 'a/b'", R"({"my_color":"red","fahrenheit":50})"},
      {"SELECT *, 15 as speed FROM 'a/b'", R"({"color":"red","temperature":50,"speed":15})"},
      {"SELECT VALUE color FROM 'a/b'", "\"red\""},
      {"SELECT (temperature - 32) * 5 / 9 AS celsius, upper(color) as my_color FROM 'a/b'",
       R"({"celsius":10,"my_color":"RED"})"},
      {"SELECT NULL AS n, nothing, nothing.more AS x FROM 'a/b'", R"({"n":null})"},
      {"SELECT *, 'blue' AS color FROM 'a/b'", R"({"color":"blue","temperature":50})"},
      {"SET @f = temperature * 2, @g = @f + 1 SELECT @f AS f, @g AS g FROM 'a/b' WHERE @g > 100",
       R"({"f":100,"g":101})"},
      {"SELECT VALUE [color, temperature] FROM 'a/b'", R"(["red",50])"},
      {"SELECT VALUE * FROM 'a/b'", R"({"color":"red","temperature":50})"},
  };
  for (const auto& [sql, result] : kCases) {
    const Outcome outcome = RunSql(sql, red);
    EXPECT_EQ(outcome.kind, Kind::kFired) << sql << outcome.why;
    EXPECT_EQ(outcome.text, result) << sql;
  }
}

TEST(RuleSelect, SaysWhatWasMissing) {
  const Outcome outcome = RunSql("SELECT humdity, o.x.y AS z, topic(9) AS l FROM 'a'");
  EXPECT_THAT(outcome.missing, ElementsAre("humdity", "o.x"));
  EXPECT_THAT(outcome.undefined, ElementsAre("humdity", "z", "l"));
  EXPECT_EQ(outcome.text, "{}");
}

TEST(RuleSelect, PassesAnArrayThroughAndSeesNoAttributeInIt) {
  const std::string batch = R"([{"temperature":50},{"temperature":60}])";
  EXPECT_EQ(RunSql("SELECT * FROM 'a'", batch).text, batch);
  EXPECT_EQ(RunSql("SELECT * FROM 'a' WHERE temperature > 40", batch).kind, Kind::kUndefined);
  EXPECT_EQ(RunSql("SELECT VALUE (SELECT * FROM *) FROM 'a'", batch).kind, Kind::kFailed) << "FROM wants an attribute";
}

TEST(RuleWhere, FiresOnlyWhenItIsTrue) {
  EXPECT_EQ(RunSql("SELECT * FROM 'a' WHERE temperature > 40").kind, Kind::kNotMatched);
  EXPECT_EQ(RunSql("SELECT * FROM 'a' WHERE temperature > 20").kind, Kind::kFired);
  EXPECT_EQ(RunSql("SELECT * FROM 'a' WHERE nothing > 40").kind, Kind::kUndefined);
  EXPECT_EQ(RunSql("SELECT temperature AS x FROM 'a' WHERE x > 20").kind, Kind::kUndefined) << "no aliases in WHERE";
  EXPECT_EQ(RunSql("SELECT * FROM 'a' WHERE temperature").kind, Kind::kUndefined);
  EXPECT_EQ(RunSql("SELECT * FROM 'a' WHERE 'true'").kind, Kind::kFired);
}

TEST(RulePayload, KeepsEveryDigitAndTheOrderAndTheLastOfTwoKeys) {
  const auto same = [](const std::string& json) { return RunSql("SELECT * FROM 'a'", json).text; };
  EXPECT_EQ(same(R"({"b":1234567890123456789.125,"a":18446744073709551616,"c":"\u00e4\n\"\\\u0001"})"),
            "{\"b\":1234567890123456789.125,\"a\":18446744073709551616,\"c\":\"\xc3\xa4\\n\\\"\\\\\\u0001\"}");
  EXPECT_EQ(same(R"({"a":1,"b":2,"a":3})"), R"({"a":3,"b":2})");
  std::string many = "{\"k0\":-1", kept = "{\"k0\":99";
  for (int i = 0; i < 100; ++i) {
    many += ",\"k" + std::to_string(i == 99 ? 0 : i + 1) + "\":" + std::to_string(i);
    if (i < 99) kept += ",\"k" + std::to_string(i + 1) + "\":" + std::to_string(i);
  }
  EXPECT_EQ(same(many + "}"), kept + "}");
  EXPECT_FALSE(Payload(std::string(100, '[') + std::string(100, ']')).json());
  EXPECT_FALSE(Payload("{\"a\":1e5000}").json());
  EXPECT_FALSE(Payload("{\"a\":\"\xff\"}").json());
  EXPECT_FALSE(Payload("").json());
}

TEST(RuleTemplate, PutsValuesIntoText) {
  const Payload payload(test::kPayload);
  const auto render = [&payload](const char* text) {
    const auto parsed = Template::Parse(text);
    if (!parsed) return parsed.error().message;
    const auto rendered = parsed->Render(payload, test::FactsOf());
    return rendered ? *rendered : rendered.error().message;
  };
  EXPECT_EQ(render("alarm/${topic(2)}/${word}"), "alarm/sensor-001/abc");
  EXPECT_EQ(render("$$aws/things/${get({\"a\":\"}\"}, \"a\")}x"), "$$aws/things/}x");
  EXPECT_EQ(render("${nothing}"), "");
  EXPECT_EQ(render("plain $ {x}"), "plain $ {x}");
  EXPECT_THAT(render("a/${topic(2)"), HasSubstr("no closing brace"));
  EXPECT_THAT(render("a/${flor(2)}"), HasSubstr("did you mean floor()?"));
}

TEST(RuleFilter, TakesTopicsAsAwsDoes) {
  EXPECT_TRUE(FilterTakes("sensors/+/temperature", "sensors/a/temperature"));
  EXPECT_FALSE(FilterTakes("sensors/+/temperature", "sensors/a/b/temperature"));
  EXPECT_FALSE(FilterTakes("sensors/+/temperature", "sensors/a"));
  EXPECT_TRUE(FilterTakes("a/#", "a/b/c"));
  EXPECT_TRUE(FilterTakes("a/#", "a/"));
  EXPECT_FALSE(FilterTakes("a/#", "a"));
  EXPECT_TRUE(FilterTakes("#", "a/b"));
  EXPECT_FALSE(FilterTakes("#", "$aws/things/a"));
  EXPECT_FALSE(FilterTakes("a", "b"));
  EXPECT_TRUE(FiltersMeet("sensors/#", "sensors/+/temperature"));
  EXPECT_FALSE(FiltersMeet("sensor/+/temperature", "sensors/+/temperature"));
  const auto rule = Rule::Parse("SELECT * FROM 'sensors/#'");
  EXPECT_TRUE(rule->Sees("Store", "$aws/rules/Store/anything"));
  EXPECT_FALSE(rule->Sees("Store", "$aws/rules/Other/sensors/a"));
  EXPECT_TRUE(rule->Sees("Store", "sensors/a"));
  EXPECT_FALSE(Rule::Parse("SELECT *")->Sees("Store", "sensors/a")) << "without FROM only Basic Ingest";
}

TEST(RuleThresholds, AreTheNumbersOfTheCondition) {
  const auto rule = Rule::Parse("SELECT *, 7 AS x FROM 'a' WHERE value > 40 OR value < -5 AND word = 'abc'");
  std::vector<std::string> texts;
  for (const Value& value : rule->Thresholds()) texts.push_back(ToJsonText(value));
  EXPECT_THAT(texts, ElementsAre("40", "-5", "\"abc\""));
}

}  // namespace
}  // namespace penumbra::rules
