// Manifests: texts of Kubernetes objects, as kubectl takes them. YAML with one or several documents, or JSON; an
// object, or a List of objects. Each object is completed with the API server's defaults and held to its rules.
//
// Every mistake of a text is reported at once, each with file, line, column and field path. A text with a mistake
// gives no object. Any thread; nothing is kept.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/error.h"
#include "kube/object.h"

namespace sluice::kube {

// What is to be done with an object whose kind the switch doesn't act on.
enum class UnknownKinds : uint8_t { kRefuse, kSkip };

// What is read of an object.
enum class Wanted : uint8_t {
    kObject,
    kName,  // its kind, namespace and name: enough to delete it, whatever else is wrong with it
};

struct Manifest {
    std::vector<Object> objects;        // in the order of the text
    std::vector<base::Error> skipped;   // kinds that were skipped: "skipped Deployment web"
    std::vector<base::Error> warnings;  // what is allowed and hardly meant
};

tl::expected<Manifest, base::Errors> parse_manifest(std::string_view text, std::string_view file,
                                                    UnknownKinds unknown_kinds, Wanted wanted = Wanted::kObject);

}  // namespace sluice::kube
