#include <fmt/format.h>

#include "base/counted.h"
#include "base/text.h"
#include "sluicectl/print.h"
#include "sluicectl/table.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

// Each next hop as "via 10.0.0.1 network blue".
json hops_text(const json& hops) {
    json texts = json::array();
    for (const json& hop : hops) {
        std::string text;
        for (const char* key : {"via", "network"}) {
            if (!has(hop, key)) continue;
            text += fmt::format("{}{} {}", text.empty() ? "" : " ", key, word(hop[key]));
        }
        texts.push_back(text);
    }
    return texts;
}

}  // namespace

std::string print_routes(const json& result, const Arguments& arguments) {
    json rows = result.at("routes");
    const json& count = result.at("count");
    if (rows.empty() && count == 0) return "no routes\n";
    for (json& row : rows) row["way"] = hops_text(row.at("next-hops"));
    const std::vector<Column> columns = {{"TO", "/to"},
                                         {"TYPE", "/type"},
                                         {"NEXT-HOP", "/way"},
                                         {"DOMAIN", "/domain", Format::kText, 1},
                                         {"STATE", "/state"},
                                         {"ORIGIN", "/origin", Format::kText, 2},
                                         {"REASON", "/reason", Format::kText}};
    std::string text = table(columns, rows, arguments.width);
    if (rows.size() < count.get<size_t>())
        text += fmt::format("{} of {} routes: --limit shows more, a prefix fewer\n", rows.size(),
                            word(count));
    return text;
}

std::string print_lookup(const json& result, const Arguments& arguments) {
    const json& route = result.at("route");
    const std::string address = word(result.at("address"));
    if (const json owner = result.value("owner", json()); !owner.is_null()) {
        return fmt::format("{} is an address of {} {} ({}): packets for it go where that leads\n", address,
                           word(owner.at("kind")), word(owner.at("name")), word(owner.at("origin")));
    }
    if (route.is_null())
        return fmt::format("no route to {} in domain {}: its packets are dropped (no-route)\n", address,
                           word(result.at("domain")));
    std::string text = fmt::format("{} by {} {} of domain {} ({})\n", address, word(route.at("type")),
                                   word(route.at("to")), word(result.at("domain")), word(route.at("origin")));
    const json& hops = route.at("next-hops");
    if (hops.empty()) return text;
    const std::vector<Column> columns = {{"VIA", "/via"},     {"NETWORK", "/network"}, {"MAC", "/mac"},
                                         {"STATE", "/state"}, {"PORT", "/port"}};
    // With one next hop there are no shares: it gets every packet.
    if (!has(hops.front(), "share")) return text + table(columns, hops, arguments.width);
    std::vector<Column> shared = columns;
    shared.push_back({"SHARE", "/share", Format::kPercent});
    return text + table(shared, hops, arguments.width);
}

std::string print_route_added(const json& result, const Arguments&) {
    return fmt::format("route {} added\n", word(result.at("route")));
}

std::string print_route_deleted(const json& result, const Arguments&) {
    return fmt::format("route {} deleted\n", word(result.at("to")));
}

std::string print_loaded(const json& result, const Arguments&) {
    const json& routes = result.at("routes");
    std::string text = base::counted(routes.at("set"), "route") + " loaded\n";
    if (routes.at("deleted") != 0) text += fmt::format("{} deleted\n", word(routes.at("deleted")));
    if (const auto missing = routes.value("missing", uint64_t{0}); missing != 0) {
        text += fmt::format("{} to delete {} not there\n", missing, missing == 1 ? "was" : "were");
    }
    return text;
}

std::string print_neighbors(const json& result, const Arguments& arguments) {
    const json& rows = result.at("neighbors");
    if (rows.empty()) return "no neighbors\n";
    const std::vector<Column> columns = {{"NETWORK", "/network"}, {"ADDRESS", "/address"},
                                         {"MAC", "/mac"},         {"STATE", "/state"},
                                         {"AGE", "/age", Format::kSeconds, 2},
                                         {"PORT", "/port"},       {"WAITING", "/waiting", Format::kNumber, 1}};
    return table(columns, rows, arguments.width);
}

std::string print_tunnels(const json& result, const Arguments& arguments) {
    json rows = result.at("tunnels");
    if (rows.empty()) return "no tunnels\n";
    for (json& row : rows) {
        json networks = json::array();
        for (const json& network : row.at("networks")) {
            networks.push_back(fmt::format("{} ({})", word(network.at("name")), word(network.at("vni"))));
        }
        row["networks"] = std::move(networks);
        json hops = json::array();
        json macs = json::array();
        for (const json& hop : row.at("next-hops")) {
            const std::string via = word(hop.at("via"));
            const bool is_known = has(hop, "mac");
            hops.push_back(is_known ? via : fmt::format("{} ({})", via, word(hop.at("state"))));
            macs.push_back(is_known ? hop.at("mac") : json());
        }
        row["via"] = std::move(hops);
        row["mac"] = std::move(macs);
    }
    const std::vector<Column> columns = {{"REMOTE", "/remote"},
                                         {"NETWORKS", "/networks"},
                                         {"VIA", "/via"},
                                         {"MAC", "/mac", Format::kText, 4},
                                         {"STATE", "/state"},
                                         {"MTU", "/mtu/path", Format::kNumber},
                                         {"EXPIRES", "/mtu/expires", Format::kSeconds, 5},
                                         {"RX-PACKETS", "/rx/packets", Format::kNumber, 2},
                                         {"RX-BYTES", "/rx/bytes", Format::kNumber, 3},
                                         {"TX-PACKETS", "/tx/packets", Format::kNumber, 2},
                                         {"TX-BYTES", "/tx/bytes", Format::kNumber, 3},
                                         {"DROPS", "/drops", Format::kNumber, 1}};
    return table(columns, rows, arguments.width);
}

}  // namespace sluice::sluicectl
