#include "rules/functions.hpp"

#include <algorithm>

namespace penumbra::rules {

const std::vector<Signature>& Signatures() {
  using F = Function;
  static const std::vector<Signature> kSignatures = {
      {"topic", F::kTopic, 0, 1},
      {"timestamp", F::kTimestamp, 0, 0},
      {"clientid", F::kClientId, 0, 0},
      {"principal", F::kPrincipal, 0, 0},
      {"accountid", F::kAccountId, 0, 0},
      {"traceid", F::kTraceId, 0, 0},
      {"sourceip", F::kSourceIp, 0, 0},
      {"sql_version", F::kSqlVersion, 0, 0},
      {"newuuid", F::kNewUuid, 0, 0},
      {"rand", F::kRand, 0, 0},
      {"get_mqtt_property", F::kGetMqttProperty, 1, 1},
      {"get_user_properties", F::kGetUserProperties, 0, 1},
      {"isnull", F::kIsNull, 1, 1},
      {"isundefined", F::kIsUndefined, 1, 1},
      {"nanvl", F::kNanvl, 2, 2},
      {"get_or_default", F::kGetOrDefault, 1, 2},
      {"abs", F::kAbs, 1, 1},
      {"acos", F::kAcos, 1, 1},
      {"asin", F::kAsin, 1, 1},
      {"atan", F::kAtan, 1, 1},
      {"atan2", F::kAtan2, 2, 2},
      {"bitand", F::kBitAnd, 2, 2},
      {"bitor", F::kBitOr, 2, 2},
      {"bitxor", F::kBitXor, 2, 2},
      {"bitnot", F::kBitNot, 1, 1},
      {"ceil", F::kCeil, 1, 1},
      {"cos", F::kCos, 1, 1},
      {"cosh", F::kCosh, 1, 1},
      {"exp", F::kExp, 1, 1},
      {"floor", F::kFloor, 1, 1},
      {"ln", F::kLn, 1, 1},
      {"log", F::kLog, 1, 1},
      {"mod", F::kMod, 2, 2},
      {"remainder", F::kRemainder, 2, 2},
      {"power", F::kPower, 2, 2},
      {"round", F::kRound, 1, 1},
      {"sign", F::kSign, 1, 1},
      {"sin", F::kSin, 1, 1},
      {"sinh", F::kSinh, 1, 1},
      {"sqrt", F::kSqrt, 1, 1},
      {"tan", F::kTan, 1, 1},
      {"tanh", F::kTanh, 1, 1},
      {"trunc", F::kTrunc, 2, 2},
      {"chr", F::kChr, 1, 1},
      {"concat", F::kConcat, 0, -1},
      {"endswith", F::kEndsWith, 2, 2},
      {"startswith", F::kStartsWith, 2, 2},
      {"indexof", F::kIndexOf, 2, 2},
      {"length", F::kLength, 1, 1},
      {"numbytes", F::kNumBytes, 1, 1},
      {"lower", F::kLower, 1, 1},
      {"upper", F::kUpper, 1, 1},
      {"lpad", F::kLpad, 2, 2},
      {"rpad", F::kRpad, 2, 2},
      {"ltrim", F::kLtrim, 1, 1},
      {"rtrim", F::kRtrim, 1, 1},
      {"trim", F::kTrim, 1, 1},
      {"regexp_matches", F::kRegexpMatches, 2, 2},
      {"regexp_replace", F::kRegexpReplace, 3, 3},
      {"regexp_substr", F::kRegexpSubstr, 2, 2},
      {"replace", F::kReplace, 3, 3},
      {"substring", F::kSubstring, 2, 3},
      {"md2", F::kMd2, 1, 1},
      {"md5", F::kMd5, 1, 1},
      {"sha1", F::kSha1, 1, 1},
      {"sha224", F::kSha224, 1, 1},
      {"sha256", F::kSha256, 1, 1},
      {"sha384", F::kSha384, 1, 1},
      {"sha512", F::kSha512, 1, 1},
      {"get", F::kGet, 2, 2},
      {"transform", F::kTransform, 3, 3},
      {"encode", F::kEncode, 2, 2},
      {"decode", F::kDecode, 2, 6},
      {"parse_time", F::kParseTime, 2, 3},
      {"time_to_epoch", F::kTimeToEpoch, 2, 2},
      {"get_thing_shadow", F::kGetThingShadow, 2, 3, "a shadow in the cloud"},
      {"get_registry_data", F::kGetRegistryData, 3, 3, "the thing registry"},
      {"get_dynamodb", F::kGetDynamoDb, 4, 6, "a DynamoDB table"},
      {"get_secret", F::kGetSecret, 3, 4, "Secrets Manager"},
      {"aws_lambda", F::kAwsLambda, 2, 2, "a Lambda function"},
      {"machinelearning_predict", F::kMachineLearningPredict, 3, 3, "Amazon Machine Learning"},
  };
  return kSignatures;
}

const Signature& SignatureOf(Function function) {
  return Signatures()[static_cast<std::size_t>(function)];
}

std::string Lower(std::string_view ascii) {
  std::string lower(ascii);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

const Signature* FindFunction(std::string_view name) {
  const std::string lower = Lower(name);
  const auto& all = Signatures();
  const auto it = std::find_if(all.begin(), all.end(), [&lower](const Signature& s) { return s.name == lower; });
  return it == all.end() ? nullptr : &*it;
}

}  // namespace penumbra::rules
