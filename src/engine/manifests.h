// Manifests of several files: those that a configuration lists, and those of a request. Control thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kube/manifest.h"
#include "kube/object.h"

namespace sluice::engine {

// Each file's name, as it is told in messages, and its text.
using ManifestTexts = std::vector<std::pair<std::string, std::string>>;

// The objects of all these texts. One that stands in two of them is a mistake.
tl::expected<kube::Manifest, base::Errors> parse_manifests(const ManifestTexts& texts,
                                                           kube::UnknownKinds unknown_kinds,
                                                           kube::Wanted wanted = kube::Wanted::kObject);

// What a configuration's manifests declare.
struct Manifests {
    ManifestTexts texts;
    std::shared_ptr<const std::vector<kube::Object>> objects;  // null: none
    base::Errors errors;
};

// `paths`: files, or folders, of which all files NAME.yaml, NAME.yml and NAME.json count, in the order of their
// names. A path that isn't absolute begins in the folder of `config_file`.
Manifests read_manifests(const std::vector<std::string>& paths, std::string_view config_file);
// Whether the files would be read as these texts.
bool have_texts(const std::vector<std::string>& paths, std::string_view config_file, const ManifestTexts& texts);

}  // namespace sluice::engine
