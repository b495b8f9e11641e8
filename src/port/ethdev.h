// Whatever DPDK device arguments name: net_null, net_ring, net_pcap, net_af_xdp, net_vhost, PCI
// functions (net_af_packet apart, af_packet.h). The device is probed when the port opens and removed when it
// closes; one that the `dpdk: args:` created already is used as it is and only stopped.
//
// Checksums and TCP segments are left to a device that says it finishes them; what such a device
// refuses after all is finished here, so that nothing is lost to a limit of a device's.
//
// What a device has been given it may hold on to, and with it large buffers, without which other ports
// can't receive: where those run short, it gets copies in ordinary ones.
//
// It is made, started and closed on the device thread: open() hands that on and asks how far it is
// (device_start.h). The control thread waits for it a little, and not where the last attempt has failed.
//
// A device tells of its link and its removal on DPDK's interrupt thread (on_link(), on_lost()), which
// only leaves a note for the control thread; what it doesn't tell check() asks for. Where its receive
// queues have an interrupt each, a worker can sleep until one of them has a packet.
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
    void on_lost(const char* why) noexcept;  // the device can't go on as it is

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
    // Of a bond.
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
    uint16_t device_ = RTE_MAX_ETHPORTS;  // RTE_MAX_ETHPORTS: not open
    // What open() waits for: that a device is made, then that the port's is started.
    std::unique_ptr<DeviceMaking> making_;
    std::unique_ptr<DeviceStart> starting_;
    std::string failure_;  // of the last attempt to open it; empty: it succeeded, or there was none
    std::chrono::steady_clock::duration took_{};  // on the device thread, this attempt
    std::chrono::steady_clock::time_point open_again_{};
    MadeDevice made_{RTE_MAX_ETHPORTS, false};
    std::vector<MadeDevice> members_;     // of a bond
    std::vector<std::optional<KernelMember>> kernel_members_;  // of each of those
    BorrowedMtu borrowed_mtus_;           // of the kernel members' interfaces
    std::unique_ptr<MemberProbes> probes_;   // null: nothing is asked
    std::vector<std::string> members_down_;  // why each is down, when check() last looked; empty: it isn't
    bool failed_over_ = false;            // until take_failover()
    DeviceCounters earlier_;              // of the device, each time until it was closed
    bool is_lacp_;
    bool is_backup_;
    std::optional<uint16_t> carrier_;     // of an active-backup bond, when check() last looked
    uint64_t next_lacp_ = 0;              // TSC; of the worker that has queue 0
    bool verifies_checksums_ = false;
    int without_link_ = 0;                // so often in a row check() has seen it, if it connects
    uint16_t receive_queues_ = 0;
    uint16_t transmit_queues_ = 0;
    bool has_interrupts_ = false;        // receive queues may have descriptors
    std::vector<base::Fd> descriptors_;  // by receive queue; empty: they are polled
    std::array<bool, path::kMaxQueues> listening_{};  // the queue's worker
    std::array<uint16_t, path::kMaxQueues> sources_;  // likewise: the member of a bond that gave last
    std::string no_link_;
    std::string events_of_;  // the device's name in DPDK, while we listen to its events
    // Notes of the interrupt thread's, which the control thread reads and takes away.
    std::atomic<bool> changed_{false};
    std::atomic<const char*> lost_{nullptr};  // why, of static storage
    // Where a device has fewer transmit queues than there are workers, they take turns.
    struct alignas(64) Turn {
        rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;
    };
    std::array<Turn, path::kMaxWorkers> turns_;
};

}  // namespace sluice::port
