#include "control/trace.h"

#include <unordered_map>

#include "control/check.h"
#include "explain/pod_end.h"
#include "explain/trace.h"

namespace sluice::control {
namespace {

using explain::Question;
using explain::Trace;
using nlohmann::json;

// The parameters have been checked against the method's description.
tl::expected<Question, RpcError> question_of(const engine::Switch& running, const json& params) {
    Question question;
    question.from = text_of(params, "from");
    question.to = text_of(params, "to");
    question.protocol = protocol_of(params);
    if (const auto fault = fault_of_ports(params)) return *fault;
    const std::string port_name = port_name_of(params);
    if (port_name.empty()) {
        question.destination_port = static_cast<uint16_t>(number_of(params, "dport", question.destination_port));
    }
    question.source_port = static_cast<uint16_t>(number_of(params, "sport", question.source_port));
    if (params.contains("length")) question.length = static_cast<uint32_t>(number_of(params, "length", 0));
    if (params.contains("df")) question.df = text_of(params, "df") == "yes";
    if (params.contains("vlan")) question.vlan = static_cast<uint16_t>(number_of(params, "vlan", 0));
    for (auto [key, mac] : {std::pair("source-mac", &question.source_mac),
                            std::pair("destination-mac", &question.destination_mac)}) {
        if (!params.contains(key)) continue;
        auto given = MacAddress::parse(text_of(params, key));
        if (!given) return invalid(fmt::format("the parameter '{}': {}", key, given.error()));
        *mac = *given;
    }
    auto resolved = explain::resolve_pods(running, std::move(question), port_name);
    if (!resolved) return refused({resolved.error()});
    return *resolved;
}

// How a trace ends, and what decided that.
json outcome_json(const Trace& trace) {
    json by = json::array();
    for (const auto& object : trace.decided_by) by.push_back(explain::to_json(object));
    // Most packets go to one port; a flooded packet goes to several.
    json to = nullptr;
    if (trace.to.size() == 1) to = trace.to.front();
    if (trace.to.size() > 1) to = trace.to;
    return {{"verdict", word_of(trace.verdict)},
            {"reason", trace.reason.empty() ? json(nullptr) : json(trace.reason)},
            {"to", std::move(to)},
            {"decided-by", std::move(by)}};
}

json trace_json(const Trace& trace) {
    json answer = outcome_json(trace);
    json stages = json::array();
    for (const auto& stage : trace.stages) {
        json row{{"stage", stage.name}, {"text", stage.text}};
        row["by"] = stage.by ? explain::to_json(*stage.by) : json(nullptr);
        stages.push_back(std::move(row));
    }
    answer["stages"] = std::move(stages);
    return answer;
}

// A trace of a dry run, with its packet.
json described(const Trace& trace) {
    json answer = trace_json(trace);
    answer["packet"] = trace.packet.empty() ? json(nullptr) : json(trace.packet);
    return answer;
}

tl::expected<Trace, RpcError> trace_of(Running& daemon, explain::Tracer& tracer, const json& params) {
    for (const char* end : {"from", "to"}) {
        if (auto waiting = if_waiting(daemon, text_of(params, end))) return *waiting;
    }
    auto question = question_of(daemon.running, params);
    if (!question) return tl::unexpected(question.error());
    auto trace = tracer.trace(*question);
    if (!trace) return refused({trace.error()});
    return std::move(*trace);
}

Answer answer_one(Running& daemon, const json& params) {
    explain::Tracer tracer(daemon.running);
    const auto trace = trace_of(daemon, tracer, params);
    if (!trace) return tl::unexpected(trace.error());
    return described(*trace);
}

// Of one question of a list, whose parameters haven't been checked yet.
tl::expected<Trace, RpcError> listed_trace(Running& daemon, explain::Tracer& tracer, const json& question) {
    if (!question.is_object()) return invalid("a question is not an object");
    const auto mistakes = mistakes_in(question, protocol::described::kQuestionParameters);
    if (!mistakes.empty()) return invalid(mistakes.front().message);
    return trace_of(daemon, tracer, question);
}

// The answers to a list of questions: all of each, or its outcome alone. There are far fewer outcomes than
// questions, so that the answer to very many takes little memory.
class Answers {
 public:
    explicit Answers(bool is_brief) : is_brief_(is_brief) {}

    size_t count() const { return traces_.size(); }
    void add(const tl::expected<Trace, RpcError>& trace) {
        const auto error = [&] { return json{{"error", trace.error().message}}; };
        if (is_brief_) {
            const std::string name = trace ? name_of(*trace) : trace.error().message;
            const auto [known, is_new] = places_.try_emplace(name, outcomes_.size());
            if (is_new) outcomes_.push_back(trace ? outcome_json(*trace) : error());
            traces_.push_back(known->second);
        } else {
            traces_.push_back(trace ? described(*trace) : error());
        }
    }
    json take() {
        json answer{{"traces", std::move(traces_)}};
        if (is_brief_) answer["outcomes"] = std::move(outcomes_);
        return answer;
    }

 private:
    // Two outcomes with one name are the same.
    static std::string name_of(const Trace& trace) {
        std::string name = fmt::format("{}\n{}\n", word_of(trace.verdict), trace.reason);
        for (const std::string& port : trace.to) name += port + '\n';
        for (const auto& object : trace.decided_by) name += explain::text(object) + '\n';
        return name;
    }

    bool is_brief_;
    json traces_ = json::array();
    json outcomes_ = json::array();
    std::unordered_map<std::string, size_t> places_;  // of the outcomes, by name
};

}  // namespace

wire::Protocol protocol_of(const json& params) {
    const std::string word = text_of(params, "proto");
    if (word == "udp") return wire::Protocol::kUdp;
    if (word == "sctp") return wire::Protocol::kSctp;
    if (word == "icmp" || word == "icmpv6") return wire::Protocol::kIcmp;
    return wire::Protocol::kTcp;
}

std::optional<tl::unexpected<RpcError>> fault_of_ports(const json& params) {
    if (protocol_of(params) != wire::Protocol::kIcmp) return std::nullopt;
    for (const char* key : {"dport", "sport"}) {
        if (!params.contains(key)) continue;
        return invalid(fmt::format("{} has no ports: leave out '{}'", text_of(params, "proto"), key));
    }
    return std::nullopt;
}

std::string port_name_of(const json& params) {
    const auto port = params.find("dport");
    return port != params.end() && port->is_string() ? port->get<std::string>() : std::string();
}

Steps trace(Running& daemon, const json& params) {
    const auto questions = params.find("questions");
    if (questions == params.end()) return [&daemon, &params] { return answer_one(daemon, params); };
    const bool is_brief = flag_of(params, "brief");
    if (questions->size() > protocol::kMaxDetailedQuestions && !is_brief) {
        return finished(invalid(fmt::format("{} questions: more than {} need 'brief'", questions->size(),
                                            protocol::kMaxDetailedQuestions)));
    }
    return [&daemon, &questions = *questions, answers = Answers(is_brief)]() mutable -> std::optional<Answer> {
        const Slice slice;
        // A tracer for each step: between two steps the switch may change.
        explain::Tracer tracer(daemon.running);
        while (answers.count() < questions.size()) {
            if (slice.is_over()) return std::nullopt;
            answers.add(listed_trace(daemon, tracer, questions[answers.count()]));
        }
        return answers.take();
    };
}

Answer trace_start(Running& daemon, const json& params, const Caller& caller) {
    const std::string filter = text_of(params, "filter");
    auto number = daemon.traces.start(filter, caller);
    if (!number) return refused({number.error()});
    return json{{"trace", *number}};
}

Answer trace_read(Running& daemon, const json& params, const Caller& caller) {
    const uint32_t number = own_number_of(params, "trace");
    const uint64_t most = number_of(params, "most", protocol::kMaxTraceRead);
    const auto portion = daemon.traces.read(number, caller, most);
    if (!portion) return not_yours("live trace", number);
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
    const uint32_t number = own_number_of(params, "trace");
    if (!daemon.traces.stop(number, caller)) return not_yours("live trace", number);
    return json::object();
}

}  // namespace sluice::control
