// The configuration file: any text is read or refused with reasons, and what is read is shown as a text that
// is read as the same.
#include "base/file.h"
#include "engine/config.h"
#include "engine/diff.h"
#include "engine/machine.h"
#include "fuzz/rows.h"
#include "fuzz/target.h"

namespace sluice::fuzz {
namespace {

using engine::Config;

std::string text_of_errors(const base::Errors& errors) {
    std::string text;
    for (const base::Error& error : errors) text += error.text() + "\n";
    return text;
}

void check_tree(std::string_view text) {
    const auto document = base::parse_yaml(text, "fuzz");
    if (!document) {
        must(!document.error().empty(), "refused without a reason");
        must(!text_of_errors(document.error()).empty(), "refused without a word");
        return;
    }
    const std::string shown = base::to_yaml(document->root);
    const auto again = base::parse_yaml(shown, "shown");
    must(again.has_value(), "what was shown doesn't parse:\n{}\n{}", shown,
         again ? "" : text_of_errors(again.error()));
    must(again->root == document->root, "what was shown is another tree:\n{}", shown);
}

// With the values that are in force where a key is left out: those are shown.
Config in_force(Config config) {
    for (auto& port : config.ports) port = port.in_force();
    return config;
}

}  // namespace

void run(std::span<const uint8_t> input) {
    const std::string_view text = text_of(input);
    check_tree(text);

    const engine::Machine machine{.cores = {0, 1, 2, 3}};
    const auto config = engine::load_config(text, "fuzz", {}, machine);
    if (!config) {
        must(!config.error().empty(), "refused without a reason");
        must(!text_of_errors(config.error()).empty(), "refused without a word");
        return;
    }
    const std::string shown = engine::show(*config);
    const auto again = engine::load_config(shown, "shown", {}, machine);
    must(again.has_value(), "what was shown doesn't load:\n{}\n{}", shown,
         again ? "" : text_of_errors(again.error()));
    must(in_force(*again) == in_force(*config), "what was shown is another configuration:\n{}", shown);
    must(engine::diff(*config, *again).empty(), "what was shown differs:\n{}", shown);
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    for (const char* file : {"sluice.yaml", "quickstart.yaml"}) {
        const auto text = base::read_file(std::string(SLUICE_SOURCE "/config/") + file);
        must(text.has_value(), "cannot read config/{}", file);
        seeds.push_back(bytes_of(*text));
    }
    for (const golden::Row& row : golden_rows()) seeds.push_back(bytes_of(row.configuration));
    return seeds;
}

std::vector<std::string> words() {
    std::vector<std::string> words = {"true", "false", "null", "&a ", "*a", "<<: ", "!!str ", "|\n", "---\n"};
    for (const base::Key& key : base::list_keys<Config>()) {
        words.push_back(key.path.substr(key.path.rfind('.') + 1) + ": ");
    }
    return words;
}

}  // namespace sluice::fuzz
