// Prints the answers about Services and NAT.
#include <fmt/format.h>

#include "sluicectl/print.h"
#include "sluicectl/table.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

// "10.96.0.10:80/tcp", "[fd00::1]:80/udp"
std::string end_of(const json& row) {
    const std::string address = word(row.at("address"));
    const bool is_ipv6 = address.find(':') != std::string::npos;
    std::string text = fmt::format(fmt::runtime(is_ipv6 ? "[{}]:{}" : "{}:{}"), address, word(row.at("port")));
    if (row.contains("proto")) text += "/" + word(row.at("proto"));
    return text;
}

// "10.96.0.10, fd00:96::a"
std::string list_of(const json& texts) {
    std::string text;
    for (const json& each : texts) text += (text.empty() ? "" : ", ") + word(each);
    return text;
}

// What the Kubernetes Service says, and its endpoints.
std::string described(const json& service, size_t width) {
    std::string text = fmt::format("service {} ({}): {}", word(service.at("name")), word(service.at("origin")),
                                   word(service.at("type")));
    for (const auto& [key, label] :
         {std::pair{"cluster-ips", ""}, std::pair{"load-balancer-ips", "load balancer "},
          std::pair{"external-ips", "external "}}) {
        if (!service.at(key).empty()) text += fmt::format(", {}{}", label, list_of(service.at(key)));
    }
    if (!service.at("external-name").is_null()) text += ", " + word(service.at("external-name"));
    if (!service.at("selector").is_null()) text += ", selector " + word(service.at("selector"));
    text += "\n";
    for (const json& port : service.at("ports")) {
        text += fmt::format(
            "port {}{}/{}{} to {}{}\n", port.at("name").is_null() ? "" : word(port.at("name")) + " ",
            word(port.at("port")), word(port.at("proto")),
            port.at("node-port").is_null() ? "" : ", node port " + word(port.at("node-port")) + ",",
            word(port.at("target")), port.at("reason").is_null() ? "" : ": " + word(port.at("reason")));
        json rows = port.at("endpoints");
        if (rows.empty()) continue;
        for (json& row : rows) row["at"] = end_of(row);
        text += rows_or(rows, {{"ENDPOINT", "/at"}, {"POD", "/pod"}, {"STATE", "/state"}, {"HERE", "/here"}}, "",
                        width);
    }
    if (const json& port = service.at("health-check-node-port"); !port.is_null()) {
        const json& trouble = service.at("health-check-trouble");
        text += fmt::format("health checks at port {}{}\n", word(port),
                            trouble.is_null() ? "" : ": not answered, " + word(trouble));
    }
    std::string sources;
    for (const json& it : service.at("clients-as")) {
        sources += fmt::format("{}{} in network {}", sources.empty() ? "" : "; ", list_of(it.at("addresses")),
                               word(it.at("network")));
    }
    if (!sources.empty()) text += fmt::format("clients outside, for back ends at other hosts: {}\n", sources);
    if (!service.at("trouble").is_null()) text += word(service.at("trouble")) + "\n";
    return text;
}

}  // namespace

std::string print_variables(const json& result, const Arguments&) {
    std::string text;
    for (const json& row : result.at("variables"))
        text += fmt::format("{}={}\n", word(row.at("name")), word(row.at("value")));
    return text;
}

std::string print_services(const json& result, const Arguments& arguments) {
    json rows = result.at("services");
    for (json& row : rows) row["at"] = end_of(row);
    return rows_or(rows,
                   {{"NAME", "/name"},
                    {"KIND", "/kind", Format::kText, 2},
                    {"ADDRESS", "/at"},
                    {"BACKENDS", "/backends", Format::kNumber},
                    {"AFFINITY", "/affinity", Format::kSeconds, 3},
                    {"ORIGIN", "/origin", Format::kText, 4},
                    {"REASON", "/reason"}},
                   "no services", arguments.width);
}

std::string print_service(const json& result, const Arguments& arguments) {
    std::string text;
    if (!result.at("service").is_null()) text = described(result.at("service"), arguments.width);
    for (const json& front : result.at("services")) {
        text += fmt::format("{}{} ({}){}\n", text.empty() ? "" : "\n", end_of(front), word(front.at("origin")),
                            front.at("reason").is_null() ? "" : ": " + word(front.at("reason")));
        json rows = front.at("backends");
        if (rows.empty()) continue;
        bool has_reasons = false;
        for (json& row : rows) {
            row["at"] = end_of(row);
            has_reasons |= has(row, "reason");
        }
        std::vector<Column> columns{{"BACKEND", "/at"},
                                    {"WEIGHT", "/weight", Format::kNumber},
                                    {"STATE", "/state"},
                                    {"CONNECTIONS", "/connections", Format::kNumber},
                                    {"PACKETS", "/packets", Format::kNumber},
                                    {"BYTES", "/bytes", Format::kNumber}};
        if (has_reasons) columns.push_back({"REASON", "/reason"});
        text += table(columns, rows, arguments.width);
    }
    return text;
}

std::string print_drained(const json& result, const Arguments&) {
    return fmt::format("service {}: back end {} gets {}\n", word(result.at("service")), word(result.at("backend")),
                       result.at("draining").get<bool>() ? "no new connections" : "new connections again");
}

std::string print_nat(const json& result, const Arguments& arguments) {
    std::string text;
    for (const json& pool : result.at("pools")) {
        text += fmt::format("{}{} ({}): {} of {} mappings\n", text.empty() ? "" : "\n", word(pool.at("name")),
                            word(pool.at("origin")), word(pool.at("mappings")), word(pool.at("capacity")));
        std::string refusals;
        for (const auto& [outcome, count] : pool.at("answers").items()) {
            if (count == 0 || outcome == "new") continue;
            refusals += fmt::format("{}{} {}", refusals.empty() ? "" : ", ", outcome, word(count));
        }
        if (!refusals.empty()) text += fmt::format("since the start: {}\n", refusals);
        if (!pool.at("ports").empty())
            text += rows_or(pool.at("ports"),
                            {{"OUTSIDE", "/address"},
                             {"PROTO", "/proto"},
                             {"USED", "/used", Format::kNumber},
                             {"PORTS", "/capacity", Format::kNumber},
                             {"SHARED", "/shared", Format::kNumber}},
                            "", arguments.width);
        if (!pool.at("hosts").empty())
            text += rows_or(
                pool.at("hosts"),
                {{"INSIDE", "/address"}, {"OUTSIDE", "/outside"}, {"MAPPINGS", "/mappings", Format::kNumber}}, "",
                arguments.width);
    }
    if (!result.at("static").empty()) {
        if (!text.empty()) text += "\n";
        text += rows_or(result.at("static"),
                        {{"NAME", "/name"},
                         {"INSIDE", "/inside"},
                         {"OUTSIDE", "/outside"},
                         {"NETWORK", "/out"},
                         {"ORIGIN", "/origin", Format::kText, 1}},
                        "", arguments.width);
    }
    return text.empty() ? "no NAT\n" : text;
}

}  // namespace sluice::sluicectl
