#include "port/kernel_device.h"

#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "path/batch.h"
#include "port/device_option.h"
#include "port/netlink.h"
#include "wire/headers.h"
#include "wire/unfinished.h"

namespace sluice::port {
namespace {

constexpr uint32_t kPage = 4096;
constexpr uint32_t kFrameHeader = sizeof(wire::EthernetHeader) + sizeof(wire::VlanTag);

// net_af_packet: what the kernel puts before a frame in the ring (tpacket_rcv), rounded up; the
// driver's own size of a frame in it; and the largest one, in pages, that an mbuf describes.
constexpr uint32_t kRingHeader = 80;
constexpr uint32_t kDefaultFrame = 2048;
constexpr uint32_t kMaxFrame = 15 * kPage;

// Each of its two rings, in bytes and in blocks of so many. What comes while the worker doesn't run must
// find room: DPDK's own 512 frames are 4 ms of 1.5 Gbit/s, as long as another thread may have the core, and
// cost 12 % of the packets of `bench/run overlay`; with these it lost none.
constexpr uint32_t kRingSize = 8 << 20;
constexpr uint32_t kMinRingFrames = 512;
constexpr uint32_t kRingBlock = 64 << 10;

// net_af_xdp: a buffer, with DPDK's headers and the kernel's headroom, lies in one page at most and
// takes half of one at least.
constexpr uint32_t kObjectHeader = RTE_CACHE_LINE_SIZE;
constexpr uint32_t kXdpHeadroom = 256;
constexpr uint32_t kXdpOverhead =
    kObjectHeader + uint32_t{sizeof(rte_mbuf)} + RTE_PKTMBUF_HEADROOM + kXdpHeadroom;
constexpr uint32_t kMinXdpBuffer = 2048 - kXdpOverhead;
constexpr uint32_t kMaxXdpBuffer = kPage - kXdpOverhead;
constexpr uint32_t kXdpBuffers = 3 * 2048;  // a queue: its fill ring, its transmit ring, bursts

// The features of an interface in the current namespace, by the names that `ethtool -k` knows them
// by, more or less.
class Features {
 public:
    explicit Features(const std::string& interface)
        : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        interface.copy(request_.ifr_name, sizeof request_.ifr_name - 1);
        read_names();
    }

    bool is_on(const std::string& name) {
        const auto found = names_.find(name);
        if (found == names_.end()) return false;
        auto* get = command<ethtool_gfeatures>(ETHTOOL_GFEATURES);
        get->size = (count_ + 31) / 32;
        if (!call()) return false;
        return (get->features[found->second / 32].active >> found->second % 32 & 1) != 0;
    }
    bool set(const std::string& name, bool on) {
        const auto found = names_.find(name);
        if (found == names_.end()) return false;
        auto* set = command<ethtool_sfeatures>(ETHTOOL_SFEATURES);
        set->size = (count_ + 31) / 32;
        auto& block = set->features[found->second / 32];
        block.valid = 1u << found->second % 32;
        block.requested = on ? block.valid : 0;
        return call();
    }

 private:
    static constexpr uint32_t kMaxNames = 256;

    // An empty command, which ends in an array of what it is about.
    template <class Command>
    Command* command(uint32_t number) {
        std::memset(data_, 0, sizeof data_);
        auto* command = reinterpret_cast<Command*>(data_);
        command->cmd = number;
        return command;
    }
    bool call() {
        request_.ifr_data = reinterpret_cast<char*>(data_);
        return ioctl(socket_.get(), SIOCETHTOOL, &request_) >= 0;
    }

    void read_names() {
        auto* size = command<ethtool_sset_info>(ETHTOOL_GSSET_INFO);
        size->sset_mask = 1ull << ETH_SS_FEATURES;
        if (!call() || size->data[0] > kMaxNames) return;
        const uint32_t count = size->data[0];
        auto* strings = command<ethtool_gstrings>(ETHTOOL_GSTRINGS);
        strings->string_set = ETH_SS_FEATURES;
        strings->len = count;
        if (!call()) return;
        count_ = count;
        for (uint32_t i = 0; i < count_; ++i) {
            const char* name = reinterpret_cast<const char*>(strings->data) + i * ETH_GSTRING_LEN;
            names_.emplace(std::string(name, strnlen(name, ETH_GSTRING_LEN)), i);
        }
    }

    alignas(8) uint8_t data_[sizeof(ethtool_gstrings) + kMaxNames * ETH_GSTRING_LEN];
    base::Fd socket_;
    ifreq request_{};
    uint32_t count_ = 0;
    std::map<std::string, uint32_t> names_;
};

int bpf(bpf_cmd command, bpf_attr& attributes) {
    return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

// An XDP program on the interface that passes every frame to the kernel, for as long as the answer is
// held. Where the kernel can, it takes frames of several pieces too: else it would refuse a large MTU.
base::Fd pass_all(int interface) {
    const bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT},
    };
    for (const uint32_t flags : {uint32_t{BPF_F_XDP_HAS_FRAGS}, 0u}) {
        bpf_attr load{};
        load.prog_type = BPF_PROG_TYPE_XDP;
        load.expected_attach_type = BPF_XDP;
        load.insns = reinterpret_cast<uint64_t>(code);
        load.insn_cnt = std::size(code);
        load.license = reinterpret_cast<uint64_t>("BSD");
        load.prog_flags = flags;
        const base::Fd program(bpf(BPF_PROG_LOAD, load));
        if (!program) continue;
        bpf_attr link{};
        link.link_create.prog_fd = static_cast<uint32_t>(program.get());
        link.link_create.target_ifindex = static_cast<uint32_t>(interface);
        link.link_create.attach_type = BPF_XDP;
        link.link_create.flags = XDP_FLAGS_DRV_MODE;
        if (base::Fd held(bpf(BPF_LINK_CREATE, link)); held) return held;
    }
    return {};
}

}  // namespace

std::unique_ptr<KernelDevice> KernelDevice::make(path::PortId id, const PortConfig& config,
                                                 Pools pools) {
    const std::string_view device = config.device;
    if (device.starts_with("net_af_packet")) {
        return std::unique_ptr<KernelDevice>(new KernelDevice(id, config, pools, Driver::kPacket));
    }
    if (device.starts_with("net_af_xdp")) {
        return std::unique_ptr<KernelDevice>(new KernelDevice(id, config, pools, Driver::kXdp));
    }
    return nullptr;
}

KernelDevice::KernelDevice(path::PortId id, const PortConfig& config, Pools pools, Driver driver)
    : id_(id),
      name_(config.name),
      device_(config.device),
      interface_(device_option(config.device, "iface")),
      mtu_(config.frame_mtu()),
      pools_(pools),
      driver_(driver) {}

uint32_t KernelDevice::frame_size() const noexcept {
    if (driver_ == Driver::kXdp) {
        return std::max(kMinXdpBuffer, RTE_ALIGN_CEIL(mtu_ + kFrameHeader, RTE_CACHE_LINE_SIZE));
    }
    if (const std::string own(device_option(device_, "framesz")); !own.empty()) {
        return static_cast<uint32_t>(std::strtoul(own.c_str(), nullptr, 10));
    }
    const uint32_t needed = mtu_ + kFrameHeader + kRingHeader;
    return needed <= kDefaultFrame ? kDefaultFrame : RTE_ALIGN_CEIL(needed, kPage);
}

std::string KernelDevice::arguments() const {
    const auto decided = [this](std::string_view key) { return !device_option(device_, key).empty(); };
    if (driver_ != Driver::kPacket || decided("framesz") || decided("blocksz")) return device_;
    const uint32_t frame = frame_size();
    const bool ordinary = frame == kDefaultFrame;
    if (decided("framecnt")) {
        return ordinary ? device_ : fmt::format("{},framesz={},blocksz={}", device_, frame, frame);
    }
    return fmt::format("{},framesz={},blocksz={},framecnt={}", device_, frame, ordinary ? kRingBlock : frame,
                       std::max(kMinRingFrames, kRingSize / frame));
}

base::Result<void> KernelDevice::open(uint16_t queues) {
    const uint32_t largest = driver_ == Driver::kXdp ? kMaxXdpBuffer : kMaxFrame;
    const uint32_t overhead = kFrameHeader + (driver_ == Driver::kXdp ? 0 : kRingHeader);
    if (frame_size() > largest) {
        return base::fail("{} takes an MTU of up to {}, not {}",
                          driver_ == Driver::kXdp ? "net_af_xdp" : "net_af_packet",
                          largest - overhead, mtu_);
    }
    if (driver_ == Driver::kPacket && frame_size() < mtu_ + overhead) {
        return base::fail("framesz={} is too small for an MTU of {}: {} or more, or leave it out",
                          frame_size(), mtu_, mtu_ + overhead);
    }
    return make_pool(queues).and_then([&] { return set_up_interface(); });
}

base::Result<void> KernelDevice::make_pool(uint16_t queues) {
    const bool packet = driver_ == Driver::kPacket;
    if (packet && frame_size() <= kDefaultFrame) return {};
    const uint32_t headroom = RTE_PKTMBUF_HEADROOM + (packet ? 0 : kXdpHeadroom);
    const uint32_t size = frame_size() + headroom;
    const uint32_t count = queues * (packet ? 2 * path::kBatchSize : kXdpBuffers);
    // Without gaps, for the driver takes it for an array; devices never see it, and may find it
    // scattered.
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

base::Result<void> KernelDevice::set_up_interface() {
    auto netlink = Netlink::open();
    if (!netlink) return tl::unexpected(netlink.error());
    const auto links = netlink->links();
    if (!links) return tl::unexpected(links.error());
    const auto link = std::find_if(links->begin(), links->end(),
                                   [&](const Link& each) { return each.name == interface_; });
    if (link == links->end()) return base::fail("there is no interface {}", interface_);
    if (link->mtu != mtu_) {
        if (auto done = netlink->change_link(link->index, {.mtu = mtu_}); !done) return done;
    }
    // net_af_xdp's own program does the same, and it takes frames before they are merged.
    if (driver_ == Driver::kXdp) return {};
    if (link->kind == "veth") stop_segments(link->index);
    stop_merging();
    return {};
}

void KernelDevice::stop_segments(int interface) {
    program_ = pass_all(interface);
    if (program_) return;
    base::log::warning("port",
                       "{}: the other end of {} may send segments longer than the MTU, which arrive "
                       "without their end: turn them off there (ethtool -K INTERFACE tso off gso off)",
                       name_, interface_);
}

void KernelDevice::stop_merging() {
    Features features(interface_);
    for (const char* name : {"rx-gro", "rx-gro-hw", "rx-lro"}) {
        if (features.is_on(name) && features.set(name, false)) merging_.emplace_back(name);
    }
}

void KernelDevice::close() noexcept {
    if (!merging_.empty()) {
        Features features(interface_);
        for (const std::string& name : merging_) features.set(name, true);
        merging_.clear();
    }
    program_.reset();
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
                           "dropped (cut-short): give both ends of {} the same MTU, and turn segments "
                           "off at the other one (ethtool -K INTERFACE tso off gso off)",
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
        if (own_ != nullptr) {
            rte_mbuf* copy = rte_pktmbuf_copy(packet, pools_.buffers, 0, UINT32_MAX);
            rte_pktmbuf_free(packet);
            if (copy == nullptr) {
                counters.drop(id_, path::Drop::kNoBuffer);
                continue;
            }
            packet = copy;
        }
        const wire::KernelFrame frame = wire::recover_unfinished(packet);
        if (unlikely(frame == wire::KernelFrame::kCutShort)) {
            cut_short_.fetch_add(1, std::memory_order_relaxed);
            counters.drop(id_, path::Drop::kCutShort);
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
