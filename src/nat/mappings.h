// The mappings of NAT: which outside endpoint an inside endpoint has. One object for each entry of `nat:` with a
// pool, shared by the snapshots that have the entry. Flows keep the translation itself, so only the first packet
// of a flow comes here.
//
// What a mapping promises (RFC 4787, 5382, 5508, 7857):
// - An inside endpoint keeps its outside endpoint for all destinations while a flow uses it
//   (endpoint-independent).
// - An inside address keeps its outside address while that has ports (paired).
// - The port is preserved where it is free, else it is random (pool.h).
// - A free port is preferred to one that another mapping has. If none is free, mappings share ports: the flow
//   table refuses a second flow with the same 5-tuple (flow::Added::kTaken), and the caller asks for the
//   endpoint's next outside endpoint. So each inside endpoint has a row of up to kMaxAttempts mappings, nearly
//   always one.
//
// Fairness: an inside address that holds as many ports of a transport as are left free takes no more of them; its
// further endpoints share ports. So one address alone gets half of a pool, and of n greedy ones each gets the (n +
// 1)th part, and as much is left for a newcomer. (Switches divide packet memory so: dynamic thresholds, Choudhury
// and Hahne, 1998.) It has no parameter, and is generous while the pool is empty. The same rule divides the
// table's entries, but there an address that has its share is refused. `ports-per-host: N` sets a fixed limit
// instead of the share of ports (RFC 6888, REQ-4), and 0 sets none.
//
// Life: no reference counts. The control thread walks through the flow table, marks the mapping of each translated
// flow, and calls sweep() at the end of the walk. sweep() frees a mapping that was neither marked nor asked for
// by a worker during this walk and the one before. One walk isn't enough: a worker may take a mapping
// at the end of walk 1, and add its flow in walk 2 behind the walk's back. A worker must therefore add the flow
// within a walk's time, some seconds, from map().
//
// Workers call map(), keep(), address_of() and inside_of() on several cores. An endpoint's shard is locked for
// some ten nanoseconds; a worker that can't get it, because the control thread was preempted with it, gives
// up. Lock order: shard of the endpoint, shard of its host (the inside address), ports.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "nat/chains.h"
#include "nat/endpoint.h"
#include "nat/lock.h"
#include "nat/pool.h"
#include "nat/secret.h"
#include "path/ids.h"

namespace sluice::nat {

struct MappingsSettings {
    PoolSettings pool;
    std::optional<uint32_t> ports_per_host;  // of each transport; none: a fair share; 0: no limit
    uint32_t capacity = 0;                   // mappings; 0: twice the ports of an average transport, 1 M at most

    bool operator==(const MappingsSettings&) const = default;
};

enum class Outcome : uint8_t {
    kFound,  // the endpoint has this mapping already
    kNew,
    kShared,     // new, and its port may have other holders: no port was free, or the host has its share
    kNoAddress,  // the pool has no address of that family
    kHostLimit,  // the inside address has as many mappings as it may have
    kExhausted,  // no port is left to share, or no attempt
    kFull,       // no room in the table of mappings
    kBusy,       // the lock was taken for too long
    kCount,
};
inline constexpr size_t kOutcomeCount = static_cast<size_t>(Outcome::kCount);

constexpr auto names(Outcome) {
    using enum Outcome;
    return std::array{base::Name{kFound, "found"},
                      base::Name{kNew, "new"},
                      base::Name{kShared, "shared"},
                      base::Name{kNoAddress, "no-address"},
                      base::Name{kHostLimit, "host-limit"},
                      base::Name{kExhausted, "exhausted"},
                      base::Name{kFull, "full"},
                      base::Name{kBusy, "busy"}};
}

struct Answer {
    Outcome outcome;
    Endpoint outside;  // if is_mapped()

    bool is_mapped() const noexcept { return outcome <= Outcome::kShared; }
};

class Mappings {
 public:
    static constexpr unsigned kMaxAttempts = Pool::kMostAvoided;

    // Takes over those mappings of `previous` that the new settings allow. Throws std::bad_alloc. Workers may go
    // on with the previous ones meanwhile: what they add there comes back with the flows that use it, by mark()
    // and keep().
    explicit Mappings(const MappingsSettings& settings, Mappings* previous = nullptr);
    Mappings(const Mappings&) = delete;

    // --- workers ---

    // The outside endpoint of an inside endpoint, for a new flow. `attempt` is 0, then 1 more each time that the
    // flow table has said kTaken of the answer before.
    // `from`: the port that the host is behind. All hosts behind one port have one fair share together, since one
    // station there may use the addresses of many.
    Answer map(Transport transport, const Endpoint& inside, unsigned attempt,
               path::PortId from = path::kNoPort) noexcept;
    // Whether a flow that has this mapping may keep it. If so, the mapping stays; if these Mappings don't have it
    // yet and have room, it comes back. For a flow of an older generation.
    bool keep(Transport transport, const Endpoint& inside, const Endpoint& outside,
              path::PortId from = path::kNoPort) noexcept {
        return keep(transport, inside, outside, from, Patience::kWorker);
    }
    // The outside address for a protocol without ports. As above, `attempt` counts the answers before; none: all
    // addresses were tried.
    std::optional<IpAddress> address_of(const IpAddress& inside, unsigned attempt) noexcept;
    // The endpoint that has this outside endpoint, for a packet from inside to there (hairpinning: RFC 4787,
    // REQ-9). Of several that share it, it is the one who had it first, while he uses it.
    std::optional<Endpoint> inside_of(Transport transport, const Endpoint& outside) noexcept;

    // --- control thread ---

    // A flow uses this mapping. False: these settings don't allow it any more.
    bool mark(Transport transport, const Endpoint& inside, const Endpoint& outside) noexcept {
        return keep(transport, inside, outside, path::kNoPort, Patience::kControl);
    }
    // At the end of a walk that has marked the mappings of all flows. The number of mappings freed.
    uint32_t sweep() noexcept;

    struct Host {
        IpAddress address;
        IpAddress outside;  // the address that it is paired with
        std::array<uint32_t, kTransportCount> mappings{};
        uint32_t total = 0;
    };
    // The inside addresses with most mappings, the first one most.
    std::vector<Host> top_hosts(size_t count);

    // --- any thread ---

    const MappingsSettings& settings() const noexcept { return settings_; }
    const Pool& pool() const noexcept { return pool_; }  // used and free ports of each address
    uint32_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
    uint32_t capacity() const noexcept { return capacity_; }
    // Answers of map() since the start, those of the previous object included. kFound is not counted.
    uint64_t answers(Outcome outcome) const noexcept {
        return answers_[static_cast<size_t>(outcome)].load(std::memory_order_relaxed);
    }

 private:
    struct Entry {
        Endpoint inside;
        Transport transport = Transport::kTcp;
        uint8_t row = 0;  // 0: not used; else its attempt plus 1
        Place outside;
        uint32_t next = 0;
        uint16_t walk = 0;  // in which it was last asked for or marked
        path::PortId from = path::kNoPort;

        bool is_used() const noexcept { return row != 0; }
        bool is_of(Transport of, const Endpoint& endpoint) const noexcept {
            return inside.port == endpoint.port && transport == of && inside.address == endpoint.address;
        }
    };
    static_assert(sizeof(Entry) == 32);

    struct HostEntry {
        IpAddress address;
        uint32_t next = 0;
        std::array<uint32_t, kTransportCount> mappings{};
        uint16_t paired = 0;  // index of its outside address

        uint32_t total() const noexcept { return mappings[0] + mappings[1] + mappings[2] + mappings[3]; }
        bool is_used() const noexcept { return total() != 0; }
    };

    struct alignas(64) Shard {
        Shard(uint32_t first_number, uint32_t capacity) : first(first_number), entries(capacity) {}
        Lock lock;
        uint32_t first;      // number of its first entry, as the holder of a port
        uint64_t drawn = 0;  // random numbers
        Chains<Entry> entries;
    };
    struct alignas(64) HostShard {
        explicit HostShard(uint32_t capacity) : hosts(capacity) {}
        Lock lock;
        Chains<HostEntry> hosts;
    };

    uint64_t hash(Transport transport, const Endpoint& inside) const noexcept {
        return secret_.hash(inside.address, uint64_t{inside.port} << 8 | static_cast<uint64_t>(transport));
    }
    uint64_t hash(const IpAddress& address) const noexcept { return secret_.hash(address, kHostRest); }
    template <class S>
    S& shard_of(std::deque<S>& shards, uint64_t hash) noexcept {
        return shards[hash >> 32 & shard_mask_];
    }
    // Of a host that has no mappings yet.
    static uint16_t first_choice(uint64_t host_hash, const Pool::Family& family) noexcept {
        return static_cast<uint16_t>(family.begin + (host_hash >> 40) % family.size());
    }
    Endpoint outside_of(const Entry& entry) const noexcept {
        return {pool_.address(entry.outside.address), entry.outside.port};
    }
    Answer refuse(Outcome outcome) noexcept {
        count_answer(outcome);
        return {outcome, {}};
    }
    void count_answer(Outcome outcome) noexcept {
        answers_[static_cast<size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
    }

    // With the lock of the endpoint's shard.
    Entry* find(Shard& shard, uint64_t hash, Transport transport, const Endpoint& inside,
                unsigned attempt) noexcept;
    Answer add(Shard& shard, uint64_t hash, Transport transport, const Endpoint& inside, unsigned attempt,
               path::PortId from) noexcept;
    void add_again(Shard& shard, uint64_t hash, Transport transport, const Endpoint& inside, const Place& outside,
                   path::PortId from, Patience patience) noexcept;
    Entry* add_entry(Shard& shard, uint64_t hash, Transport transport, const Endpoint& inside, unsigned attempt,
                     path::PortId from) noexcept;
    void remove_entry(Shard& shard, uint64_t hash, Entry& entry) noexcept;
    void remove(Shard& shard, Entry& entry) noexcept;  // with its port
    // With that of the host's shard too.
    Outcome choose(const HostEntry& host, Shard& shard, uint64_t hash, const Entry& entry,
                   Place& outside) noexcept;
    void fill(Shard& shard, Entry& entry, HostEntry& host, const Place& outside) noexcept;
    void use(Shard& shard, Entry& entry) noexcept;
    // Of an entry among those of all shards, from 1.
    static uint32_t number(Shard& shard, const Entry& entry) noexcept {
        return shard.first + shard.entries.index(entry);
    }

    bool keep(Transport transport, const Endpoint& inside, const Endpoint& outside, path::PortId from,
              Patience patience) noexcept;
    // With the lock of the host's shard.
    HostEntry* find_or_add(HostShard& hosts, uint64_t hash, const IpAddress& address) noexcept;
    void take_over(Mappings& previous);
    void keep_holders(Mappings& previous, Shard& shard);

    static constexpr uint64_t kHostRest = uint64_t{1} << 32;  // what no endpoint has

    const MappingsSettings settings_;
    const Secret secret_;
    Pool pool_;
    uint32_t capacity_;
    uint32_t shard_mask_;
    uint32_t shard_capacity_;
    std::deque<Shard> shards_;
    std::deque<HostShard> host_shards_;
    // Mappings of the hosts behind each port.
    using OfPort = std::array<std::atomic<uint32_t>, kTransportCount>;
    OfPort* of_port(path::PortId port) noexcept {
        return path::index(port) < path::kMaxPorts ? &of_ports_[path::index(port)] : nullptr;
    }
    uint16_t walk() const noexcept { return static_cast<uint16_t>(walk_.load(std::memory_order_relaxed)); }
    Zeroed<OfPort> of_ports_ = allocate_zeroed<OfPort>(path::kMaxPorts);
    std::array<std::atomic<uint64_t>, kOutcomeCount> answers_{};
    alignas(64) std::atomic<uint32_t> count_{0};
    alignas(64) std::atomic<uint32_t> walk_{2};  // the one that is under way; written by the control thread
};

}  // namespace sluice::nat
