#include "app/order_desk.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/version.hpp"
#include "config/overrides.hpp"

namespace penumbra {
namespace {

using orders::OrderRow;
using orders::Outcome;
using orders::Verdict;

Outcome Failed(std::string reason) {
  return {Verdict::kFailed, std::move(reason), Json::object()};
}

// The values that could be read; a reading without any is none.
Outcome OutcomeOf(const Reading& reading) {
  Json values = Json::object();
  std::string trouble;
  for (const PointValue& value : reading.values) {
    if (value.quality != Quality::kBad) {
      values[value.point] = ToJson(value.value);
    } else if (trouble.empty()) {
      trouble = value.point + ": " + value.reason;
    }
  }
  if (values.empty()) return Failed(trouble.empty() ? "no values" : trouble);
  values["timestamp"] = reading.unix_ms;
  return {Verdict::kSucceeded, "", std::move(values)};
}

// The wish that stands there came with this order.
bool WasHandedOver(const shadow::CommandRow& row, const OrderRow& order) {
  return row.received_boot == order.acting_boot && row.received_boot_ns >= order.acting_ns;
}

}  // namespace

OrderDesk::OrderDesk(World world)
    : world_(std::move(world)),
      update_(world_.loop, {OverridesFile(world_.settings.paths), world_.reload,
                            [this](const std::string& thing) {
                              const auto status = world_.buses != nullptr ? world_.buses->Thing(thing) : std::nullopt;
                              return status && status->state == "ok";
                            },
                            [this](const std::string& thing, std::function<void(Status)> done) {
                              if (world_.buses == nullptr) return;  // stopping: the next start goes on
                              world_.buses->ReadNow(thing, [done = std::move(done)](const Result<Reading>& reading) {
                                if (!reading) return done(Fail(reading.error()));
                                const Outcome outcome = OutcomeOf(*reading);
                                if (outcome.verdict == Verdict::kSucceeded) return done({});
                                done(Fail(Action::kRetry, outcome.reason));
                              });
                            },
                            world_.config_patience, world_.at_moment}),
      reboot_(world_.loop) {}

const ThingSettings* OrderDesk::FindThing(const std::string& thing) const {
  const auto& things = world_.settings.things;
  const auto it =
      std::find_if(things.begin(), things.end(), [&thing](const ThingSettings& known) { return known.name == thing; });
  return it == things.end() ? nullptr : &*it;
}

Status OrderDesk::Check(const std::string& thing, const OrderRow& order, Moment now) {
  if (world_.buses == nullptr) return Fail(Action::kRetry, "the gateway is stopping");
  if (order.action == orders::kPing) return {};
  if (order.action == orders::kReboot) return CheckReboot(thing, order, now);
  const ThingSettings* settings = FindThing(thing);
  if (settings == nullptr) {
    return Fail(Action::kGiveUp,
                fmt::format("{} is the gateway's own thing; send {} to a device's", thing, order.action));
  }
  if (order.action == orders::kSet) return CheckSet(thing, order);
  if (order.action != orders::kUpdateConfig) return {};
  if (auto fits = CheckOverride(*settings, order.arguments); !fits) return fits;
  return update_.busy() ? Fail(Action::kRetry, "another update_config is under way") : Status{};
}

Status OrderDesk::CheckReboot(const std::string& thing, const OrderRow& order, Moment now) const {
  const OrderSettings& rules = world_.duties.orders;
  if (rules.reboot == MayReboot::kNobody) {
    return Fail(Action::kGiveUp, "rebooting is switched off ([orders] reboot = \"nobody\")");
  }
  if (rules.reboot == MayReboot::kGateway && thing != world_.settings.gateway.thing) {
    return Fail(Action::kGiveUp, "only the gateway's own thing may be told to reboot ([orders] reboot = \"gateway\")");
  }
  // BootTime counts from the boot on.
  const Duration up = now.boot - BootTime{};
  if (order.anonymous && up < rules.reboot_pause) {
    return Fail(Action::kGiveUp,
                fmt::format("up since {} s only: without an id this could be the order that was obeyed already",
                            std::chrono::floor<std::chrono::seconds>(up).count()));
  }
  return {};
}

Status OrderDesk::CheckSet(const std::string& thing, const OrderRow& order) const {
  if (auto fits = world_.shadows.Check(thing, order.arguments); !fits) return fits;
  const shadow::ThingShadows* shadows = world_.shadows.Find(thing);
  for (const auto& [key, value] : order.arguments.items()) {
    const auto& rows = shadows->commands().rows();
    const auto row = rows.find(key);
    if (row == rows.end()) continue;
    // What an earlier order has desired got the cloud's time when it reached the cloud. That says nothing of its age:
    // orders that have waited for us come one after the other, and the book knows which of them is the newer one.
    const auto handed = handed_over_.find({thing, key});
    if (handed != handed_over_.end() && handed->second == row->second.received_boot_ns) continue;
    // Whole seconds: within the same one the newer cannot be told, and the order is the one that was sent now.
    if (row->second.desired_s > order.receipt.asked_ms / 1000) {
      return Fail(Action::kGiveUp, fmt::format("overtaken: {} was desired otherwise since", key));
    }
  }
  return {};
}

void OrderDesk::Perform(const std::string& thing, const OrderRow& order, bool resumed,
                        std::function<void(Outcome)> done) {
  if (order.action == orders::kPing) return done({Verdict::kSucceeded, "", {{"version", std::string(kVersion)}}});
  if (order.action == orders::kReadNow) return ReadNow(thing, std::move(done));
  if (order.action == orders::kUpdateConfig) {
    // Only after a restart: things that were begun are gone on with at once.
    if (update_.busy()) return done(Failed("another update_config is under way"));
    return update_.Run(thing, order.arguments, resumed, std::move(done));
  }
  if (order.action == orders::kSet) return Set(thing, order, resumed, std::move(done));
  if (order.action == orders::kReboot) return Reboot(std::move(done));
  done(Failed("unknown action"));
}

void OrderDesk::Withdraw(const std::string& thing, const OrderRow& order, std::function<void(Outcome)> done) {
  if (order.action == orders::kUpdateConfig) return update_.Withdraw(thing, order.arguments, std::move(done));
  if (order.action == orders::kSet) return WithdrawSet(thing, order, std::move(done));
  done(Failed("it cannot be taken back"));
}

void OrderDesk::ReadNow(const std::string& thing, Done done) {
  if (world_.buses == nullptr) return;
  world_.buses->ReadNow(thing, [done = std::move(done)](const Result<Reading>& reading) {
    done(reading ? OutcomeOf(*reading) : Failed(reading.error().message));
  });
}

// A `set` is a wish like any other and goes the same way: into desired, with its age, and from there to the device.
void OrderDesk::Set(const std::string& thing, const OrderRow& order, bool resumed, Done done) {
  const auto follow = [this, thing, values = order.arguments, done](const Status& durable) {
    if (!durable) return done(Failed(durable.error().message));
    NoteHandedOver(thing, values);
    world_.shadows.Follow(thing, values, [done, values](const Status& end) {
      done(end ? Outcome{Verdict::kSucceeded, "", values} : Failed(end.error().message));
    });
  };
  if (!resumed) {
    const std::int64_t age_ms =
        AgeOf(order.receipt, world_.loop.clock().BootId(), {world_.loop.Now(), world_.loop.clock().UnixMs(), true})
            .at_least /
        std::chrono::milliseconds(1);
    return world_.shadows.Set(thing, "", order.arguments, follow, std::max<std::int64_t>(age_ms, 0));
  }
  // Handing it over once more could put it over what was wished since. Was it handed over?
  const shadow::ThingShadows* shadows = world_.shadows.Find(thing);
  if (shadows == nullptr) return done(Failed(thing + " is not configured any more"));
  const auto& rows = shadows->commands().rows();
  for (const auto& [key, value] : order.arguments.items()) {
    const auto row = rows.find(key);
    if (row == rows.end() || !WasHandedOver(row->second, order))
      return done(Failed("the gateway was restarted before it was handed over; send it again if it still holds"));
  }
  follow({});
}

void OrderDesk::NoteHandedOver(const std::string& thing, const Json& values) {
  const shadow::ThingShadows* shadows = world_.shadows.Find(thing);
  if (shadows == nullptr) return;
  for (const auto& [key, value] : values.items()) {
    const auto row = shadows->commands().rows().find(key);
    if (row == shadows->commands().rows().end() || row->second.value != value) continue;
    handed_over_[{thing, key}] = row->second.received_boot_ns;
  }
}

// What waits for its turn at the device goes out of desired again, and so is never written: not back to what was
// desired before, which would be a new wish.
void OrderDesk::WithdrawSet(const std::string& thing, const OrderRow& order, Done done) {
  const shadow::ThingShadows* shadows = world_.shadows.Find(thing);
  if (shadows == nullptr) return done({Verdict::kCancelled, thing + " is not configured any more", Json::object()});
  const auto& rows = shadows->commands().rows();
  Json waiting = Json::object();
  std::string at_device, written;
  for (const auto& [key, value] : order.arguments.items()) {
    const auto row = rows.find(key);
    if (row == rows.end() || row->second.value != value || !WasHandedOver(row->second, order)) continue;
    using State = shadow::CommandState;
    const State state = row->second.state;
    if (state == State::kReceived || state == State::kPending) waiting[key] = nullptr;
    if (state == State::kPending) at_device = key;
    if (state == State::kWritten || state == State::kVerified || state == State::kReported) written = key;
  }
  std::string what = "nothing more of it is written";
  if (!at_device.empty()) what += fmt::format("; {} was being tried, and may have been", at_device);
  if (!written.empty()) what += fmt::format("; {} was written by then, and stays", written);
  const bool all = waiting.empty() && !written.empty();
  Outcome outcome{all ? Verdict::kSucceeded : Verdict::kCancelled, std::move(what), Json::object()};
  if (waiting.empty()) return done(std::move(outcome));
  world_.shadows.Set(thing, "", waiting, [done, outcome](const Status& durable) {
    done(durable ? outcome : Failed("it cannot be taken out of desired: " + durable.error().message));
  });
}

void OrderDesk::Reboot(Done done) {
  log::Notice("orders.reboot", "rebooting the machine, as ordered", {{"command", world_.duties.orders.reboot_command}});
  // What is measured should not wait for a stop that may be cut short. A store that cannot is no reason not to reboot.
  world_.store.Flush([this, alive = alive_, done = std::move(done)](const Status&) {
    if (!*alive) return;
    reboot_.Start(world_.duties.orders.reboot_command, [done](std::string reason) { done(Failed(std::move(reason))); });
  });
}

}  // namespace penumbra
