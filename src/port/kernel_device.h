// The other half of a device port over net_af_xdp: an interface that stays with the kernel, and what its
// network stack does that the driver knows nothing about. (af_packet.h is the other way to such an
// interface.)
//
//   Unfinished checksums   are marked as such (wire/unfinished.h): sluiced finishes them on the way out.
//   Segments               don't come: the driver's XDP program makes the kernel withdraw the offer to take
//                          them, and gets frames before they are merged.
//   Memory                 the driver gives the kernel the very memory of its packets, and with that of
//                          the switch it would send clones (floods) from wrong addresses; so it has some
//                          of its own.
//   MTU                    the driver is wrong about the longest one.
//   Sockets                the driver of DPDK 22.11 leaves them open where the device is closed, and with them the
//                          interface's queues taken and its memory in use.
//
// open(), note_sockets() and close() are the device thread's, receive() the workers', each for its own queue, the
// rest the control thread's.
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
    // Null for device arguments that name another driver.
    static std::unique_ptr<KernelDevice> make(path::PortId id, const PortConfig& config, Pools pools);
    KernelDevice(const KernelDevice&) = delete;
    ~KernelDevice() { close(); }

    // The device is there and stopped. After an error, close().
    base::Result<void> open(uint16_t queues, uint16_t mtu);
    rte_mempool* pool() const noexcept { return own_; }
    // The device was started, or that has failed.
    void note_sockets();
    // After the device.
    void close() noexcept;

    // Logs once what an operator should know.
    void check();
    void describe(nlohmann::json& answer) const;

    // Takes over what the driver has received, and keeps what is good of it.
    uint16_t receive(rte_mbuf** packets, uint16_t count, path::Counters& counters) noexcept;

 private:
    KernelDevice(path::PortId id, const PortConfig& config, Pools pools);
    uint32_t frame_size() const noexcept;
    base::Result<void> make_pool(uint16_t queues);

    struct Socket {
        int descriptor;
        ino_t inode;  // which no other socket has as long as this one is there

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
    std::vector<Socket> others_;   // of this process, before the device was started
    std::vector<Socket> sockets_;  // the device's
    std::atomic<uint64_t> unfinished_{0};
    std::atomic<uint64_t> cut_short_{0};
    bool told_unfinished_ = false;
    bool told_cut_short_ = false;
};

}  // namespace sluice::port
