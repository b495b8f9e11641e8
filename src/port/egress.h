// The way out: a worker's transmit buffers. Worker thread only; each worker has its own.
//
// Packets gather in one buffer per port. A buffer goes to the device when it is full and at the end of every
// batch, so no packet waits for further traffic. Work that the port cannot do is done here, once for every
// feature: a TCP segment is cut, an unfinished checksum finished, a chain made linear. A packet that is too big
// for the port is dropped under its reason.
#pragma once

#include <rte_mbuf.h>

#include <bit>
#include <memory>
#include <vector>

#include "path/batch.h"
#include "path/counters.h"
#include "port/pools.h"
#include "port/mirror.h"
#include "port/port.h"

namespace sluice::port {

// A port as the exit for frames of one network.
struct Exit {
    Port* port;
    uint16_t vlan = 0;           // the tag to add; 0: none
    bool native = false;         // untagged beside tagged VLANs: frames with a tag of their own may not leave
    uint16_t horizon = 0;        // the port's split-horizon group; 0: none
    const std::vector<Mirror>* mirrors = nullptr;  // that copy the frames that leave here
};

inline constexpr uint64_t kUnfinished =
    RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM;

// Receives the packets instead of the port, in a dry run. Takes ownership of the packets.
struct Sink {
    virtual void take(Port& port, rte_mbuf** packets, uint16_t count) noexcept = 0;

 protected:
    ~Sink() = default;
};

class Egress {
 public:
    Egress(path::WorkerId worker, Pools pools, path::Counters& counters, Sink* sink = nullptr);

    // Whether every port that it isn't too long for can send the packet as it is.
    [[gnu::always_inline]] static bool is_whole(const rte_mbuf* packet) noexcept {
        return packet->nb_segs == 1 && (packet->ol_flags & kUnfinished) == 0;
    }
    // Whether the packet can be sent to this port as it is.
    [[gnu::always_inline]] static bool is_plain(const Port& port, const rte_mbuf* packet) noexcept {
        return packet->pkt_len <= port.max_frame() && (packet->ol_flags & kUnfinished) == 0 &&
               (packet->nb_segs == 1 || port.capabilities().chained);
    }
    // Takes ownership of the packet and sends it to this port, whose number is `id`.
    [[gnu::always_inline]] void send_plain(Port& port, path::PortId id, rte_mbuf* packet) noexcept {
        push(port, id, packet);
    }
    [[gnu::always_inline]] void send(Port& port, path::PortId id, rte_mbuf* packet) noexcept {
        if (likely(is_plain(port, packet))) {
            push(port, id, packet);
        } else {
            send_unusual(port, packet);
        }
    }
    [[gnu::always_inline]] void send(Port& port, rte_mbuf* packet) noexcept { send(port, port.id(), packet); }

    // The same for an exit with a tag, mirrors or other extras.
    void send(const Exit& exit, rte_mbuf* packet) noexcept;
    // Takes ownership of the packet and sends it to each of the exits, except its ingress port and the others of
    // that port's group. All copies refer to the packet's bytes. If no exit is left, the drop is counted at
    // `site`'s ingress, which may be a tunnel (`from` is null then).
    void flood(const std::vector<Exit>& exits, const Port* from, uint16_t horizon, rte_mbuf* packet,
               const path::DropSite& site) noexcept;
    // Copies the packet in its present form to the mirrors' ports and captures.
    void mirror(const std::vector<Mirror>& mirrors, rte_mbuf* packet) noexcept;

    const Pools& pools() const noexcept { return pools_; }
    void flush() noexcept;
    // Drops now what waits beyond its port's limit, as flush() would: what then still waits leaves.
    void police_waiting() noexcept;
    // Calls visit(PortId, const rte_mbuf*) for the packets that are still in transmit buffers.
    template <class Visit>
    void for_each_waiting(Visit visit) const {
        for (uint32_t i = 0; i < waiting_count_; ++i) {
            const Buffer& buffer = buffers_[path::index(waiting_[i])];
            for (uint16_t n = 0; n < buffer.count; ++n) visit(waiting_[i], buffer.packets[n]);
        }
    }

 private:
    // The size is no power of two: otherwise the first lines of all ports' buffers would share four sets of the
    // L1 cache.
    struct alignas(64) Buffer {
        Port* port;
        uint32_t bytes;
        uint16_t count;
        uint16_t policed;  // of them, those that the port's limit has let pass
        bool waiting;      // whether it is listed in waiting_
        rte_mbuf* packets[path::kBatchSize];
    };
    static_assert(sizeof(Buffer) / 64 % 2 == 1);
    struct Unmap {
        void operator()(Buffer* buffers) const noexcept;
    };

    [[gnu::always_inline]] void push(Port& port, path::PortId id, rte_mbuf* packet) noexcept {
        Buffer& buffer = buffers_[path::index(id)];
        buffer.bytes += packet->pkt_len;
        const uint16_t count = buffer.count;
        buffer.packets[count] = packet;
        buffer.count = static_cast<uint16_t>(count + 1);
        // The first packet, or the last that there is room for.
        static_assert(std::has_single_bit(path::kBatchSize));
        if (unlikely(((count + 1U) & (path::kBatchSize - 1U)) <= 1)) begin_or_send(buffer, port, id);
    }
    [[gnu::noinline]] void begin_or_send(Buffer& buffer, Port& port, path::PortId id) noexcept;
    [[gnu::noinline]] void send_unusual(Port& port, rte_mbuf* packet) noexcept;
    void send_buffer(Buffer& buffer) noexcept;
    [[gnu::noinline]] void police(Buffer& buffer, RateLimit& limit) noexcept;
    void send_copy(Exit exit, rte_mbuf* packet) noexcept;
    void cut(Port& port, rte_mbuf* packet) noexcept;
    bool make_linear(rte_mbuf*& packet) noexcept;
    void drop(Port& port, rte_mbuf* packet, path::Drop reason) noexcept;

    path::WorkerId worker_;
    Pools pools_;
    path::Counters& counters_;
    Sink* sink_;  // null: packets go to the ports
    std::unique_ptr<Buffer[], Unmap> buffers_;  // by PortId; only those in use are backed by memory
    std::unique_ptr<path::PortId[]> waiting_;   // ports that got a packet since the last flush
    uint32_t waiting_count_ = 0;
    uint32_t copies_ = 0;  // flood copies since the last flush
};

}  // namespace sluice::port
