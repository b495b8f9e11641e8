// Whatever DPDK device arguments name: net_null, net_ring, net_pcap, net_af_packet, net_vhost, PCI
// functions. The device is probed when the port opens and removed when it closes; one that the
// `dpdk: args:` created already is used as it is and only stopped.
//
// Checksums and TCP segments are left to a device that says it finishes them; what such a device
// refuses after all is finished here, so that nothing is lost to a limit of a device's.
#pragma once

#include <rte_ethdev.h>
#include <rte_spinlock.h>

#include <array>
#include <span>

#include "port/port.h"

namespace sluice::port {

// A Toeplitz key under which both directions of a connection have one hash, and so one worker: with a
// period of 16 bits it doesn't matter which of two addresses, or ports, comes first (Woo and Park,
// "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012).
std::span<const uint8_t> symmetric_key(size_t size) noexcept;

class Ethdev final : public Port {
 public:
    Ethdev(path::PortId id, PortConfig config, const Context& context);
    ~Ethdev() override { close(); }

    base::Result<void> open() override;
    void close() noexcept override;
    base::Result<void> configure(const PortConfig& next) override;
    base::Result<void> check() override;

    uint16_t receive_queues() const noexcept override { return receive_queues_; }
    Wake wake(uint16_t) const noexcept override { return Wake::kNever; }
    int descriptor(uint16_t) const noexcept override { return -1; }
    Received receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                     path::Counters& counters) noexcept override;
    void transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                  path::Counters& counters) noexcept override;

    nlohmann::json describe() const override;
    std::string interface() const override { return config_.device; }

 private:
    base::Result<void> find_device();
    base::Result<void> start();
    base::Result<void> set_mtu();
    void take_capabilities(uint64_t receive, uint64_t transmit);
    void warn_of_limits(int node);

    void send(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
              path::Counters& counters) noexcept;
    void send_unfinished(path::WorkerId worker, rte_mbuf** packets, uint16_t count,
                         path::Counters& counters) noexcept;
    bool prepare(uint16_t queue, rte_mbuf*& packet) noexcept;
    void cut(path::WorkerId worker, rte_mbuf* segment, path::Counters& counters) noexcept;
    uint16_t accept_unfinished(rte_mbuf** packets, uint16_t count,
                               path::Counters& counters) noexcept;
    uint16_t transmit_queue(path::WorkerId worker) const noexcept {
        return static_cast<uint16_t>(path::index(worker) % transmit_queues_);
    }

    Pools pools_;
    uint16_t workers_;
    uint16_t device_ = RTE_MAX_ETHPORTS;  // RTE_MAX_ETHPORTS: not open
    bool probed_ = false;                 // by us, so ours to remove
    bool verifies_checksums_ = false;
    uint16_t receive_queues_ = 0;
    uint16_t transmit_queues_ = 0;
    // Where a device has fewer transmit queues than there are workers, they take turns.
    struct alignas(64) Turn {
        rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;
    };
    std::array<Turn, path::kMaxWorkers> turns_;
};

}  // namespace sluice::port
