// Which back end a client has at a Service (session affinity ClientIP).
//
// It is known by the Service's stable id and the client's address. A back end is kept by its address and port, so
// that changes of the Service's other back ends leave it alone. Whether the back end may still be used is the
// caller's to say.
//
// All workers share it, for the first packets of connections. A set of entries has a lock, which a worker holds
// for a few dozen nanoseconds. Bounded: if a set is full, an expired client makes room, or else the client whose
// last connection is the oldest. Clients choose their addresses, so the hash has a secret.
#pragma once

#include <rte_pause.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "path/ids.h"
#include "service/frontend.h"
#include "sluice/address.h"

namespace sluice::service {

class Affinity {
 public:
    static constexpr uint32_t kEntries = 65'536;  // 4 MiB

    // Room for about so many clients.
    explicit Affinity(uint32_t entries = kEntries);
    Affinity(const Affinity&) = delete;

    // For a new connection of the client: the back end that it has, if its last connection is at most
    // `frontend.affinity` old and the back end still gets new connections; else `proposal`, which it then has.
    // Workers that open connections of one client at once get the same answer.
    const Backend& keep(const Frontend& frontend, const IpAddress& client, const Backend& proposal,
                        path::Seconds now) noexcept;
    // The same in a dry run: changes nothing. Null: the client has none.
    const Backend* find(const Frontend& frontend, const IpAddress& client, path::Seconds now) const noexcept;

 private:
    static constexpr uint32_t kWays = 4;

    struct Entry {
        uint64_t service;
        IpAddress client;
        IpAddress backend;
        path::Seconds used;  // by the client's last connection
        path::Seconds timeout;
        uint16_t port;
        bool is_used;  // else it is free

        bool is_of(const Frontend& frontend, const IpAddress& address) const noexcept {
            return is_used && service == frontend.id && client == address;
        }
        // Another worker's clock may be ahead of ours.
        path::Seconds age(path::Seconds now) const noexcept {
            return static_cast<int32_t>(now - used) < 0 ? 0 : now - used;
        }
    };
    struct alignas(64) Set {
        std::atomic_flag lock;
        Entry entries[kWays];
    };
    static_assert(sizeof(Set) == 256);

    class Lock;

    Set& set_of(const Frontend& frontend, const IpAddress& client) const noexcept;
    // The back end of an entry of this front end's; null: it may not be used.
    static const Backend* backend_of(const Entry& entry, const Frontend& frontend, path::Seconds now) noexcept;

    uint64_t secret_[2];
    uint32_t count_;  // of sets, a power of two
    std::unique_ptr<Set[]> sets_;
};

}  // namespace sluice::service
