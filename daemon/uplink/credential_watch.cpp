#include "uplink/credential_watch.hpp"

#include <utility>

#include "base/log.hpp"

namespace penumbra {

CredentialWatch::CredentialWatch(EventLoop& loop, mqtt::Transport& transport, std::string thing, Eyes eyes)
    : loop_(loop), transport_(transport), thing_(std::move(thing)), eyes_(std::move(eyes)) {}

void CredentialWatch::Begin(std::string in_use) {
  End();
  contents_ = eyes_.fingerprint() == in_use ? eyes_.contents() : std::string();
  in_use_ = seen_ = judged_ = std::move(in_use);
  watching_ = std::make_shared<bool>(true);
  timer_ = loop_.After(kLook, [this] { Look(); });
}

void CredentialWatch::End() {
  timer_.reset();
  if (watching_) *watching_ = false;
}

void CredentialWatch::Look() {
  std::string now = eyes_.fingerprint();
  timer_ = loop_.After(kLook, [this] { Look(); });
  if (now != in_use_ && now == seen_ && now != judged_) Judge(now);
  seen_ = std::move(now);
}

void CredentialWatch::Judge(const std::string& fingerprint) {
  judged_ = fingerprint;
  if (eyes_.contents() == contents_) return;
  transport_.CheckCredentials(eyes_.options(), [this, watching = std::weak_ptr(watching_)](const Status& usable) {
    const auto token = watching.lock();
    if (!token || !*token) return;
    if (!usable) {
      log::Warning("uplink.credentials_unusable",
                   "certificate or key was replaced, but cannot be used; the session goes on with the one before: " +
                       usable.error().message,
                   {{"thing", thing_}});
      return;
    }
    log::Notice("uplink.credentials_replaced", "certificate or key was replaced; connecting anew with it",
                {{"thing", thing_}});
    End();
    eyes_.changed();
  });
}

}  // namespace penumbra
