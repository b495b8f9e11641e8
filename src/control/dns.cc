#include "control/dns.h"

#include <fmt/format.h>

#include <array>

#include "base/none.h"
#include "base/text.h"
#include "dns/resolve.h"

namespace sluice::control {
namespace {

using nlohmann::json;

constexpr std::array kTypeWords{base::Name{dns::Type::kA, "A"},     base::Name{dns::Type::kAaaa, "AAAA"},
                                base::Name{dns::Type::kAny, "ANY"}, base::Name{dns::Type::kCname, "CNAME"},
                                base::Name{dns::Type::kNs, "NS"},   base::Name{dns::Type::kPtr, "PTR"},
                                base::Name{dns::Type::kSoa, "SOA"}, base::Name{dns::Type::kSrv, "SRV"},
                                base::Name{dns::Type::kTxt, "TXT"}};

std::string_view word_of_type(dns::Type type) {
    for (const auto& [value, word] : kTypeWords) {
        if (value == type) return word;
    }
    return "";
}

dns::Type type_param(const json& params) {
    const std::string asked = text_of(params, "type");
    for (const auto& [value, word] : kTypeWords) {
        if (word == asked) return value;
    }
    return dns::Type::kA;
}

std::string_view word_of_rcode(dns::Rcode rcode) {
    switch (rcode) {
        case dns::Rcode::kNoError:
            return "no error";
        case dns::Rcode::kNoSuchName:
            return "no such name";
        case dns::Rcode::kRefused:
            return "refused";
        default:
            return "failure";
    }
}

json record_json(const dns::Answered& answered, uint32_t ttl) {
    const dns::Record& record = *answered.record;
    json row{{"name", dns::text_of(answered.name)},
             {"type", word_of_type(record.type)},
             {"data", data_text(record)},
             {"ttl", ttl},
             {"object", record.source->kind + " " + record.source->name},
             {"origin", base::origin(record.source->place)}};
    base::tell_place(row, record.source->place);
    return row;
}

// The network that is named, or the only one that is answered in.
tl::expected<std::string, RpcError> network_of_question(const Running& daemon, const json& params) {
    const std::string name = text_of(params, "network");
    std::vector<std::string> answered;
    for (const engine::NetworkConfig& network : daemon.running.config().networks) {
        if (network.name == name) return name;
        if (!engine::dns_addresses(network).empty()) answered.push_back(network.name);
    }
    if (!name.empty()) return refused({{fmt::format("there is no network {}", base::shown(name)), {}, {}}});
    if (answered.size() == 1) return answered.front();
    if (answered.empty())
        return refused({{"no network has DNS: give one a `gateway`, and don't disable its `dns`", {}, {}}});
    return invalid(fmt::format("network: is missing, and there are {}", fmt::join(answered, ", ")));
}

}  // namespace

Answer dns_lookup(Running& daemon, const json& params) {
    const auto network = network_of_question(daemon, params);
    if (!network) return tl::unexpected(network.error());
    const dns::Type type = type_param(params);
    const std::string asked = text_of(params, "name");
    const auto address = IpAddress::parse(asked);
    const bool is_reverse = type == dns::Type::kPtr && address;
    const std::string name = is_reverse ? dns::reverse_name(*address) : dns::wire_name(asked);
    if (name.empty()) return invalid(fmt::format("name: {} is no domain name", base::shown(asked)));
    const auto& names = daemon.running.names();
    const auto id = daemon.running.network_ids().find(*network);
    if (names == nullptr || id == daemon.running.network_ids().end())
        return refused({{"the switch knows no names yet", {}, {}}});
    const dns::Resolved resolved = dns::resolve(*names, id->second, name, type);
    json records = json::array();
    for (const auto* list : {&resolved.answers, &resolved.additional}) {
        for (const dns::Answered& it : *list) records.push_back(record_json(it, names->settings().ttl));
    }
    const bool is_minimal = resolved.kind == dns::Resolved::Kind::kMinimal;
    return json{{"name", dns::text_of(name)},
                {"type", word_of_type(type)},
                {"network", *network},
                {"rcode", word_of_rcode(resolved.rcode)},
                {"reason", is_minimal ? "questions for all types get a minimal answer (RFC 8482)"
                                      : std::string(dns::text(resolved.reason))},
                {"records", std::move(records)},
                {"forward", resolved.forward.empty() ? json() : json(dns::text_of(resolved.forward))},
                {"zone", resolved.zone.empty() ? json() : json(dns::text_of(resolved.zone))}};
}

Answer dns_show(Running& daemon) {
    const dns::Server& server = daemon.protocols.dns();
    const dns::Counters& counters = server.counters();
    json upstreams = json::array();
    for (const dns::UpstreamState& upstream : server.upstreams()) {
        const dns::UpstreamCounters& its = *upstream.counters;
        upstreams.push_back({{"server", upstream.server.text()},
                             {"state", its.is_failing      ? "failing"
                                       : its.answered != 0 ? "answering"
                                                           : "not asked"},
                             {"asked", its.asked.load()},
                             {"answered", its.answered.load()},
                             {"failed", its.failed.load()},
                             {"timed-out", its.timed_out.load()},
                             {"by-tcp", its.by_tcp.load()}});
    }
    const auto& names = daemon.running.names();
    return json{{"names", names == nullptr ? 0 : names->count()},
                {"domain", daemon.running.config().dns.domain},
                {"queries",
                 {{"answered", counters.answered.load()},
                  {"forwarded", counters.forwarded.load()},
                  {"refused", counters.refused.load()},
                  {"busy", counters.busy.load()},
                  {"failed", counters.failed.load()},
                  {"malformed", counters.malformed.load()},
                  {"ignored", counters.ignored.load()},
                  {"truncated", counters.truncated.load()}}},
                {"upstreams", std::move(upstreams)}};
}

}  // namespace sluice::control
