// An interface that stays with the kernel (`device: net_af_packet0,iface=eth1`), driven by our own packet sockets
// instead of DPDK's driver of that name. It takes that driver's arguments, of which only `iface` has an effect.
// DPDK's driver lacks the virtio-net header before each frame (PACKET_VNET_HDR). With this header
//
//   - the kernel says which checksums it leaves unfinished, and finishes ours
//   - TCP segments of up to 64 KiB pass whole in both directions: segments that the interface merges, or that a
//     veth's other end does not cut, arrive as they are, and the kernel or the NIC cuts those that we send
//   - the UDP datagrams that a tunnel makes of a segment are sent as one packet, which the kernel cuts
//     (wire/udp_run.h)
//
// A queue reads a ring that it shares with the kernel (TPACKET_V2), with slots for frames of the MTU. The kernel
// puts longer frames into the socket's queue (PACKET_COPY_THRESH), from which a system call reads them. A hash
// that is the same in both directions spreads frames over the queues of a port (PACKET_FANOUT_HASH). Each worker
// transmits through a socket of its own, with one system call a burst, and through the interface's queueing
// discipline, so that segments and the packets after them stay in order.
//
// UDP runs are meant for the kernel to cut. The program at a veth's other end may be unable to, so a veth no
// longer offers to take them. A veth's other end may send packets that these headers cannot describe or the
// switch cannot take: segments inside tunnels, UDP segments. When one arrives, the interface is held to its MTU
// (FrameLimit). close() undoes both.
//
// A worker that polls need not be woken, and a wake-up would cost the kernel a twentieth of its work for a frame.
// So a queue's descriptor is an epoll instance, which contains the socket only while the queue listens.
//
// The kernel's own stack sees the frames as well.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "port/interface.h"
#include "port/port.h"

namespace sluice::port {

class AfPacket final : public Port {
 public:
    // Whether these device arguments select this port kind.
    static bool takes(const PortConfig& config) noexcept;

    AfPacket(path::PortId id, PortConfig config, const Context& context);
    ~AfPacket() override { close(); }

    base::Result<void> open() override;
    void close() noexcept override;
    base::Result<void> configure(const PortConfig& next) override;
    base::Result<void> check() override;

    std::string no_link() const override { return no_link_; }
    bool changed() const noexcept override { return changed_; }
    void refresh() override;
    std::optional<Refusal> refusal(uint32_t size) const override;

    uint16_t receive_queues() const noexcept override { return static_cast<uint16_t>(queues_.size()); }
    Wake wake(uint16_t) const noexcept override { return Wake::kOnDemand; }
    int descriptor(uint16_t queue) const noexcept override { return queues_[queue].alarm.get(); }
    void listen(uint16_t queue, bool on) noexcept override;
    Received receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                     path::Counters& counters) noexcept override;
    void transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                  path::Counters& counters) noexcept override;

    nlohmann::json describe() const override;
    std::string interface() const override { return config_.device; }

 private:
    struct Ring {
        uint32_t slot_size = 0;
        uint32_t block_size = 0;
        uint32_t slots_per_block = 0;
        uint32_t blocks = 0;

        uint32_t slots() const noexcept { return slots_per_block * blocks; }
        size_t size() const noexcept { return size_t{block_size} * blocks; }
    };
    struct Unmap {
        size_t size;
        void operator()(uint8_t* ring) const noexcept;
    };
    // Used by the worker that polls the queue, except for the socket's options and statistics.
    struct alignas(64) Queue {
        base::Fd socket;
        base::Fd alarm;  // an epoll instance
        bool listening = false;
        std::unique_ptr<uint8_t, Unmap> ring;
        uint32_t block = 0;  // index of the next slot
        uint32_t slot = 0;
    };
    class Outbox;

    static Ring ring_for(uint16_t mtu) noexcept;
    uint16_t wanted_queues() const noexcept;
    base::Result<base::Fd> open_socket() const;
    base::Result<Queue> open_queue() const;
    base::Result<void> bind_to_interface(const base::Fd& socket, uint16_t protocol) const;
    base::Result<void> spread() const;
    std::string read_link() const;
    bool is_down() const;
    void look_at_peer();
    bool is_too_long_for_peer(uint32_t size) const noexcept;
    void count_missed() const noexcept;

    rte_mbuf* take(Queue& queue, const uint8_t* slot, uint32_t status, path::Counters& counters) noexcept;
    rte_mbuf* alloc(uint32_t size, path::Counters& counters) noexcept;
    rte_mbuf* copy_from_slot(const uint8_t* slot, path::Counters& counters) noexcept;
    rte_mbuf* read_long(const Queue& queue, path::Counters& counters) noexcept;
    rte_mbuf* accept(rte_mbuf* packet, const void* header, uint32_t tag, path::Counters& counters) noexcept;

    Pools pools_;
    uint16_t workers_;
    Ring ring_;

    Link link_;
    std::vector<Queue> queues_;
    std::vector<base::Fd> senders_;  // by worker
    BorrowedMtu mtu_;
    FeaturesOff runs_whole_;  // of a veth: UDP segmentation
    FrameLimit limit_;
    std::string no_link_;
    bool changed_ = false;
    uint32_t checks_ = 0;
    mutable uint64_t missed_ = 0;  // frames that found the ring full; the kernel resets its count when it is read

    // Workers write, the control thread reads.
    std::atomic<uint64_t> unfinished_{0};
    std::atomic<uint64_t> cut_short_{0};    // frames longer than a segment of 64 KiB
    std::atomic<uint64_t> missed_long_{0};  // frames that found no room in the socket's queue
    std::atomic<bool> met_untakeable_{false};
    std::atomic<int> transmit_error_{0};  // errno of the last refused packet
    std::atomic<bool> met_refusal_{false};  // the kernel had no room for a frame, or nothing took it
    // The control thread writes, workers read.
    std::atomic<bool> has_no_link_{false};
    std::atomic<uint32_t> peer_mtu_{0};  // of a veth's other end; 0: unknown
    enum class Runs : uint8_t { kUnknown, kTaken, kRefused };
    std::atomic<Runs> runs_{Runs::kUnknown};  // whether the kernel takes UDP runs: Linux does from 6.2 on
};

}  // namespace sluice::port
