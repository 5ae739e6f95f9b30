#include "modbus/resolve.hpp"

#include <netdb.h>

#include <cstring>
#include <ctime>

namespace penumbra::modbus {
namespace {

constexpr long kWaitSliceNs = 10'000'000;

addrinfo Hints() {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  return hints;
}

void Take(const addrinfo* list, std::vector<Address>& addresses) {
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    Address address{.size = entry->ai_addrlen, .family = entry->ai_family};
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    addresses.push_back(address);
  }
}

}  // namespace

struct Resolver::LookUp {
  std::string host, service;
  addrinfo hints = Hints();
  gaicb request{};

  bool Start() {
    request.ar_name = host.c_str();
    request.ar_service = service.c_str();
    request.ar_request = &hints;
    gaicb* list[] = {&request};
    return getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr) == 0;
  }
  ~LookUp() {
    if (request.ar_result != nullptr) freeaddrinfo(request.ar_result);
  }
};

Resolver::Resolver() = default;

Resolver::~Resolver() {
  if (look_up_ == nullptr || gai_error(&look_up_->request) != EAI_INPROGRESS) return;
  // libc's thread still writes into it: leaving it behind is the only safe thing.
  if (gai_cancel(&look_up_->request) == EAI_NOTCANCELED) (void)look_up_.release();
}

Resolver::Answer Resolver::Resolve(const std::string& host, std::uint16_t port, const std::function<Answer()>& may_wait,
                                   std::vector<Address>& addresses) {
  const std::string service = std::to_string(port);
  addrinfo hints = Hints();
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* numeric = nullptr;
  if (getaddrinfo(host.c_str(), service.c_str(), &hints, &numeric) == 0) {
    Take(numeric, addresses);
    freeaddrinfo(numeric);
    return Answer::kFound;
  }
  if (look_up_ == nullptr) {
    look_up_ = std::make_unique<LookUp>();
    look_up_->host = host;
    look_up_->service = service;
    if (!look_up_->Start()) {
      look_up_.reset();
      return Answer::kUnknown;
    }
  }
  while (gai_error(&look_up_->request) == EAI_INPROGRESS) {
    if (const Answer answer = may_wait(); answer != Answer::kFound) return answer;
    const gaicb* const list[] = {&look_up_->request};
    const timespec slice{.tv_sec = 0, .tv_nsec = kWaitSliceNs};
    gai_suspend(list, 1, &slice);
  }
  Take(look_up_->request.ar_result, addresses);
  look_up_.reset();
  return addresses.empty() ? Answer::kUnknown : Answer::kFound;
}

}  // namespace penumbra::modbus
