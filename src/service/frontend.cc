#include "service/frontend.h"

#include <compare>
#include <tuple>
#include <utility>

namespace sluice::service {
namespace {

auto place(const Backend& backend) {
    return std::tie(backend.address, backend.port);
}

// For Maglev: two words of the address and the port, each mixed into what came before.
uint64_t id_of(const Backend& backend) {
    uint64_t id = backend.port;
    for (size_t at = 0; at < backend.address.bytes.size(); at += sizeof(uint64_t)) {
        const auto product = static_cast<unsigned __int128>(id ^ wire::load64(&backend.address.bytes[at])) *
                             0x9e37'79b9'7f4a'7c15ULL;
        id = static_cast<uint64_t>(product ^ product >> 64) + 1;
    }
    return id;
}

}  // namespace

Backends::Backends(std::vector<Backend> list) : list_(std::move(list)) {
    std::stable_sort(list_.begin(), list_.end(), [](const Backend& a, const Backend& b) {
        if (place(a) != place(b)) return place(a) < place(b);
        return a.state != b.state ? a.state < b.state : a.weight > b.weight;
    });
    const auto end = std::unique(list_.begin(), list_.end(),
                                 [](const Backend& a, const Backend& b) { return place(a) == place(b); });
    list_.erase(end, list_.end());
    std::vector<Maglev::Entry> entries;
    entries.reserve(list_.size());
    for (const Backend& backend : list_) {
        entries.push_back({id_of(backend), backend.state == State::kServing ? backend.weight : uint32_t{0}});
    }
    table_ = Maglev(entries);
}

const Backend* Backends::find(const IpAddress& address, uint16_t port) const noexcept {
    const auto wanted = std::tie(address, port);
    const auto backend = std::lower_bound(list_.begin(), list_.end(), wanted,
                                          [](const Backend& a, const auto& b) { return place(a) < b; });
    return backend != list_.end() && place(*backend) == wanted ? &*backend : nullptr;
}

}  // namespace sluice::service
