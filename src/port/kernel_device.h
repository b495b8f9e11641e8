// The kernel's half of a device port over net_af_xdp: an interface that stays with the kernel, and effects of the
// kernel's network stack that the driver does not handle. (af_packet.h is the other way to use such an
// interface.)
//
//   Unfinished checksums   are marked (wire/unfinished.h), and finished when the packet leaves.
//   Segments               do not arrive: with the driver's XDP program the kernel withdraws the offer to take
//                          them, and the program gets frames before they are merged.
//   Memory                 the driver gives the kernel the memory of its packets. With the switch's own pools it
//                          would send clones (floods) from wrong addresses, so the device has a pool of its own.
//   MTU                    the driver reports a wrong maximum.
//   Sockets                the driver of DPDK 22.11 leaves them open when the device is closed. The interface's
//                          queues then stay taken and its memory stays in use.
//
// The device thread calls open(), note_sockets() and close(). Workers call receive(), each for its own queue. The
// control thread calls the rest.
#pragma once

#include <rte_mbuf.h>
#include <sys/types.h>

#include <atomic>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "path/counters.h"
#include "port/interface.h"
#include "port/pools.h"
#include "port/port_config.h"

namespace sluice::port {

class KernelDevice {
 public:
    // Null for device arguments with another driver.
    static std::unique_ptr<KernelDevice> make(path::PortId id, const PortConfig& config, Pools pools);
    KernelDevice(const KernelDevice&) = delete;
    ~KernelDevice() { close(); }

    // The device exists and is stopped. After an error, call close().
    base::Result<void> open(uint16_t queues, uint16_t mtu);
    rte_mempool* pool() const noexcept { return own_; }
    // Call it after the device was started, or failed to start.
    void note_sockets();
    // Call it after the device was closed.
    void close() noexcept;

    // Logs once if there is something that an operator should know.
    void check();
    void describe(nlohmann::json& answer) const;

    // Takes over the packets that the driver received. Returns how many are kept.
    uint16_t receive(rte_mbuf** packets, uint16_t count, path::Counters& counters) noexcept;

 private:
    KernelDevice(path::PortId id, const PortConfig& config, Pools pools);
    uint32_t frame_size() const noexcept;
    base::Result<void> make_pool(uint16_t queues);

    struct Socket {
        int descriptor;
        ino_t inode;  // unique while this socket is open

        bool operator==(const Socket&) const = default;
    };
    static std::vector<Socket> xdp_sockets();

    path::PortId id_;
    std::string name_;
    std::string interface_;
    uint16_t mtu_ = 0;
    Pools pools_;
    rte_mempool* own_ = nullptr;
    BorrowedMtu borrowed_;
    std::vector<Socket> others_;   // sockets of this process before the device was started
    std::vector<Socket> sockets_;  // the device's
    std::atomic<uint64_t> unfinished_{0};
    std::atomic<uint64_t> cut_short_{0};
    bool told_unfinished_ = false;
    bool told_cut_short_ = false;
};

}  // namespace sluice::port
