// The subnets of networks: which prefix an address lies in, which prefixes overlap, which addresses no station can
// have. Control thread.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "sluice/address.h"

namespace sluice::base {

// Orders prefixes: IPv4 before IPv6, and each prefix before those that lie in it.
inline bool is_before(const IpPrefix& a, const IpPrefix& b) {
    return a.address.is_v4() != b.address.is_v4() ? a.address.is_v4() : a < b;
}

// Finds the prefix of a set that an address lies in. sort() removes prefixes that lie in another one: overlaps are
// reported elsewhere.
template <class T>
class Prefixes {
 public:
    void add(const IpPrefix& prefix, T of) { list_.push_back({prefix, of}); }
    // To be called when all are added, before find().
    void sort() {
        std::stable_sort(list_.begin(), list_.end(),
                         [](const auto& a, const auto& b) { return is_before(a.first, b.first); });
        size_t kept = 0;
        for (size_t i = 0; i < list_.size(); ++i) {
            if (kept == 0 || !list_[kept - 1].first.contains(list_[i].first.address)) list_[kept++] = list_[i];
        }
        list_.resize(kept);
    }
    // Null: none.
    const std::pair<IpPrefix, T>* find(const IpAddress& address) const {
        const IpPrefix alone{address, static_cast<uint8_t>(address.bits())};
        auto next = std::upper_bound(list_.begin(), list_.end(), alone, [](const IpPrefix& a, const auto& entry) {
            return is_before(a, entry.first);
        });
        if (next == list_.begin() || !(--next)->first.contains(address)) return nullptr;
        return &*next;
    }

 private:
    std::vector<std::pair<IpPrefix, T>> list_;
};

// For each prefix the index of the first prefix in the list that overlaps it, if that stands before it; else its
// own index.
std::vector<size_t> earlier_overlaps(const std::vector<IpPrefix>& prefixes);

// Why no station can have an address on links with these subnets: "is the broadcast address of 10.0.0.0/24".
// Empty: one can.
std::string why_unusable(const IpAddress& address, const std::vector<IpPrefix>& subnets);

}  // namespace sluice::base
