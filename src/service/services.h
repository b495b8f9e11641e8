// The front ends of all Services, as workers find them: by address, protocol and port; and the addresses that are
// Services' own.
//
// Immutable: built on the control thread, read by any number of workers at once. A change makes another value that
// shares all front ends and all shards that it doesn't concern, so that it costs what it changes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "path/tuple_address.h"
#include "service/frontend.h"

namespace sluice::service {

// Front ends by a 64-bit hash, which the caller chooses and compares front ends with in the end. Several may have
// one hash. Open addressing with linear probing, at most half in use.
class Shard {
 public:
    // The first one of this hash for which `is_it(frontend)`. Null: there is none.
    template <class Predicate>
    const Frontend* find(uint64_t hash, Predicate&& is_it) const noexcept {
        if (slots_.empty()) return nullptr;
        for (uint64_t at = hash;; ++at) {
            const Slot& slot = slots_[at & (slots_.size() - 1)];
            if (slot.frontend == nullptr || (slot.hash == hash && is_it(*slot.frontend))) {
                return slot.frontend.get();
            }
        }
    }
    size_t count() const noexcept { return count_; }

    // While it is built, on the control thread.
    void add(uint64_t hash, SharedFrontend frontend);
    // Does nothing if there is none with this key.
    void remove(uint64_t hash, const FrontendKey& key);

 private:
    struct Slot {
        uint64_t hash = 0;
        SharedFrontend frontend;  // null: the slot is free
    };

    void put(Slot slot);

    std::vector<Slot> slots_;  // a power of two of them
    size_t count_ = 0;
};

class Services {
 public:
    struct Changes {
        std::vector<FrontendKey> removed;
        std::vector<SharedFrontend> added;  // replaces what has the same key; the last one of a key counts
    };

    // The same with these changes; those that are removed go first.
    Services with(const Changes& changes) const;

    // Null: there is none.
    const Frontend* find(const FrontendKey& key) const noexcept {
        const uint64_t hash = hash_of(key);
        const Shard* shard = by_key_[shard_of(hash)].get();
        return shard == nullptr ? nullptr
                                : shard->find(hash, [&](const Frontend& each) { return each.key == key; });
    }
    const Frontend* find(const IpAddress& address, uint8_t protocol, uint16_t port) const noexcept {
        return find(FrontendKey{address, port, protocol});
    }
    // The front end that the first packet of a connection is sent to, in the connection's own domain. The
    // connection has ports.
    const Frontend* find(const path::Tuple& tuple) const noexcept {
        const Frontend* frontend = find(path::destination_of(tuple), static_cast<uint8_t>(tuple.key.protocol()),
                                        tuple.key.destination_port().host());
        return frontend != nullptr && frontend->domain == tuple.key.domain() ? frontend : nullptr;
    }

    // A front end of a Service whose own that address is in that domain: any of them. Null: it is no Service's. A
    // packet to another port of it is rejected, and its pings are answered. A node's addresses are not Services'
    // own.
    const Frontend* owner(path::FlowDomain domain, const IpAddress& address) const noexcept {
        const uint64_t hash = hash_of(address);
        const Shard* shard = by_address_[shard_of(hash)].get();
        return shard == nullptr ? nullptr : shard->find(hash, [&](const Frontend& each) {
            return each.key.address == address && each.domain == domain;
        });
    }

    size_t count() const noexcept { return count_; }

 private:
    static constexpr size_t kShards = 256;
    using Index = std::array<std::shared_ptr<const Shard>, kShards>;  // null: the shard is empty

    class Change;

    static uint64_t mixed(uint64_t a, uint64_t b) noexcept {
        const auto product = static_cast<unsigned __int128>(a) * (b | 1);
        return static_cast<uint64_t>(product ^ product >> 64);
    }
    static uint64_t hash_of(const IpAddress& address) noexcept {
        return mixed(wire::load64(&address.bytes[0]) ^ 0x9e37'79b9'7f4a'7c15ULL,
                     mixed(wire::load64(&address.bytes[8]), 0xbf58'476d'1ce4'e5b9ULL));
    }
    static uint64_t hash_of(const FrontendKey& key) noexcept {
        return mixed(hash_of(key.address) ^ uint64_t{key.protocol} << 16 ^ key.port, 0x94d0'49bb'1331'11ebULL);
    }
    // A shard's slots are chosen by the lower bits.
    static size_t shard_of(uint64_t hash) noexcept { return hash >> 56; }

    Index by_key_;
    Index by_address_;  // without node ports: their addresses are the nodes'
    size_t count_ = 0;
};

}  // namespace sluice::service
