// Ports of virtual machines: the back end of a vhost-user socket (virtio-net, VIRTIO 1.2, 5.1; the protocol is
// QEMU's "vhost-user"), on DPDK's rte_vhost. Segments and unfinished checksums pass whole in both directions if
// the guest's driver has agreed to them.
//
// Three threads use it. rte_vhost's own thread speaks the protocol and reports guests that come and go (the
// on_...() functions). Workers use only the rings of `guest_`. The control thread opens, closes, inspects and
// describes. A guest's rings vanish only after every worker has finished the turn in which it may have read
// `guest_`.
#pragma once

#include <array>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "port/port.h"
#include "port/vring.h"

namespace sluice::port {

class VhostUser final : public Port {
 public:
    VhostUser(path::PortId id, PortConfig config, const Context& context);
    ~VhostUser() override { close(); }

    base::Result<void> open() override;
    void close() noexcept override;
    void destroy() noexcept override;
    base::Result<void> configure(const PortConfig& next) override;
    base::Result<void> check() override;

    std::string no_link() const override;
    bool changed() const noexcept override { return changed_.load(std::memory_order_acquire); }
    void refresh() override;

    uint16_t receive_queues() const noexcept override {
        return static_cast<uint16_t>(kicks_.size());
    }
    Wake wake(uint16_t queue) const noexcept override {
        return kicks_[queue] ? Wake::kOnDemand : Wake::kNever;
    }
    int descriptor(uint16_t queue) const noexcept override { return kicks_[queue].get(); }
    void listen(uint16_t queue, bool on) noexcept override;
    Received receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                     path::Counters& counters) noexcept override;
    void transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                  path::Counters& counters) noexcept override;

    nlohmann::json describe() const override;
    std::string interface() const override { return config_.vhost_user->path; }

    // --- rte_vhost's thread ---
    bool on_connected(int guest);  // false: refused
    void on_disconnected(int guest);
    void on_running(int guest);
    void on_stopped(int guest);
    void on_ring(int guest, uint16_t ring, bool enabled);
    void on_features(int guest);
    void on_memory(int guest);
    uint16_t most_queues() const noexcept { return most_queues_; }

 private:
    static constexpr int kNoGuest = -1;
    static constexpr std::string_view kNotShared = "the guest's memory is not shared (share=on)";
    static constexpr uint16_t kRings = 2 * path::kMaxQueues;  // even numbers: to the guest, odd: from the guest

    base::Result<void> take_path() const;
    base::Result<void> make_folder() const;
    // The container's folder for its socket: made and removed with the port. None: the operator's.
    std::optional<std::filesystem::path> own_folder() const;
    base::Result<void> register_socket();
    base::Result<void> let_group_connect() const;
    void note_change() noexcept;
    std::string_view why_not_running() const;
    void choose_transmit_rings() noexcept;
    void restore_position(uint16_t ring);
    VringView view(uint16_t ring) const;
    void inspect_rings();
    void look_for_memory();

    Pools pools_;
    uint16_t workers_;
    std::function<void()> attention_;
    std::function<void()> wait_for_workers_;
    // Copies of the configuration for rte_vhost's thread, since the control thread may replace the original.
    const std::string name_;
    const std::string path_;
    const uint16_t most_queues_;
    bool registered_ = false;
    uint64_t socket_inode_ = 0;  // of the socket that the switch serves

    // Workers.
    std::atomic<int> guest_{kNoGuest};  // rte_vhost's handle while its rings may be used; kNoGuest otherwise
    std::array<std::atomic<uint16_t>, path::kMaxWorkers> transmit_ring_{};  // by WorkerId
    std::array<uint16_t, path::kMaxQueues> appetite_;  // size of the next burst; used by the queue's worker

    static constexpr int kLooksForMemory = 2;
    int without_memory_ = 0;  // how many times in a row check() saw a driver without memory

    // For the control thread, as of refresh().
    std::string no_link_;
    std::vector<base::Fd> kicks_;  // by receive queue: the guest's notifications, if they are enabled

    std::atomic<bool> changed_{false};
    // Written by rte_vhost's thread, read by the control thread. The mutex also keeps a guest's rings in place
    // while the control thread looks at them, since on_stopped() needs it.
    mutable std::mutex mutex_;
    int connection_ = kNoGuest;
    bool running_ = false;
    std::array<bool, kRings> enabled_{};
    std::array<bool, kRings> positioned_{};  // restore_position() was called
    uint64_t features_ = 0;  // negotiated
    bool negotiated_ = false;  // the guest's driver has sent its features in this connection
    bool is_private_ = false;  // the guest does not share its memory (guest_memory.h)
    std::vector<GuestRegion> memory_;
    uint64_t connections_ = 0;

    struct Stuck {
        uint16_t next = 0;  // position at the last look
        std::optional<std::string> fault;
        bool told = false;  // it stood there at two looks, so the ring was not just being written
    };
    std::array<Stuck, kRings> stuck_;
};

}  // namespace sluice::port
