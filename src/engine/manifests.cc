#include "engine/manifests.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "base/file.h"
#include "base/log.h"
#include "kube/manifest.h"

namespace sluice::engine {
namespace {

namespace fs = std::filesystem;

bool is_manifest(const fs::path& file) {
    const std::string ending = file.extension().string();
    return ending == ".yaml" || ending == ".yml" || ending == ".json";
}

std::vector<fs::path> files_of(const std::string& path, std::string_view config_file, base::Errors& errors) {
    fs::path root = path;
    if (root.is_relative()) root = fs::path(config_file).parent_path() / root;
    std::error_code error;
    if (!fs::is_directory(root, error)) return {root};
    std::vector<fs::path> files;
    for (auto entry = fs::directory_iterator(root, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        std::error_code ignored;
        if (is_manifest(entry->path()) && !fs::is_directory(entry->path(), ignored))
            files.push_back(entry->path());
    }
    if (error) {
        errors.push_back(
            {fmt::format("the folder {} can't be read: {}", root.string(), error.message()), "manifests", {}});
    }
    std::sort(files.begin(), files.end());
    return files;
}

ManifestTexts texts_of(const std::vector<std::string>& paths, std::string_view config_file, base::Errors& errors) {
    ManifestTexts texts;
    for (const std::string& path : paths) {
        for (const fs::path& file : files_of(path, config_file, errors)) {
            // A pipe would keep all others waiting.
            auto text = base::read_file(file.string(), base::Reading::kAgain);
            if (text) {
                texts.emplace_back(file.string(), std::move(*text));
            } else {
                errors.insert(errors.end(), text.error().begin(), text.error().end());
            }
        }
    }
    return texts;
}

}  // namespace

Manifests read_manifests(const std::vector<std::string>& paths, std::string_view config_file) {
    Manifests manifests;
    manifests.texts = texts_of(paths, config_file, manifests.errors);
    std::vector<kube::Object> objects;
    std::map<kube::Key, base::Place> places;
    for (const auto& [file, text] : manifests.texts) {
        if (base::is_full(manifests.errors)) break;
        auto read = kube::parse_manifest(text, file, kube::UnknownKinds::kSkip);
        if (!read) {
            manifests.errors.insert(manifests.errors.end(), read.error().begin(), read.error().end());
            continue;
        }
        for (const base::Error& skipped : read->skipped) base::log::notice("manifests", "{}", skipped.text());
        for (const base::Error& warning : read->warnings) base::log::warning("manifests", "{}", warning.text());
        for (kube::Object& object : read->objects) {
            const auto [first, is_new] = places.emplace(object.key, object.place);
            if (!is_new) {
                manifests.errors.push_back(
                    {fmt::format("{} stands at {} already", object.key.text(), base::origin(first->second)),
                     {},
                     object.place});
            }
            objects.push_back(std::move(object));
        }
    }
    if (!objects.empty())
        manifests.objects = std::make_shared<const std::vector<kube::Object>>(std::move(objects));
    return manifests;
}

bool have_texts(const std::vector<std::string>& paths, std::string_view config_file, const ManifestTexts& texts) {
    base::Errors errors;
    return texts_of(paths, config_file, errors) == texts && errors.empty();
}

}  // namespace sluice::engine
