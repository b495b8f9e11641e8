// Prints the answers about containers, addresses and names.
#include <fmt/format.h>

#include "sluicectl/print.h"
#include "sluicectl/table.h"

namespace sluice::sluicectl {

using nlohmann::json;

std::string print_containers(const json& result, const Arguments& arguments) {
    return rows_or(result.at("containers"),
                   {{"CONTAINER", "/container"},
                    {"INTERFACE", "/interface"},
                    {"PORT", "/port"},
                    {"NETWORK", "/network"},
                    {"ADDRESSES", "/address"},
                    {"STATE", "/state"},
                    {"BY", "/by", Format::kText, 2},
                    {"REASON", "/reason"}},
                   "no containers", arguments.width);
}

std::string print_ipam(const json& result, const Arguments& arguments) {
    return rows_or(result.at("addresses"),
                   {{"ADDRESS", "/address"},
                    {"NETWORK", "/network"},
                    {"HOLDER", "/holder"},
                    {"CONTAINER", "/container"},
                    {"POD", "/pod", Format::kText, 2}},
                   "no address is in use", arguments.width);
}

std::string print_dns_lookup(const json& result, const Arguments& arguments) {
    std::string text =
        fmt::format("{} {} in network {}: {} ({})\n", word(result.at("name")), word(result.at("type")),
                    word(result.at("network")), word(result.at("rcode")), word(result.at("reason")));
    if (!result.at("records").empty()) {
        text += rows_or(result.at("records"),
                        {{"NAME", "/name"},
                         {"TTL", "/ttl", Format::kNumber, 2},
                         {"TYPE", "/type"},
                         {"DATA", "/data"},
                         {"OBJECT", "/object"},
                         {"ORIGIN", "/origin", Format::kText, 1}},
                        "", arguments.width);
    }
    if (has(result, "forward"))
        text += fmt::format("the upstreams are asked for {}\n", word(result.at("forward")));
    if (has(result, "zone")) text += fmt::format("negative answer of zone {}\n", word(result.at("zone")));
    return text;
}

std::string print_dns(const json& result, const Arguments& arguments) {
    std::string text = fmt::format("{} names; domain {}\n", word(result.at("names")), word(result.at("domain")));
    text += indented({{"queries", result.at("queries")}}, arguments.width);
    return text + rows_or(result.at("upstreams"),
                          {{"UPSTREAM", "/server"},
                           {"STATE", "/state"},
                           {"ASKED", "/asked", Format::kNumber},
                           {"ANSWERED", "/answered", Format::kNumber},
                           {"FAILED", "/failed", Format::kNumber},
                           {"TIMED-OUT", "/timed-out", Format::kNumber},
                           {"BY-TCP", "/by-tcp", Format::kNumber, 1}},
                          "no upstreams: names that aren't ours are not found", arguments.width);
}

std::string print_leases(const json& result, const Arguments& arguments) {
    return rows_or(result.at("leases"),
                   {{"ADDRESS", "/address"},
                    {"NETWORK", "/network", Format::kText, 2},
                    {"PORT", "/port"},
                    {"MAC", "/mac", Format::kText, 1},
                    {"HOST", "/host", Format::kText, 3},
                    {"FROM", "/from", Format::kText, 4},
                    {"LEFT", "/seconds-left", Format::kSeconds}},
                   "no guest has an address by DHCP", arguments.width);
}

}  // namespace sluice::sluicectl
