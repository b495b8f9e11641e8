#include "sluicectl/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "sluicectl/wrap.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;
using protocol::Effect;
using protocol::Need;
using protocol::Parameter;
using protocol::Type;

// An argument and what it means.
struct Row {
    std::string left;
    std::string right;
};

// Makes two columns. A long text of the left one gets a line of its own.
std::string columns(const std::vector<Row>& rows, size_t most_left) {
    size_t left = 0;
    for (const Row& row : rows) {
        if (width_of(row.left) <= most_left) left = std::max(left, width_of(row.left));
    }
    const size_t margin = 2 + left + 2;
    std::string text;
    for (const Row& row : rows) {
        text += "  " + row.left;
        const size_t width = width_of(row.left);
        text += width > left ? "\n" + std::string(margin, ' ') : std::string(margin - 2 - width, ' ');
        text += hang(row.right, margin) + "\n";
    }
    return text;
}

// The verb's arguments, each with its brackets; an option and its value are one argument.
std::vector<std::string> pieces_of(const std::string& arguments) {
    std::vector<std::string> pieces;
    std::istringstream words(arguments);
    for (std::string word; words >> word;) {
        if (!pieces.empty() && pieces.back().starts_with("[") && !pieces.back().ends_with("]")) {
            pieces.back() += " " + word;
        } else {
            pieces.push_back(word);
        }
    }
    return pieces;
}

// The arguments for the overview: without options, which only the verb's own help shows.
std::string short_usage(const Verb& verb) {
    std::string text(verb.words);
    for (const std::string& piece : pieces_of(arguments_of(verb))) {
        if (!piece.starts_with("[-")) text += " " + piece;
    }
    return text;
}

std::string values_of(const Parameter& parameter) {
    return parameter.type == Type::kWord ? fmt::format(": {}", fmt::join(parameter.words, ", ")) : "";
}

std::vector<Row> explained_arguments(const Verb& verb) {
    std::vector<Row> rows;
    std::istringstream words{std::string(verb.arguments)};
    for (std::string word; words >> word;) {
        const Parameter* parameter = parameter_of(verb, word);
        if (parameter == nullptr) continue;
        const bool is_option = word.starts_with("--");
        std::string left = is_option ? word : std::string(parameter->placeholder);
        if (is_option && !parameter->placeholder.empty()) left += fmt::format(" {}", parameter->placeholder);
        rows.push_back({std::move(left), std::string(parameter->meaning) + values_of(*parameter)});
    }
    for (const OwnArgument& own : verb.own) rows.push_back({std::string(own.argument), std::string(own.meaning)});
    return rows;
}

std::string_view type_name(Type type) {
    switch (type) {
        case Type::kText:
        case Type::kContent:
        case Type::kWord: return "string";
        case Type::kNumber: return "integer";
        case Type::kPort: return "integer or string";
        case Type::kFlag: return "boolean";
        case Type::kObject: return "object";
        case Type::kList: return "list";
    }
    return "";
}

std::string_view effect_name(Effect effect) {
    switch (effect) {
        case Effect::kReads: return "reads";
        case Effect::kListens: return "listens";
        case Effect::kChanges: return "changes";
    }
    return "";
}

// Parameters for an example request: all required ones; if there are none, the first one.
std::string example_of(const protocol::Method& method) {
    std::string params;
    for (const Parameter& parameter : method.parameters) {
        if (parameter.need == Need::kOptional && (&parameter != method.parameters.data())) continue;
        params += fmt::format("{}\"{}\": {}", params.empty() ? "" : ", ", parameter.name, parameter.example);
    }
    return fmt::format("{{{}}}", params);
}

bool is_bounded(const Parameter& parameter) {
    return parameter.type == Type::kNumber || parameter.type == Type::kPort;
}

std::string about(const Parameter& parameter) {
    std::string text = fmt::format("{}, {}", type_name(parameter.type),
                                   parameter.need == Need::kRequired ? "required" : "optional");
    if (is_bounded(parameter)) text += fmt::format(", {} to {}", parameter.low, parameter.high);
    if (parameter.high_for_readers != 0) {
        text += fmt::format(", {} at most for readers", parameter.high_for_readers);
    }
    if (!parameter.in_place_of.empty())
        text += fmt::format(", in place of {}", fmt::join(parameter.in_place_of, ", "));
    return fmt::format("{}{} ({})", parameter.meaning, values_of(parameter), text);
}

}  // namespace

std::string usage_of(const Verb& verb, size_t indent) {
    std::string text = fmt::format("sluicectl {}", verb.words);
    size_t column = indent + width_of(text);
    for (const std::string& piece : pieces_of(arguments_of(verb))) {
        if (column + 1 + width_of(piece) > kScreenWidth) {
            text += "\n" + std::string(indent + 3, ' ');
            column = indent + 3;
        }
        text += " " + piece;
        column += 1 + width_of(piece);
    }
    return text;
}

std::string help() {
    std::string text = fmt::format(
        "sluicectl asks and tells sluiced, the virtual switch.\n\n"
        "  sluicectl [OPTIONS] COMMAND [ARGUMENTS]\n"
        "  sluicectl help COMMAND    its arguments, and an example\n"
        "  sluicectl help protocol   the control socket's methods\n\n"
        "{}",
        columns({{"--socket PATH", fmt::format("sluiced's control socket (or {}=PATH; {})",
                                               protocol::kSocketVariable, protocol::kDefaultSocket)},
                 {"--json", "answers and errors as JSON"},
                 {"--timeout S", "wait S seconds for an answer; 10, or 300 for changes, captures and live traces"},
                 {"--watch[=S]", "ask again every second, or every S seconds, until interrupted"},
                 {"--help", "this text; after a command, that command's"},
                 {"--version", "sluicectl's version"}},
                30));
    std::vector<Row> rows;
    std::vector<std::pair<std::string_view, size_t>> titles;  // each with the number of the row below it
    for (const Verb& verb : verbs()) {
        const auto group = std::ranges::find(groups(), verb.words, &Group::first);
        if (group != groups().end()) titles.emplace_back(group->title, rows.size());
        rows.push_back({short_usage(verb), std::string(verb.summary)});
    }
    // All groups get the same column width.
    size_t left = 0;
    for (const Row& row : rows) left = std::max(left, width_of(row.left));
    for (Row& row : rows) row.left.resize(left, ' ');
    for (size_t i = 0; i < titles.size(); ++i) {
        const size_t end = i + 1 < titles.size() ? titles[i + 1].second : rows.size();
        const auto begin = rows.begin() + static_cast<ptrdiff_t>(titles[i].second);
        text += fmt::format("\n{}:\n", titles[i].first) +
                columns({begin, rows.begin() + static_cast<ptrdiff_t>(end)}, left);
    }
    return text +
           "\nExit status: 0 done, 1 refused or failed, 2 wrong usage, 3 sluiced not reached.\n";
}

std::string help_of(const Verb& verb) {
    std::string text = usage_of(verb) + "\n  " + hang(verb.summary, 2) + "\n";
    const auto rows = explained_arguments(verb);
    if (!rows.empty()) text += "\n" + columns(rows, 26);
    return text + fmt::format("\nExample: sluicectl {}\n", verb.example);
}

std::string help_of_protocol() {
    std::string text =
        "sluiced's control socket speaks JSON-RPC 2.0, one request or one answer a line.\n"
        "A method that reads is for all who may use the socket; one that listens or\n"
        "changes is for root and the socket's group. A parameter that isn't known, is\n"
        "missing or wrong is error -32602: data.errors names it, and nothing is done.\n\n"
        "> {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"port.delete\",\"params\":{\"name\":\"web\"}}\n"
        "< {\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{...}}\n\n"
        "The examples are of \"params\".\n";
    for (const protocol::Method& method : protocol::kMethods) {
        text += fmt::format("\n{} ({})\n  {}\n", method.name, effect_name(method.effect), hang(method.meaning, 2));
        std::vector<Row> rows;
        for (const Parameter& parameter : method.parameters) {
            rows.push_back({"  " + std::string(parameter.name), about(parameter)});
        }
        text += columns(rows, 20);
        if (!rows.empty()) text += fmt::format("  Example: {}\n", example_of(method));
    }
    return text;
}

json describe_protocol() {
    json methods = json::array();
    for (const protocol::Method& method : protocol::kMethods) {
        json parameters = json::array();
        for (const Parameter& parameter : method.parameters) {
            json row{{"name", parameter.name},
                     {"type", type_name(parameter.type)},
                     {"required", parameter.need == Need::kRequired},
                     {"meaning", parameter.meaning},
                     {"example", json::parse(parameter.example)}};
            if (is_bounded(parameter)) row.update({{"low", parameter.low}, {"high", parameter.high}});
            if (!parameter.words.empty()) row["words"] = parameter.words;
            if (!parameter.in_place_of.empty()) row["in-place-of"] = parameter.in_place_of;
            parameters.push_back(std::move(row));
        }
        methods.push_back({{"method", method.name},
                           {"effect", effect_name(method.effect)},
                           {"meaning", method.meaning},
                           {"parameters", std::move(parameters)}});
    }
    return {{"methods", std::move(methods)}};
}

std::string list_verbs() {
    std::string text;
    for (const Verb& verb : verbs()) {
        std::string arguments = arguments_of(verb);
        const protocol::Method* method = protocol::find_method(verb.method);
        for (const Parameter& parameter : method->parameters) {
            if (parameter.type != Type::kWord) continue;
            const std::string option = fmt::format("[--{} {}]", parameter.name, parameter.placeholder);
            if (const size_t at = arguments.find(option); at != std::string::npos) {
                arguments.replace(at, option.size(), fmt::format("[--{} {}]", parameter.name,
                                                                 fmt::join(parameter.words, "|")));
            }
        }
        text += fmt::format("{}\t{}\n", verb.words, arguments);
    }
    return text + "help\tCOMMAND\n";
}

}  // namespace sluice::sluicectl
