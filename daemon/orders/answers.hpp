// What is told to the cloud about an order, in the words of each channel. Pure; any thread.
// Source: interfaces.md, "Commands"; aws-iot-core.md, section 5 and the quotas of section 3.
#pragma once

#include <string>

#include "orders/order.hpp"

namespace penumbra::orders {

inline constexpr std::size_t kMaxDetails = 10;        // pairs in a job's statusDetails
inline constexpr std::size_t kMaxDetailBytes = 1024;  // of a value there, and of a reasonDescription
inline constexpr std::size_t kMaxDetailKeyBytes = 128;

// At most `bytes`, cut between characters.
std::string Cut(std::string text, std::size_t bytes);

// What a publication is for.
enum class Tells {
  kQuestion,  // whether there is a job
  kUnderWay,  // that an order was accepted
  kOutcome,   // what became of it
};

struct Publication {
  std::string topic;
  std::string payload;
  std::string token;
  Tells tells = Tells::kQuestion;
};

// Where an order is answered, and what is said there. `final`: its outcome; else that it is under way.
std::string CommandAnswerTopic(const std::string& thing);
std::string CommandAnswer(const OrderRow& row, bool final);

std::string JobUpdateTopic(const std::string& thing, const std::string& job);
// The boot in which a reboot was asked for goes along: should this gateway lose its journal, the cloud's copy still
// says that the reboot is behind us.
std::string JobUpdate(const OrderRow& row, bool final, const std::string& token, const std::string& boot_id);

std::string ExecutionAnswerTopic(const std::string& thing, const std::string& execution);
std::string ExecutionAnswer(const OrderRow& row, bool final);

}  // namespace penumbra::orders
