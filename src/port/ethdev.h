// Whatever DPDK device arguments name: net_null, net_ring, net_pcap, net_af_packet, net_vhost, PCI
// functions. The device is probed when the port opens and removed when it closes; one that the
// `dpdk: args:` created already is used as it is and only stopped.
#pragma once

#include <rte_ethdev.h>
#include <rte_spinlock.h>

#include <array>

#include "port/kernel_device.h"
#include "port/port.h"

namespace sluice::port {

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
    base::Result<void> check_memif();

    Pools pools_;
    std::unique_ptr<KernelDevice> kernel_;  // of net_af_packet and net_af_xdp only
    uint16_t workers_;
    uint16_t device_ = RTE_MAX_ETHPORTS;  // RTE_MAX_ETHPORTS: not open
    bool probed_ = false;                 // by us, so ours to remove
    int memif_without_link_ = 0;          // so often in a row check() has seen it without
    uint16_t receive_queues_ = 0;
    uint16_t transmit_queues_ = 0;
    // Where a device has fewer transmit queues than there are workers, they take turns.
    struct alignas(64) Turn {
        rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;
    };
    std::array<Turn, path::kMaxWorkers> turns_;
};

}  // namespace sluice::port
