// Every function that the library claims: the examples of AWS's documentation, Undefined, wrong types, bounds.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "rules/digest.hpp"
#include "rules/functions.hpp"
#include "unit/rules/rules_fixture.hpp"

namespace penumbra::rules {
namespace {

using test::Eval;

struct Case {
  std::string expression, result;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> kCases = {
      // numbers
      {"abs(-5)", "5"},
      {"abs(\"-5.123\")", "5.123"},
      {"abs(true)", "Undefined"},
      {"abs(n)", "Undefined"},
      {"abs(nothing)", "Undefined"},
      {"abs(a)", "Undefined"},
      {"abs(word)", "Undefined"},
      {"acos(0)", "1.5707963267948966"},
      {"acos(2)", "Undefined"},
      {"acos(nothing)", "Undefined"},
      {"asin(0)", "0"},
      {"asin(\"2\")", "Undefined"},
      {"asin(t)", "Undefined"},
      {"atan(0)", "0"},
      {"atan(o)", "Undefined"},
      {"atan2(1, 0)", "1.5707963267948966"},
      {"atan2(1, n)", "Undefined"},
      {"bitand(13, 5)", "5"},
      {"bitand(13.9, \"5\")", "5"},
      {"bitand(1E30, 1)", "Undefined"},
      {"bitand(1, nothing)", "Undefined"},
      {"bitor(8, 5)", "13"},
      {"bitor(t, 5)", "Undefined"},
      {"bitxor(13, 5)", "8"},
      {"bitxor(n, 5)", "Undefined"},
      {"bitnot(13)", "-14"},
      {"bitnot(\"x\")", "Undefined"},
      {"ceil(1.2)", "2"},
      {"ceil(-1.2)", "-1"},
      {"ceil(\"1.2\")", "2"},
      {"ceil(t)", "Undefined"},
      {"cos(0)", "1"},
      {"cos(nothing)", "Undefined"},
      {"cosh(2.3)", "5.037220649268761"},
      {"cosh(a)", "Undefined"},
      {"exp(0)", "1"},
      {"exp(1)", "2.718281828459045"},
      {"exp(1000)", "Undefined"},
      {"exp(n)", "Undefined"},
      {"floor(1.2)", "1"},
      {"floor(-1.2)", "-2"},
      {"floor(7)", "7"},
      {"floor([1,2,3])", "Undefined"},
      {"floor(timestamp / 1000)", "1763841600"},
      {"ln(1)", "0"},
      {"ln(-1)", "Undefined"},
      {"ln(0)", "Undefined"},
      {"ln(nothing)", "Undefined"},
      {"log(100)", "2"},
      {"log(t)", "Undefined"},
      {"mod(8, 3)", "2"},
      {"mod(-8, 3)", "-2"},
      {"mod(8, 0)", "Undefined"},
      {"mod(\"8.5\", 3)", "2.5"},
      {"mod(8, word)", "Undefined"},
      {"remainder(8, 3)", "2"},
      {"remainder(nothing, 3)", "Undefined"},
      {"power(2, 5)", "32"},
      {"power(-8, 0.5)", "Undefined"},
      {"power(10, 400)", "Undefined"},
      {"power(2, n)", "Undefined"},
      {"Round(1.2)", "1"},
      {"Round(1.5)", "2"},
      {"Round(1.7)", "2"},
      {"Round(-1.1)", "-1"},
      {"Round(-1.5)", "-2"},
      {"round(t)", "Undefined"},
      {"sign(-7)", "-1"},
      {"sign(0)", "0"},
      {"sign(13.5)", "1"},
      {"sign(\"-0.0\")", "0"},
      {"sign(o)", "Undefined"},
      {"sin(0)", "0"},
      {"sin(word)", "Undefined"},
      {"sinh(2.3)", "4.936961805545957"},
      {"sinh(n)", "Undefined"},
      {"sqrt(9)", "3"},
      {"sqrt(-1)", "Undefined"},
      {"sqrt(nothing)", "Undefined"},
      {"tan(3)", "-0.1425465430742778"},
      {"tan(t)", "Undefined"},
      {"tanh(2.3)", "0.9800963962661914"},
      {"tanh(a)", "Undefined"},
      {"trunc(2.3, 0)", "2"},
      {"trunc(2.3123, 2)", "2.31"},
      {"trunc(2.888, 2)", "2.88"},
      {"trunc(2.00, 5)", "2"},
      {"trunc(-2.888, -3)", "-2"},
      {"trunc(2.888, 99)", "2.888"},
      {"trunc(2.888, \"2\")", "Undefined"},
      {"trunc(n, 2)", "Undefined"},
      // text
      {"chr(65)", "\"A\""},
      {"chr(49.9)", "\"1\""},
      {"chr(\"65\")", "\"A\""},
      {"chr(128)", "Undefined"},
      {"chr(-1)", "Undefined"},
      {"chr(t)", "Undefined"},
      {"concat()", "Undefined"},
      {"concat(1)", "1"},
      {"concat([1, 2, 3], 4)", "[1,2,3,4]"},
      {"concat(\"con\", \"cat\")", "\"concat\""},
      {"concat(1, \"hello\")", "\"1hello\""},
      {"concat(\"he\",\"is\",\"man\")", "\"heisman\""},
      {"concat([1, 2, 3], \"hello\", [4, 5, 6])", "[1,2,3,\"hello\",4,5,6]"},
      {"concat(\"x\", nothing)", "Undefined"},
      {"concat(\"x\", n)", "Undefined"},
      {"endswith(\"cat\",\"at\")", "true"},
      {"endswith(\"cat\",\"ca\")", "false"},
      {"endswith(22.5, 5)", "true"},
      {"endswith(n, \"x\")", "Undefined"},
      {"startswith(\"ranger\",\"ran\")", "true"},
      {"startswith(t, \"tr\")", "true"},
      {"startswith(word, nothing)", "Undefined"},
      {"indexof(\"abcd\", \"bc\")", "1"},
      {"indexof(\"\xc3\xa4\xc3\xb6x\", \"x\")", "2"},
      {"indexof(word, \"z\")", "-1"},
      {"indexof(n, \"z\")", "Undefined"},
      {"length(\"hi\")", "2"},
      {"length(false)", "5"},
      {"length(\"\")", "0"},
      {"length(\"\xe2\x82\xac\")", "1"},
      {"length(nothing)", "Undefined"},
      {"numbytes(\"hi\")", "2"},
      {"numbytes(\"\xe2\x82\xac\")", "3"},
      {"numbytes(n)", "Undefined"},
      {"lower(\"HELLO\")", "\"hello\""},
      {"lower([\"HELLO\"])", "\"[\\\"hello\\\"]\""},
      {"lower(\"\xc3\x84\xc3\x97\")", "\"\xc3\xa4\xc3\x97\""},
      {"lower(n)", "Undefined"},
      {"upper(\"hello\")", "\"HELLO\""},
      {"upper([\"hello\"])", "\"[\\\"HELLO\\\"]\""},
      {"upper(\"\xc3\xa4\xc3\xb7\xce\xb1\")", "\"\xc3\x84\xc3\xb7\xce\x91\""},
      {"upper(nothing)", "Undefined"},
      {"lpad(\"hello\", 2)", "\"  hello\""},
      {"lpad(1, 3)", "\"   1\""},
      {"lpad(word, -5)", "\"abc\""},
      {"length(lpad(word, 5000))", "1003"},
      {"lpad(word, t)", "Undefined"},
      {"lpad(n, 1)", "Undefined"},
      {"rpad(\"hello\", 2.9)", "\"hello  \""},
      {"rpad(1, \"3\")", "\"1   \""},
      {"rpad(word, nothing)", "Undefined"},
      {"Ltrim(\" h i \")", "\"h i \""},
      {"ltrim(n)", "Undefined"},
      {"rtrim(\" h i \")", "\" h i\""},
      {"rtrim(\"\")", "\"\""},
      {"rtrim(\"  \")", "\"\""},
      {"rtrim(nothing)", "Undefined"},
      {"Trim(\" h i \")", "\"h i\""},
      {"trim(\"\")", "\"\""},
      {"trim(n)", "Undefined"},
      {"regexp_matches(\"aaaa\", \"a{2,}\")", "true"},
      {"regexp_matches(\"aaaa\", \"b\")", "false"},
      {"regexp_matches(word, \"(\")", "Undefined"},
      {"regexp_matches(22.5, '^\\d+\\.\\d$')", "true"},
      {"regexp_matches(n, \"a\")", "Undefined"},
      {"regexp_replace(\"abcd\", \"bc\", \"x\")", "\"axd\""},
      {"regexp_replace(\"abcd\", \"b(.*)d\", \"$1\")", "\"ac\""},
      {"regexp_replace(word, \"[\", \"x\")", "Undefined"},
      {"regexp_replace(word, \"b\", nothing)", "Undefined"},
      {"regexp_substr(\"hihihello\", \"hi\")", "\"hi\""},
      {"regexp_substr(\"hihihello\", \"(hi)*\")", "\"hihi\""},
      {"regexp_substr(word, \"z\")", "Undefined"},
      {"regexp_substr(nothing, \"z\")", "Undefined"},
      {"replace(\"abcd\", \"bc\", \"x\")", "\"axd\""},
      {"replace(\"abcdabcd\", \"b\", \"x\")", "\"axcdaxcd\""},
      {"replace(word, \"\", \"x\")", "\"abc\""},
      {"replace(word, n, \"x\")", "Undefined"},
      {"substring(\"012345\", 0)", "\"012345\""},
      {"substring(\"012345\", 2.745)", "\"2345\""},
      {"substring(123, 2)", "\"3\""},
      {"substring(\"012345\", -1)", "\"012345\""},
      {"substring(true, 1.2)", "\"rue\""},
      {"substring(false, -2.411E247)", "\"false\""},
      {"substring(\"012345\", 1, 3)", "\"12\""},
      {"substring(\"012345\", -50, 50)", "\"012345\""},
      {"substring(\"012345\", 3, 1)", "\"\""},
      {"substring(\"\xc3\xa4\xc3\xb6\xc3\xbc\", 1, 2)", "\"\xc3\xb6\""},
      {"substring(word, t)", "Undefined"},
      {"substring(n, 1)", "Undefined"},
      {"md2(\"hello\")", "\"a9046c73e00331af68917d3804f70655\""},
      {"md2(nothing)", "Undefined"},
      {"md5(\"hello\")", "\"5d41402abc4b2a76b9719d911017c592\""},
      {"md5(n)", "Undefined"},
      {"md5(1)", "\"c4ca4238a0b923820dcc509a6f75849b\""},
      {"sha1(\"abc\")", "\"a9993e364706816aba3e25717850c26c9cd0d89d\""},
      {"sha1(n)", "Undefined"},
      {"sha224(\"abc\")", "\"23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7\""},
      {"sha224(n)", "Undefined"},
      {"sha256(\"abc\")", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""},
      {"sha256(n)", "Undefined"},
      {"substring(sha384(\"abc\"), 0, 16)", "\"cb00753f45a35e8b\""},
      {"sha384(n)", "Undefined"},
      {"substring(sha512(\"abc\"), 0, 16)", "\"ddaf35a193617aba\""},
      {"sha512(n)", "Undefined"},
      // what is missing
      {"isNull(5)", "false"},
      {"isNull(Null)", "true"},
      {"isNull(n)", "true"},
      {"isNull(nothing)", "false"},
      {"isUndefined(5)", "false"},
      {"isUndefined(floor([1,2,3]))", "true"},
      {"isUndefined(n)", "false"},
      {"isUndefined(nothing)", "true"},
      {"Nanvl(8, 3)", "8"},
      {"nanvl(n, 3)", "3"},
      {"nanvl(nothing, 3)", "3"},
      {"nanvl(word, 3)", "\"abc\""},
      {"nanvl(nothing, nothing)", "Undefined"},
      {"get_or_default(nothing, 3)", "3"},
      {"get_or_default(n, 3)", "3"},
      {"get_or_default(word, 3)", "\"abc\""},
      {"get_or_default(nothing)", "Undefined"},
      // collections
      {"get([\"a\", \"b\", \"c\"], 1)", "\"b\""},
      {"get({\"a\":\"b\"}, \"a\")", "\"b\""},
      {"get(\"abc\", 1)", "\"b\""},
      {"get(a, 3)", "Undefined"},
      {"get(a, -1)", "Undefined"},
      {"get(a, \"1\")", "2"},
      {"get(o, 1)", "Undefined"},
      {"get(word, 3)", "Undefined"},
      {"get(nothing, 0)", "Undefined"},
      {"get(*, \"word\")", "\"abc\""},
      {"get(7, 0)", "Undefined"},
      {"transform(\"enrichArray\", {\"key\": s}, [{\"a\": 3}, {\"b\": 4}])",
       R"([{"a":3,"key":"7"},{"b":4,"key":"7"}])"},
      {"transform(\"other\", o, e)", "Undefined"},
      {"transform(\"enrichArray\", o, a)", "Undefined"},
      {"transform(\"enrichArray\", n, e)", "Undefined"},
      // encodings
      {"encode(word, 'base64')", "\"YWJj\""},
      {"encode(\"\", 'base64')", "\"\""},
      {"encode(word, 'hex')", "Undefined"},
      {"encode(n, 'base64')", "Undefined"},
      {"decode(\"YWJj\", 'base64')", "\"abc\""},
      {"decode(\"eyAidGVtcGVyYXR1cmUiOiAzMyB9Cg==\",\"base64\").temperature", "33"},
      {"decode(\"?\", 'base64')", "null"},
      {"decode(\"YWJj\", 'hex')", "Undefined"},
      {"decode(nothing, 'base64')", "Undefined"},
      // facts
      {"topic()", "\"sensors/sensor-001/temperature\""},
      {"topic(2)", "\"sensor-001\""},
      {"topic(\"1\")", "\"sensors\""},
      {"topic(0)", "Undefined"},
      {"topic(4)", "Undefined"},
      {"topic(t)", "Undefined"},
      {"timestamp()", "1763841700000"},
      {"clientid()", "\"sensor-001\""},
      {"principal()", "Undefined"},
      {"accountid()", "Undefined"},
      {"traceid()", "Undefined"},
      {"sourceip()", "Undefined"},
      {"sql_version()", "\"2016-03-23\""},
      {"length(newuuid())", "36"},
      {"rand() >= 0 AND rand() < 1", "true"},
      {"rand() = rand()", "false"},
      {"get_mqtt_property(\"content_type\")", "Undefined"},
      {"get_mqtt_property(7)", "Undefined"},
      {"get_user_properties()", "Undefined"},
      {"get_user_properties(7)", "Undefined"},
      // times
      {"parse_time(\"yyyy.MM.dd G 'at' HH:mm:ss z\", 100000000, \"America/Belize\")",
       "\"1970.01.01 AD at 21:46:40 CST\""},
      {"parse_time(\"yyyy-MM-dd'T'HH:mm:ss.SSS'Z'\", timestamp)", "\"2025-11-22T20:00:00.123Z\""},
      {"parse_time(\"yyyy\", nothing)", "Undefined"},
      {"parse_time(\"yyyy\", 0, \"No/Where\")", "Undefined"},
      {"parse_time(\"Q\", 0)", "Undefined"},
      {"parse_time(n, 0)", "Undefined"},
      {"time_to_epoch(\"2020-04-03 09:45:18 UTC+01:00\", \"yyyy-MM-dd HH:mm:ss VV\")", "1585903518000"},
      {"time_to_epoch(\"18 December 2015\", \"dd MMMM yyyy\")", "1450396800000"},
      {"time_to_epoch(\"2007-12-03 10:15:30.592 America/Los_Angeles\", \"yyyy-MM-dd HH:mm:ss.SSS z\")",
       "1196705730592"},
      {"time_to_epoch(word, \"yyyy\")", "Undefined"},
      {"time_to_epoch(nothing, \"yyyy\")", "Undefined"},
      // cast
      {"cast(true as Int)", "1"},
      {"cast(false as Decimal)", "0"},
      {"cast(\"-1.2\" as Int)", "-2"},
      {"cast(22.5 as String)", "\"22.5\""},
      {"cast(10.0 as Decimal)", "10"},
      {"cast(0 as Boolean)", "false"},
      {"cast(0.1 as Bool)", "true"},
      {"cast(\"TRUE\" as Boolean)", "true"},
      {"cast(word as Boolean)", "Undefined"},
      {"cast(a as String)", "\"[1,2,3]\""},
      {"cast(n as String)", "Undefined"},
      {"cast(nothing as Int)", "Undefined"},
      {"cast(0.1 as Double)", "0.1"},
      {"cast(o as Integer)", "Undefined"},
      {"cast(t as Text)", "\"true\""},
  };
  return kCases;
}

TEST(RuleFunctions, DoWhatAwsDocuments) {
  for (const Case& c : Cases()) EXPECT_EQ(Eval(c.expression), c.result) << c.expression;
}

// A function without a case in the table is not claimed.
TEST(RuleFunctions, HaveEachACaseAndOneThatIsUndefined) {
  std::set<std::string> defined, undefined;
  for (const Case& c : Cases()) {
    for (const Signature& signature : Signatures()) {
      const std::string name(signature.name);
      const std::string lower = Lower(c.expression);
      if (lower.find(name + "(") == std::string::npos) continue;
      (c.result == "Undefined" ? undefined : defined).insert(name);
    }
  }
  // No argument to be wrong, or what the message did not bring along (shown below).
  const std::set<std::string> never = {"timestamp", "clientid", "sql_version", "newuuid",
                                       "rand",      "isnull",   "isundefined"};
  const std::set<std::string> needs_facts = {"principal", "accountid",         "traceid",
                                             "sourceip",  "get_mqtt_property", "get_user_properties"};
  for (const Signature& signature : Signatures()) {
    const std::string name(signature.name);
    if (!signature.needs.empty()) continue;
    EXPECT_TRUE(defined.count(name) || needs_facts.count(name)) << name;
    EXPECT_TRUE(undefined.count(name) || never.count(name)) << name;
  }
}

// Every function that AWS's list has, by the names of aws-iot-core.md section 8; cast() is a form of the grammar.
TEST(RuleFunctions, AreThoseOfAwsAndNoOthers) {
  std::set<std::string> named, known = {"topic",
                                        "timestamp",
                                        "clientid",
                                        "principal",
                                        "accountid",
                                        "traceid",
                                        "sourceip",
                                        "sql_version",
                                        "newuuid",
                                        "rand",
                                        "get_mqtt_property",
                                        "get_user_properties",
                                        "isnull",
                                        "isundefined",
                                        "nanvl",
                                        "get_or_default",
                                        "abs",
                                        "acos",
                                        "asin",
                                        "atan",
                                        "atan2",
                                        "bitand",
                                        "bitor",
                                        "bitxor",
                                        "bitnot",
                                        "ceil",
                                        "cos",
                                        "cosh",
                                        "exp",
                                        "floor",
                                        "ln",
                                        "log",
                                        "mod",
                                        "remainder",
                                        "power",
                                        "round",
                                        "sign",
                                        "sin",
                                        "sinh",
                                        "sqrt",
                                        "tan",
                                        "tanh",
                                        "trunc",
                                        "chr",
                                        "concat",
                                        "endswith",
                                        "startswith",
                                        "indexof",
                                        "length",
                                        "numbytes",
                                        "lower",
                                        "upper",
                                        "lpad",
                                        "rpad",
                                        "ltrim",
                                        "rtrim",
                                        "trim",
                                        "regexp_matches",
                                        "regexp_replace",
                                        "regexp_substr",
                                        "replace",
                                        "substring",
                                        "md2",
                                        "md5",
                                        "sha1",
                                        "sha224",
                                        "sha256",
                                        "sha384",
                                        "sha512",
                                        "get",
                                        "transform",
                                        "encode",
                                        "decode",
                                        "parse_time",
                                        "time_to_epoch",
                                        "get_thing_shadow",
                                        "get_registry_data",
                                        "get_dynamodb",
                                        "get_secret",
                                        "aws_lambda",
                                        "machinelearning_predict"};
  for (const Signature& signature : Signatures()) named.insert(std::string(signature.name));
  EXPECT_EQ(named, known);
  EXPECT_EQ(Eval("cast(\"7\" as Int)"), "7");
}

// Wherever a number is wanted, nothing else will do but text that is one: each wrong type in each place.
TEST(RuleFunctions, OfNumbersAreUndefinedForEverythingThatIsNoNumber) {
  const char* const one[] = {"abs", "acos", "asin",  "atan", "bitnot", "ceil", "cos",  "cosh", "exp",  "floor",
                             "ln",  "log",  "round", "sign", "sin",    "sinh", "sqrt", "tan",  "tanh", "chr"};
  const char* const two[] = {"atan2", "bitand", "bitor", "bitxor", "mod", "remainder", "power", "trunc"};
  for (const char* wrong : {"nothing", "n", "t", "a", "o", "word", "\"\"", "\" 1\"", "\"0x1\"", "\"1,5\"", "\"NaN\""}) {
    for (const char* name : one) EXPECT_EQ(Eval(fmt::format("{}({})", name, wrong)), "Undefined") << name << wrong;
    for (const char* name : two) {
      EXPECT_EQ(Eval(fmt::format("{}({}, 1)", name, wrong)), "Undefined") << name << wrong;
      EXPECT_EQ(Eval(fmt::format("{}(1, {})", name, wrong)), "Undefined") << name << wrong;
    }
  }
}

TEST(RuleFunctions, AWrongNumberOfArgumentsIsUndefinedAndSaidWhenTheRuleIsRead) {
  for (const Signature& signature : Signatures()) {
    if (!signature.needs.empty() || signature.most < 0) continue;
    std::string call = std::string(signature.name) + "(1";
    for (int i = 1; i < signature.most + 1; ++i) call += ", 1";
    call += ")";
    EXPECT_EQ(Eval(call), "Undefined") << call;
    const auto rule = Rule::Parse("SELECT " + call + " AS x FROM 'a'");
    ASSERT_TRUE(rule) << call;
    EXPECT_FALSE(rule->notes().empty()) << call;
  }
}

TEST(RuleFunctions, ThatOnlyTheCloudHasAreRefusedWithWhatTheyAsk) {
  for (const Signature& signature : Signatures()) {
    if (signature.needs.empty()) continue;
    const auto rule = Rule::Parse("SELECT " + std::string(signature.name) + "(1, 2, 3) AS x FROM 'a'");
    ASSERT_FALSE(rule) << signature.name;
    EXPECT_EQ(rule.error().action, Action::kGiveUp);
    EXPECT_NE(rule.error().message.find(signature.needs), std::string::npos) << rule.error().message;
  }
  EXPECT_NE(test::Fault("SELECT decode(x, 'proto', 'b', 'k', 'f', 't') AS y FROM 'a'").find("S3"), std::string::npos);
}

TEST(RuleFunctions, SeeWhatTheMessageBroughtAlong) {
  Facts facts = test::FactsOf("$aws/rules/Store/sensors/t/x");
  facts.principal = "cert";
  facts.account = "123456789012";
  facts.trace_id = "trace";
  facts.source_ip = "192.0.2.1";
  facts.mqtt_properties = {{"content_type", "json"}};
  facts.user_properties = {{"k", "1"}, {"k", "2"}, {"l", "3"}};
  const auto eval = [&facts](const char* expression) { return Eval(expression, test::kPayload, facts); };
  EXPECT_EQ(eval("principal() + accountid() + traceid() + sourceip()"), "\"cert123456789012trace192.0.2.1\"");
  EXPECT_EQ(eval("topic()"), "\"sensors/t/x\"") << "Basic Ingest's prefix is not there";
  EXPECT_EQ(eval("get_mqtt_property(\"content_type\")"), "\"json\"");
  EXPECT_EQ(eval("get_user_properties(\"k\")"), "[\"1\",\"2\"]");
  EXPECT_EQ(eval("get_user_properties()"), R"([{"k":"1"},{"k":"2"},{"l":"3"}])");
}

TEST(RuleFunctions, TakePayloadsThatAreNoJsonWithoutLookingInside) {
  const std::string bytes("\xff\x00\x01", 3);
  EXPECT_EQ(Eval("encode(*, 'base64')", bytes), "\"/wAB\"");
  EXPECT_NE(Eval("get(*, 'x')", bytes).find("JSON"), std::string::npos);
  EXPECT_EQ(Eval("get_or_default(temperature, 3)", bytes), "3") << "get_or_default forgives";
  const Outcome star = test::RunSql("SELECT * FROM 'a' WHERE timestamp() > 12", bytes);
  EXPECT_EQ(star.kind, Outcome::Kind::kFired);
  EXPECT_EQ(star.text, bytes);
  EXPECT_EQ(test::RunSql("SELECT * FROM 'a' WHERE temperature > 12", bytes).kind, Outcome::Kind::kFailed);
  const Outcome set = test::RunSql("SET @a = 1 SELECT encode(*, 'base64') AS x FROM 'a'", bytes);
  EXPECT_EQ(set.kind, Outcome::Kind::kFailed);
  EXPECT_NE(set.why.find("SET is for JSON payloads"), std::string::npos) << set.why;
}

TEST(RuleFunctions, EndEarlyInsteadOfHangingOrGrowing) {
  const std::string text(20'000, 'a');
  const std::string payload = "{\"x\":\"" + text + "\"}";
  EXPECT_NE(Eval("replace(x, 'a', x)", payload).find("512 KiB"), std::string::npos);
  EXPECT_NE(Eval("regexp_replace(x, 'a', x)", payload).find("512 KiB"), std::string::npos);
  EXPECT_NE(Eval("regexp_matches(x, '(a+)+b')", payload).find("too long"), std::string::npos);
  EXPECT_NE(Eval("[x, x, x, x, x, x, x]", payload).find("128 KiB"), std::string::npos);
  std::string wide = "[0";
  for (int i = 0; i < 2000; ++i) wide += ",0";
  const std::string deep = "{\"w\":" + wide + "]}";
  const Outcome outcome =
      test::RunSql("SET @w = w SELECT (SELECT VALUE (SELECT VALUE 1 FROM @w) FROM @w) AS x FROM 'a'", deep);
  EXPECT_NE(outcome.why.find("too long"), std::string::npos) << outcome.why;
}

TEST(RuleBase64, RefusesWhatIsNone) {
  for (const char* text : {"a", "ab", "abc", "ab=c", "a===", "=abc", "ab c"}) EXPECT_FALSE(FromBase64(text)) << text;
  for (const std::string& bytes :
       {std::string(), std::string("a"), std::string("ab"), std::string("abc"), std::string("\0\xff", 2)}) {
    EXPECT_EQ(FromBase64(ToBase64(bytes)), bytes);
  }
}

}  // namespace
}  // namespace penumbra::rules
