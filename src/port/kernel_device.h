// The other half of a device port over net_af_packet or net_af_xdp: an interface that stays with the
// kernel, and what its network stack does that these two drivers know nothing about.
//
//   Unfinished checksums   are marked as such (wire/unfinished.h): sluiced finishes them on the way out.
//   Segments               longer than the MTU would arrive without their end. net_af_packet's interface
//                          no longer merges what it receives (GRO, LRO), and the other end of a veth no
//                          longer sends them: the kernel withdraws that offer while our end has an XDP
//                          program, so it gets one that passes everything. Both are undone by close(),
//                          the program by our death as well.
//   Memory                 net_af_xdp gives the kernel the very memory of its packets, and with that of
//                          the switch it would send clones (floods) from wrong addresses; so it has some
//                          of its own. net_af_packet has where its frames exceed an ordinary buffer.
//   MTU                    both drivers are wrong about the longest one.
//
// Control thread but for receive(), which workers call, each for its own queue.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "path/counters.h"
#include "port/pools.h"
#include "port/port_config.h"

namespace sluice::port {

class KernelDevice {
 public:
    // Null for device arguments that name another driver.
    static std::unique_ptr<KernelDevice> make(path::PortId id, const PortConfig& config, Pools pools);
    KernelDevice(const KernelDevice&) = delete;
    ~KernelDevice() { close(); }

    // What DPDK is to make the device of: the configured arguments, with frames that the MTU fits in and
    // rings of 8 MiB, where they leave that open.
    std::string arguments() const;
    // The device is there and stopped. After an error, close().
    base::Result<void> open(uint16_t queues);
    rte_mempool* pool() const noexcept { return own_ != nullptr ? own_ : pools_.buffers; }
    // After the device.
    void close() noexcept;

    // Logs once what an operator should know.
    void check();
    void describe(nlohmann::json& answer) const;

    // Takes over what the driver has received, and keeps what is good of it.
    uint16_t receive(rte_mbuf** packets, uint16_t count, path::Counters& counters) noexcept;

 private:
    enum class Driver { kPacket, kXdp };

    KernelDevice(path::PortId id, const PortConfig& config, Pools pools, Driver driver);
    uint32_t frame_size() const noexcept;
    base::Result<void> make_pool(uint16_t queues);
    base::Result<void> set_up_interface();
    void stop_merging();
    void stop_segments(int interface);

    path::PortId id_;
    std::string name_;
    std::string device_;
    std::string interface_;
    uint16_t mtu_;
    Pools pools_;
    Driver driver_;
    rte_mempool* own_ = nullptr;
    base::Fd program_;                 // of ours, on a veth, while it is open
    std::vector<std::string> merging_;  // the interface's features that we have turned off
    std::atomic<uint64_t> unfinished_{0};
    std::atomic<uint64_t> cut_short_{0};
    bool told_unfinished_ = false;
    bool told_cut_short_ = false;
};

}  // namespace sluice::port
