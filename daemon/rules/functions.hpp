// The functions of AWS IoT SQL by name: how many arguments each takes, and which need the cloud. What they do is in
// function_table.hpp, so that whoever only reads rules does not bring it along. Pure; any thread.
// Source: aws-iot-core.md section 8.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace penumbra::rules {

// In the order of the signatures in functions.cpp.
enum class Function {
  // what is known beside the payload
  kTopic,
  kTimestamp,
  kClientId,
  kPrincipal,
  kAccountId,
  kTraceId,
  kSourceIp,
  kSqlVersion,
  kNewUuid,
  kRand,
  kGetMqttProperty,
  kGetUserProperties,
  // what is missing
  kIsNull,
  kIsUndefined,
  kNanvl,
  kGetOrDefault,
  // numbers
  kAbs,
  kAcos,
  kAsin,
  kAtan,
  kAtan2,
  kBitAnd,
  kBitOr,
  kBitXor,
  kBitNot,
  kCeil,
  kCos,
  kCosh,
  kExp,
  kFloor,
  kLn,
  kLog,
  kMod,
  kRemainder,
  kPower,
  kRound,
  kSign,
  kSin,
  kSinh,
  kSqrt,
  kTan,
  kTanh,
  kTrunc,
  // text
  kChr,
  kConcat,
  kEndsWith,
  kStartsWith,
  kIndexOf,
  kLength,
  kNumBytes,
  kLower,
  kUpper,
  kLpad,
  kRpad,
  kLtrim,
  kRtrim,
  kTrim,
  kRegexpMatches,
  kRegexpReplace,
  kRegexpSubstr,
  kReplace,
  kSubstring,
  kMd2,
  kMd5,
  kSha1,
  kSha224,
  kSha256,
  kSha384,
  kSha512,
  // collections, encodings, times
  kGet,
  kTransform,
  kEncode,
  kDecode,
  kParseTime,
  kTimeToEpoch,
  // only in the cloud
  kGetThingShadow,
  kGetRegistryData,
  kGetDynamoDb,
  kGetSecret,
  kAwsLambda,
  kMachineLearningPredict,
};

struct Signature {
  std::string_view name;  // lower case
  Function function;
  int least, most;              // arguments; most -1: any number
  std::string_view needs = {};  // what of the cloud it asks; empty: nothing
};

const std::vector<Signature>& Signatures();
const Signature& SignatureOf(Function function);
// In any case, as AWS has it. nullptr: there is none.
const Signature* FindFunction(std::string_view name);
std::string Lower(std::string_view ascii);

}  // namespace penumbra::rules
