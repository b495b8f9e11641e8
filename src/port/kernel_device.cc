#include "port/kernel_device.h"

#include <rte_errno.h>
#include <rte_lcore.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "port/device_option.h"
#include "wire/headers.h"
#include "wire/unfinished.h"

namespace sluice::port {
namespace {

constexpr uint32_t kPage = 4096;
constexpr uint32_t kFrameHeader = sizeof(wire::EthernetHeader) + sizeof(wire::VlanTag);

// A buffer, with DPDK's headers and the kernel's headroom, takes between half a page and a whole page, and lies
// inside one page.
constexpr uint32_t kObjectHeader = RTE_CACHE_LINE_SIZE;
constexpr uint32_t kXdpHeadroom = 256;
constexpr uint32_t kOverhead =
    kObjectHeader + uint32_t{sizeof(rte_mbuf)} + RTE_PKTMBUF_HEADROOM + kXdpHeadroom;
constexpr uint32_t kMinBuffer = 2048 - kOverhead;
constexpr uint32_t kMaxBuffer = kPage - kOverhead;
constexpr uint32_t kBuffers = 3 * 2048;  // per queue: its fill ring, its transmit ring, bursts

}  // namespace

std::unique_ptr<KernelDevice> KernelDevice::make(path::PortId id, const PortConfig& config,
                                                 Pools pools) {
    if (!config.device.starts_with("net_af_xdp")) return nullptr;
    return std::unique_ptr<KernelDevice>(new KernelDevice(id, config, pools));
}

KernelDevice::KernelDevice(path::PortId id, const PortConfig& config, Pools pools)
    : id_(id),
      name_(config.name),
      interface_(device_option(config.device, "iface")),
      pools_(pools) {}

uint32_t KernelDevice::frame_size() const noexcept {
    return std::max(kMinBuffer, RTE_ALIGN_CEIL(mtu_ + kFrameHeader, RTE_CACHE_LINE_SIZE));
}

base::Result<void> KernelDevice::open(uint16_t queues, uint16_t mtu) {
    mtu_ = mtu;
    if (frame_size() > kMaxBuffer) {
        return base::fail("net_af_xdp takes an MTU of up to {}, not {}", kMaxBuffer - kFrameHeader, mtu_);
    }
    if (auto done = make_pool(queues); !done) return done;
    if (auto link = take_interface(interface_, mtu_, borrowed_); !link) return tl::unexpected(link.error());
    others_ = xdp_sockets();
    return {};
}

std::vector<KernelDevice::Socket> KernelDevice::xdp_sockets() {
    std::vector<Socket> sockets;
    std::error_code error;
    std::filesystem::directory_iterator entry("/proc/self/fd", error);
    for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) {
        const int descriptor = std::atoi(entry->path().filename().c_str());
        int domain = 0;
        socklen_t size = sizeof domain;
        struct stat status {};
        if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_XDP ||
            fstat(descriptor, &status) != 0) {
            continue;
        }
        sockets.push_back({descriptor, status.st_ino});
    }
    return sockets;
}

void KernelDevice::note_sockets() {
    for (const Socket& socket : xdp_sockets()) {
        if (std::find(others_.begin(), others_.end(), socket) == others_.end()) sockets_.push_back(socket);
    }
}

base::Result<void> KernelDevice::make_pool(uint16_t queues) {
    const uint32_t size = frame_size() + RTE_PKTMBUF_HEADROOM + kXdpHeadroom;
    const uint32_t count = queues * kBuffers;
    // Without gaps, because the driver treats the pool as an array. Its physical memory may be scattered, since
    // no device uses it.
    const std::string pool_name = fmt::format("sluice-kernel-{}", path::index(id_));
    own_ = rte_mempool_create_empty(pool_name.c_str(), count, sizeof(rte_mbuf) + size, 0,
                                    sizeof(rte_pktmbuf_pool_private),
                                    static_cast<int>(rte_socket_id()),
                                    RTE_MEMPOOL_F_NO_SPREAD | RTE_MEMPOOL_F_NO_IOVA_CONTIG);
    rte_pktmbuf_pool_private room{};
    room.mbuf_data_room_size = static_cast<uint16_t>(size);
    if (own_ != nullptr) {
        rte_pktmbuf_pool_init(own_, &room);
        if (rte_mempool_populate_default(own_) >= 0) {
            rte_mempool_obj_iter(own_, rte_pktmbuf_init, nullptr);
            return {};
        }
    }
    const int error = rte_errno;
    rte_mempool_free(own_);
    own_ = nullptr;
    return base::fail("no memory for {} packet buffers of {} bytes of its own ({}): raise memory.size",
                      count, size, rte_strerror(error));
}

void KernelDevice::close() noexcept {
    if (!sockets_.empty()) {
        for (const Socket& socket : xdp_sockets()) {
            if (std::find(sockets_.begin(), sockets_.end(), socket) != sockets_.end()) ::close(socket.descriptor);
        }
        sockets_.clear();
    }
    borrowed_.restore();
    rte_mempool_free(own_);
    own_ = nullptr;
}

void KernelDevice::check() {
    const uint64_t unfinished = unfinished_.load(std::memory_order_relaxed);
    if (unfinished != 0 && !std::exchange(told_unfinished_, true)) {
        base::log::info("port", "{}: the kernel behind {} leaves checksums unfinished; sluiced finishes "
                        "them", name_, interface_);
    }
    const uint64_t cut_short = cut_short_.load(std::memory_order_relaxed);
    if (cut_short != 0 && !std::exchange(told_cut_short_, true)) {
        base::log::warning("port",
                           "{}: packets longer than its MTU of {} arrive without their end and are "
                           "dropped (cut-short): give both ends of {} the same MTU",
                           name_, mtu_, interface_);
    }
}

void KernelDevice::describe(nlohmann::json& answer) const {
    answer["kernel-interface"] = {
        {"name", interface_},
        {"unfinished-checksums", unfinished_.load(std::memory_order_relaxed)},
        {"cut-short", cut_short_.load(std::memory_order_relaxed)},
    };
}

uint16_t KernelDevice::receive(rte_mbuf** packets, uint16_t count,
                               path::Counters& counters) noexcept {
    uint16_t kept = 0;
    uint64_t unfinished = 0;
    for (uint16_t i = 0; i < count; ++i) {
        rte_mbuf* packet = packets[i];
        rte_mbuf* copy = rte_pktmbuf_copy(packet, pools_.buffers, 0, UINT32_MAX);
        if (copy == nullptr) counters.drop(id_, path::Drop::kNoBuffer, packet, {.ingress = id_});
        rte_pktmbuf_free(packet);
        if (copy == nullptr) continue;
        packet = copy;
        const wire::KernelFrame frame = wire::recover_unfinished(packet);
        if (unlikely(frame == wire::KernelFrame::kCutShort)) {
            cut_short_.fetch_add(1, std::memory_order_relaxed);
            counters.drop(id_, path::Drop::kCutShort, packet);
            rte_pktmbuf_free(packet);
            continue;
        }
        if (frame == wire::KernelFrame::kUnfinished) ++unfinished;
        packets[kept++] = packet;
    }
    if (unfinished != 0) unfinished_.fetch_add(unfinished, std::memory_order_relaxed);
    return kept;
}

}  // namespace sluice::port
