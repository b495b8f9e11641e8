#include "control/docker.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "control/containers.h"
#include "port/netns.h"

namespace sluice::control {
namespace {

using engine::ObjectKind;
using nlohmann::json;
using port::PortConfig;

constexpr const char* kBy = "docker";

std::string text_of_errors(const base::Errors& errors) {
    std::vector<std::string> texts;
    for (const base::Error& error : errors) texts.push_back(error.text());
    return fmt::format("{}", fmt::join(texts, "; "));
}

docker::Done done(const engine::Changes& changes) {
    if (!changes) return tl::unexpected(text_of_errors(changes.error()));
    return {};
}

json texts_of_addresses(const std::vector<IpAddress>& addresses) {
    json list = json::array();
    for (const IpAddress& address : addresses) list.push_back(address.text());
    return list;
}

// The port of an endpoint, one that waits too; null: it has none.
const PortConfig* find_port_of(const Running& daemon, const std::string& endpoint) {
    const auto is_it = [&](const PortConfig& port) {
        return port.container && port.container->by == kBy && port.container->id == endpoint;
    };
    const auto& ports = daemon.intent.config().ports;
    const auto port = std::ranges::find_if(ports, is_it);
    if (port != ports.end()) return &*port;
    for (const engine::WaitingObject& waiting : daemon.intent.waiting()) {
        const PortConfig* it = waiting.object->as_port();
        if (it != nullptr && is_it(*it)) return it;
    }
    return nullptr;
}

// The name that the interface has until docker moves it: "sl4f5e6a7b8c9d0".
std::string interface_of(const std::string& endpoint) {
    return "sl" + endpoint.substr(0, 13);
}

std::string why_down(const Running& daemon, const std::string& port) {
    const auto held = daemon.running.ports().find(port);
    if (held == daemon.running.ports().end()) return "it waits";
    return held->second.up ? "" : held->second.reason;
}

// Whether one of the ports is published already, at this address or at all of them.
bool is_published(const std::vector<nat::PublishConfig>& all, const docker::Published& wanted, uint16_t port) {
    return std::ranges::any_of(all, [&](const nat::PublishConfig& other) {
        const bool is_elsewhere = other.address && wanted.address && *other.address != *wanted.address;
        return !is_elsewhere && word_of(other.protocol) == wanted.protocol &&
               base::PortRange{other.ports.low, other.ports.high}.overlaps({port, port});
    });
}

}  // namespace

std::optional<docker::SwitchNetwork> DockerSwitch::find_network(const std::string& name) const {
    const auto* network = engine::find_network(daemon_.intent.config(), name);
    if (network == nullptr) return std::nullopt;
    return docker::SwitchNetwork{network->subnets, network->gateway, network->flat};
}

std::vector<IpPrefix> DockerSwitch::subnets() const {
    std::vector<IpPrefix> all;
    for (const auto& network : daemon_.intent.config().networks)
        all.insert(all.end(), network.subnets.begin(), network.subnets.end());
    return all;
}

std::set<IpAddress> DockerSwitch::addresses_in_use(const std::string& name) const {
    std::set<IpAddress> addresses;
    const auto* network = engine::find_network(daemon_.intent.config(), name);
    if (network == nullptr) return addresses;
    for (const auto& [address, holder] : address_holders(daemon_, *network)) addresses.insert(address);
    return addresses;
}

std::optional<IpAddress> DockerSwitch::choose_address(const std::string& name, const IpPrefix& subnet,
                                                      const std::optional<IpPrefix>& range) {
    const auto* network = engine::find_network(daemon_.intent.config(), name);
    if (network == nullptr) return std::nullopt;
    const base::AddressRange wanted = base::range_of(range.value_or(subnet));
    engine::NetworkConfig part = *network;
    part.subnets = {subnet};
    part.ipam.ranges.clear();
    for (const base::AddressRange& own : network->ipam.ranges) {
        if (own.low.is_v4() != subnet.address.is_v4()) continue;
        const IpAddress low = std::max(own.low, wanted.low);
        const IpAddress high = std::min(own.high, wanted.high);
        if (low <= high) part.ipam.ranges.push_back({low, high});
    }
    const bool has_ranges = std::ranges::any_of(network->ipam.ranges, [&](const base::AddressRange& own) {
        return own.low.is_v4() == subnet.address.is_v4();
    });
    if (!has_ranges) part.ipam.ranges.push_back(wanted);
    if (part.ipam.ranges.empty()) return std::nullopt;
    const auto chosen = daemon_.ipam.choose(part, address_holders(daemon_, *network), subnet.address.is_v4());
    return chosen ? std::optional(*chosen) : std::nullopt;
}

docker::Done DockerSwitch::add_network(const json& keys) {
    return done(
        daemon_.intent.add(daemon_.running, ObjectKind::kNetwork, base::from_json(keys), engine::Clock::now()));
}

docker::Done DockerSwitch::remove_network(const std::string& name) {
    const bool is_there = engine::find_network(daemon_.intent.config(), name) != nullptr ||
                          daemon_.intent.find_waiting(ObjectKind::kNetwork, name) != nullptr;
    if (!is_there) return {};
    return done(daemon_.intent.remove(daemon_.running, {ObjectKind::kNetwork, name}, engine::Clock::now()));
}

docker::Answer<std::string> DockerSwitch::join(const docker::Attachment& wanted) {
    const std::string interface = interface_of(wanted.endpoint);
    if (const PortConfig* known = find_port_of(daemon_, wanted.endpoint)) {
        if (known->netns == wanted.netns && why_down(daemon_, known->name).empty()) return interface;
        if (auto left = leave(wanted.endpoint); !left) return tl::unexpected(left.error());
    }
    const std::string name = "docker-" + wanted.endpoint.substr(0, 12);
    json keys{{"name", name},
              {"netns", wanted.netns},
              {"handover", true},
              {"network", wanted.network},
              {"interface", interface},
              {"mac", wanted.mac.text()},
              {"container", {{"id", wanted.endpoint}, {"by", kBy}}}};
    if (!wanted.addresses.empty()) keys["address"] = texts_of_addresses(wanted.addresses);
    if (wanted.mtu) keys["mtu"] = *wanted.mtu;
    if (!wanted.pod.empty()) keys["pod"] = wanted.pod;
    if (!wanted.name_space.empty()) keys["namespace"] = wanted.name_space;
    if (!wanted.labels.empty()) keys["labels"] = wanted.labels;
    const auto added =
        done(daemon_.intent.add(daemon_.running, ObjectKind::kPort, base::from_json(keys), engine::Clock::now()));
    if (!added) return tl::unexpected(added.error());
    const std::string why = why_down(daemon_, name);
    if (why.empty()) return interface;
    (void)leave(wanted.endpoint);
    return docker::refuse("the container's port does not come up: {}", why);
}

bool DockerSwitch::has_container(const std::string& endpoint) const {
    const PortConfig* port = find_port_of(daemon_, endpoint);
    return port != nullptr && port::identify_netns(port->netns).has_value();
}

docker::Done DockerSwitch::leave(const std::string& endpoint) {
    const PortConfig* port = find_port_of(daemon_, endpoint);
    if (port == nullptr) return {};
    const std::string name = port->name;
    return done(daemon_.intent.remove(daemon_.running, {ObjectKind::kPort, name}, engine::Clock::now()));
}

docker::Done DockerSwitch::publish(const std::string& endpoint, const std::vector<docker::Published>& ports) {
    const PortConfig* port = find_port_of(daemon_, endpoint);
    if (port == nullptr && ports.empty()) return {};
    if (port == nullptr) return docker::refuse("endpoint {} has not joined", endpoint.substr(0, 12));
    const std::string name = port->name;
    if (ports.empty() && port->publish.empty()) return {};

    auto others = engine::published_in(daemon_.intent.config());
    std::erase_if(others, [&](const nat::PublishConfig& own) { return own.to.port == name; });
    json list = json::array();
    for (const docker::Published& wanted : ports) {
        uint32_t outside = wanted.outside.low;
        while (outside <= wanted.outside.high && is_published(others, wanted, static_cast<uint16_t>(outside)))
            ++outside;
        // None is free: the first one's refusal says who has it.
        if (outside > wanted.outside.high) outside = wanted.outside.low;
        json row{{"port", outside}, {"to", wanted.inside}, {"proto", wanted.protocol}};
        if (wanted.address) row["address"] = wanted.address->text();
        list.push_back(std::move(row));
        nat::PublishConfig taken{.address = wanted.address};
        taken.ports.low = taken.ports.high = static_cast<uint16_t>(outside);
        for (const auto& [protocol, word] : names(taken.protocol)) {
            if (word == wanted.protocol) taken.protocol = protocol;
        }
        others.push_back(std::move(taken));
    }
    const json keys{{"publish", ports.empty() ? json() : std::move(list)}};
    return done(daemon_.intent.set(daemon_.running, {ObjectKind::kPort, name}, base::from_json(keys).root,
                                   engine::Clock::now()));
}

DockerPlugin::DockerPlugin(boost::asio::io_context& context, Running& daemon)
    : context_(context),
      daemon_(daemon),
      switch_(daemon),
      server_([this](std::string call, std::string body, docker::Server::Reply reply) {
          boost::asio::post(context_, [this, call = std::move(call), body = std::move(body),
                                       reply = std::move(reply)] { reply(answer(call, body)); });
      }) {}

// As for clients of the control socket, a fault ends a call and not the switch.
std::string DockerPlugin::answer(const std::string& call, const std::string& body) {
    try {
        return driver_->answer(call, body);
    } catch (const std::exception& fault) {
        base::log::error("docker", "{} ended in a fault of sluiced: {}", call, fault.what());
        return R"({"Err": "sluiced could not do it: its log says why"})";
    }
}

void DockerPlugin::start() {
    daemon_.docker = docker::Book::load(daemon_.intent.config().state + ".docker");
    driver_.emplace(switch_, daemon_.docker);
    tick();
}

void DockerPlugin::tick() {
    const auto& wanted = daemon_.intent.config().docker;
    server_.set(wanted ? wanted->socket : std::string());
    server_.tick();
}

}  // namespace sluice::control
