#include "control/routing.h"

#include "base/text.h"
#include "control/report_routing.h"

namespace sluice::control {
namespace {

using nlohmann::json;

// The routing domain that a request names, else the other one. Fails if there is no such domain.
tl::expected<std::string, RpcError> domain_param(const Running& daemon, const json& params,
                                                 std::string_view otherwise) {
    std::string name = text_of(params, "domain");
    if (name.empty()) name = otherwise;
    const auto& domains = daemon.running.router().domains();
    if (name.empty() || domains.contains(name)) return name;
    std::string known;
    for (const auto& [domain, table] : domains) known += (known.empty() ? "" : ", ") + domain;
    return refused({{fmt::format("there is no routing domain \"{}\"; {}", name,
                                 known.empty() ? "no network has a `gateway`" : "known are " + known),
                     "domain",
                     {}}});
}

// The parameter as a value of the type. Fails if its text is none.
template <class T>
tl::expected<T, RpcError> parsed_param(const json& params, const char* key) {
    auto value = T::parse(text_of(params, key));
    if (!value) return refused({{value.error(), key, {}}});
    return *value;
}

// The parameter as a prefix. An address alone is a prefix of full length.
tl::expected<IpPrefix, RpcError> destination_param(const json& params, const char* key) {
    const std::string text = text_of(params, key);
    if (text.find('/') != std::string::npos) return parsed_param<IpPrefix>(params, key);
    auto address = parsed_param<IpAddress>(params, key);
    if (!address) return tl::unexpected(address.error());
    return IpPrefix{*address, static_cast<uint8_t>(address->bits())};
}

constexpr const char* kDefault = "default";

// The added default route that `default` means: 0.0.0.0/0 or ::/0, whichever exists. (`route add` takes the family
// from the gateway.) Fails if both exist.
tl::expected<IpPrefix, RpcError> added_default(Running& daemon, const std::string& domain) {
    const router::AddedRoutes& routes = daemon.intent.routes();
    const auto is_added = [&](const IpPrefix& to) {
        return daemon.running.router().has_added(domain, to) || routes.waiting().contains({domain, to});
    };
    const IpPrefix v4{IpAddress::from_v4(0), 0};
    const IpPrefix v6{};
    if (is_added(v4) && is_added(v6)) return refused({{"there are two: name 0.0.0.0/0 or ::/0", "to", {}}});
    return is_added(v6) ? v6 : v4;
}

json loaded_json(const router::AddedRoutes::Loaded& loaded) {
    return {{"set", loaded.set}, {"deleted", loaded.deleted}, {"missing", loaded.missing}};
}

}  // namespace

Answer route_list(Running& daemon, const json& params) {
    RouteQuery query;
    auto domain = domain_param(daemon, params, "");
    if (!domain) return tl::unexpected(domain.error());
    query.domain = *domain;
    query.limit = number_of(params, "limit", protocol::kRouteLimit);
    if (text_of(params, "within") == kDefault) {
        query.is_default = true;
    } else if (const std::string text = text_of(params, "within"); !text.empty() && text.find('/') == text.npos) {
        auto address = parsed_param<IpAddress>(params, "within");
        if (!address) return tl::unexpected(address.error());
        query.around = *address;
    } else if (params.contains("within")) {
        auto within = destination_param(params, "within");
        if (!within) return tl::unexpected(within.error());
        query.within = *within;
    }
    return report_routes(daemon.running, daemon.intent.routes(), query);
}

Answer route_lookup(Running& daemon, const json& params) {
    auto address = parsed_param<IpAddress>(params, "address");
    if (!address) return tl::unexpected(address.error());
    auto domain = domain_param(daemon, params, route::kMainDomain);
    if (!domain) return tl::unexpected(domain.error());
    return report_lookup(daemon.running, *domain, *address);
}

Answer route_add(Running& daemon, const json& params) {
    using enum router::AddedRoutes::Existing;
    const bool replace = flag_of(params, "replace");
    auto route = engine::read_route(base::from_json(params.at("route")));
    if (!route) return refused(route.error());
    for (const auto& hop : route->all_hops()) {
        if (auto waiting = if_waiting(daemon, hop.port)) return *waiting;
    }
    auto done = daemon.intent.routes().add(daemon.running.routing(), *route, replace ? kReplace : kRefuse);
    if (!done) return refused({done.error()});
    return json{{"route", route::to_line(*route)}};
}

Answer route_delete(Running& daemon, const json& params) {
    std::string domain = text_of(params, "domain");
    if (domain.empty()) domain = route::kMainDomain;
    auto to = text_of(params, "to") == kDefault ? added_default(daemon, domain) : destination_param(params, "to");
    if (!to) return tl::unexpected(to.error());
    auto done = daemon.intent.routes().remove(daemon.running.routing(), *to, domain);
    if (!done) return refused({done.error()});
    return json{{"to", to->text()}, {"domain", domain}};
}

Answer route_load(Running& daemon, const json& params) {
    const std::string file = text_of(params, "file");
    const uint64_t line = number_of(params, "line", 1);
    auto domain = domain_param(daemon, params, "");
    if (!domain) return tl::unexpected(domain.error());
    const bool check = flag_of(params, "check");

    route::Text text{.lines = params.at("text").get_ref<const std::string&>(),
                     .file = file,
                     .first_line = static_cast<uint32_t>(line)};
    if (!domain->empty()) text.domain = *domain;
    if (check) {
        // A check answers with the mistakes: they are no error of the request. The client puts the answers for all
        // pieces of its file together.
        auto checked = daemon.intent.routes().check(daemon.running.routing(), text);
        json errors = json::array();
        if (checked) return json{{"routes", loaded_json(*checked)}, {"errors", errors}, {"error-count", 0}};
        for (const auto& error : checked.error().errors) errors.push_back(error_json(error));
        return json{{"errors", errors}, {"error-count", checked.error().count}};
    }
    auto loaded = daemon.intent.routes().load(daemon.running.routing(), text);
    if (loaded) return json{{"routes", loaded_json(*loaded)}};
    base::Errors errors = loaded.error().errors;
    if (const size_t more = loaded.error().count - errors.size(); more != 0) {
        errors.push_back({fmt::format("and {} mistakes more", more), {}, {file, 0, 0}});
    }
    return refused(errors);
}

Steps neighbor_list(Running& daemon, const json& params) {
    const std::string network = text_of(params, "network");
    if (!network.empty() && !daemon.running.network_ids().contains(network)) {
        return finished(refused({{fmt::format("there is no network \"{}\"", network), {}, {}}}));
    }
    return report_neighbors(daemon.running, network);
}

}  // namespace sluice::control
