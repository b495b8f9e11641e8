#include "port/af_packet.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "port/device_option.h"
#include "wire/headers.h"

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000  // Linux 5.11; the headers may be older than the kernel
#endif

namespace sluice::port {
namespace {

// A slot of the ring: the kernel's header before a frame (tpacket_rcv), and the frame with a VLAN tag.
constexpr uint32_t kSlotHeader = 112;
constexpr uint32_t kFrameHeader = sizeof(wire::EthernetHeader) + sizeof(wire::VlanTag);

// The ring must hold the frames that arrive while the worker does not run. 512 slots hold 4 ms of 1.5 Gbit/s, as
// long as another thread may have the core, and lost 12 % of the packets of `bench/run overlay`; 2,000 and more
// slots lost none. kSocketBuffer limits the bytes of longer frames beside the ring, and of frames that wait to be
// sent.
constexpr uint32_t kRingSize = 4 << 20;
constexpr uint32_t kMinSlots = 512;
constexpr uint32_t kBlock = 128 << 10;
constexpr int kSocketBuffer = 32 << 20;

constexpr uint32_t kChecksBetweenLooks = 5;  // between looks at a veth's other end

template <class T>
bool set_option(const base::Fd& socket, int option, const T& value) {
    return setsockopt(socket.get(), SOL_PACKET, option, &value, sizeof value) == 0;
}

// Without CAP_NET_ADMIN, sets as much as the host allows.
void set_buffer(const base::Fd& socket, int forced, int allowed) {
    if (setsockopt(socket.get(), SOL_SOCKET, forced, &kSocketBuffer, sizeof kSocketBuffer) == 0) return;
    setsockopt(socket.get(), SOL_SOCKET, allowed, &kSocketBuffer, sizeof kSocketBuffer);
}

}  // namespace

bool AfPacket::takes(const PortConfig& config) noexcept {
    return config.kind() == Kind::kDevice && config.device.starts_with("net_af_packet") &&
           !device_option(config.device, "iface").empty();
}

AfPacket::AfPacket(path::PortId id, PortConfig config, const Context& context)
    : Port(id, std::move(config)),
      pools_(context.pools),
      workers_(context.workers) {
    capabilities_ = Capabilities{.checksums = true, .tcp_segments = true, .chained = true};
}

AfPacket::Ring AfPacket::ring_for(uint16_t mtu) noexcept {
    Ring ring;
    ring.slot_size = RTE_ALIGN_CEIL(mtu + kFrameHeader + kSlotHeader, RTE_CACHE_LINE_SIZE);
    ring.block_size = kBlock;
    ring.slots_per_block = kBlock / ring.slot_size;
    const uint32_t slots = std::max(kMinSlots, kRingSize / ring.slot_size);
    ring.blocks = (slots + ring.slots_per_block - 1) / ring.slots_per_block;
    return ring;
}

void AfPacket::Unmap::operator()(uint8_t* ring) const noexcept { munmap(ring, size); }

base::Result<void> AfPacket::open() {
    auto link = take_interface(std::string(device_option(config_.device, "iface")), config_.frame_mtu(), mtu_);
    if (!link) return tl::unexpected(link.error());
    link_ = *link;
    ring_ = ring_for(config_.frame_mtu());
    base::Result<void> done;
    for (uint16_t i = 0; done && i < wanted_queues(); ++i) {
        auto queue = open_queue();
        if (queue) {
            queues_.push_back(std::move(*queue));
        } else {
            done = tl::unexpected(queue.error());
        }
    }
    for (uint16_t i = 0; done && i < workers_; ++i) {
        auto socket = open_socket().and_then([&](base::Fd opened) -> base::Result<base::Fd> {
            if (auto bound = bind_to_interface(opened, 0); !bound) return tl::unexpected(bound.error());
            return opened;
        });
        if (socket) {
            set_buffer(*socket, SO_SNDBUFFORCE, SO_SNDBUF);
            senders_.push_back(std::move(*socket));
        } else {
            done = tl::unexpected(socket.error());
        }
    }
    if (done) done = spread();
    if (!done) {
        close();
        return done;
    }
    if (link_.kind == "veth") runs_whole_.turn_off(link_, {"tx-udp-segmentation"});
    met_untakeable_ = false;
    runs_ = Runs::kUnknown;
    refresh();
    look_at_peer();
    return {};
}

base::Result<base::Fd> AfPacket::open_socket() const {
    base::Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return base::fail_errno("cannot open a packet socket (run sluiced as root)");
    if (!set_option(socket, PACKET_VNET_HDR, 1)) {
        return base::fail_errno("packet socket without virtio-net headers");
    }
    return socket;
}

base::Result<void> AfPacket::bind_to_interface(const base::Fd& socket, uint16_t protocol) const {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(protocol);
    address.sll_ifindex = link_.index;
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
    return base::fail_errno(fmt::format("cannot bind to interface {}", link_.name));
}

// It receives nothing until all queues are in the fanout group (spread()). Before that, each would get all
// frames.
base::Result<AfPacket::Queue> AfPacket::open_queue() const {
    auto socket = open_socket();
    if (!socket) return tl::unexpected(socket.error());
    const base::Fd& fd = *socket;
    sock_filter nothing[] = {{BPF_RET | BPF_K, 0, 0, 0}};
    const sock_fprog filter{1, nothing};
    tpacket_req request{};
    request.tp_block_size = ring_.block_size;
    request.tp_block_nr = ring_.blocks;
    request.tp_frame_size = ring_.slot_size;
    request.tp_frame_nr = ring_.slots();
    if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0 ||
        !set_option(fd, PACKET_VERSION, int{TPACKET_V2}) || !set_option(fd, PACKET_IGNORE_OUTGOING, 1) ||
        !set_option(fd, PACKET_AUXDATA, 1) || !set_option(fd, PACKET_COPY_THRESH, 1)) {
        return base::fail_errno("packet socket");
    }
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    if (!set_option(fd, PACKET_RX_RING, request)) {
        return base::fail_errno(fmt::format("no memory for a ring of {} MiB", ring_.size() >> 20));
    }
    void* memory = mmap(nullptr, ring_.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (memory == MAP_FAILED) return base::fail_errno("cannot map a packet socket's ring");
    Queue queue;
    queue.alarm = base::Fd(epoll_create1(EPOLL_CLOEXEC));
    if (!queue.alarm) return base::fail_errno("cannot make an epoll instance");
    queue.ring = {static_cast<uint8_t*>(memory), Unmap{ring_.size()}};
    if (auto done = bind_to_interface(fd, ETH_P_ALL); !done) return tl::unexpected(done.error());
    queue.socket = std::move(*socket);
    return queue;
}

base::Result<void> AfPacket::spread() const {
    // The group's own flag to ignore frames that leave by the interface; the flag of its sockets has no effect.
    constexpr int kMode = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
    int group = (kMode | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    for (const Queue& queue : queues_) {
        if (queues_.size() == 1) break;
        if (!set_option(queue.socket, PACKET_FANOUT, group)) {
            return base::fail_errno("cannot share frames among several queues (`queues: 1` does without)");
        }
        if (&queue != &queues_.front()) continue;
        socklen_t size = sizeof group;
        if (getsockopt(queue.socket.get(), SOL_PACKET, PACKET_FANOUT, &group, &size) != 0) {
            return base::fail_errno("packet socket");
        }
        group = (group & 0xffff) | kMode << 16;
    }
    // A bridge takes frames for other stations.
    for (const int type : {PACKET_MR_PROMISC, PACKET_MR_ALLMULTI}) {
        packet_mreq membership{};
        membership.mr_ifindex = link_.index;
        membership.mr_type = static_cast<unsigned short>(type);
        if (!set_option(queues_.front().socket, PACKET_ADD_MEMBERSHIP, membership)) {
            return base::fail_errno(fmt::format("{} can't receive frames for other stations", link_.name));
        }
    }
    for (const Queue& queue : queues_) {
        const int unused = 0;
        setsockopt(queue.socket.get(), SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
    }
    return {};
}

uint16_t AfPacket::wanted_queues() const noexcept {
    return config_.queues != 0 ? config_.queues : std::min(workers_, path::kMaxQueues);
}

void AfPacket::close() noexcept {
    count_missed();
    queues_.clear();
    senders_.clear();
    limit_.lift();
    runs_whole_.restore();
    mtu_.restore();
}

base::Result<void> AfPacket::configure(const PortConfig& next) {
    config_ = next;
    set_max_frame();
    return {};
}

base::Result<void> AfPacket::check() {
    char name[IF_NAMESIZE];
    if (if_indextoname(static_cast<unsigned>(link_.index), name) == nullptr) {
        return base::fail("interface {} was deleted, or moved to another namespace", link_.name);
    }
    link_.name = name;
    if (read_link() != no_link_) changed_ = true;
    // The other end's owner may change its MTU at any time. A refused frame triggers an early look.
    if (met_refusal_.exchange(false, std::memory_order_relaxed) || ++checks_ % kChecksBetweenLooks == 0) {
        look_at_peer();
    }
    if (met_untakeable_.load(std::memory_order_relaxed) && !limit_.imposed()) {
        const bool done = limit_.impose(link_);
        base::log::info("port", "{}: {} sent UDP segments, or segments inside a tunnel: {}", config_.name,
                        link_.name,
                        done ? "from now on it is held to frames of its MTU"
                             : "turn them off at its other end (ethtool -K INTERFACE tso off gso off)");
    }
    return {};
}

void AfPacket::refresh() {
    changed_ = false;
    no_link_ = read_link();
    has_no_link_ = !no_link_.empty();
}

bool AfPacket::is_down() const { return no_link_.starts_with("interface "); }

void AfPacket::look_at_peer() {
    if (link_.kind != "veth") return;
    auto netlink = Netlink::open();
    if (!netlink) return;
    const auto peer = netlink->find_peer(link_.index);
    peer_mtu_ = peer && *peer ? (*peer)->mtu : 0;
}

// A veth passes frames of up to the other end's MTU and a VLAN tag more (is_skb_forwardable() of the kernel).
bool AfPacket::is_too_long_for_peer(uint32_t size) const noexcept {
    const uint32_t mtu = peer_mtu_.load(std::memory_order_relaxed);
    return mtu != 0 && size > mtu + kFrameHeader;
}

std::optional<Port::Refusal> AfPacket::refusal(uint32_t size) const {
    if (!no_link_.empty())
        return Refusal{is_down() ? path::Drop::kInterfaceDown : path::Drop::kLinkDown, no_link_};
    auto netlink = Netlink::open();
    const auto own = netlink ? netlink->find_link(link_.index).value_or(std::nullopt) : std::nullopt;
    const auto too_long = [&](const std::string& where, uint32_t mtu) {
        return Refusal{
            path::Drop::kTooLongForPeer,
            fmt::format("a frame of {} bytes is too long for {}, which has an MTU of {}", size, where, mtu)};
    };
    if (own && size > own->mtu + kFrameHeader) return too_long("interface " + link_.name, own->mtu);
    if (is_too_long_for_peer(size)) return too_long("the other end of " + link_.name, peer_mtu_);
    return std::nullopt;
}

std::string AfPacket::read_link() const { return why_no_link(link_.name); }

void AfPacket::count_missed() const noexcept {
    for (const Queue& queue : queues_) {
        tpacket_stats stats{};
        socklen_t size = sizeof stats;
        getsockopt(queue.socket.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size);
        missed_ += stats.tp_drops;
    }
}

nlohmann::json AfPacket::describe() const {
    nlohmann::json answer{{"driver", "net_af_packet"},
                          {"receive-queues", wanted_queues()},
                          {"transmit-queues", workers_},
                          {"receive-by", "interrupt"},
                          {"offloads", {{"receive", {"checksum", "tcp-segmentation"}},
                                        {"transmit", {"checksum", "tcp-segmentation"}}}}};
    if (queues_.empty()) return answer;
    if (runs_.load(std::memory_order_relaxed) == Runs::kTaken) {
        answer["offloads"]["transmit"].push_back("udp-segmentation");
    }
    answer["link"] = no_link_.empty() ? "up" : "down";
    answer["mac"] = link_.mac.text();
    count_missed();
    answer["device-counters"] = {{"missed", missed_ + missed_long_.load(std::memory_order_relaxed)}};
    answer["kernel-interface"] = {
        {"name", link_.name},
        {"ifindex", link_.index},
        {"held-to-mtu", limit_.imposed()},
        {"unfinished-checksums", unfinished_.load(std::memory_order_relaxed)},
        {"cut-short", cut_short_.load(std::memory_order_relaxed)},
    };
    if (const int error = transmit_error_.load(std::memory_order_relaxed); error != 0) {
        answer["last-transmit-error"] = std::strerror(error);
    }
    if (const uint32_t mtu = peer_mtu_.load(std::memory_order_relaxed); mtu != 0) {
        answer["kernel-interface"]["mtu-of-other-end"] = mtu;
    }
    return answer;
}

}  // namespace sluice::port
