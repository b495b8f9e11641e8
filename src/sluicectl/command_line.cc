#include "sluicectl/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <regex>
#include <sstream>

#include "base/text.h"
#include "sluicectl/help.h"
#include "sluicectl/params.h"

namespace sluice::sluicectl {
namespace {

namespace po = boost::program_options;

// The options of every verb, and the name under which all_options() has the words.
const std::vector<std::string> kGeneral = {"socket", "json",    "watch", "timeout",
                                           "help",   "version", "verbs", "words"};

tl::unexpected<UsageError> wrong(std::string message, std::string usage) {
    return tl::unexpected(UsageError{std::move(message), std::move(usage)});
}

std::vector<std::string> split(std::string_view words) {
    std::istringstream stream{std::string(words)};
    return {std::istream_iterator<std::string>(stream), {}};
}

po::options_description all_options() {
    po::options_description options;
    options.add_options()("socket", po::value<std::string>())("json", po::bool_switch())(
        "watch", po::value<std::string>())("timeout", po::value<std::string>())("help,h", po::bool_switch())(
        "version", po::bool_switch())("verbs", po::bool_switch())(
        "words", po::value<std::vector<std::string>>()->default_value({}, ""));
    for (const Verb& verb : verbs()) {
        const Shape shape = shape_of(verb);
        for (const std::string& name : shape.options) {
            if (options.find_nothrow(name, false)) continue;
            // To Boost ",f" is an option whose only name is -f.
            const std::string declared = name.starts_with("-") ? "," + name.substr(1) : name;
            if (name == "-f") {
                options.add_options()(declared.c_str(), po::value<std::vector<std::string>>());
            } else {
                options.add_options()(declared.c_str(), po::value<std::string>());
            }
        }
        for (const std::string& name : shape.either)
            options.add_options()(name.c_str(), po::value<std::string>());
        for (const std::string& name : shape.flags) {
            if (options.find_nothrow(name, false)) continue;
            const std::string declared = name.starts_with("-") ? "," + name.substr(1) : name;
            options.add_options()(declared.c_str(), "");
        }
    }
    return options;
}

// If an option may stand without a value, Boost would take the next word for its value. Prevents that.
constexpr std::string_view kNoValue = "(none)";

// Options as kubectl's users write them, in the words of ours.
std::vector<std::string> with_own_spellings(const std::vector<std::string>& words) {
    static constexpr std::pair<std::string_view, std::string_view> kShort[] = {{"--namespace", "-n"},
                                                                               {"--all-namespaces", "-A"},
                                                                               {"--filename", "-f"},
                                                                               {"--selector", "-l"},
                                                                               {"--output", "-o"}};
    const auto has = [&](std::string_view word) { return std::ranges::find(words, word) != words.end(); };
    const bool is_of_policies = has("policy") && has("list");
    const bool is_of_objects = !is_of_policies && (has("get") || has("apply") || has("delete"));
    std::vector<std::string> own;
    for (const std::string& word : words) {
        const size_t equals = word.starts_with("--") ? word.find('=') : word.npos;
        const std::string name = word.substr(0, equals);
        const auto spelling = std::ranges::find_if(kShort, [&](const auto& it) { return it.first == name; });
        if (is_of_policies && word == "-n") {
            own.push_back("--namespace");
        } else if (is_of_policies && (word == "-A" || word == "--all-namespaces")) {
            continue;  // without a namespace it lists those of all
        } else if (is_of_objects && spelling != std::end(kShort)) {
            own.emplace_back(spelling->second);
            if (equals != word.npos) own.push_back(word.substr(equals + 1));
        } else if (is_of_objects && (word == "--dry-run=client" || word == "--dry-run=server")) {
            own.push_back("--dry-run");
        } else if (!is_of_objects || word != "--dry-run=none") {
            own.push_back(word);
        }
    }
    return own;
}

std::vector<std::string> with_values(std::vector<std::string> words) {
    for (const Verb& verb : verbs()) {
        for (const std::string& name : shape_of(verb).either) {
            for (std::string& word : words) {
                if (word == "--" + name) word += fmt::format("={}", kNoValue);
            }
        }
    }
    for (std::string& word : words) {
        if (word == "--watch") word = "--watch=1";
    }
    return words;
}

// Reports an option that takes its value behind a '=', and is followed by a number as a word of its own: that
// would count as an argument. Empty: there is none.
std::string loose_value(const std::vector<std::string>& words) {
    for (size_t i = 0; i + 1 < words.size(); ++i) {
        const std::string& value = words[i + 1];
        if (words[i] != "--watch" && words[i] != "--wait") continue;
        if (value.empty() || value.find_first_not_of("0123456789.") != value.npos) continue;
        return fmt::format("{} {} is written {}={}", words[i], value, words[i], value);
    }
    return {};
}

// The usage of the verbs that begin with this word; if none does, how to list all verbs.
std::string verbs_like(const std::vector<std::string>& words) {
    std::string some;
    for (const Verb& verb : verbs()) {
        if (!words.empty() && split(verb.words)[0] == words[0]) some += "  " + usage_of(verb, 2) + "\n";
    }
    return some.empty() ? "  sluicectl help\n" : some;
}

const Verb* find_verb(const std::vector<std::string>& words) {
    for (const Verb& verb : verbs())
        if (const auto own = split(verb.words);
            words.size() >= own.size() && std::equal(own.begin(), own.end(), words.begin()))
            return &verb;
    return nullptr;
}

// The words of other programs, and ours for the same.
constexpr std::pair<std::string_view, std::string_view> kSynonyms[] = {
    {"rm", "delete"},   {"remove", "delete"}, {"del", "delete"}, {"create", "add"},   {"new", "add"},
    {"ls", "list"},     {"show", "list"},     {"dump", "list"},  {"list", "show"},    {"get", "show"},
    {"info", "show"},   {"get", "lookup"},    {"get", "list"},   {"clear", "flush"},  {"delete", "flush"},
    {"apply", "reload"}, {"load", "reload"},  {"test", "check"}, {"validate", "check"}};

// The verb that the user means by another program's words: "port rm", "route get", "ports". Empty: none.
std::string_view verb_by_other_words(const std::vector<std::string>& words) {
    const auto is_verb = [](const std::string& wanted) -> std::string_view {
        for (const Verb& verb : verbs()) {
            if (verb.words == wanted) return verb.words;
        }
        return {};
    };
    std::string noun = words[0];
    for (int plural = 0; plural < 2; ++plural) {
        if (words.size() > 1) {
            if (const auto verb = is_verb(noun + " " + words[1]); !verb.empty()) return verb;
            for (const auto& [other, ours] : kSynonyms) {
                if (other != words[1]) continue;
                if (const auto verb = is_verb(fmt::format("{} {}", noun, ours)); !verb.empty()) return verb;
            }
        }
        if (plural == 1) {
            if (const auto verb = is_verb(noun + " list"); !verb.empty()) return verb;
        }
        if (!noun.ends_with('s')) break;
        noun.pop_back();
    }
    return {};
}

UsageError no_verb(const std::vector<std::string>& words) {
    if (words.empty()) return {"what shall it do?", verbs_like(words)};
    std::vector<std::string_view> known;
    for (const Verb& verb : verbs()) known.push_back(verb.words);
    // "port lst web": the second word may be a part of the verb or an argument.
    const std::string two = words.size() > 1 ? words[0] + " " + words[1] : words[0];
    std::optional<std::string_view> near;
    if (const auto verb = verb_by_other_words(words); !verb.empty()) near = verb;
    if (!near) near = base::nearest(two, known);
    if (!near) near = base::nearest(words[0], known);
    const bool begins = std::ranges::any_of(
        known, [&](std::string_view verb) { return verb.starts_with(words[0] + " "); });
    if (near)
        return {fmt::format("there is no command {}; did you mean '{}'?", base::shown(two), *near),
                verbs_like(split(*near))};
    if (begins && words.size() == 1)
        return {fmt::format("{} is only half of a command", base::shown(words[0])),
                verbs_like(words)};
    return {fmt::format("there is no command {}", base::shown(two)), verbs_like(words)};
}

}  // namespace

tl::expected<CommandLine, UsageError> parse(const std::vector<std::string>& words) {
    if (auto loose = loose_value(words); !loose.empty()) return wrong(std::move(loose), "  sluicectl --help\n");
    const po::options_description options = all_options();
    po::positional_options_description positional;
    positional.add("words", -1);
    po::variables_map given;
    try {
        // Don't accept abbreviations: one in a script would break when an option is added.
        const int style =
            po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
        po::store(po::command_line_parser(with_values(with_own_spellings(words)))
                      .options(options)
                      .positional(positional)
                      .style(style)
                      .run(),
                  given);
        po::notify(given);
    } catch (const po::error& error) {
        // Boost reports every option with two dashes.
        static const std::regex kShort("'--([a-zA-Z])'");
        return wrong(std::regex_replace(error.what(), kShort, "'-$1'"), "  sluicectl --help\n");
    }

    CommandLine line;
    if (given.contains("socket")) line.socket = given["socket"].as<std::string>();
    line.json = given["json"].as<bool>();
    line.help = given["help"].as<bool>();
    line.version = given["version"].as<bool>();
    line.verbs = given["verbs"].as<bool>();
    line.arguments.words = given["words"].as<std::vector<std::string>>();
    auto& rest = line.arguments.words;
    if (!rest.empty() && rest[0] == "help") {
        line.help = true;
        rest.erase(rest.begin());
        line.protocol = rest == std::vector<std::string>{"protocol"};
        if (!rest.empty() && !line.protocol && !find_verb(rest)) return tl::unexpected(no_verb(rest));
    }
    line.verb = find_verb(rest);
    if (line.help || line.version || line.verbs) return line;
    if (!line.verb) return tl::unexpected(no_verb(line.arguments.words));

    const std::string usage = "  " + usage_of(*line.verb, 2) + "\n";
    if (given.contains("watch")) {
        const std::string& seconds = given["watch"].as<std::string>();
        line.watch = 0;
        const auto [end, error] =
            std::from_chars(seconds.data(), seconds.data() + seconds.size(), *line.watch);
        if (error != std::errc{} || end != seconds.data() + seconds.size() || *line.watch < 0.1) {
            return wrong(fmt::format("--watch={} is not a number of seconds, 0.1 or more", seconds), usage);
        }
        const char* option = line.verb->stream_option;
        if (line.verb->connects != nullptr || (line.verb->stream != nullptr && !line.verb->changes &&
                                               (option == nullptr || given.contains(option)))) {
            return wrong(fmt::format("{} goes on by itself: leave out --watch", line.verb->words), usage);
        }
        if (line.verb->changes) {
            return wrong(fmt::format("{} changes something: it can't be watched", line.verb->words), usage);
        }
    }
    rest.erase(rest.begin(), rest.begin() + std::ssize(split(line.verb->words)));
    const Shape shape = shape_of(*line.verb);
    if (rest.size() < shape.min)
        return wrong(fmt::format("{} needs {}", line.verb->words, arguments_of(*line.verb)), usage);
    if (rest.size() > shape.max)
        return wrong(fmt::format("{} is one argument too many", base::shown(rest[shape.max])),
                     usage);
    const auto holds = [](const std::vector<std::string>& names, const std::string& name) {
        return std::ranges::find(names, name) != names.end();
    };
    const bool has_timeout = holds(shape.options, "timeout");  // the verb has its own --timeout
    if (given.contains("timeout") && !has_timeout) {
        const auto seconds = seconds_of("--timeout", given["timeout"].as<std::string>());
        if (!seconds) return wrong(seconds.error().message, usage);
        line.timeout = *seconds;
    }
    for (const auto& [name, value] : given) {
        if (holds(kGeneral, name) && !(name == "timeout" && has_timeout)) continue;
        const bool flag = holds(shape.flags, name);
        if (!flag && !holds(shape.options, name) && !holds(shape.either, name))
            return wrong(
                fmt::format("{} takes no {}{}", line.verb->words, name.starts_with("-") ? "" : "--", name), usage);
        if (name == "-f") {
            line.arguments.files = value.as<std::vector<std::string>>();
            line.arguments.options[name] = line.arguments.files.front();
            continue;
        }
        const bool has_value = !flag && value.as<std::string>() != kNoValue;
        line.arguments.options[name] = has_value ? value.as<std::string>() : "";
    }
    const bool takes_files = line.verb->words == "apply" || line.verb->words == "delete";
    if (line.arguments.files.size() > 1 && !takes_files) {
        return wrong(fmt::format("{} takes one -f", line.verb->words), usage);
    }
    return line;
}

}  // namespace sluice::sluicectl
