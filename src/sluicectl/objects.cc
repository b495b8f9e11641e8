#include "sluicectl/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <system_error>

#include "base/file.h"
#include "base/text.h"
#include "base/tree.h"
#include "sluice/protocol.h"
#include "sluicectl/print.h"
#include "sluicectl/table.h"

namespace sluice::sluicectl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kStandardInput = "standard input";

tl::unexpected<Problem> usage(std::string message) {
    return tl::unexpected(Problem{kUsage, std::move(message)});
}

bool has_option(const Arguments& arguments, const char* name) {
    return arguments.options.contains(name);
}

std::string option(const Arguments& arguments, const char* name) {
    const auto given = arguments.options.find(name);
    return given == arguments.options.end() ? std::string() : given->second;
}

// A list of {"file", "text"}: of one -f.
Params files_of(const std::string& name) {
    if (name.empty()) return usage("-f FILE is missing: a file, a folder, or - for standard input");
    if (name == "-") {
        std::ostringstream text;
        text << std::cin.rdbuf();
        if (std::cin.bad()) return tl::unexpected(Problem{kFailed, "reading standard input failed"});
        return json::array({{{"file", kStandardInput}, {"text", std::move(text).str()}}});
    }
    std::vector<std::string> names{name};
    std::error_code error;
    if (fs::is_directory(name, error)) {
        auto inside = base::files_in(name, base::kManifestEndings);
        if (!inside) return tl::unexpected(Problem{kFailed, inside.error().message});
        if (inside->empty()) {
            return tl::unexpected(
                Problem{kFailed, fmt::format("{} has no file NAME.yaml, NAME.yml or NAME.json", name)});
        }
        names = std::move(*inside);
    }
    json files = json::array();
    for (const std::string& each : names) {
        auto file = params_of_file(each);
        if (!file) return file;
        files.push_back(std::move(*file));
    }
    return files;
}

// Of each -f.
Params files_of(const Arguments& arguments) {
    if (arguments.files.empty()) return files_of(std::string());
    json files = json::array();
    for (const std::string& name : arguments.files) {
        auto some = files_of(name);
        if (!some) return some;
        for (json& file : *some) files.push_back(std::move(file));
    }
    return files;
}

// Whether a text is a manifest, or one of the lists of sluice.yaml. Neither has the keys of the other.
bool is_manifest(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos) return false;
    if (text[first] == '{' || text[first] == '[') {
        return text.find("apiVersion") != text.npos || text.find("\"kind\"") != text.npos;
    }
    for (const std::string_view key : {"apiVersion:", "kind:", "\"apiVersion\":", "\"kind\":"}) {
        if (text.starts_with(key) || text.find("\n" + std::string(key)) != text.npos) return true;
    }
    return false;
}

// Whether a text has lists of sluice.yaml.
bool has_lists(std::string_view text) {
    for (const std::string_view list : {"ports:", "networks:", "routes:", "acls:", "address-sets:", "mirrors:"}) {
        if (text.starts_with(list) || text.find("\n" + std::string(list)) != text.npos) return true;
    }
    return false;
}

// Sets `kind`, `name` and `namespace` by the words: KIND NAME, KIND/NAME or KIND NAMESPACE/NAME.
std::optional<Problem> set_name(const Arguments& arguments, json& params) {
    std::vector<std::string> words = arguments.words;
    if (words.size() == 1) {
        if (const size_t slash = words[0].find('/'); slash != std::string::npos) {
            words.push_back(words[0].substr(slash + 1));
            words[0].resize(slash);
        }
    }
    for (const std::string& word : words) {
        if (word.empty()) return Problem{kUsage, "an object is named KIND NAME or KIND/NAME"};
    }
    if (!words.empty() && words[0] != "all") params["kind"] = words[0];
    if (words.size() < 2) return std::nullopt;
    // Several names are one list.
    for (size_t i = 2; i < words.size(); ++i) {
        if (words[i].find('/') != std::string::npos) {
            return Problem{kUsage, "several objects are named KIND NAME NAME..., with -n NAMESPACE"};
        }
        words[1] += "," + words[i];
    }
    const size_t slash = words[1].find('/');
    if (slash == std::string::npos) {
        params["name"] = words[1];
    } else if (has_option(arguments, "-n")) {
        return Problem{kUsage, fmt::format("{} names a namespace already: leave out -n", base::shown(words[1]))};
    } else {
        params["namespace"] = words[1].substr(0, slash);
        params["name"] = words[1].substr(slash + 1);
    }
    return std::nullopt;
}

void set_flags(const Arguments& arguments, json& params) {
    for (const char* flag : {"skip-unknown", "dry-run", "ignore-not-found"}) {
        if (has_option(arguments, flag)) params[flag] = true;
    }
}

std::string name_of(const json& object) {
    const std::string space = has(object, "namespace") ? word(object.at("namespace")) + "/" : "";
    return fmt::format("{} {}{}", base::lower(word(object.at("kind"))), space, word(object.at("name")));
}

// "shop.yaml:3:1: " in front of a message.
std::string told(const json& message) {
    const base::Error error{message.at("message"), has(message, "path") ? message.at("path") : json(""),
                            place_of(message)};
    return base::escaped(error.text());
}

std::string as_yaml(const json& value) {
    return base::to_yaml(base::from_json(value).root);
}

json list_of(const json& rows) {
    json items = json::array();
    for (const json& row : rows) items.push_back(row.at("object"));
    return {{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(items)}};
}

// The first three, and how many more there are, as kubectl shows endpoints.
json shortened(const json& list) {
    constexpr size_t kMostShown = 3;
    std::string text;
    for (size_t i = 0; i < std::min(list.size(), kMostShown); ++i) {
        text += (i == 0 ? "" : ", ") + word(list[i]);
    }
    if (list.size() > kMostShown) text += fmt::format(" + {} more", list.size() - kMostShown);
    return text.empty() ? json() : json(text);
}

// The columns of one kind; of several kinds, what all of them have.
std::vector<Column> columns_of_kind(const std::string& kind, bool is_wide, bool has_kinds, bool has_spaces) {
    std::vector<Column> columns;
    if (has_kinds) columns.push_back({"KIND", "/kind"});
    if (has_spaces) columns.push_back({"NAMESPACE", "/namespace"});
    columns.push_back({"NAME", "/name"});
    if (!has_kinds && kind == "Pod") {
        columns.push_back({"PORT", "/port"});
        columns.push_back({"ADDRESSES", "/addresses"});
    }
    if (!has_kinds && kind == "NetworkPolicy") {
        columns.push_back({"SELECTS", "/selects"});
        columns.push_back({"PODS", "/pods", Format::kNumber});
        columns.push_back({"DIRECTIONS", "/directions"});
    }
    if (!has_kinds && kind == "Service") {
        columns.push_back({"TYPE", "/type"});
        columns.push_back({"CLUSTER-IP", "/cluster-ips"});
        columns.push_back({"EXTERNAL-IP", "/external"});
        columns.push_back({"PORT(S)", "/ports"});
        if (is_wide) columns.push_back({"SELECTOR", "/selector", Format::kText, 1});
    }
    if (!has_kinds && kind == "EndpointSlice") {
        columns.push_back({"SERVICE", "/service"});
        columns.push_back({"ADDRESSTYPE", "/address-type"});
        columns.push_back({"PORTS", "/ports"});
    }
    if (!has_kinds && (kind == "Endpoints" || kind == "EndpointSlice")) {
        columns.push_back({"ENDPOINTS", "/endpoint-text"});
    }
    if (!has_kinds && kind == "Node") {
        columns.push_back({"INTERNAL-IP", "/internal-ips"});
        columns.push_back({"EXTERNAL-IP", "/external-ips"});
        columns.push_back({"POD-CIDR", "/pod-cidrs"});
    }
    const bool is_namespace = !has_kinds && kind == "Namespace";
    if (is_wide || is_namespace) columns.push_back({"LABELS", "/label-text", Format::kText, 1});
    if (is_wide || has_kinds) columns.push_back({"ORIGIN", "/origin", Format::kText, 2});
    return columns;
}

}  // namespace

Params apply_params(const Arguments& arguments) {
    auto files = files_of(arguments);
    if (!files) return files;
    for (const json& file : *files) {
        const auto& text = file.at("text").get_ref<const std::string&>();
        if (is_manifest(text) || !has_lists(text)) continue;
        const auto& name = file.at("file").get_ref<const std::string&>();
        return usage(fmt::format("{} has lists of sluice.yaml, and no Kubernetes objects: `sluicectl add -f {}`",
                                 base::shown(name), name == kStandardInput ? "-" : name));
    }
    json params{{"files", std::move(*files)}};
    set_flags(arguments, params);
    return params;
}

Params add_params(const Arguments& arguments) {
    auto params = batch_params(arguments);
    if (params && is_manifest(params->at("text").get_ref<const std::string&>())) {
        const std::string file = option(arguments, "-f");
        return usage(fmt::format("{} is a manifest of Kubernetes objects: `sluicectl apply -f {}`",
                                 file == "-" ? kStandardInput : base::shown(file), file));
    }
    return params;
}

Params get_params(const Arguments& arguments) {
    json params = json::object();
    if (auto fault = set_name(arguments, params)) return tl::unexpected(*fault);
    if (has_option(arguments, "-n") && has_option(arguments, "-A"))
        return usage("-n and -A exclude each other: one namespace, or all of them");
    const std::string space = option(arguments, "-n");
    if (has_option(arguments, "-n") && space.empty()) return usage("-n is empty: name a namespace");
    const bool is_given = params.contains("namespace") || has_option(arguments, "-A");
    if (!is_given) params["namespace"] = space.empty() ? "default" : space;
    if (has_option(arguments, "-l")) params["selector"] = option(arguments, "-l");
    const std::string format = option(arguments, "-o");
    static constexpr std::string_view kFormats[] = {"yaml", "json", "wide", "name"};
    if (has_option(arguments, "-o") && std::ranges::find(kFormats, format) == std::end(kFormats))
        return usage(fmt::format("-o {} is not one of yaml, json, wide, name", base::shown(format)));
    return params;
}

Params delete_params(const Arguments& arguments) {
    const bool has_file = has_option(arguments, "-f");
    if (has_file && !arguments.words.empty()) return usage("give KIND NAME or -f FILE, not both");
    if (has_file && has_option(arguments, "-n"))
        return usage("-n goes with KIND NAME: a manifest says the namespace itself");
    json params = json::object();
    if (has_file) {
        auto files = files_of(arguments);
        if (!files) return files;
        const bool is_list =
            files->size() == 1 && !is_manifest((*files)[0].at("text").get_ref<const std::string&>());
        if (is_list) {
            for (const char* flag : {"skip-unknown", "dry-run", "ignore-not-found"}) {
                if (has_option(arguments, flag))
                    return usage(fmt::format("--{} is of Kubernetes objects, and the file has none", flag));
            }
            return std::move((*files)[0]);
        }
        params["files"] = std::move(*files);
    } else {
        if (auto fault = set_name(arguments, params)) return tl::unexpected(*fault);
        if (!params.contains("name")) return usage("name what is to be deleted: KIND NAME, KIND/NAME, or -f FILE");
        if (has_option(arguments, "-n")) params["namespace"] = option(arguments, "-n");
    }
    set_flags(arguments, params);
    return params;
}

tl::expected<json, CallError> call_delete(Client& client, const json& params) {
    return client.call(params.contains("text") ? protocol::kDelete : protocol::kObjectDelete, params);
}

std::string print_applied(const json& result, const Arguments&) {
    const bool is_dry_run = result.at("dry-run");
    std::string text;
    for (const json& object : result.at("objects")) {
        text +=
            fmt::format("{} {}{}\n", name_of(object), word(object.at("change")), is_dry_run ? " (dry run)" : "");
    }
    for (const json& skipped : result.at("skipped")) text += told(skipped) + "\n";
    for (const json& warning : result.at("warnings")) text += "warning: " + told(warning) + "\n";
    return text.empty() ? "nothing to do\n" : text;
}

std::string print_deletions(const json& result, const Arguments& arguments) {
    return result.contains("objects") ? print_applied(result, arguments) : print_done(result, arguments);
}

std::string print_objects(const json& result, const Arguments& arguments) {
    json rows = result.at("objects");
    const std::string format = option(arguments, "-o");
    const bool is_one =
        rows.size() == 1 && (arguments.words.size() > 1 ||
                             (arguments.words.size() == 1 && arguments.words[0].find('/') != std::string::npos));
    if (format == "json") return (is_one ? rows[0].at("object") : list_of(rows)).dump(2) + "\n";
    if (format == "yaml") return as_yaml(is_one ? rows[0].at("object") : list_of(rows));
    if (rows.empty()) {
        if (has_option(arguments, "-A")) return "no objects\n";
        const std::string space = option(arguments, "-n");
        return fmt::format("no objects in namespace {} (-A: of all namespaces)\n",
                           space.empty() ? "default" : space);
    }
    std::string text;
    if (format == "name") {
        for (const json& row : rows) {
            text += fmt::format("{}/{}\n", base::lower(word(row.at("kind"))), word(row.at("name")));
        }
        return text;
    }
    const std::string kind = word(rows[0].at("kind"));
    bool has_kinds = false;
    bool has_spaces = false;
    for (json& row : rows) {
        has_kinds = has_kinds || word(row.at("kind")) != kind;
        has_spaces = has_spaces || (has(row, "namespace") && arguments.options.contains("-A"));
        std::string labels;
        for (const auto& [key, value] : row.at("labels").items()) {
            labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", key, word(value));
        }
        if (has(row, "hides"))
            row["origin"] = fmt::format("{}, hides what was {}", word(row.at("origin")), word(row.at("hides")));
        if (has(row, "endpoints")) row["endpoint-text"] = shortened(row.at("endpoints"));
        row["label-text"] = labels.empty() ? json() : json(labels);
    }
    return table(columns_of_kind(kind, format == "wide", has_kinds, has_spaces), rows, arguments.width);
}

}  // namespace sluice::sluicectl
