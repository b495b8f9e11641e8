#include "sluice-cni/commands.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.h"
#include "base/tree.h"
#include "sluice-cni/container.h"
#include "sluice/protocol.h"

namespace sluice::cni {
namespace {

using nlohmann::json;

using Done = tl::expected<void, Failure>;

// --- the switch ---

Failure failure_of(const CallError& error) {
    const bool is_transient = error.kind == CallError::Kind::kNotReached || error.code == protocol::kBusy;
    return {is_transient ? kTryAgainLater : kRefused, error.message};
}

Failure not_understood(std::string_view method, std::string_view why) {
    return failure(kRefused,
                   "sluiced's answer to {} isn't what this sluice-cni expects (are both of one version?): {}",
                   method, why);
}

tl::expected<json, Failure> call(const Request& request, const Outside& outside, std::string_view method,
                                 const json& params) {
    auto answer = outside.call(request.configuration.socket, method, params);
    if (!answer) return tl::unexpected(failure_of(answer.error()));
    return std::move(*answer);
}

tl::expected<std::vector<Attachment>, Failure> list_attachments(const Request& request, const Outside& outside) {
    const auto answer = call(request, outside, kContainerList, {{"by", request.configuration.by()}});
    if (!answer) return tl::unexpected(answer.error());
    auto attachments = read_attachments(*answer);
    if (!attachments) return tl::unexpected(not_understood(kContainerList, attachments.error()));
    return std::move(*attachments);
}

ValidAttachment attachment_of(const Environment& environment) {
    return {environment.container, environment.interface};
}

tl::expected<std::optional<Attachment>, Failure> find_attachment(const Request& request, const Outside& outside) {
    auto all = list_attachments(request, outside);
    if (!all) return tl::unexpected(all.error());
    const auto found = std::find_if(all->begin(), all->end(), [&](const Attachment& one) {
        return ValidAttachment{one.container, one.interface} == attachment_of(request.environment);
    });
    if (found == all->end()) return std::nullopt;
    return std::optional(std::move(*found));
}

Done delete_attachment(const Request& request, const Outside& outside, const ValidAttachment& attachment) {
    const auto answer =
        call(request, outside, kContainerDelete, delete_params(attachment, request.configuration.by()));
    if (!answer) return tl::unexpected(answer.error());
    return {};
}

// --- the delegated plugin ---

// The error that a failed plugin wrote.
Failure failure_of(const std::string& plugin, const Executed& executed) {
    const json error = json::parse(executed.output, nullptr, false);
    const std::string message = text_at(error, "msg");
    if (message.empty()) {
        return failure(kDelegateFailed, "the plugin {} failed with the exit status {} and gave no reason", plugin,
                       executed.status);
    }
    Failure failed{kDelegateFailed, fmt::format("{}: {}", plugin, message), text_at(error, "details")};
    const auto code = error.find("code");
    const bool has_code = code != error.end() && code->is_number_integer() && *code > 0 && *code < 1'000'000;
    if (has_code) failed.code = code->get<int>();
    return failed;
}

// Runs the delegated plugin, if there is one, and returns its output.
tl::expected<std::string, Failure> delegate(const Request& request, const Outside& outside, Command command) {
    const Configuration& configuration = request.configuration;
    if (!configuration.is_delegated()) return "";
    const auto program = outside.find_plugin(configuration.ipam, request.environment.path);
    if (!program) return tl::unexpected(program.error());
    auto executed = outside.execute(*program, base::word_of(command), request.text);
    if (!executed) {
        return tl::unexpected(
            failure(kIoFailure, "the plugin {} can't be run: {}", configuration.ipam, executed.error()));
    }
    if (executed->status != 0) return tl::unexpected(failure_of(configuration.ipam, *executed));
    return std::move(executed->output);
}

Done without_output(const tl::expected<std::string, Failure>& executed) {
    if (!executed) return tl::unexpected(executed.error());
    return {};
}

tl::expected<Chosen, Failure> choose(const Request& request, const Outside& outside) {
    const auto output = delegate(request, outside, Command::kAdd);
    if (!output) return tl::unexpected(output.error());
    auto chosen = read_chosen(*output);
    if (!chosen) {
        return tl::unexpected(
            failure(kDelegateFailed, "{}: its result: {}", request.configuration.ipam, chosen.error()));
    }
    return std::move(*chosen);
}

// --- ADD ---

// The routes that a workload with a driver of its own is told: those of the delegated plugin, or the default
// routes by the gateways.
std::vector<Route> routes_of_workload(const Added& added, const std::optional<Chosen>& chosen) {
    if (chosen && !chosen->routes.empty()) return chosen->routes;
    std::vector<Route> routes;
    for (const Ip& ip : added.ips) {
        if (!ip.gateway) continue;
        const IpPrefix all{ip.gateway->is_v4() ? IpAddress::from_v4(0) : IpAddress{}, 0};
        const bool has_one = std::ranges::find(routes, all, &Route::to) != routes.end();
        if (!has_one) routes.push_back({all, ip.gateway});
    }
    return routes;
}

tl::expected<Added, Failure> add_to_switch(const Request& request, const Outside& outside,
                                           const std::optional<Chosen>& chosen) {
    const auto answer =
        call(request, outside, kContainerAdd, add_params(request.environment, request.configuration, chosen));
    if (!answer) return tl::unexpected(answer.error());
    auto added = read_added(*answer, request.environment.netns);
    if (!added) return tl::unexpected(not_understood(kContainerAdd, added.error()));
    if (request.configuration.attach != Attach::kNetns) added->routes = routes_of_workload(*added, chosen);
    return std::move(*added);
}

// Frees the addresses after a failed ADD. If the switch may have made the port, the port is deleted first. If that
// fails too, the addresses stay taken until the runtime's DEL.
void give_back(const Request& request, const Outside& outside, bool may_be_in_use) {
    if (may_be_in_use && !delete_attachment(request, outside, attachment_of(request.environment))) return;
    (void)delegate(request, outside, Command::kDelete);
}

// If the attachment is there already, its addresses are used again: the delegated plugin would refuse a second
// ADD, or choose other addresses.
tl::expected<Added, Failure> add_with_delegate(const Request& request, const Outside& outside,
                                               nlohmann::json& dns) {
    const auto known = find_attachment(request, outside);
    if (!known) return tl::unexpected(known.error());
    if (*known) return add_to_switch(request, outside, Chosen{.addresses = (*known)->addresses});
    const auto chosen = choose(request, outside);
    if (!chosen) {
        give_back(request, outside, false);
        return tl::unexpected(chosen.error());
    }
    dns = chosen->dns;
    auto added = add_to_switch(request, outside, *chosen);
    if (!added) give_back(request, outside, true);
    return added;
}

tl::expected<json, Failure> add(const Request& request, const Outside& outside) {
    const Configuration& configuration = request.configuration;
    auto chosen_dns = json::object();
    auto added = configuration.is_delegated() ? add_with_delegate(request, outside, chosen_dns)
                                              : add_to_switch(request, outside, std::nullopt);
    if (!added) return tl::unexpected(std::move(added.error()));
    Result result = configuration.prev_result.value_or(Result{});
    append(result, *added, configuration.version);
    append_dns(result.dns, configuration.dns);
    if (configuration.dns.empty()) append_dns(result.dns, chosen_dns);
    complete_dns(result.dns, added->dns);
    return to_json(result, configuration.version);
}

// --- DEL ---

Done remove(const Request& request, const Outside& outside) {
    auto deleted = delete_attachment(request, outside, attachment_of(request.environment));
    if (!deleted) return deleted;
    return without_output(delegate(request, outside, Command::kDelete));
}

// --- CHECK ---

// Each is a sentence for the operator.
using Differences = std::vector<std::string>;

// The index of our interface in the result of ADD.
std::optional<size_t> own_interface(const Result& result, const Environment& environment) {
    for (size_t i = 0; i < result.interfaces.size(); ++i) {
        const json& interface = result.interfaces[i];
        if (text_at(interface, "name") == environment.interface &&
            text_at(interface, "sandbox") == environment.netns) {
            return i;
        }
    }
    return std::nullopt;
}

// Addresses that the result of ADD gives the interface of this index.
std::vector<InterfaceAddress> addresses_of(const Result& result, size_t index) {
    std::vector<InterfaceAddress> addresses;
    for (const json& ip : result.ips) {
        if (ip.value("interface", json()) != index) continue;
        addresses.push_back(*InterfaceAddress::parse(text_at(ip, "address")));
    }
    return addresses;
}

bool contains(const std::vector<InterfaceAddress>& addresses, const InterfaceAddress& address) {
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

bool contains(const std::vector<Route>& routes, const IpPrefix& to, const std::optional<IpAddress>& via) {
    return std::any_of(routes.begin(), routes.end(),
                       [&](const Route& route) { return route.to == to && (!via || route.via == via); });
}

std::string text_of(const RateLimit& limit) {
    if (limit.rate == 0) return "no limit";
    const std::string rate = fmt::format("a limit of {} bits a second", limit.rate);
    return limit.burst == 0 ? rate : fmt::format("{} with a burst of {} bytes", rate, limit.burst);
}

void compare_limit(const std::string& port, std::string_view direction, const RateLimit& asked, RateLimit own,
                   Differences& to) {
    // The switch has chosen the burst.
    if (asked.burst == 0) own.burst = 0;
    if (own == asked) return;
    to.push_back(fmt::format("{} has for its {} {} instead of {}", port, direction, text_of(own), text_of(asked)));
}

void compare_switch(const Request& request, const std::optional<Attachment>& attachment,
                    const std::vector<InterfaceAddress>& addresses, Differences& to) {
    const Environment& environment = request.environment;
    if (!attachment) {
        to.push_back(fmt::format("the switch has no port for interface {} of container {}", environment.interface,
                                 environment.container));
        return;
    }
    const std::string port = "port " + attachment->port;
    if (attachment->state != "up") to.push_back(fmt::format("{} is {}", port, attachment->state));
    if (attachment->network != request.configuration.network) {
        to.push_back(fmt::format("{} is in network {} instead of {}", port, attachment->network,
                                 request.configuration.network));
    }
    const Configuration& configuration = request.configuration;
    const bool is_socket = configuration.attach == Attach::kVhostUser;
    const std::string& end = is_socket ? attachment->socket : attachment->netns;
    const std::string asked_end = is_socket ? configuration.vhost_user.path(environment) : environment.netns;
    if (end != asked_end) {
        to.push_back(fmt::format("{} leads to {} instead of {}", port,
                                 attachment->netns.empty() ? attachment->socket : attachment->netns, asked_end));
    }
    for (const InterfaceAddress& address : addresses) {
        if (!contains(attachment->addresses, address)) {
            to.push_back(fmt::format("{} has no address {}", port, address.text()));
        }
    }
    const RateLimits& asked = configuration.rate_limits;
    compare_limit(port, "ingress", asked.ingress, attachment->rate_limits.ingress, to);
    compare_limit(port, "egress", asked.egress, attachment->rate_limits.egress, to);
}

// Compares the routes whose next hop is in a subnet of our addresses. Another plugin may have made the others.
void compare_routes(const Result& result, const std::vector<InterfaceAddress>& addresses, const Inside& inside,
                    const std::string& name, Differences& to) {
    for (const json& route : result.routes) {
        const auto via = IpAddress::parse(text_at(route, "gw"));
        const IpPrefix dst = InterfaceAddress::parse(text_at(route, "dst"))->prefix();
        const bool is_ours =
            via && std::any_of(addresses.begin(), addresses.end(),
                               [&](const InterfaceAddress& address) { return address.prefix().contains(*via); });
        if (is_ours && !contains(inside.routes, dst, *via)) {
            to.push_back(fmt::format("interface {} has no route to {} via {}", name, dst.text(), via->text()));
        }
    }
}

void compare_inside(const Request& request, size_t index, const std::vector<InterfaceAddress>& addresses,
                    const Inside& inside, Differences& to) {
    const Environment& environment = request.environment;
    const Result& result = *request.configuration.prev_result;
    const std::string name = "interface " + environment.interface;
    if (!inside.exists) {
        to.push_back(fmt::format("there is no {} in {}", name, environment.netns));
        return;
    }
    if (!inside.is_up) to.push_back(fmt::format("{} is down", name));
    const json& interface = result.interfaces.at(index);
    const std::string mac = base::lower(text_at(interface, "mac"));
    if (!mac.empty() && mac != inside.mac) {
        to.push_back(fmt::format("{} has the MAC address {} instead of {}", name, inside.mac, mac));
    }
    const json mtu = interface.value("mtu", json());
    if (mtu.is_number_integer() && mtu != 0 && mtu != inside.mtu) {
        to.push_back(fmt::format("{} has an MTU of {} instead of {}", name, inside.mtu, mtu.dump()));
    }
    for (const InterfaceAddress& address : addresses) {
        if (!contains(inside.addresses, address)) {
            to.push_back(fmt::format("{} has no address {}", name, address.text()));
        }
    }
    if (inside.is_up) compare_routes(result, addresses, inside, environment.interface, to);
}

Done check(const Request& request, const Outside& outside) {
    const Environment& environment = request.environment;
    if (!request.configuration.prev_result) {
        return tl::unexpected(failure(kInvalidConfiguration,
                                      "network configuration: prevResult: is missing: CHECK compares with it"));
    }
    const Result& result = *request.configuration.prev_result;
    const auto index = own_interface(result, environment);
    if (!index) {
        return tl::unexpected(failure(kNotAsExpected, "prevResult has no interface {} with the sandbox {}",
                                      environment.interface, environment.netns));
    }
    const auto attachment = find_attachment(request, outside);
    if (!attachment) return tl::unexpected(attachment.error());
    if (auto delegated = without_output(delegate(request, outside, Command::kCheck)); !delegated) return delegated;

    const auto addresses = addresses_of(result, *index);
    Differences differences;
    compare_switch(request, *attachment, addresses, differences);
    const bool is_inside = request.configuration.attach == Attach::kNetns;
    const auto inside = is_inside ? outside.look_inside(environment.netns, environment.interface) : Inside{};
    if (inside && is_inside) {
        compare_inside(request, *index, addresses, *inside, differences);
    } else if (!inside) {
        differences.push_back(inside.error());
    }
    if (differences.empty()) return {};
    return tl::unexpected(failure(kNotAsExpected, "{}", fmt::join(differences, "; ")));
}

// --- STATUS, GC ---

Failure not_available(Failure failed) {
    failed.code = kNotAvailable;
    return failed;
}

Done status(const Request& request, const Outside& outside) {
    const Configuration& configuration = request.configuration;
    const auto answer = call(request, outside, protocol::kNetworkList, json::object());
    if (!answer) return tl::unexpected(not_available(answer.error()));
    const auto has = has_network(*answer, configuration.network);
    if (!has) return tl::unexpected(not_available(not_understood(protocol::kNetworkList, has.error())));
    if (!*has && configuration.subnets.empty()) {
        return tl::unexpected(failure(kNotAvailable,
                                      "the switch has no network {}: declare it there, or give `subnets` in the "
                                      "network configuration and it is made with the first container",
                                      configuration.network));
    }
    return without_output(delegate(request, outside, Command::kStatus));
}

// Tries to delete every stale attachment, and reports all failures.
Done collect_garbage(const Request& request, const Outside& outside) {
    const auto attachments = list_attachments(request, outside);
    if (!attachments) return tl::unexpected(attachments.error());
    const auto& valid = request.configuration.valid_attachments;
    std::vector<Failure> failures;
    for (const Attachment& one : *attachments) {
        const ValidAttachment attachment{one.container, one.interface};
        if (std::find(valid.begin(), valid.end(), attachment) != valid.end()) continue;
        if (auto deleted = delete_attachment(request, outside, attachment); !deleted)
            failures.push_back(deleted.error());
    }
    // If a port is still there, its addresses must stay taken.
    if (failures.empty()) return without_output(delegate(request, outside, Command::kGc));
    for (size_t i = 1; i < failures.size(); ++i) {
        failures[0].details += (failures[0].details.empty() ? "" : "\n") + failures[i].message;
    }
    return tl::unexpected(std::move(failures[0]));
}

tl::expected<json, Failure> nothing(const Done& done) {
    if (!done) return tl::unexpected(done.error());
    return json();
}

}  // namespace

tl::expected<json, Failure> carry_out(const Request& request, const Outside& outside) {
    switch (request.environment.command) {
        case Command::kAdd:
            return add(request, outside);
        case Command::kDelete:
            return nothing(remove(request, outside));
        case Command::kCheck:
            return nothing(check(request, outside));
        case Command::kStatus:
            return nothing(status(request, outside));
        case Command::kGc:
            return nothing(collect_garbage(request, outside));
        case Command::kVersion:
            break;
    }
    return supported_versions(version_of_request(request.text));
}

}  // namespace sluice::cni
