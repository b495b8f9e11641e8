#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/counted.h"
#include "sluicectl/print.h"
#include "sluicectl/table.h"
#include "sluicectl/wrap.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

std::string end_text(const json& end) {
    std::string address = word(end.at("address"));
    if (!has(end, "port")) return address;
    const bool ipv6 = address.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", ipv6 ? "[" : "", address, ipv6 ? "]" : "", word(end.at("port")));
}

}  // namespace

std::string object_text(const json& object) {
    std::string text = fmt::format("{} {}", word(object.at("kind")), word(object.at("name")));
    if (has(object, "line"))
        text += fmt::format(" ({}:{})", word(object.at("file")), word(object.at("line")));
    return text;
}

std::string print_acls(const json& result, const Arguments& arguments) {
    const json& acls = result.at("acls");
    if (acls.empty()) return "no ACLs\n";
    std::string text;
    for (const json& acl : acls) {
        std::string places;
        for (const json& at : acl.at("apply")) {
            const char* kind = has(at, "port") ? "port" : "network";
            places += fmt::format("{}{} of {} {}", places.empty() ? "" : ", ", word(at.at("direction")), kind,
                                  word(at.at(kind)));
        }
        if (has(acl, "reason")) places = fmt::format("it waits, {}", word(acl.at("reason")));
        text += fmt::format("{}{}: {} ({})\n", text.empty() ? "" : "\n", word(acl.at("name")),
                            places.empty() ? "in force nowhere" : places, word(acl.at("origin")));
        if (acl.at("rules").empty()) continue;
        const std::vector<Column> columns = {{"RULE", "/rule"},
                                             {"NAME", "/name", Format::kText, 1},
                                             {"ACTION", "/action"},
                                             {"MATCH", "/match"},
                                             {"HITS", "/hits", Format::kNumber},
                                             {"ORIGIN", "/origin", Format::kText, 2}};
        text += table(columns, acl.at("rules"), arguments.width);
    }
    return text;
}

std::string print_flows(const json& result, const Arguments& arguments) {
    json rows = result.at("flows");
    const json& count = result.at("count");
    if (rows.empty()) return "no flows\n";
    for (json& row : rows) {
        row["from"] = end_text(row.at("source"));
        row["to"] = end_text(row.at("destination"));
        if (row.contains("translated") && !row.at("translated").is_null()) {
            const json& leaves = row.at("translated");
            row["as"] = fmt::format("{} -> {}", end_text(leaves.at("source")), end_text(leaves.at("destination")));
        }
        json by = json::array();
        for (const json& object : row.at("decided-by")) by.push_back(object_text(object));
        row["by"] = std::move(by);
    }
    const std::vector<Column> columns = {{"PROTO", "/proto"},
                                         {"FROM", "/from"},
                                         {"TO", "/to"},
                                         {"LEAVES-AS", "/as", Format::kText, 3},
                                         {"STATE", "/state"},
                                         {"VERDICT", "/verdict"},
                                         {"PACKETS", "/original/packets", Format::kNumber},
                                         {"ANSWERS", "/reply/packets", Format::kNumber, 1},
                                         {"BYTES", "/original/bytes", Format::kNumber, 4},
                                         {"ANSWER-BYTES", "/reply/bytes", Format::kNumber, 5},
                                         {"AGE", "/age", Format::kSeconds, 3},
                                         {"IDLE", "/idle", Format::kSeconds, 2},
                                         {"DECIDED-BY", "/by", Format::kText, 6}};
    std::string text = table(columns, rows, arguments.width);
    if (rows.size() < count.get<size_t>())
        text += fmt::format("{} of {} flows: --limit shows more, a filter fewer\n", rows.size(), word(count));
    return text;
}

std::string print_flow_count(const json& result, const Arguments& arguments) {
    std::string text = fmt::format("{} of {} flows\n", word(result.at("count")), word(result.at("capacity")));
    const std::vector<Column> columns = {{"STATE", "/state"}, {"FLOWS", "/count", Format::kNumber}};
    if (!result.at("states").empty()) text += table(columns, result.at("states"), arguments.width);
    const std::vector<Column> owners = {{"FROM-PORT", "/port"}, {"FLOWS", "/count", Format::kNumber}};
    if (!result.at("ports").empty()) text += table(owners, result.at("ports"), arguments.width);
    for (const json& row : result.at("pressure"))
        text += fmt::format("{}: {}\n", word(row.at("what")), word(row.at("count")));
    return text;
}

std::string print_flushed(const json& result, const Arguments&) {
    return base::counted(result.at("flushed"), "flow") + " forgotten\n";
}

std::string print_trace(const json& result, const Arguments& arguments) {
    const auto in_lines = [&](const std::string& said) {
        return arguments.width == 0
                   ? said
                   : fmt::format("{}", fmt::join(fold(said, arguments.width), "\n"));
    };
    std::string text;
    // The packet of a dry run. The packet of a live trace is in the line that the caller has written.
    const auto packet = result.find("packet");
    if (packet != result.end() && packet->is_string() && !result.contains("time"))
        text = in_lines(word(*packet)) + "\n";
    for (const json& stage : result.at("stages")) {
        std::string said = word(stage.at("text"));
        if (!stage.at("by").is_null()) said += fmt::format("  [{}]", object_text(stage.at("by")));
        if (arguments.width != 0) said = hang(said, 11, arguments.width);
        text += fmt::format("{:<10} {}\n", word(stage.at("stage")), said);
    }
    std::string verdict = word(result.at("verdict"));
    if (!result.at("reason").is_null()) verdict += fmt::format(": {}", word(result.at("reason")));
    if (!result.at("to").is_null()) verdict += fmt::format(" to {}", word(result.at("to")));
    std::string by;
    for (const json& object : result.at("decided-by"))
        by += fmt::format("{}{}", by.empty() ? "" : ", ", object_text(object));
    if (!by.empty()) verdict += fmt::format(", decided by {}", by);
    return text + in_lines(verdict) + "\n";
}

}  // namespace sluice::sluicectl
