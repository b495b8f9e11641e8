#include "engine/service_front.h"

#include <algorithm>

namespace sluice::engine {

bool is_same(const service::Frontend& a, const service::Frontend& b) {
    const auto is_same_backend = [](const service::Backend& x, const service::Backend& y) {
        return x.address == y.address && x.port == y.port && x.state == y.state && x.weight == y.weight;
    };
    const bool has_backends = a.backends != nullptr && b.backends != nullptr && a.backends != b.backends;
    const bool is_same_list =
        has_backends ? std::ranges::equal(a.backends->list(), b.backends->list(), is_same_backend)
                     : a.backends == b.backends;
    return is_same_list && a.key == b.key && a.kind == b.kind && a.without_backends == b.without_backends &&
           a.domain == b.domain && a.affinity == b.affinity && a.sources == b.sources && a.object == b.object &&
           a.id == b.id && a.hides_clients == b.hides_clients;
}

}  // namespace sluice::engine
