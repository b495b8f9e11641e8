#include "port/device_start.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <utility>

#include "port/bond.h"
#include "port/dpdk_log.h"
#include "port/pci.h"
#include "wire/headers.h"

namespace sluice::port {
namespace {

// All of this runs on the device thread.

constexpr uint32_t kEthernet = sizeof(wire::EthernetHeader);
constexpr uint32_t kTagsAndFcs = 12;     // bytes that drivers add to an MTU beside the Ethernet header
constexpr uint16_t kDescriptors = 1024;  // per queue; devices with fewer say so

constexpr uint64_t kReceiveChecksums =
    RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
constexpr uint64_t kTransmitChecksums =
    RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
constexpr uint64_t kSegmentation = kTransmitChecksums | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
                                   RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

constexpr bool has_all(uint64_t offloads, uint64_t wanted) { return (offloads & wanted) == wanted; }

// The interrupts that the device is to send.
struct Interrupts {
    bool receive;
    bool link;
};

base::Result<void> checked(int status, std::string_view what) {
    if (status >= 0) return {};
    return base::fail("{}: {}", what, rte_strerror(-status));
}

// A function with a single interrupt would share it between the link and all queues. uio passes on only one
// interrupt.
bool may_interrupt(const std::string& arguments) {
    const auto address = pci::address_of(arguments);
    if (!address) return true;
    const auto function = pci::find(pci::this_host(), *address);
    return function && function->has_msix && function->driver.find("uio") == std::string::npos;
}

base::Result<void> set_mtu(const StartWish& wish) {
    if (wish.kernel) return {};  // the KernelDevice has set it
    const int status = rte_eth_dev_set_mtu(wish.device, wish.mtu);
    if (status == 0 || status == -ENOTSUP) return {};
    return base::fail("the device doesn't take an MTU of {}: {}", wish.mtu, rte_strerror(-status));
}

base::Result<void> start(const StartWish& wish, const rte_eth_dev_info& limits, Interrupts interrupts,
                         StartedDevice& started) {
    rte_eth_conf conf{};
    conf.intr_conf.rxq = interrupts.receive ? 1 : 0;
    conf.intr_conf.lsc = interrupts.link ? 1 : 0;
    const bool tells_removal = (*limits.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
    conf.intr_conf.rmv = tells_removal && (interrupts.link || interrupts.receive) ? 1 : 0;
    if (started.receive_queues > 1 && limits.flow_type_rss_offloads != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            limits.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
        if (limits.hash_key_size != 0) {
            // Drivers only read the key, although the field is not const.
            conf.rx_adv_conf.rss_conf.rss_key =
                const_cast<uint8_t*>(symmetric_key(limits.hash_key_size).data());
            conf.rx_adv_conf.rss_conf.rss_key_len = limits.hash_key_size;
        }
    }
    uint64_t wanted_transmit = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    // A bond returns packets that a member refuses as if the member's queue were full.
    if (wish.members.empty()) wanted_transmit |= kTransmitChecksums;
    // Of offloads in software only those that are as good as ours. For example, net_tap segments with rte_gso
    // (IPv4 only, up to 64 frames), and net_vhost leaves out the pseudo-header's length, which a guest expects.
    if (pci::address_of(wish.arguments)) wanted_transmit |= kSegmentation;
    conf.txmode.offloads = limits.tx_offload_capa & wanted_transmit;
    conf.rxmode.offloads = limits.rx_offload_capa & kReceiveChecksums;
    const bool large =
        wish.mtu + kEthernet + kTagsAndFcs + RTE_PKTMBUF_HEADROOM > kBufferSize;
    if (large) conf.rxmode.offloads |= limits.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;

    rte_mempool* buffers = wish.kernel ? wish.kernel->pool() : wish.pools.buffers;
    uint16_t receive = kDescriptors;
    uint16_t transmit = kDescriptors;
    auto done =
        checked(rte_eth_dev_configure(wish.device, started.receive_queues, started.transmit_queues, &conf),
                "cannot configure the device")
            .and_then([&] { return set_mtu(wish); })
            .and_then([&] {
                return checked(rte_eth_dev_adjust_nb_rx_tx_desc(wish.device, &receive, &transmit),
                               "cannot size the device's rings");
            });
    const auto node = static_cast<unsigned>(rte_eth_dev_socket_id(wish.device));
    for (uint16_t queue = 0; done && queue < started.receive_queues; ++queue) {
        done = checked(rte_eth_rx_queue_setup(wish.device, queue, receive, node, nullptr, buffers),
                       "cannot set up a receive queue");
    }
    for (uint16_t queue = 0; done && queue < started.transmit_queues; ++queue) {
        done = checked(rte_eth_tx_queue_setup(wish.device, queue, transmit, node, nullptr),
                       "cannot set up a transmit queue");
    }
    if (!done) return done;
    done = checked(rte_eth_dev_start(wish.device), "cannot start the device");
    if (!done) return done;
    started.verifies_checksums = has_all(conf.rxmode.offloads, kReceiveChecksums);
    const uint64_t transmitted = conf.txmode.offloads;
    started.capabilities = {.checksums = has_all(transmitted, kTransmitChecksums),
                            .tcp_segments = has_all(transmitted, kSegmentation),
                            .chained = has_all(transmitted, RTE_ETH_TX_OFFLOAD_MULTI_SEGS)};
    return {};
}

base::Result<StartedDevice> start(const StartWish& wish) {
    take_dpdk_words();  // discard words of earlier errors
    if (!wish.members.empty()) {
        if (auto done = join(wish.device, wish.members); !done) return tl::unexpected(done.error());
    }
    rte_eth_dev_info limits{};
    if (auto done = checked(rte_eth_dev_info_get(wish.device, &limits), "device"); !done) {
        return tl::unexpected(done.error());
    }
    StartedDevice started;
    const uint16_t wanted = wish.queues != 0 ? wish.queues : wish.workers;
    started.receive_queues = std::min({wanted, limits.max_rx_queues, path::kMaxQueues});
    started.transmit_queues = std::min(wish.workers, limits.max_tx_queues);
    if (started.receive_queues == 0 || started.transmit_queues == 0) {
        return base::fail("the device has no receive or no transmit queue");
    }
    if (wish.kernel) {
        auto done = wish.kernel->open(started.receive_queues, wish.mtu);
        if (!done) return tl::unexpected(done.error());
    }
    // With a link interrupt DPDK keeps the state that the last interrupt gave. If interrupts do not arrive, that
    // is wrong for ever; some NICs' drivers have this trouble with link interrupts beside queue interrupts. For
    // those, poll the link.
    const bool tells_link = (*limits.dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
    const bool is_pci = pci::address_of(wish.arguments).has_value();
    // net_e1000_em claims a queue interrupt, but requests only the legacy kind, which does not arrive under
    // MSI-X.
    const bool mute = limits.driver_name == std::string_view("net_e1000_em");
    Interrupts interrupts{.receive = may_interrupt(wish.arguments) && !mute, .link = false};
    interrupts.link = tells_link && !(interrupts.receive && is_pci);
    auto done = start(wish, limits, interrupts, started);
    // Only a start that succeeds with receive interrupts shows that the driver has them.
    if (!done && interrupts.receive) {
        interrupts = {.receive = false, .link = tells_link};
        done = start(wish, limits, interrupts, started);
    }
    if (!done && interrupts.link) {
        interrupts.link = false;
        done = start(wish, limits, interrupts, started);
    }
    if (wish.kernel) wish.kernel->note_sockets();
    if (!done) return base::fail("{}{}", done.error().message, take_dpdk_words());
    started.has_interrupts = interrupts.receive;
    return started;
}

void remove(const MadeDevice& made) {
    if (!made.is_ours) return;
    rte_eth_dev_info info{};
    rte_device* device = rte_eth_dev_info_get(made.port, &info) == 0 ? info.device : nullptr;
    rte_eth_dev_close(made.port);
    if (device != nullptr) rte_dev_remove(device);
}

}  // namespace

std::span<const uint8_t> symmetric_key(size_t size) noexcept {
    static constexpr auto kKey = [] {
        std::array<uint8_t, UINT8_MAX> key{};
        for (size_t i = 0; i < key.size(); ++i) key[i] = i % 2 == 0 ? 0x6d : 0x5a;
        return key;
    }();
    return std::span(kKey).first(std::min(size, kKey.size()));
}

DeviceStart::DeviceStart(StartWish wish)
    : result_(std::make_shared<base::Result<StartedDevice>>(tl::unexpected(base::Error{}))),
      job_([result = result_, wish = std::move(wish)] { *result = start(wish); }) {}

DeviceJob close_device(const MadeDevice& device, std::vector<MadeDevice> members,
                       std::shared_ptr<KernelDevice> kernel) {
    return DeviceJob([device, members = std::move(members), kernel = std::move(kernel)] {
        if (device.port != RTE_MAX_ETHPORTS) {
            rte_eth_dev_stop(device.port);
            remove(device);
        }
        for (const MadeDevice& member : members) remove(member);
        if (kernel) kernel->close();
    });
}

}  // namespace sluice::port
