#include "sluice-cni/container.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include "base/text.h"
#include "base/tree.h"

namespace sluice::cni {
namespace {

using nlohmann::json;

template <class T>
json texts_of(const std::vector<T>& values) {
    json list = json::array();
    for (const T& value : values) list.push_back(value.text());
    return list;
}

// A text of an answer that must parse. Thrown as the JSON library's errors are, and caught with them below.
template <class T>
T parsed(const json& text) {
    auto value = T::parse(text.get_ref<const std::string&>());
    if (!value) throw std::invalid_argument(value.error());
    return *value;
}

template <class T>
std::optional<T> parsed_if_given(const json& object, const char* key) {
    const auto value = object.find(key);
    if (value == object.end() || value->is_null()) return std::nullopt;
    return parsed<T>(*value);
}

// The JSON library would convert any number without a check of its range.
uint32_t mtu_of(const json& value) {
    const int64_t mtu = value.is_number_integer() ? value.get<int64_t>() : -1;
    if (mtu < 0 || mtu > UINT32_MAX) throw std::invalid_argument("the MTU is " + value.dump());
    return static_cast<uint32_t>(mtu);
}

// The JSON library throws where an answer has another form than `read` takes it for.
template <class Read>
auto read_answer(Read read) -> tl::expected<decltype(read()), std::string> {
    try {
        return read();
    } catch (const json::exception& error) {
        return tl::unexpected(std::string(error.what()));
    } catch (const std::invalid_argument& error) {
        return tl::unexpected(std::string(error.what()));
    }
}

// Keys of a delegated plugin's route that a port's routes don't have. The specification's defaults are no request.
std::optional<std::string> unsupported_key(const json& route) {
    for (const char* key : {"mtu", "advmss", "priority", "table", "scope"}) {
        const auto value = route.find(key);
        if (value != route.end() && !value->is_null() && *value != 0) return key;
    }
    return std::nullopt;
}

// The gateway of the first address of that family.
std::optional<IpAddress> gateway_for(const json& ips, bool v4) {
    for (const json& ip : ips) {
        const auto address = IpAddress::parse(text_at(ip, "gateway"));
        if (address && address->is_v4() == v4) return *address;
    }
    return std::nullopt;
}

// Null: empty.
std::string text_or_none(const json& value) {
    return value.is_null() ? "" : value.get<std::string>();
}

Added added_of(const json& answer, const std::string& netns) {
    Added added;
    added.interface = {.name = answer.at("interface"),
                       .mac = text_or_none(answer.at("mac")),
                       .mtu = mtu_of(answer.at("mtu")),
                       .sandbox = netns,
                       .socket = text_or_none(answer.at("socket-path"))};
    for (const json& route : answer.at("routes")) {
        added.routes.push_back({parsed<IpPrefix>(route.at("to")), parsed_if_given<IpAddress>(route, "via")});
    }
    for (const json& ip : answer.at("address")) {
        added.ips.push_back(
            {parsed<InterfaceAddress>(ip.at("address")), parsed_if_given<IpAddress>(ip, "gateway")});
    }
    added.dns = answer.value("dns", json::object());
    if (!added.dns.is_object()) throw std::invalid_argument("`dns` is " + added.dns.dump());
    // If the network has no gateway, a delegated plugin may still have given a default route.
    for (Ip& ip : added.ips) {
        for (const Route& route : added.routes) {
            if (ip.gateway || route.to.length != 0 || !route.via) continue;
            if (ip.address.prefix().contains(*route.via)) ip.gateway = route.via;
        }
    }
    return added;
}

// Null: no limit. JSON's numbers would be converted without a check of their sign.
RateLimit rate_limit_of(const json& limit) {
    if (limit.is_null()) return {};
    const auto number = [&](const char* key) -> uint64_t {
        const json& value = limit.at(key);
        if (!value.is_number_unsigned()) throw std::invalid_argument(fmt::format("{} is {}", key, value.dump()));
        return value.get<uint64_t>();
    };
    return {.rate = number("rate"), .burst = number("burst")};
}

json vhost_user_keys(const Environment& environment, const VhostSocket& socket) {
    json keys{{"path", socket.path(environment)}, {"mode", base::word_of(socket.mode)}};
    if (!socket.group.empty()) keys["group"] = socket.group;
    if (socket.queues) keys["queues"] = *socket.queues;
    if (socket.offloads) keys["offloads"] = *socket.offloads;
    return keys;
}

Attachment attachment_of(const json& row) {
    Attachment attachment{.container = row.at("container"),
                          .interface = row.at("interface"),
                          .port = row.at("port"),
                          .network = row.at("network"),
                          .netns = text_or_none(row.at("netns")),
                          .socket = text_or_none(row.at("socket-path")),
                          .mac = text_or_none(row.at("mac")),
                          .state = row.at("state")};
    if (!row.at("mtu").is_null()) attachment.mtu = mtu_of(row.at("mtu"));
    for (const json& address : row.at("address"))
        attachment.addresses.push_back(parsed<InterfaceAddress>(address));
    const json& limits = row.at("rate-limit");
    attachment.rate_limits = {.ingress = rate_limit_of(limits.at("ingress")),
                              .egress = rate_limit_of(limits.at("egress"))};
    return attachment;
}

}  // namespace

tl::expected<Chosen, std::string> read_chosen(std::string_view text) {
    if (text.size() > kMaxInput)
        return tl::unexpected(fmt::format("the result is longer than {} bytes", kMaxInput));
    const auto document = base::parse_json(text, "result");
    if (!document) return tl::unexpected(document.error().front().text());
    auto result = read_result(document->root);
    if (!result) return tl::unexpected(std::move(result.error()));
    Chosen chosen{.dns = std::move(result->dns)};
    for (const json& ip : result->ips) {
        chosen.addresses.push_back(*InterfaceAddress::parse(text_at(ip, "address")));
    }
    if (chosen.addresses.empty()) return tl::unexpected(std::string("it has no address (`ips`)"));
    for (size_t i = 0; i < result->routes.size(); ++i) {
        const json& entry = result->routes[i];
        if (const auto key = unsupported_key(entry)) {
            return tl::unexpected(fmt::format("routes[{}].{} is not supported: leave it out of `ipam`", i, *key));
        }
        const IpPrefix to = InterfaceAddress::parse(text_at(entry, "dst"))->prefix();
        const auto via = IpAddress::parse(text_at(entry, "gw"));
        chosen.routes.push_back({to, via ? std::optional(*via) : gateway_for(result->ips, to.address.is_v4())});
    }
    return chosen;
}

json add_params(const Environment& environment, const Configuration& configuration,
                const std::optional<Chosen>& chosen) {
    json params{{"container", environment.container},
                {"interface", environment.interface},
                {"by", configuration.by()},
                {"network", configuration.network}};
    if (configuration.attach == Attach::kVhostUser) {
        params["vhost-user"] = vhost_user_keys(environment, configuration.vhost_user);
    } else {
        params["netns"] = environment.netns;
    }
    if (chosen) {
        params["address"] = texts_of(chosen->addresses);
    } else if (!configuration.ips.empty()) {
        params["address"] = texts_of(configuration.ips);
    } else if (environment.ip) {
        params["address"] = {environment.ip->text()};
    }
    // Only an interface in the container's namespace gets its routes by the switch.
    if (chosen && !chosen->routes.empty() && configuration.attach == Attach::kNetns) {
        json& routes = params["routes"] = json::array();
        for (const Route& route : chosen->routes) {
            json entry{{"to", route.to.text()}};
            if (route.via) entry["via"] = route.via->text();
            routes.push_back(std::move(entry));
        }
    }
    const auto& mac = configuration.mac ? configuration.mac : environment.mac;
    if (mac) params["mac"] = mac->text();
    if (configuration.mtu) params["mtu"] = *configuration.mtu;
    // The switch accepts either a Pod object's name or labels and a namespace. The operator's labels take
    // precedence.
    const bool has_both = !environment.pod_namespace.empty() && !environment.pod_name.empty();
    if (!configuration.labels.empty() || !configuration.name_space.empty()) {
        const bool is_given = !configuration.name_space.empty();
        const std::string& name_space = is_given ? configuration.name_space : environment.pod_namespace;
        if (!name_space.empty()) params["namespace"] = name_space;
        if (!configuration.labels.empty()) params["labels"] = configuration.labels;
    } else if (has_both) {
        params["pod"] = environment.pod_namespace + "/" + environment.pod_name;
    }
    std::vector<std::string> aliases = configuration.aliases;
    // Otherwise the switch takes it from `pod`.
    if (!params.contains("pod") && !environment.pod_name.empty() &&
        std::find(aliases.begin(), aliases.end(), environment.pod_name) == aliases.end())
        aliases.push_back(environment.pod_name);
    if (!aliases.empty()) params["aliases"] = std::move(aliases);
    if (!configuration.publish.empty()) {
        json& publish = params["publish"] = json::array();
        for (const PublishedPort& port : configuration.publish) {
            json entry{{"port", port.port}, {"to", port.to}, {"proto", port.proto}};
            if (port.address) entry["address"] = port.address->text();
            publish.push_back(std::move(entry));
        }
    }
    if (configuration.rate_limits != RateLimits{}) {
        json& limits = params["rate-limit"] = json::object();
        const auto add = [&](const char* direction, const RateLimit& limit) {
            if (limit.rate == 0) return;
            json entry{{"rate", limit.rate}};
            if (limit.burst != 0) entry["burst"] = limit.burst;
            limits[direction] = std::move(entry);
        };
        add("ingress", configuration.rate_limits.ingress);
        add("egress", configuration.rate_limits.egress);
    }
    if (!configuration.subnets.empty()) params["subnets"] = texts_of(configuration.subnets);
    if (!configuration.gateway.empty()) params["gateway"] = texts_of(configuration.gateway);
    return params;
}

json delete_params(const ValidAttachment& attachment, const std::string& by) {
    return {{"container", attachment.container}, {"interface", attachment.interface}, {"by", by}};
}

tl::expected<Added, std::string> read_added(const json& answer, const std::string& netns) {
    return read_answer([&] { return added_of(answer, netns); });
}

tl::expected<std::vector<Attachment>, std::string> read_attachments(const json& answer) {
    return read_answer([&] {
        std::vector<Attachment> attachments;
        for (const json& row : answer.at("containers")) attachments.push_back(attachment_of(row));
        return attachments;
    });
}

tl::expected<bool, std::string> has_network(const json& answer, const std::string& name) {
    return read_answer([&] {
        const json& networks = answer.at("networks");
        return std::any_of(networks.begin(), networks.end(), [&](const json& network) {
            return network.at("name") == name && network.value("state", "in-force") == "in-force";
        });
    });
}

}  // namespace sluice::cni
