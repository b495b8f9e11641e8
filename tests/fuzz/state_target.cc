// What a switch finds of its state when it starts: whatever bytes are in the files of added objects, added routes and
// applied Kubernetes objects, it comes up, and the next start finds what this one has read and kept.
//
// An input is these files in that order, each up to a zero byte. No port is opened: a port of the state may name any
// network namespace of this machine.
#include <nlohmann/json.hpp>
#include <set>

#include "engine/applied_objects.h"
#include "engine/combine.h"
#include "engine/machine.h"
#include "engine/state.h"
#include "engine/switch.h"
#include "fuzz/folder.h"
#include "fuzz/target.h"
#include "router/added_routes.h"
#include "support/pools.h"

namespace sluice::fuzz {
namespace {

using engine::Switch;
using router::AddedRoutes;

constexpr const char* kConfiguration = R"(networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00::/64"], gateway: [10.0.0.254, "fd00::fe"]}
  - {name: red, subnets: 10.0.1.0/24, gateway: 10.0.1.254}
  - {name: plain}
  - {name: far, subnets: 10.0.0.0/24, gateway: 10.0.0.254, domain: customer}
routes: [{to: 10.9.0.0/16, via: 10.0.0.9}]
)";

engine::Config configuration() {
    auto config = engine::load_config(kConfiguration, "fuzz", {}, engine::Machine{});
    must(config.has_value(), "{}", config ? "" : config.error()[0].text());
    return *config;
}

// With the keys in the order of JSON's writer, which a saved state has.
std::multiset<std::string> texts_of(const engine::SharedObjects& objects) {
    std::multiset<std::string> texts;
    for (const auto& object : objects) {
        texts.insert(std::string(section_of(object->kind()).word) + base::to_json(object->keys).dump());
    }
    return texts;
}

// Whatever is in the file, the configuration comes up, and no object is forgotten.
void check_objects(const std::string& file) {
    const engine::State state = engine::load_state(file);
    for (const base::Error& error : state.faults) must(!error.text().empty(), "refused without a word");
    static const auto read = engine::read_config(std::string(kConfiguration), "fuzz", engine::WithManifests::kNo);
    const auto combined = engine::combine(**read, state.objects, state.has_lost);
    must(combined.has_value(), "added objects keep the file from loading: {}",
         combined ? "" : combined.error()[0].text());
    must(combined->added.size() + combined->declared.size() == state.objects.size(),
         "{} objects are added, {} declared, of {}", combined->added.size(), combined->declared.size(),
         state.objects.size());
    for (const auto& waiting : combined->waiting) must(!waiting.reason().empty(), "one waits without a reason");
    // What is in force beside the file is as valid as if the file said it.
    const auto errors = engine::validate(combined->config, nullptr, engine::this_machine());
    must(errors.empty(), "a mistake is in force: {}", errors.empty() ? "" : errors[0].text());

    auto saved = engine::save_state(file, state.objects);
    must(saved.has_value(), "{}", saved ? "" : saved.error().text());
    const engine::State again = engine::load_state(file);
    if (!state.faults.empty()) return;
    must(again.faults.empty(), "what was saved doesn't load: {}", again.faults.empty() ? "" : again.faults[0].text());
    must(texts_of(again.objects) == texts_of(state.objects), "saved {}, loaded {}",
         fmt::join(texts_of(state.objects), ", "), fmt::join(texts_of(again.objects), ", "));
}

// The added routes as lines: in force, and waiting.
std::vector<std::string> lines_of(const Switch& running, const AddedRoutes& routes) {
    std::vector<std::string> lines;
    for (const auto& [name, domain] : running.router().domains()) {
        domain->table.each([&, &domain = *domain](const IpPrefix& to, route::HopId hop) {
            if (domain.derived.contains(to)) return;
            lines.push_back(route::to_line(running.router().added_route(domain, to, hop)));
        });
    }
    for (const auto& [name, waiting] : routes.waiting()) {
        lines.push_back("waits: " + route::to_line(waiting.route));
    }
    return lines;
}

// One switch serves all inputs, as it takes longer to make than all else; without the added routes it is as new.
Switch& running() {
    static Switch running(1, test::switch_pools(), "fuzz", {.size = flow::kMinFlows, .timeouts = {}});
    static const auto changes = running.apply(configuration(), engine::Clock::time_point{});
    must(changes.has_value(), "{}", changes ? "" : changes.error()[0].text());
    return running;
}

void remove_added(Switch& running) {
    route::Changes gone;
    for (const auto& [name, domain] : running.router().domains()) {
        domain->table.each([&, &name = name, &domain = *domain](const IpPrefix& to, route::HopId) {
            if (domain.derived.contains(to)) return;
            const route::Changes one = route::Changes::remove(to, name);
            gone.changes.push_back(one.changes[0]);
            gone.changes.back().way = static_cast<uint32_t>(gone.ways.size());
            gone.ways.push_back(one.ways[0]);
        });
    }
    const auto done = running.change_routes(gone);
    must(done.has_value(), "{}", done ? "" : done.error().text());
}

// The lines that a start finds.
std::vector<std::string> start(const std::string& state) {
    AddedRoutes routes = AddedRoutes::load(state);
    (void)routes.remarks(running().config());
    routes.restore(running().routing());
    const auto lines = lines_of(running(), routes);
    remove_added(running());
    return lines;
}

// The Kubernetes objects that a start finds.
std::vector<std::string> applied(const std::string& state) {
    engine::AppliedObjects applied = engine::AppliedObjects::load(state);
    for (const base::Error& error : applied.faults()) must(!error.text().empty(), "refused without a word");
    std::vector<std::string> objects;
    for (const kube::Stored& stored : applied.restore()) {
        objects.push_back(stored.origin() + " " + stored.object.json);
    }
    return objects;
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    static const Folder folder;
    folder.clear();
    const std::string state = folder / "state.json";
    Input input(bytes);
    write_file(state, input.line());
    check_objects(state);
    if (const std::string routes(input.line()); !routes.empty()) {
        write_file(state + ".routes", routes);
        const auto found = start(state);
        const auto again = start(state);
        must(again == found, "other routes after a restart:\n{}\n\n{}", fmt::join(found, "\n"),
             fmt::join(again, "\n"));
    }
    write_file(state + ".objects", text_of(input.rest()));
    const auto found = applied(state);
    const auto again = applied(state);
    must(again == found, "other objects after a restart:\n{}\n\n{}", fmt::join(found, "\n"), fmt::join(again, "\n"));
}

std::vector<Bytes> seeds() {
    const auto added = [](std::string_view ports) { return Bytes(Output().line(ports)); };
    const auto routes = [](std::string_view lines) { return Bytes(Output().line("").add(bytes_of(lines))); };
    const auto objects = [](std::string_view lines) { return Bytes(Output().line("").line("").add(bytes_of(lines))); };
    return {
        objects(R"({"time":5,"apply":[{"file":"f","line":3,"column":1,"object":{"apiVersion":"v1","kind":"Pod","metadata":
            {"name":"a"},"spec":{"containers":[{"name":"c"}]}}}]}
{"delete":[{"kind":"Pod","namespace":"default","name":"a"}]}
)"),
        objects(R"({"time":5,"apply":[{"file":"f","line":3,"column":1,"rules":{"ingress":[[4,1]],"egress":[]},"object":{"kind":"NetworkPolicy","apiVersion":"networking.k8s.io/v1","metadata":{"name":"a"},"spec":{"podSelector":{},"ingress":[{}]}}}]}
{"time":6,"apply":[)"),
        added(R"({"ports": [{"name": "web", "netns": "pid:12", "network": "blue", "address": ["10.0.0.2"]}]})"),
        added(R"({"ports": [{"name": "on", "host": true, "mac": "02:00:00:00:00:01", "mtu": 9000, "queues": 2}]})"),
        added(R"({"ports": [{"name": "d", "device": "net_null0,size=60", "trunk": {"networks": ["blue"]}}]})"),
        added(R"({"ports": [{"name": "g", "vhost-user": {"path": "/run/g"}, "serves": ["dhcp"]}]})"),
        added(R"({"ports": [{"name": "half)"),
        added(R"({"version": 1, "ports": [{"name": "x", "netns": "x", "network": "nosuch", "future": {"a": [1]}}]})"),
        added(R"({"networks": [{"name": "n", "subnets": ["10.5.0.0/24"], "gateway": "10.5.0.1"}, {"name": "red"}],
            "ports": [{"name": "p", "netns": "x", "network": "n"}, {"name": "eye", "host": true}]})"),
        added(R"({"version": 1, "address-sets": [{"name": "s", "addresses": ["10.0.0.1"]}], "acls": [{"name": "l",
            "apply": [{"port": "p", "direction": "ingress"}, {"network": "blue", "direction": "egress"}],
            "rules": [{"permit": {"from": ["s"]}}]}], "mirrors": [{"name": "m", "from": ["p"], "to": "eye"}]})"),
        routes("10.1.0.0/16 via 10.0.0.1\nblackhole 10.8.0.0/16\ndelete 10.8.0.0/16\n"),
        routes("10.2.0.0/16 nexthop via 10.0.0.1 nexthop via 10.0.1.1\n10.2.0.0/16 network red\n"),
        routes("10.9.0.0/16 via 10.0.0.2\n10.3.0.0/16 via 10.7.0.1\n10.3.0.0/16 network nosuch\n"),
        routes("default via fd00::1\nunreachable fd00:1::/64 domain customer\n10.4.0.0/16 via 10.0"),
    };
}

std::vector<std::string> words() {
    std::vector<std::string> words = {"via ",       "network ", "nexthop ", "domain customer", "blackhole ",
                                      "unreachable ", "delete ", "10.0.0.1", "10.0.1.1",        "fd00::1",
                                      "blue",       "red",      "plain",    "\n",              std::string(1, '\0'),
                                      "{\"apply\":[{\"object\":", "{\"delete\":[{\"kind\":", "\"rules\":{\"ingress\":[["};
    for (const base::Key& key : base::list_keys<engine::Config>()) {
        words.push_back("\"" + key.path.substr(key.path.rfind('.') + 1) + "\": ");
    }
    return words;
}

}  // namespace sluice::fuzz
