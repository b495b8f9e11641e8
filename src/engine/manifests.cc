#include "engine/manifests.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <iterator>
#include <map>
#include <system_error>

#include "base/file.h"
#include "base/log.h"

namespace sluice::engine {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_of(const std::string& path, std::string_view config_file, base::Errors& errors) {
    fs::path root = path;
    if (root.is_relative()) root = fs::path(config_file).parent_path() / root;
    std::error_code error;
    if (!fs::is_directory(root, error)) return {root.string()};
    auto files = base::files_in(root.string(), base::kManifestEndings);
    if (files) return std::move(*files);
    errors.push_back({files.error().message, "manifests", {}});
    return {};
}

ManifestTexts texts_of(const std::vector<std::string>& paths, std::string_view config_file, base::Errors& errors) {
    ManifestTexts texts;
    for (const std::string& path : paths) {
        for (const std::string& file : files_of(path, config_file, errors)) {
            // A pipe would keep all others waiting.
            auto text = base::read_file(file, base::Reading::kAgain);
            if (text) {
                texts.emplace_back(file, std::move(*text));
            } else {
                errors.insert(errors.end(), text.error().begin(), text.error().end());
            }
        }
    }
    return texts;
}

}  // namespace

tl::expected<kube::Manifest, base::Errors> parse_manifests(const ManifestTexts& texts,
                                                           kube::UnknownKinds unknown_kinds, kube::Wanted wanted) {
    kube::Manifest all;
    base::Errors errors;
    std::map<kube::Key, base::Place> places;
    const auto append = [](auto& to, auto& from) { std::move(from.begin(), from.end(), std::back_inserter(to)); };
    for (const auto& [file, text] : texts) {
        if (base::is_full(errors)) break;
        auto read = kube::parse_manifest(text, file, unknown_kinds, wanted);
        if (!read) {
            append(errors, read.error());
            continue;
        }
        append(all.skipped, read->skipped);
        append(all.warnings, read->warnings);
        for (kube::Object& object : read->objects) {
            const auto [first, is_new] = places.emplace(object.key, object.place);
            if (!is_new) {
                const std::string what =
                    base::origin(first->second) == base::origin(object.place)
                        ? fmt::format("{} is read twice: name the file, or its folder, once", object.key.text())
                        : fmt::format("{} stands at {} already", object.key.text(), base::origin(first->second));
                errors.push_back({what, {}, object.place});
            }
            all.objects.push_back(std::move(object));
        }
    }
    base::limit(errors);
    if (!errors.empty()) return tl::unexpected(std::move(errors));
    return all;
}

Manifests read_manifests(const std::vector<std::string>& paths, std::string_view config_file) {
    Manifests manifests;
    manifests.texts = texts_of(paths, config_file, manifests.errors);
    auto read = parse_manifests(manifests.texts, kube::UnknownKinds::kSkip);
    if (!read) {
        manifests.errors.insert(manifests.errors.end(), read.error().begin(), read.error().end());
        return manifests;
    }
    if (!paths.empty() && manifests.texts.empty() && manifests.errors.empty()) {
        base::log::warning("manifests", "no file NAME.yaml, NAME.yml or NAME.json is in {}",
                           fmt::join(paths, ", "));
    }
    for (const base::Error& skipped : read->skipped) base::log::notice("manifests", "{}", skipped.text());
    for (const base::Error& warning : read->warnings) base::log::warning("manifests", "{}", warning.text());
    if (!read->objects.empty())
        manifests.objects = std::make_shared<const std::vector<kube::Object>>(std::move(read->objects));
    return manifests;
}

bool have_texts(const std::vector<std::string>& paths, std::string_view config_file, const ManifestTexts& texts) {
    base::Errors errors;
    return texts_of(paths, config_file, errors) == texts && errors.empty();
}

}  // namespace sluice::engine
