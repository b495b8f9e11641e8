#include "control/translation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "base/none.h"
#include "base/text.h"
#include "path/tuple_address.h"

namespace sluice::control {
namespace {

using engine::Translation;
using nlohmann::json;

std::string protocol_text(uint16_t protocol) {
    switch (static_cast<wire::Protocol>(protocol)) {
        case wire::Protocol::kUdp:
            return "udp";
        case wire::Protocol::kSctp:
            return "sctp";
        default:
            return "tcp";
    }
}

// With weight 0 a back end drains as well.
std::string_view state_of(const service::Backend& backend) {
    switch (backend.state) {
        case service::State::kServing:
            return backend.weight != 0 ? "serving" : "draining";
        case service::State::kDraining:
            return "draining";
        case service::State::kTerminating:
            return "terminating";
        case service::State::kFailing:
            break;
    }
    return "failing";
}

// Why its last check has failed; null: it is not failing.
json failure_of(const Translation& translation, const std::string& service, const service::Backend& backend) {
    if (backend.state != service::State::kFailing) return nullptr;
    const auto* check = translation.failing_check(service, backend.address, backend.port);
    return check == nullptr ? json() : json(text(check->last));
}

// Why nobody serves it; null: somebody does.
json reason_of(const Translation& translation, const Translation::Front& front) {
    constexpr size_t kMostShown = 3;
    const service::Frontend& frontend = *front.frontend;
    if (frontend.choose(0) != nullptr) return nullptr;
    if (frontend.backends == nullptr || frontend.backends->list().empty()) {
        const bool is_elsewhere = frontend.without_backends == service::WithoutBackends::kDrop;
        return fmt::format("it has no {} back end{}", front.frontend->key.address.is_v4() ? "IPv4" : "IPv6",
                           is_elsewhere ? " at this host, where alone it looks for one (policy Local)" : "");
    }
    const auto& list = frontend.backends->list();
    std::string failures;
    size_t failing = 0;
    for (const service::Backend& backend : list) {
        if (backend.state != service::State::kFailing || ++failing > kMostShown) continue;
        const json failure = failure_of(translation, front.name, backend);
        failures += fmt::format("{}{}: {}", failures.empty() ? "" : ", ", backend.address.text(),
                                failure.is_null() ? "not known" : failure.get<std::string>());
    }
    if (failing == 0) return "no back end takes new connections";
    if (failing > kMostShown) failures += fmt::format(", and {} more", failing - kMostShown);
    const char* who = failing == list.size() ? "all back ends fail their health checks"
                                             : "all back ends fail their health checks or are draining";
    return fmt::format("{} ({})", who, failures);
}

json front_json(const Translation& translation, const Translation::Front& front) {
    const service::Frontend& frontend = *front.frontend;
    json row{{"name", front.name},
             {"kind", front.kind},
             {"address", frontend.key.address.text()},
             {"port", frontend.key.port},
             {"proto", protocol_text(frontend.key.protocol)},
             {"backends", frontend.backends == nullptr ? 0 : frontend.backends->list().size()},
             {"affinity", frontend.affinity == 0 ? json() : json(frontend.affinity)},
             {"reason", reason_of(translation, front)},
             {"origin", base::origin(front.place)}};
    base::tell_place(row, front.place);
    return row;
}

struct Use {
    uint64_t connections = 0;
    uint64_t packets = 0;
    uint64_t bytes = 0;
};

// What the flows of a Service's front ends count now, by front end and back end.
using Uses = std::map<std::pair<service::FrontendKey, std::pair<IpAddress, uint16_t>>, Use>;

json text_list(const std::vector<IpAddress>& addresses) {
    json list = json::array();
    for (const IpAddress& address : addresses) list.push_back(address.text());
    return list;
}

// "shop/web"; of the namespace default also "web".
kube::Key key_of(const std::string& name) {
    const size_t slash = name.find('/');
    if (slash == name.npos) return {kube::Kind::kService, std::string(kube::kDefaultNamespace), name};
    return {kube::Kind::kService, name.substr(0, slash), name.substr(slash + 1)};
}

// Of one port: its endpoints, and why none of them gets new connections.
json port_json(const engine::KubeServices::PortState& state) {
    json endpoints = json::array();
    for (const engine::ServiceEndpoint& it : state.endpoints) {
        endpoints.push_back({{"address", it.address.text()},
                             {"port", it.port},
                             {"state", base::word_of(it.state)},
                             {"here", it.is_here},
                             {"pod", it.pod ? json(it.pod->name_space + "/" + it.pod->name) : json()}});
    }
    const kube::ServicePort& port = state.port;
    return {{"name", base::or_none(port.name)},
            {"port", port.port},
            {"proto", base::lower(base::word_of(port.protocol))},
            {"target", port.target_name.empty() ? json(port.target_number) : json(port.target_name)},
            {"node-port", port.node_port == 0 ? json() : json(port.node_port)},
            {"endpoints", std::move(endpoints)},
            {"reason", base::or_none(state.reason)}};
}

// As what back ends at other hosts see clients outside.
json sources_json(const Translation& translation) {
    json rows = json::array();
    for (const Translation::ServiceSource& source : translation.service_sources()) {
        if (source.addresses.empty()) continue;
        rows.push_back({{"network", source.network}, {"addresses", text_list(source.addresses)}});
    }
    return rows;
}

json described(const std::string& name, const engine::KubeServices::Description& service, const Running& daemon) {
    const Translation& translation = daemon.running.translation();
    const kube::Service& facts = *service.facts;
    const health::Server& health = daemon.health;
    json ports = json::array();
    for (const engine::KubeServices::PortState& port : service.ports) ports.push_back(port_json(port));
    json row{{"name", name},
             {"type", base::word_of(facts.type)},
             {"cluster-ips", facts.is_headless ? json::array({"None"}) : text_list(facts.cluster_ips)},
             {"external-ips", text_list(facts.external_ips)},
             {"load-balancer-ips", text_list(facts.load_balancer_ips)},
             {"external-name", base::or_none(facts.external_name)},
             {"selector", base::or_none(facts.selector.text())},
             {"internal-traffic-policy", base::word_of(facts.internal_traffic_policy)},
             {"external-traffic-policy", base::word_of(facts.external_traffic_policy)},
             {"affinity", facts.affinity_seconds == 0 ? json() : json(facts.affinity_seconds)},
             {"ports", std::move(ports)},
             {"health-check-node-port",
              facts.health_check_node_port == 0 ? json() : json(facts.health_check_node_port)},
             {"health-check-trouble", base::or_none(health.trouble_of(facts.health_check_node_port))},
             {"clients-as", service.hides_clients ? sources_json(translation) : json::array()},
             {"trouble", base::or_none(service.trouble)},
             {"origin", base::origin(service.place)}};
    base::tell_place(row, service.place);
    return row;
}

json shown(const Running& daemon, const std::string& name, const Uses& uses) {
    const Translation& translation = daemon.running.translation();
    json fronts = json::array();
    for (const auto& [key, front] : translation.fronts()) {
        if (front.name != name) continue;
        json row = front_json(translation, front);
        json backends = json::array();
        for (size_t i = 0; front.frontend->backends != nullptr && i < front.frontend->backends->list().size();
             ++i) {
            const service::Backend& backend = front.frontend->backends->list()[i];
            const auto found = uses.find({key, {backend.address, backend.port}});
            const Use use = found == uses.end() ? Use{} : found->second;
            backends.push_back({{"address", backend.address.text()},
                                {"port", backend.port},
                                {"weight", backend.weight},
                                {"state", state_of(backend)},
                                {"reason", failure_of(translation, name, backend)},
                                {"connections", use.connections},
                                {"packets", use.packets},
                                {"bytes", use.bytes}});
        }
        row["backends"] = std::move(backends);
        fronts.push_back(std::move(row));
    }
    // The configuration's own Services have names without '/'.
    const bool is_of_kubernetes = name.find('/') != name.npos;
    const auto service = is_of_kubernetes ? translation.kubernetes().describe(key_of(name)) : std::nullopt;
    return {{"services", std::move(fronts)}, {"service", service ? described(name, *service, daemon) : json()}};
}

// SHOP_API, of shop-api.
std::string variable_of(std::string_view name) {
    std::string text;
    for (const char c : name) text += c == '-' || c == '.' ? '_' : static_cast<char>(std::toupper(c));
    return text;
}

// The variables that the kubelet gives containers, of one Service.
void add_variables(const kube::Key& key, const kube::Service& service, json& rows) {
    if (service.is_headless || service.cluster_ips.empty() || service.ports.empty()) return;
    const IpAddress& address = service.cluster_ips.front();
    const std::string host = address.is_v4() ? address.text() : "[" + address.text() + "]";
    const std::string prefix = variable_of(key.name);
    const auto add = [&](const std::string& name, std::string value) {
        rows.push_back({{"name", prefix + name}, {"value", std::move(value)}});
    };
    const auto url = [&](const kube::ServicePort& port) {
        return fmt::format("{}://{}:{}", base::lower(base::word_of(port.protocol)), host, port.port);
    };
    add("_SERVICE_HOST", address.text());
    add("_SERVICE_PORT", std::to_string(service.ports.front().port));
    for (const kube::ServicePort& port : service.ports) {
        if (!port.name.empty()) add("_SERVICE_PORT_" + variable_of(port.name), std::to_string(port.port));
    }
    add("_PORT", url(service.ports.front()));
    for (const kube::ServicePort& port : service.ports) {
        const std::string one = fmt::format("_PORT_{}_{}", port.port, base::word_of(port.protocol));
        add(one, url(port));
        add(one + "_PROTO", base::lower(base::word_of(port.protocol)));
        add(one + "_PORT", std::to_string(port.port));
        add(one + "_ADDR", address.text());
    }
}

// Counts what the flows of a Service carry, and shows it.
Steps flows_of(Running& daemon, const std::string& name) {
    return [&daemon, name, walk = flow::Table::Walk{}, uses = Uses{}]() mutable -> std::optional<Answer> {
        const Translation& translation = daemon.running.translation();
        for (const Slice slice; !walk.is_over;) {
            if (slice.is_over()) return std::nullopt;
            daemon.running.flows().for_some(walk, engine::clock_seconds(), [&](const flow::Listed& flow) {
                const path::Tuple& original = flow.original;
                if (original == flow.leaves) return;
                const service::FrontendKey key{path::destination_of(original),
                                               original.key.destination_port().host(),
                                               static_cast<uint16_t>(original.key.protocol())};
                const auto front = translation.fronts().find(key);
                if (front == translation.fronts().end() || front->second.name != name) return;
                Use& use =
                    uses[{key, {path::destination_of(flow.leaves), flow.leaves.key.destination_port().host()}}];
                ++use.connections;
                use.packets += flow.directions[0].packets + flow.directions[1].packets;
                use.bytes += flow.directions[0].bytes + flow.directions[1].bytes;
            });
        }
        return shown(daemon, name, uses);
    };
}

json ports_json(const nat::Mappings& mappings) {
    json rows = json::array();
    const auto count = static_cast<uint16_t>(mappings.settings().pool.addresses.size());
    for (uint16_t i = 0; i < count; ++i) {
        for (const auto& [transport, word] : nat::names(nat::Transport{})) {
            const nat::Ports& ports = mappings.pool().ports(i, transport);
            if (ports.used() == 0) continue;
            rows.push_back({{"address", mappings.pool().address(i).text()},
                            {"proto", word},
                            {"used", ports.used()},
                            {"capacity", ports.capacity()},
                            {"shared", ports.shared()}});
        }
    }
    return rows;
}

}  // namespace

Answer service_list(Running& daemon, const json&) {
    json rows = json::array();
    const Translation& translation = daemon.running.translation();
    for (const auto& [key, front] : translation.fronts()) rows.push_back(front_json(translation, front));
    return json{{"services", std::move(rows)}};
}

Steps service_show(Running& daemon, const json& params) {
    const std::string name = text_of(params, "name");
    const Translation& translation = daemon.running.translation();
    std::vector<std::string_view> known;
    for (const auto& [key, front] : translation.fronts()) known.push_back(front.name);
    if (std::find(known.begin(), known.end(), name) != known.end()) return flows_of(daemon, name);
    const kube::Key key = key_of(name);
    if (translation.kubernetes().describe(key)) return flows_of(daemon, key.name_space + "/" + key.name);
    // Without its namespace it may be meant all the same.
    const auto has_name = [&](std::string_view each) { return each.ends_with("/" + name); };
    const auto whole = std::find_if(known.begin(), known.end(), has_name);
    const auto near =
        whole != known.end() ? std::optional(*whole) : base::nearest(std::string_view(name).substr(0, 64), known);
    return finished(refused({{fmt::format("there is no Service {}{}", base::shown(name),
                                          near ? fmt::format("; did you mean '{}'?", *near) : ""),
                              {},
                              {}}}));
}

Answer service_env(Running& daemon, const json& params) {
    const std::string pod = text_of(params, "pod");
    const size_t slash = pod.find('/');
    const kube::Key key{kube::Kind::kPod,
                        slash == pod.npos ? std::string(kube::kDefaultNamespace) : pod.substr(0, slash),
                        slash == pod.npos ? pod : pod.substr(slash + 1)};
    if (daemon.running.pod_policies().find_state(key) == nullptr)
        return refused({{fmt::format("there is no {}", key.text()), {}, {}}});
    json rows = json::array();
    for (const kube::SharedStored& stored : daemon.running.objects().all(kube::Kind::kService)) {
        const kube::Object& object = stored->object;
        if (object.key.name_space == key.name_space) add_variables(object.key, object.service(), rows);
    }
    return json{{"variables", std::move(rows)}};
}

namespace {

Answer drain(Running& daemon, const json& params, bool drains) {
    const std::string name = text_of(params, "name");
    const auto backend = IpAddress::parse(text_of(params, "backend"));
    if (!backend) return refused({{backend.error(), "backend", {}}});
    if (auto done = daemon.running.drain_backend(name, *backend, drains); !done) return refused({done.error()});
    return json{{"service", name}, {"backend", backend->text()}, {"draining", drains}};
}

}  // namespace

Answer service_drain(Running& daemon, const json& params) {
    return drain(daemon, params, true);
}

Answer service_undrain(Running& daemon, const json& params) {
    return drain(daemon, params, false);
}

Answer nat_list(Running& daemon) {
    constexpr size_t kMostHosts = 10;
    json rows = json::array();
    const engine::Config& config = daemon.running.config();
    for (const auto& [name, pool] : daemon.running.translation().pools()) {
        json hosts = json::array();
        for (const nat::Mappings::Host& host : pool.mappings->top_hosts(kMostHosts)) {
            hosts.push_back(
                {{"address", host.address.text()}, {"outside", host.outside.text()}, {"mappings", host.total}});
        }
        json row{{"name", name},
                 {"mappings", pool.mappings->count()},
                 {"capacity", pool.mappings->capacity()},
                 {"ports", ports_json(*pool.mappings)},
                 {"hosts", std::move(hosts)},
                 {"origin", base::origin(pool.place)}};
        for (const auto& [outcome, word] : nat::names(nat::Outcome{})) {
            if (outcome > nat::Outcome::kFound)
                row["answers"][std::string(word)] = pool.mappings->answers(outcome);
        }
        base::tell_place(row, pool.place);
        rows.push_back(std::move(row));
    }
    json statics = json::array();
    for (const nat::NatConfig& rule : config.nat) {
        if (!rule.one_to_one) continue;
        json row{{"name", base::or_none(rule.name)},
                 {"inside", rule.one_to_one->inside.text()},
                 {"outside", rule.one_to_one->outside.text()},
                 {"out", rule.out},
                 {"origin", base::origin(rule.place)}};
        base::tell_place(row, rule.place);
        statics.push_back(std::move(row));
    }
    return json{{"pools", std::move(rows)}, {"static", std::move(statics)}};
}

}  // namespace sluice::control
