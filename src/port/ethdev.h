// Every device that DPDK device arguments can name: net_null, net_ring, net_pcap, net_af_xdp, net_vhost, PCI
// functions (net_af_packet has its own kind, af_packet.h). The device is probed when the port opens and removed
// when it closes. A device that the `dpdk: args:` created is used as it is and only stopped.
//
// If a device offers it, checksums and TCP segmentation are left to the device. Packets that it then refuses are
// finished here, so that no packet is lost to a limit of the device.
//
// A device may keep sent packets for some time, and with them large buffers, which other ports need to receive.
// If large buffers are short, the device gets copies in ordinary buffers.
//
// The device is made, started and closed on the device thread: open() starts that and polls its progress
// (device_start.h). The control thread waits a little for it, but not if the last attempt failed.
//
// A device reports its link and its removal on DPDK's interrupt thread (on_link(), on_lost()), which only leaves
// a note for the control thread. check() polls the rest. If every receive queue has an interrupt, a worker can
// sleep until one of them has a packet.
#pragma once

#include <fmt/ranges.h>
#include <rte_ethdev.h>
#include <rte_spinlock.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "port/bond.h"
#include "port/device_start.h"
#include "port/device_thread.h"
#include "port/interface.h"
#include "port/kernel_device.h"
#include "port/member_probes.h"
#include "port/port.h"

namespace sluice::port {

class Ethdev final : public Port {
 public:
    Ethdev(path::PortId id, PortConfig config, const Context& context);
    ~Ethdev() override { close(); }

    base::Result<void> open() override;
    bool is_opening() const override { return making_ != nullptr || starting_ != nullptr; }
    void close() noexcept override;
    base::Result<void> configure(const PortConfig& next) override;
    base::Result<void> check() override;

    std::string no_link() const override { return no_link_; }
    bool take_failover() override { return std::exchange(failed_over_, false); }
    bool changed() const noexcept override { return changed_.load(std::memory_order_acquire); }
    void refresh() override;

    uint16_t receive_queues() const noexcept override { return receive_queues_; }
    Wake wake(uint16_t) const noexcept override {
        return descriptors_.empty() ? Wake::kNever : Wake::kOnDemand;
    }
    int descriptor(uint16_t queue) const noexcept override { return descriptors_[queue].get(); }
    void listen(uint16_t queue, bool on) noexcept override;
    Received receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                     path::Counters& counters) noexcept override;
    void transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                  path::Counters& counters) noexcept override;

    nlohmann::json describe() const override;
    std::string interface() const override {
        return config_.bond ? fmt::format("{}", fmt::join(config_.bond->members, " + "))
                            : config_.device;
    }

    // --- DPDK's interrupt thread ---
    void on_link() noexcept;
    void on_lost(const char* why) noexcept;  // the device can no longer be used

 private:
    struct DeviceCounters {
        uint64_t missed = 0;
        uint64_t receive_errors = 0;
        uint64_t transmit_errors = 0;
        uint64_t no_buffer = 0;
    };
    DeviceCounters counted() const noexcept;

    base::Result<MadeDevice> probe(const std::string& arguments);
    void rest();
    template <class Job>
    bool is_over(Job& job) const;
    std::optional<DeviceJob> give_up() noexcept;
    base::Result<void> find_device();
    std::vector<uint16_t> member_devices() const;
    base::Result<void> start();
    void find_descriptors();
    void listen_for_events(const rte_eth_dev_info& limits);
    void ignore_events() noexcept;
    std::string read_link() const;
    void warn_of_limits(int node);

    void send(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
              path::Counters& counters) noexcept;
    void send_unfinished(path::WorkerId worker, rte_mbuf** packets, uint16_t count,
                         path::Counters& counters) noexcept;
    void send_lacp() noexcept;
    void probe_members(uint16_t queue) noexcept;
    bool is_short_of_large() const noexcept;
    void spare_large(rte_mbuf** packets, uint16_t count) noexcept;
    bool prepare(uint16_t queue, rte_mbuf*& packet) noexcept;
    void cut(path::WorkerId worker, rte_mbuf* segment, path::Counters& counters) noexcept;
    uint16_t accept_unfinished(rte_mbuf** packets, uint16_t count,
                               path::Counters& counters) noexcept;
    uint16_t transmit_queue(path::WorkerId worker) const noexcept {
        return static_cast<uint16_t>(path::index(worker) % transmit_queues_);
    }
    base::Result<void> check_connection();
    // For a bond.
    base::Result<void> check_members();
    std::string why_no_link(size_t member) const;
    std::optional<size_t> carrying_member() const;
    void choose_carrier();
    void tell_of_members();
    void tell_of_failover();

    Pools pools_;
    std::shared_ptr<KernelDevice> kernel_;  // of net_af_xdp only
    uint16_t workers_;
    std::function<void()> attention_;
    uint16_t device_ = RTE_MAX_ETHPORTS;  // RTE_MAX_ETHPORTS: closed
    // Progress of open(): first the device is made, then it is started.
    std::unique_ptr<DeviceMaking> making_;
    std::unique_ptr<DeviceStart> starting_;
    std::string failure_;  // of the last attempt to open it; empty: it succeeded, or there was none
    std::chrono::steady_clock::duration took_{};  // time on the device thread in this attempt
    std::chrono::steady_clock::time_point open_again_{};
    MadeDevice made_{RTE_MAX_ETHPORTS, false};
    std::vector<MadeDevice> members_;     // of a bond
    std::vector<std::optional<KernelMember>> kernel_members_;  // by member
    BorrowedMtu borrowed_mtus_;           // of the kernel members' interfaces
    std::unique_ptr<MemberProbes> probes_;   // null: no probes
    std::vector<std::string> members_down_;  // why each is down, as of the last check(); empty: it is up
    bool failed_over_ = false;            // until take_failover()
    DeviceCounters earlier_;              // the device's counters from before it was last closed
    bool is_lacp_;
    bool is_backup_;
    std::optional<uint16_t> carrier_;     // of an active-backup bond, as of the last check()
    uint64_t next_lacp_ = 0;              // TSC; used by the worker of queue 0
    bool verifies_checksums_ = false;
    int without_link_ = 0;                // how many times in a row check() saw no link, if it connects
    uint16_t receive_queues_ = 0;
    uint16_t transmit_queues_ = 0;
    bool has_interrupts_ = false;        // receive queues may have descriptors
    std::vector<base::Fd> descriptors_;  // by receive queue; empty: the queues are polled
    std::array<bool, path::kMaxQueues> listening_{};  // used by the queue's worker
    std::array<uint16_t, path::kMaxQueues> sources_;  // likewise: the bond's member of the last burst
    std::string no_link_;
    std::string events_of_;  // DPDK's name of the device while its events are registered
    // Notes of the interrupt thread, which the control thread reads and clears.
    std::atomic<bool> changed_{false};
    std::atomic<const char*> lost_{nullptr};  // the reason, of static storage
    // If a device has fewer transmit queues than there are workers, the workers take turns.
    struct alignas(64) Turn {
        rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;
    };
    std::array<Turn, path::kMaxWorkers> turns_;
};

}  // namespace sluice::port
