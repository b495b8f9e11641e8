#include "explain/live_traces.h"

#include <algorithm>
#include <map>

#include "explain/wall_clock.h"
#include "wire/summary.h"

namespace sluice::explain {
namespace {

constexpr uint32_t kShortest = 60;  // bytes of a frame

Stage entrance(const engine::Switch& running, const path::Witnessed& told) {
    const std::string port = place_name(running, told.came, told.time);
    Stage stage{"ingress", "from a port that is gone", std::nullopt};
    const auto held = running.ports().find(port);
    if (held == running.ports().end()) return stage;
    stage.text = "from port " + port;
    stage.by = Object{"port", port, held->second.port->config().place};
    const bool is_straight = told.ingress == told.came && told.fate != path::Fate::kPending;
    const std::string network = network_name(running, told.network, told.time);
    if (is_straight && !network.empty()) stage.text += ", in network " + network;
    return stage;
}

}  // namespace

base::Result<uint32_t> LiveTraces::start(const std::string& filter, Owner owner) {
    if (held_.size() >= kMost) {
        return base::fail("{} live traces are running already, which is the limit", held_.size());
    }
    auto compiled = wire::Filter::compile(filter);
    if (!compiled) return tl::unexpected(compiled.error().within("the filter"));
    const uint32_t number = held_.add(
        std::move(owner), std::make_shared<path::Witness>(std::move(*compiled), running_.workers().size()));
    publish();
    return number;
}

std::optional<LiveTraces::Portion> LiveTraces::read(uint32_t number, const Owner& owner, size_t most) {
    const Held* held = held_.find(number, owner);
    if (held == nullptr) return std::nullopt;
    std::vector<path::Witnessed> told;
    path::Witnessed one;
    for (const auto& worker : running_.workers()) {
        // Take `most` of each worker; the oldest of all are chosen afterwards.
        for (size_t i = 0; i < most && (*held)->take(worker->id(), one); ++i) told.push_back(one);
    }
    std::stable_sort(told.begin(), told.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
    const auto clock = WallClock::now();
    // The ports' present state: whether they take anything at all. Queried once, because a port may have to ask
    // the kernel.
    std::map<path::PortId, std::optional<port::Port::Refusal>> refusals;
    const auto refusal_of = [&](path::PortId id) -> std::optional<port::Port::Refusal> {
        const auto [known, is_new] = refusals.try_emplace(id);
        const auto* port = running_.find_port(id);
        if (is_new && port != nullptr && port->up) known->second = port->port->refusal(kShortest);
        return known->second;
    };
    Portion portion;
    for (const path::Witnessed& packet : told) {
        std::vector<Left> left;
        for (const auto& frame : packet.left) left.push_back({frame.port, refusal_of(frame.port)});
        portion.packets.push_back(
            {clock.seconds(packet.time), packet.length,
             wire::summary({packet.bytes.data(), packet.size}, packet.length),
             tell(running_, packet, left, entrance(running_, packet))});
    }
    portion.lost = (*held)->lost();
    return portion;
}

bool LiveTraces::stop(uint32_t number, const Owner& owner) {
    if (held_.find(number, owner) == nullptr) return false;
    held_.erase(number);
    publish();
    return true;
}

void LiveTraces::tick() {
    if (held_.erase_orphans() != 0) publish();
}

void LiveTraces::publish() {
    engine::Witnesses witnesses;
    held_.for_each([&](const Held& held) { witnesses.push_back(held); });
    running_.set_witnesses(std::move(witnesses));
}

}  // namespace sluice::explain
