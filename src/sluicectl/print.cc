#include "sluicectl/print.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "sluicectl/table.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

// A table of the rows; if there are none, a sentence.
std::string changes(const json& rows, const char* none, size_t width) {
    return rows_or(rows,
                   {{"ACTION", "/action"},
                    {"OBJECT", "/object"},
                    {"ORIGIN", "/origin", Format::kText, 2},
                    {"EFFECT", "/effect", Format::kText, 1},
                    {"DETAIL", "/detail"}},
                   none, width);
}

// The added objects that a configuration makes wait, and the parts of objects that it leaves out.
std::string out_of_force(const json& result) {
    std::string text;
    for (const json& waiting : result.at("waiting")) {
        text += fmt::format("{}, which was added while running, would wait: {}\n", word(waiting.at("object")),
                            word(waiting.at("reason")));
    }
    for (const json& left_out : result.at("left-out")) text += word(left_out) + "\n";
    return text;
}

// The queues of ports in one direction, as rows that begin with the port's name.
json queues_of(const json& ports, const char* direction) {
    json rows = json::array();
    for (const json& port : ports)
        for (json row : port.at(direction)) {
            row["port"] = port.at("name");
            row["direction"] = direction;
            rows.push_back(std::move(row));
        }
    return rows;
}

std::string print_last_drops(json rows, size_t width) {
    for (json& row : rows) {
        row["time"] = date_and_time(row.at("time"));
        row["decided-by"] = deciders(row.at("decided-by"));
        // If no neighbor entry was found for the packet, its egress port isn't known.
        if (row.at("egress").is_null()) row["egress"] = row.at("neighbor");
        if (row.at("packets") != 1) {
            row["packet"] = fmt::format("{} ({} packets)", word(row.at("packet")),
                                        row.at("packets").get<uint64_t>());
        }
    }
    return rows_or(rows,
                   {{"TIME", "/time"},
                    {"FROM", "/ingress"},
                    {"TO", "/egress"},
                    {"NETWORK", "/network", Format::kText, 1},
                    {"REASON", "/reason"},
                    {"DECIDED-BY", "/decided-by"},
                    {"PACKET", "/packet"}},
                   "nothing was dropped", width);
}

}  // namespace

std::string word(const json& value) {
    return format(value, Format::kText);
}

base::Place place_of(const json& object) {
    const auto number = [&](const char* key) {
        const auto found = object.find(key);
        return found != object.end() && found->is_number() ? found->get<int>() : 0;
    };
    const auto file = object.find("file");
    const bool is_named = file != object.end() && file->is_string();
    return {is_named ? file->get<std::string>() : "", number("line"), number("column")};
}

std::string deciders(const json& objects) {
    std::string text;
    for (const json& object : objects) {
        const base::Place place = place_of(object);
        text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", object.at("kind").get<std::string>(),
                            object.at("name").get<std::string>(),
                            place.line == 0 ? "added"
                                            : fmt::format("{}:{}:{}", place.file, place.line, place.column));
    }
    return text;
}

std::string objects_line(const json& objects) {
    const json& namespaces = objects.at("namespaces");
    const json& pods = objects.at("pods");
    const json& policies = objects.at("network-policies");
    if (namespaces == 0 && pods == 0 && policies == 0) return "";
    return fmt::format("objects        {} namespaces, {} pods, {} network policies\n", word(namespaces),
                       word(pods), word(policies));
}

std::string print_status(const json& result, const Arguments& arguments) {
    const json& config = result.at("config");
    const json& ports = result.at("ports");
    const json& memory = result.at("memory");
    const json& routes = result.at("routes");
    const json& neighbors = result.at("neighbors");
    const json& flows = result.at("flows");
    std::string text = fmt::format(
        "version        {}\n"
        "process        {}\n"
        "uptime         {}\n"
        "configuration  {} (generation {})\n"
        "{}"
        "networks       {}\n"
        "ports          {} up, {} down{}\n"
        "routes         {} IPv4, {} IPv6 ({})\n"
        "neighbors      {} of {}\n"
        "flows          {} of {} ({} of {})\n"
        "tunnels        {}\n"
        "memory         {}\n"
        "hugepages      {}\n",
        word(result.at("version")), word(result.at("pid")), format(result.at("uptime"), Format::kSeconds),
        word(config.at("file")), word(config.at("generation")), objects_line(result.at("objects")),
        word(result.at("networks")), word(ports.at("up")), word(ports.at("down")),
        ports.at("waiting") == 0 ? "" : fmt::format(", {} waiting (port list)", word(ports.at("waiting"))),
        word(routes.at("ipv4")), word(routes.at("ipv6")), format(routes.at("bytes"), Format::kBytes),
        word(neighbors.at("count")), word(neighbors.at("capacity")), word(flows.at("count")),
        word(flows.at("capacity")), format(flows.at("bytes"), Format::kBytes),
        format(flows.at("most-bytes"), Format::kBytes), word(result.at("tunnels")),
        format(memory.at("resident"), Format::kBytes), word(memory.at("hugepages")));
    for (const json& waiting : result.at("waiting"))
        text += fmt::format("waiting        {}: {}\n", word(waiting.at("object")), word(waiting.at("reason")));
    for (const json& lost : result.at("lost")) text += fmt::format("lost           {}\n", word(lost));
    if (!result.at("lost").empty())
        text +=
            "               The start could not read this. Each file is kept beside itself as FILE.bad-DATE.\n";
    if (routes.at("waiting") != 0)
        text += fmt::format("               {} added routes wait: the configuration has no place for them "
                            "(route list)\n",
                            word(routes.at("waiting")));
    if (!routes.at("domains").empty())
        text += "\n" + rows_or(routes.at("domains"),
                               {{"DOMAIN", "/name"},
                                {"IPV4", "/ipv4", Format::kNumber},
                                {"IPV6", "/ipv6", Format::kNumber},
                                {"ADDED", "/added", Format::kNumber},
                                {"SIZE", "/bytes", Format::kBytes}},
                               "", arguments.width);
    text += "\n" + rows_or(result.at("workers"),
                           {{"WORKER", "/worker", Format::kNumber},
                            {"CORE", "/core", Format::kNumber},
                            {"BUSY", "/busy", Format::kPercent},
                            {"CYCLES/PACKET", "/cycles-per-packet", Format::kNumber, 2},
                            {"PACKETS/BATCH", "/packets-per-batch", Format::kNumber, 1},
                            {"PACKETS", "/packets", Format::kNumber},
                            {"IDLE", "/idle"}},
                           "no workers", arguments.width);
    text += "\n" + rows_or(memory.at("pools"),
                           {{"POOL", "/name"},
                            {"COUNT", "/count", Format::kNumber},
                            {"AVAILABLE", "/available", Format::kNumber},
                            {"SIZE", "/bytes", Format::kBytes}},
                           "no packet pools", arguments.width);
    return text;
}

std::string print_ports(const json& result, const Arguments& arguments) {
    return rows_or(result.at("ports"),
                   {{"NAME", "/name"},
                    {"KIND", "/kind", Format::kText, 5},
                    {"NETWORK", "/network"},
                    {"INTERFACE", "/interface", Format::kText, 6},
                    {"STATE", "/state"},
                    {"ADDRESSES", "/addresses"},
                    {"MAC", "/mac", Format::kText, 3},
                    {"MTU", "/mtu", Format::kNumber, 4},
                    {"RX/S", "/rates/rx/packets-per-second", Format::kNumber, 1},
                    {"TX/S", "/rates/tx/packets-per-second", Format::kNumber, 1},
                    {"RX-PACKETS", "/rx/packets", Format::kNumber, 7},
                    {"RX-BYTES", "/rx/bytes", Format::kNumber, 8},
                    {"TX-PACKETS", "/tx/packets", Format::kNumber, 7},
                    {"TX-BYTES", "/tx/bytes", Format::kNumber, 8},
                    {"DROPS", "/drops", Format::kNumber, 2},
                    {"ORIGIN", "/origin", Format::kText, 9},
                    {"REASON", "/reason"}},
                   "no ports", arguments.width);
}

std::string print_port(const json& result, const Arguments& arguments) {
    return indented(result.at("port"), arguments.width);
}

std::string print_added(const json& result, const Arguments&) {
    const json& port = result.at("port");
    if (!has(port, "reason"))
        return fmt::format("port {} added: {}\n", word(port.at("name")), word(port.at("state")));
    return fmt::format("port {} added: {}, {}\n", word(port.at("name")), word(port.at("state")),
                       word(port.at("reason")));
}

std::string print_port_set(const json& result, const Arguments& arguments) {
    const json& port = result.at("port");
    return print_done(result, arguments) +
           fmt::format("port {}: {}{}\n", word(port.at("name")), word(port.at("state")),
                       has(port, "reason") ? ", " + word(port.at("reason")) : "");
}

std::string print_deleted(const json&, const Arguments& arguments) {
    return fmt::format("port {} deleted\n", base::escaped(arguments.words[0]));
}

std::string print_done(const json& result, const Arguments&) {
    std::string text;
    for (const json& change : result.at("changes")) {
        const std::string action = word(change.at("action"));
        const char* done = action == "add" ? "added" : action == "remove" ? "deleted" : "changed";
        text += fmt::format("{} {}", word(change.at("object")), done);
        if (has(change, "detail")) text += fmt::format(": {}", word(change.at("detail")));
        if (action == "change" && change.at("effect") != "nothing")
            text += fmt::format(" ({})", word(change.at("effect")));
        text += '\n';
    }
    return text.empty() ? "nothing changed\n" : text;
}

std::string print_address_sets(const json& result, const Arguments& arguments) {
    return rows_or(result.at("address-sets"),
                   {{"NAME", "/name"}, {"ADDRESSES", "/addresses"}, {"ORIGIN", "/origin"}, {"REASON", "/reason"}},
                   "no address sets", arguments.width);
}

std::string print_mirrors(const json& result, const Arguments& arguments) {
    return rows_or(result.at("mirrors"),
                   {{"NAME", "/name"},
                    {"FROM", "/from"},
                    {"TO", "/to"},
                    {"DIRECTION", "/direction", Format::kText, 1},
                    {"FILTER", "/filter", Format::kText, 2},
                    {"ORIGIN", "/origin"},
                    {"REASON", "/reason"}},
                   "no mirrors", arguments.width);
}

std::string print_devices(const json& result, const Arguments& arguments) {
    return rows_or(result.at("devices"),
                   {{"DEVICE", "/address"},
                    {"ID", "/id", Format::kText, 4},
                    {"DRIVER", "/driver"},
                    {"NUMA", "/numa-node", Format::kNumber, 6},
                    {"IOMMU-GROUP", "/iommu-group", Format::kText, 5},
                    {"VF-OF", "/physical-function", Format::kText, 3},
                    {"VFS", "/virtual-functions", Format::kNumber, 3},
                    {"INTERFACES", "/interfaces"},
                    {"DEFAULT-ROUTE", "/default-route", Format::kText, 2},
                    {"LINK", "/link"},
                    {"SPEED", "/speed", Format::kText, 1},
                    {"PORT", "/port"}},
                   "no PCI network devices", arguments.width);
}

std::string print_bound(const json& result, const Arguments&) {
    const json& device = result.at("device");
    std::string text =
        fmt::format("{} is bound to {}\n", word(device.at("address")), word(device.at("driver")));
    const json& lost = result.at("lost-interfaces");
    if (!lost.empty()) text += fmt::format("the kernel has lost {}\n", word(lost));
    const json& others = device.at("group-held-by");
    if (!others.empty())
        text += fmt::format(
            "its IOMMU group {} also has {}: no port can open it until they are bound as well, or "
            "unbound from their drivers\n",
            word(device.at("iommu-group")), word(others));
    return text;
}

std::string print_unbound(const json& result, const Arguments&) {
    const json& device = result.at("device");
    const json& interfaces = device.at("interfaces");
    return fmt::format("{} is the kernel's: {}{}\n", word(device.at("address")),
                       word(device.at("driver")), interfaces.empty() ? "" : ", " + word(interfaces));
}

std::string print_networks(const json& result, const Arguments& arguments) {
    return rows_or(result.at("networks"),
                   {{"NAME", "/name"},
                    {"SUBNETS", "/subnets"},
                    {"GATEWAY", "/gateway"},
                    {"ROUTER-MAC", "/mac", Format::kText, 4},
                    {"DOMAIN", "/domain", Format::kText, 3},
                    {"VNI", "/vni", Format::kNumber, 1},
                    {"PORTS", "/ports", Format::kNumber},
                    {"MACS", "/macs", Format::kNumber, 1},
                    {"MAC-TABLE-SIZE", "/mac-table-size", Format::kNumber, 7},
                    {"AGEING", "/ageing", Format::kSeconds, 6},
                    {"MOVES", "/moves", Format::kNumber, 2},
                    {"FLAPS", "/flaps", Format::kNumber, 2},
                    {"ORIGIN", "/origin", Format::kText, 5},
                    {"REASON", "/reason"}},
                   "no networks", arguments.width);
}

std::string print_macs(const json& result, const Arguments& arguments) {
    return rows_or(result.at("macs"),
                   {{"NETWORK", "/network"},
                    {"MAC", "/mac"},
                    {"PORT", "/port"},
                    {"KIND", "/kind"},
                    {"AGE", "/age", Format::kSeconds}},
                   "no MAC addresses", arguments.width);
}

std::string print_stats(const json& result, const Arguments& arguments) {
    const json& workers = result.at("workers");
    const json& ports = result.at("ports");
    json queues = queues_of(ports, "rx");
    for (json& row : queues_of(ports, "tx")) queues.push_back(std::move(row));
    const json totals = json::array({result.at("totals")});
    std::vector<Column> of_workers = columns_of(
        workers,
        {"worker", "core", "received", "made", "transmitted", "dropped", "consumed", "background"});
    for (Column& column : of_workers) {
        if (column.pointer == "/busy") column.format = Format::kPercent;  // as in `status`
    }
    std::string tunnels;
    if (!result.at("tunnels").empty())
        tunnels = "\ntunnels\n" + rows_or(result.at("tunnels"),
                                          {{"REMOTE", "/remote"},
                                           {"RX-PACKETS", "/rx/packets", Format::kNumber},
                                           {"TX-PACKETS", "/tx/packets", Format::kNumber},
                                           {"DROPS", "/drops", Format::kNumber},
                                           {"BACKGROUND", "/background", Format::kNumber}},
                                          "", arguments.width);
    return "totals\n" +
           table(columns_of(totals, {"received", "made", "transmitted", "dropped", "consumed",
                                     "background"}),
                 totals, arguments.width) +
           "\nworkers\n" + table(of_workers, workers, arguments.width) + "\nports\n" +
           rows_or(ports,
                   {{"PORT", "/name"},
                    {"DROPS", "/drops", Format::kNumber},
                    {"BACKGROUND", "/background", Format::kNumber}},
                   "no ports", arguments.width) +
           tunnels + "\nqueues\n" +
           rows_or(queues,
                   {{"PORT", "/port"},
                    {"DIRECTION", "/direction"},
                    {"QUEUE", "/queue", Format::kNumber},
                    {"WORKER", "/worker", Format::kNumber},
                    {"PACKETS", "/packets", Format::kNumber},
                    {"BYTES", "/bytes", Format::kNumber}},
                   "no queues", arguments.width);
}

std::string print_drops(const json& result, const Arguments& arguments) {
    // The user gave --last, or a count alone.
    const json& rows = result.at("drops");
    if (!rows.empty() && rows.front().contains("time")) return print_last_drops(rows, arguments.width);
    json drops = json::array();
    json background = json::array();
    for (const json& row : rows) (row.at("background") ? background : drops).push_back(row);
    std::vector<Column> columns = {
        {"PORT", "/port"}, {"REASON", "/reason"}, {"PACKETS", "/packets", Format::kNumber}};
    // With --watch there are rates, made of two answers.
    const bool has_rates =
        std::ranges::any_of(drops, [](const json& row) { return row.contains("packets-per-second"); });
    if (has_rates) columns.push_back({"PER-SECOND", "/packets-per-second", Format::kNumber});
    columns.push_back({"MEANING", "/meaning"});
    std::string text = drops.empty() ? "nothing was dropped\n" : table(columns, drops, arguments.width);
    if (background.empty()) return text;
    return text + "\nexpected background: what every host says unasked, and nobody was to hear\n" +
           rows_or(background, {{"PORT", "/port"}, {"PACKETS", "/packets", Format::kNumber}}, "", arguments.width);
}

std::string print_yaml(const json& result, const Arguments&) {
    std::string text = result.at("yaml");
    if (!text.empty() && text.back() != '\n') text += '\n';
    return text;
}

std::string print_checked(const json& result, const Arguments&) {
    return fmt::format("{}: no errors\n", word(result.at("file"))) + out_of_force(result);
}

std::string print_changes(const json& result, const Arguments& arguments) {
    return changes(result.at("changes"), "no differences", arguments.width) + out_of_force(result);
}

std::string print_reloaded(const json& result, const Arguments& arguments) {
    return changes(result.at("changes"), "nothing changed", arguments.width) +
           fmt::format("generation {}\n", word(result.at("generation")));
}

}  // namespace sluice::sluicectl
