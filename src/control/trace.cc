#include "control/trace.h"

#include "base/text.h"
#include "explain/trace.h"

namespace sluice::control {
namespace {

using explain::Question;
using explain::Trace;
using nlohmann::json;

constexpr size_t kMaxQuestions = 10'000;

tl::expected<wire::Protocol, RpcError> protocol_param(const json& params) {
    auto text = text_param(params, "proto");
    if (!text) return tl::unexpected(text.error());
    if (text->empty() || *text == "tcp") return wire::Protocol::kTcp;
    if (*text == "udp") return wire::Protocol::kUdp;
    if (*text == "sctp") return wire::Protocol::kSctp;
    if (*text == "icmp" || *text == "icmpv6") return wire::Protocol::kIcmp;
    return invalid(fmt::format("\"proto\" is {}, not tcp, udp, sctp or icmp", base::shown(*text)));
}

// Nothing where it is left out.
tl::expected<std::optional<MacAddress>, RpcError> mac_param(const json& params, const char* key) {
    auto text = text_param(params, key);
    if (!text) return tl::unexpected(text.error());
    if (!params.contains(key)) return std::nullopt;
    auto mac = MacAddress::parse(*text);
    if (!mac) return invalid(fmt::format("\"{}\": {}", key, mac.error()));
    return *mac;
}

tl::expected<Question, RpcError> question_of(const json& params) {
    if (!params.is_object()) return invalid("a question is not an object");
    Question question;
    for (auto [key, end] : {std::pair("from", &question.from), std::pair("to", &question.to)}) {
        auto text = text_param(params, key);
        if (!text) return tl::unexpected(text.error());
        if (text->empty()) {
            return invalid(fmt::format("\"{}\" is missing: a port's name, or an IP address", key));
        }
        *end = *text;
    }
    auto protocol = protocol_param(params);
    if (!protocol) return tl::unexpected(protocol.error());
    question.protocol = *protocol;
    for (auto [key, port] : {std::pair("dport", &question.destination_port),
                             std::pair("sport", &question.source_port)}) {
        auto number = number_param(params, key, *port, 0, 65535);
        if (!number) return tl::unexpected(number.error());
        *port = static_cast<uint16_t>(*number);
    }
    auto length = number_param(params, "length", 0, 1, 65535);
    if (!length) return tl::unexpected(length.error());
    if (*length != 0) question.length = static_cast<uint32_t>(*length);
    auto vlan = number_param(params, "vlan", 0, 1, 4094);
    if (!vlan) return tl::unexpected(vlan.error());
    if (*vlan != 0) question.vlan = static_cast<uint16_t>(*vlan);
    for (auto [key, mac] : {std::pair("source-mac", &question.source_mac),
                            std::pair("destination-mac", &question.destination_mac)}) {
        auto given = mac_param(params, key);
        if (!given) return tl::unexpected(given.error());
        *mac = *given;
    }
    return question;
}

json trace_json(const Trace& trace) {
    json by = json::array();
    for (const auto& object : trace.decided_by) by.push_back(explain::to_json(object));
    json stages = json::array();
    for (const auto& stage : trace.stages) {
        json row{{"stage", stage.name}, {"text", stage.text}};
        row["by"] = stage.by ? explain::to_json(*stage.by) : json(nullptr);
        stages.push_back(std::move(row));
    }
    // One port, for most packets; all of them, for a flood.
    json to = nullptr;
    if (trace.to.size() == 1) to = trace.to.front();
    if (trace.to.size() > 1) to = trace.to;
    return {{"verdict", word_of(trace.verdict)},
            {"reason", trace.reason.empty() ? json(nullptr) : json(trace.reason)},
            {"to", to},
            {"decided_by", by},
            {"stages", stages}};
}

Answer answer_one(Running& daemon, const json& params) {
    auto question = question_of(params);
    if (!question) return tl::unexpected(question.error());
    auto trace = explain::trace(daemon.running, *question);
    if (!trace) return refused({trace.error()});
    json answer = trace_json(*trace);
    answer["packet"] = trace->packet.empty() ? json(nullptr) : json(trace->packet);
    return answer;
}

}  // namespace

Answer trace(Running& daemon, const json& params) {
    const auto questions = params.find("questions");
    if (questions == params.end()) return answer_one(daemon, params);
    if (!questions->is_array() || questions->size() > kMaxQuestions) {
        return invalid(fmt::format("\"questions\" is not a list of at most {}", kMaxQuestions));
    }
    json traces = json::array();
    for (const json& question : *questions) {
        auto answer = answer_one(daemon, question);
        traces.push_back(answer ? std::move(*answer) : json{{"error", answer.error().message}});
    }
    return json{{"traces", traces}};
}

Answer trace_start(Running& daemon, const json& params, const Caller& caller) {
    auto filter = text_param(params, "filter");
    if (!filter) return tl::unexpected(filter.error());
    auto number = daemon.traces.start(*filter, caller);
    if (!number) return refused({number.error()});
    return json{{"trace", *number}};
}

Answer trace_read(Running& daemon, const json& params, const Caller& caller) {
    auto number = own_number_param(params, "trace");
    if (!number) return tl::unexpected(number.error());
    auto most = number_param(params, "most", protocol::kMaxTraceRead, 1, protocol::kMaxTraceRead);
    if (!most) return tl::unexpected(most.error());
    const auto portion = daemon.traces.read(*number, caller, *most);
    if (!portion) return not_yours("live trace", *number);
    json packets = json::array();
    for (const auto& live : portion->packets) {
        json packet = trace_json(live.trace);
        packet["time"] = live.time;
        packet["length"] = live.length;
        packet["packet"] = live.packet;
        packets.push_back(std::move(packet));
    }
    return json{{"packets", std::move(packets)}, {"lost", portion->lost}};
}

Answer trace_stop(Running& daemon, const json& params, const Caller& caller) {
    auto number = own_number_param(params, "trace");
    if (!number) return tl::unexpected(number.error());
    if (!daemon.traces.stop(*number, caller)) return not_yours("live trace", *number);
    return json::object();
}

}  // namespace sluice::control
