#include "explain/teller.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "acl/acl_config.h"
#include "path/parse.h"
#include "path/tuple_address.h"

namespace sluice::explain {
namespace {

using engine::Switch;
using path::Drop;
using path::Fate;
using path::Witnessed;

std::string mac_text(uint64_t mac) {
    MacAddress address;
    std::memcpy(address.bytes.data(), &mac, address.bytes.size());
    return address.text();
}

class Teller {
 public:
    Teller(const Switch& running, const Witnessed& told, std::span<const Left> left)
        : running_(running), told_(told), left_(left) {}

    Trace tell(Stage ingress) {
        const std::optional<Object> entrance = ingress.by;
        trace_.stages.push_back(std::move(ingress));
        if (told_.ingress != told_.came) {
            stage("tunnel", fmt::format("out of {}, into network {}", name_of(told_.ingress),
                                        network_name(running_, told_.network, told_.time)));
        }
        if (const port::PortConfig* port = config_of(told_.came); port != nullptr && port->rate_limit.egress) {
            tell_limit(*port, "sends", *port->rate_limit.egress);
        }
        tell_translation();
        tell_forwarding();
        tell_flow();
        for (const auto& asked : told_.asked) tell_rule(asked);
        tell_host();
        tell_end();
        const bool is_delivered = trace_.verdict == Verdict::kDeliver;
        if (is_delivered && trace_.decided_by.empty() && entrance) trace_.decided_by.push_back(*entrance);
        return std::move(trace_);
    }

 private:
    void stage(std::string name, std::string text, std::optional<Object> by = std::nullopt) {
        trace_.stages.push_back({std::move(name), std::move(text), std::move(by)});
    }

    std::string name_of(path::PortId id) const {
        std::string name = place_name(running_, id, told_.time);
        return name.empty() ? "one that is gone" : name;
    }

    const port::PortConfig* config_of(path::PortId id) const {
        const engine::HeldPort* held = running_.find_port(id);
        return held == nullptr || !running_.is_same_since(id, told_.time) ? nullptr : &held->port->config();
    }

    void tell_limit(const port::PortConfig& port, std::string_view verb, const port::TokenBucketConfig& limit) {
        stage("rate-limit",
              fmt::format("port {} {} at most {} bits a second, and {} bytes at once; what is more is dropped",
                          port.name, verb, base::to_text(limit.rate), limit.burst_size()),
              Object{"port", port.name, port.place});
    }

    // What the packet leaves as, and by which Service, published port or NAT rule.
    void tell_translation() {
        if (!told_.is_translated) return;
        const auto text = [](const path::Tuple& tuple) {
            const auto end = [&](const IpAddress& address, uint16_t port) {
                if (tuple.key.is_icmp() || port == 0) return address.text();
                return fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"), address.text(), port);
            };
            return fmt::format("{} -> {}", end(path::source_of(tuple), tuple.key.source_port().host()),
                               end(path::destination_of(tuple), tuple.key.destination_port().host()));
        };
        const auto object = running_.translation().find(told_.arrives, told_.leaves);
        std::optional<Object> by;
        if (object) by = Object{std::string(object->kind), object->name, object->place};
        stage("translate", fmt::format("{} leaves as {}", text(told_.arrives), text(told_.leaves)), by);
        if (by) trace_.decided_by.push_back(*by);
    }

    void tell_forwarding() {
        const auto& networks = running_.snapshot().networks;
        const size_t network = path::index(told_.network);
        if (told_.layer3 != path::Layer3::kNone && network < networks.size() && networks[network].mac != 0) {
            if (told_.layer3 != path::Layer3::kOther) tell_route();
        } else if (told_.fate == Fate::kForward) {
            stage("bridge", fmt::format("{} is behind port {}", mac_text(told_.destination_mac),
                                        name_of(told_.egress)));
        } else if (told_.fate == Fate::kFlood) {
            const std::string mac = mac_text(told_.destination_mac);
            stage("bridge", path::is_group(told_.destination_mac)
                                ? fmt::format("{} is a group's address: to all of the network", mac)
                                : fmt::format("{} is behind no port that is known: to all of the network", mac));
        }
    }

    void tell_route() {
        const std::string network(running_.router().network_name(told_.network));
        const engine::NetworkConfig* config = engine::find_network(running_.config(), network);
        if (config == nullptr) return;
        const route::Domain& domain = *running_.router().domains().at(config->domain);
        const auto found =
            domain.table.longest(told_.is_translated ? path::destination_of(told_.leaves) : told_.destination);
        if (!found) return stage("route", fmt::format("no route in domain {}", domain.name));
        const auto& [to, hop] = *found;
        Object by{"route", to.text(), {}};  // added at run time, unless a declaration is found
        if (const auto* derived = running_.router().declared(domain.name, to)) {
            by = Object{derived->origin == route::Origin::kNetwork ? "network" : "route", to.text(),
                        derived->place};
            const path::NetworkId home = running_.router().hops().key(hop).network;
            if (by.kind == "network") by.name = running_.router().network_name(home);
        }
        stage("route", fmt::format("{} of domain {}", to.text(), domain.name), by);
        if (by.kind == "route") trace_.decided_by.push_back(by);
        if (!told_.is_routed) return;
        const std::string neighbor = told_.neighbor.text();
        stage("neighbor", told_.neighbor_mac == 0
                              ? fmt::format("the MAC address of {} is not known yet", neighbor)
                              : fmt::format("{} is at {}", neighbor, mac_text(told_.neighbor_mac)));
    }

    // If a flow decided the packet, no list was evaluated: name the objects that admitted the flow.
    void tell_flow() {
        if (told_.by != Witnessed::By::kFlow) return;
        bool named = false;
        for (const uint32_t number : told_.objects) {
            for (const acl::Object& rule : running_.rules(number)) {
                const Object object{std::string(rule.kind), rule.name, rule.place};
                stage("flow", fmt::format("of a connection that is known; {} let it in", rule.name), object);
                trace_.decided_by.push_back(object);
                named = true;
            }
        }
        if (!named) stage("flow", "of a connection that is known");
    }

    void tell_rule(const Witnessed::Asked& asked) {
        const auto action = static_cast<acl::Action>(asked.action);
        // Several NetworkPolicies may refuse a packet together: each of them would have to permit it.
        for (const acl::Object& rule : running_.rules(asked.object)) {
            const Object object{std::string(rule.kind), rule.name, rule.place};
            const bool is_refused_by_all = rule.kind == "network-policy" && action == acl::Action::kDeny;
            stage("policy", is_refused_by_all ? fmt::format("no rule of {} permits it", object.name)
                                              : fmt::format("{}: {}", object.name, base::word_of(action)),
                  object);
            trace_.decided_by.push_back(object);
        }
    }

    // Between a host and its pods no policy is asked. Told where one isolates the pod.
    void tell_host() {
        if (told_.by == Witnessed::By::kFlow || told_.egress == path::kNoPort || told_.dropped.count != 0) return;
        using pod::Direction;
        for (const auto& [own, other, direction] : {std::tuple(told_.egress, told_.came, Direction::kIngress),
                                                    std::tuple(told_.came, told_.egress, Direction::kEgress)}) {
            const engine::HeldPort* host = running_.find_port(other);
            const engine::HeldPort* held = running_.find_port(own);
            if (host == nullptr || held == nullptr || !host->port->config().host) continue;
            const kube::Key* key = running_.pod_policies().find_key(held->name());
            if (key == nullptr) continue;
            const auto& pod = *running_.pod_policies().find_state(*key);
            if (running_.pod_policies().isolated_by(pod, direction).empty() || was_asked(pod, direction)) continue;
            stage("policy", fmt::format("a host and its pods reach each other: the policies of {}/{} aren't asked",
                                        key->name_space, key->name));
        }
    }

    bool was_asked(const engine::PodPolicies::PodState& pod, pod::Direction direction) const {
        const auto& by = running_.pod_policies().isolated_by(pod, direction);
        return std::any_of(told_.asked.begin(), told_.asked.end(), [&](const Witnessed::Asked& asked) {
            const auto deciders = running_.pod_policies().describe(asked.object);
            return std::any_of(deciders.begin(), deciders.end(), [&](const auto& decider) {
                return std::any_of(by.begin(), by.end(), [&](const auto& it) {
                    return it.key == decider.key && it.direction == decider.direction;
                });
            });
        });
    }

    void tell_end() {
        // Frames that left here may be the switch's own, or packets that waited for this one.
        const bool is_ours = !told_.is_dry_run && told_.fate == Fate::kLocal && !left_.empty();
        // In a flood to several tunnels, one copy may wait while others leave.
        const bool has_left = std::any_of(left_.begin(), left_.end(),
                                          [&](const Left& left) { return !is_mirror(name_of(left.port)); });
        const bool waits = told_.waits && (!told_.is_dry_run || !has_left);
        if (told_.fate == Fate::kHeld) {
            stage("wait", "for the first fragment of its packet; the trace ends here");
        } else if (waits && told_.dropped.count == 0) {
            trace_.verdict = Verdict::kAsk;
            const std::string network = network_name(running_, told_.waits_in, told_.time);
            const std::string where = network == engine::kUnderlay ? "the underlay" : "network " + network;
            stage("wait", fmt::format("for the MAC address of {} in {}; {} if it does not answer",
                                      told_.waits_for.text(), where, path::text(Drop::kHostUnreachable).name));
        } else if (is_ours) {
            stage("local",
                  fmt::format("for the switch itself, which sends {} frames because of it", left_.size()));
        } else {
            if (!waits) tell_what_left();
            tell_drops();
            const bool is_kept = left_.empty() && told_.dropped.count == 0;
            if (is_kept && told_.fate == Fate::kLocal) stage("local", "for the switch itself");
        }
    }

    // Copies for mirrors are not part of the answer.
    bool is_mirror(const std::string& port) const {
        const auto& mirrors = running_.config().mirrors;
        return std::any_of(mirrors.begin(), mirrors.end(), [&](const auto& m) { return m.to == port; });
    }

    bool is_into_tunnel() const {
        const auto& slots = running_.snapshot().slots;
        const size_t at = path::index(told_.egress);
        return at < slots.size() && slots[at].tunnel != nullptr;
    }

    // Whether the frame goes back to the packet's ingress. A frame into a tunnel leaves by a port of the underlay.
    bool is_way_back(path::PortId left, const std::string& port) const {
        if (left == told_.came) return true;
        const auto& slots = running_.snapshot().slots;
        const size_t came = path::index(told_.came);
        if (came >= slots.size() || slots[came].tunnel == nullptr) return false;
        const auto ports = engine::underlay_ports(running_.config());
        return std::any_of(ports.begin(), ports.end(), [&](const auto* each) { return each->name == port; });
    }

    void tell_what_left() {
        std::set<std::string> refused;
        std::map<std::string, size_t> frames;
        for (const auto& [left, refusal] : left_) {
            const std::string port = name_of(left);
            if (is_mirror(port)) continue;
            if (refusal) {
                if (refused.insert(port).second) tell_refusal(port, *refusal);
                continue;
            }
            // A routed packet may leave by its ingress port.
            if (is_way_back(left, port) && (!told_.is_routed || told_.dropped.count != 0)) {
                stage("answer", fmt::format("the switch answers by port {}", port));
                continue;
            }
            if (++frames[port] == 1) trace_.to.push_back(port);
        }
        if (told_.fate == Fate::kFlood && !trace_.to.empty()) {
            const std::string_view word = trace_.to.size() == 1 ? "port" : "ports";
            stage("flood", fmt::format("to {} {}", word, fmt::join(trace_.to, ", ")));
        } else {
            if (!trace_.to.empty() && is_into_tunnel())
                stage("tunnel", fmt::format("into {}", name_of(told_.egress)));
            for (const std::string& port : trace_.to) tell_transmit(port, frames.at(port));
        }
        if (told_.left.count > left_.size()) stage("transmit", fmt::format("{} frames in all", told_.left.count));
        // If the packet goes to several ports, one port's refusal does not end its way.
        if (!trace_.to.empty() || !refused_by_) return;
        end(Verdict::kDrop, refused_by_->first);
        if (refused_by_->second) trace_.decided_by.push_back(*refused_by_->second);
    }

    void tell_transmit(const std::string& port, size_t frames) {
        const auto held = running_.ports().find(port);
        const auto* limits = held == running_.ports().end() ? nullptr : &held->second.port->config().rate_limit;
        if (limits != nullptr && limits->ingress)
            tell_limit(held->second.port->config(), "takes", *limits->ingress);
        const bool is_cut = frames > 1 && told_.is_routed;
        const std::string pieces = is_cut ? fmt::format(", in {} fragments", frames) : "";
        stage("transmit", fmt::format("by port {}{}", port, pieces));
    }

    // The route and the rules that let the packet pass did not decide this end.
    void end(Verdict verdict, Drop reason) {
        if (trace_.verdict == Verdict::kDeliver) trace_.decided_by.clear();
        trace_.verdict = verdict;
        trace_.reason = path::text(reason).name;
    }

    void tell_refusal(const std::string& port, const port::Port::Refusal& refusal) {
        const auto held = running_.ports().find(port);
        std::optional<Object> by;
        if (held != running_.ports().end()) by = Object{"port", port, held->second.port->config().place};
        stage("transmit", fmt::format("port {}: {}", port, refusal.why), by);
        if (!refused_by_) refused_by_ = {refusal.reason, by};
    }

    path::DropRecord record_of(const Witnessed::Dropped& dropped) const {
        path::DropRecord record{.time = told_.time,
                                .object = dropped.object,
                                .count = dropped.count,
                                .length = told_.length,
                                .port = dropped.port,
                                .ingress = dropped.ingress,
                                .egress = dropped.egress,
                                .network = dropped.network,
                                .reason = dropped.reason,
                                .size = std::min<uint8_t>(told_.size, path::DropRecord::kBytes),
                                .unused = 0,
                                .bytes = {}};
        std::copy_n(told_.bytes.begin(), record.size, record.bytes.begin());
        return record;
    }

    void tell_drops() {
        for (const auto& dropped : told_.dropped) {
            const bool is_ip = told_.layer3 == path::Layer3::kIpv4 || told_.layer3 == path::Layer3::kIpv6;
            const auto by = deciders_of(running_, record_of(dropped),
                                        is_ip ? std::optional(told_.destination) : std::nullopt);
            const path::DropText& words = path::text(dropped.reason);
            std::string text = fmt::format("{}: {}", words.name, words.sentence);
            if (by.size() > 1) text += "; by " + explain::text(by);
            stage("drop", std::move(text), by.size() == 1 ? std::optional(by.front()) : std::nullopt);
            // In a flood, other copies may have been delivered.
            if (!trace_.to.empty()) continue;
            end(dropped.reason == Drop::kRejected ? Verdict::kReject : Verdict::kDrop, dropped.reason);
            for (const Object& object : by) {
                const auto& named = trace_.decided_by;
                const bool is_new = std::none_of(named.begin(), named.end(), [&](const Object& o) {
                    return o.kind == object.kind && o.name == object.name;
                });
                if (is_new) trace_.decided_by.push_back(object);
            }
        }
    }

    const Switch& running_;
    const Witnessed& told_;
    std::span<const Left> left_;
    Trace trace_;
    std::optional<std::pair<Drop, std::optional<Object>>> refused_by_;  // the first refusal of a port
};

}  // namespace

Trace tell(const Switch& running, const Witnessed& told, std::span<const Left> left, Stage ingress) {
    return Teller(running, told, left).tell(std::move(ingress));
}

}  // namespace sluice::explain
