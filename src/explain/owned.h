// Numbered objects of clients (captures, live traces), from which a client fetches until it stops them or is
// gone. An owner is alive while its shared_ptr exists. Control thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

namespace sluice::explain {

using Owner = std::weak_ptr<const void>;

template <class T>
class Owned {
 public:
    // Returns its number.
    uint32_t add(Owner owner, T value) {
        held_.try_emplace(++last_, std::move(owner), std::move(value));
        return last_;
    }
    // Null if this owner has no such object.
    T* find(uint32_t number, const Owner& owner) {
        const auto found = held_.find(number);
        if (found == held_.end() || found->second.first.owner_before(owner) ||
            owner.owner_before(found->second.first)) {
            return nullptr;
        }
        return &found->second.second;
    }
    void erase(uint32_t number) { held_.erase(number); }
    // Removes the objects of dead owners and returns their number.
    size_t erase_orphans() {
        return std::erase_if(held_, [](const auto& one) { return one.second.first.expired(); });
    }
    template <class Visit>
    void for_each(Visit visit) {
        for (auto& [number, held] : held_) visit(held.second);
    }
    size_t size() const noexcept { return held_.size(); }

 private:
    std::map<uint32_t, std::pair<Owner, T>> held_;
    uint32_t last_ = 0;  // the last number that was given out
};

}  // namespace sluice::explain
