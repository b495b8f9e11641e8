#include "port/ethdev.h"

#include <fmt/ranges.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "port/dpdk_log.h"
#include "port/memif.h"
#include "wire/headers.h"

namespace sluice::port {
namespace {

constexpr uint32_t kEthernet = sizeof(wire::EthernetHeader);
constexpr uint16_t kDescriptors = 1024;  // a queue; devices with less say so

std::string device_name(const std::string& arguments) {
    return arguments.substr(0, arguments.find(','));
}

base::Result<void> checked(int status, std::string_view what) {
    if (status >= 0) return {};
    return base::fail("{}: {}", what, rte_strerror(-status));
}

}  // namespace

Ethdev::Ethdev(path::PortId id, PortConfig config, const Context& context)
    : Port(id, std::move(config)),
      pools_(context.pools),
      kernel_(KernelDevice::make(id, config_, pools_)),
      workers_(context.workers) {}

base::Result<void> Ethdev::open() {
    take_dpdk_words();  // of earlier troubles
    auto done = find_device().and_then([&] { return start(); });
    if (done) return done;
    close();
    return base::fail("{}{}", done.error().message, take_dpdk_words());
}

base::Result<void> Ethdev::find_device() {
    const std::string name = device_name(config_.device);
    if (rte_eth_dev_get_port_by_name(name.c_str(), &device_) == 0) {
        probed_ = false;
        return {};
    }
    device_ = RTE_MAX_ETHPORTS;
    remove_stale_memif_socket(config_.device);
    const std::string arguments = kernel_ ? kernel_->arguments() : config_.device;
    if (int status = rte_dev_probe(arguments.c_str()); status != 0) {
        return base::fail(
            "DPDK can't make a device of \"{}\" ({}): is the driver's name right, and its package "
            "installed (librte-net-*)? For a PCI address: is it bound to vfio-pci?",
            config_.device, rte_strerror(-status));
    }
    probed_ = true;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &device_) != 0) {
        device_ = RTE_MAX_ETHPORTS;
        return base::fail("\"{}\" is not an Ethernet device", config_.device);
    }
    return {};
}

base::Result<void> Ethdev::start() {
    rte_eth_dev_info limits{};
    if (auto done = checked(rte_eth_dev_info_get(device_, &limits), "device"); !done) return done;
    const uint16_t wanted = config_.queues != 0 ? config_.queues : workers_;
    receive_queues_ = std::min({wanted, limits.max_rx_queues, path::kMaxQueues});
    transmit_queues_ = std::min(workers_, limits.max_tx_queues);
    if (receive_queues_ == 0 || transmit_queues_ == 0) {
        return base::fail("the device has no receive or no transmit queue");
    }

    if (kernel_) {
        if (auto done = kernel_->open(receive_queues_); !done) return done;
    }
    rte_mempool* buffers = kernel_ ? kernel_->pool() : pools_.buffers;

    rte_eth_conf conf{};
    if (receive_queues_ > 1 && limits.flow_type_rss_offloads != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            limits.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
    }
    conf.txmode.offloads = limits.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    const bool large = config_.mtu + kEthernet + RTE_PKTMBUF_HEADROOM > kBufferSize;
    if (large) conf.rxmode.offloads = limits.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;

    uint16_t receive = kDescriptors;
    uint16_t transmit = kDescriptors;
    auto done =
        checked(rte_eth_dev_configure(device_, receive_queues_, transmit_queues_, &conf),
                "cannot configure the device")
            .and_then([&] { return set_mtu(); })
            .and_then([&] {
                return checked(rte_eth_dev_adjust_nb_rx_tx_desc(device_, &receive, &transmit),
                               "cannot size the device's rings");
            });
    const int socket = rte_eth_dev_socket_id(device_);
    const auto node = static_cast<unsigned>(socket);
    for (uint16_t queue = 0; done && queue < receive_queues_; ++queue) {
        done = checked(rte_eth_rx_queue_setup(device_, queue, receive, node, nullptr, buffers),
                       "cannot set up a receive queue");
    }
    for (uint16_t queue = 0; done && queue < transmit_queues_; ++queue) {
        done = checked(rte_eth_tx_queue_setup(device_, queue, transmit, node, nullptr),
                       "cannot set up a transmit queue");
    }
    if (!done) return done;
    done = checked(rte_eth_dev_start(device_), "cannot start the device");
    if (!done) return done;
    // A bridge takes frames for others. Devices without the notion (rings, files) take them anyway.
    rte_eth_promiscuous_enable(device_);
    capabilities_ = Capabilities{.chained = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0};
    return {};
}

base::Result<void> Ethdev::set_mtu() {
    if (kernel_) return {};  // has set it
    int status = rte_eth_dev_set_mtu(device_, config_.mtu);
    if (status == 0 || status == -ENOTSUP) return {};
    return base::fail("the device doesn't take an MTU of {}: {}", config_.mtu, rte_strerror(-status));
}

void Ethdev::close() noexcept {
    if (device_ == RTE_MAX_ETHPORTS) return;
    rte_eth_dev_stop(device_);
    if (probed_) {
        rte_eth_dev_info info{};
        rte_device* device = rte_eth_dev_info_get(device_, &info) == 0 ? info.device : nullptr;
        rte_eth_dev_close(device_);
        if (device != nullptr) rte_dev_remove(device);
    }
    device_ = RTE_MAX_ETHPORTS;
    memif_without_link_ = 0;
    if (kernel_) kernel_->close();
}

base::Result<void> Ethdev::configure(const PortConfig& next) {
    config_ = next;
    set_max_frame();
    return {};
}

base::Result<void> Ethdev::check() {
    if (rte_eth_dev_is_removed(device_) != 0) return base::fail("the device was removed");
    if (kernel_) kernel_->check();
    return check_memif();
}

// Opening it again is how a client comes to another server, or to one that wasn't ready; a server
// greets within a moment.
base::Result<void> Ethdev::check_memif() {
    if (!is_memif_client(config_.device)) return {};
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(device_, &link) != 0) return {};
    memif_without_link_ = link.link_status == RTE_ETH_LINK_UP ? 0 : memif_without_link_ + 1;
    if (memif_without_link_ < 3) return {};
    return base::fail("the other end of the memif is gone, or not ready");
}

Received Ethdev::receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                         path::Counters& counters) noexcept {
    const uint16_t count = rte_eth_rx_burst(device_, queue, packets, room);
    if (count == 0) return {0, false};
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < count; ++i) bytes += packets[i]->pkt_len;
    counters.receive(id(), queue, count, bytes);
    const uint16_t kept = kernel_ ? kernel_->receive(packets, count, counters) : count;
    return {kept, count == room};
}

void Ethdev::transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                      path::Counters& counters) noexcept {
    const auto queue = static_cast<uint16_t>(path::index(worker) % transmit_queues_);
    const bool shared = transmit_queues_ < workers_;
    if (shared) rte_spinlock_lock(&turns_[queue].lock);
    const uint16_t sent = rte_eth_tx_burst(device_, queue, packets, count);
    if (shared) rte_spinlock_unlock(&turns_[queue].lock);

    // What was sent is the device's, so its bytes are those that are not left over.
    for (uint16_t i = sent; i < count; ++i) bytes -= packets[i]->pkt_len;
    if (sent != 0) counters.transmit(id(), sent, bytes);
    if (sent < count) {
        counters.drop(id(), path::Drop::kTransmitFull, count - sent);
        rte_pktmbuf_free_bulk(packets + sent, count - sent);
    }
}

nlohmann::json Ethdev::describe() const {
    nlohmann::json answer{{"receive-queues", receive_queues_}, {"transmit-queues", transmit_queues_}};
    if (device_ == RTE_MAX_ETHPORTS) return answer;
    rte_eth_dev_info info{};
    if (rte_eth_dev_info_get(device_, &info) == 0) answer["driver"] = info.driver_name;
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(device_, &link) == 0) {
        answer["link"] = link.link_status == RTE_ETH_LINK_UP ? "up" : "down";
        if (link.link_speed != RTE_ETH_SPEED_NUM_NONE && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN) {
            answer["speed"] = fmt::format("{} Mbit/s", link.link_speed);
        }
    }
    rte_ether_addr mac{};
    if (rte_eth_macaddr_get(device_, &mac) == 0) {
        answer["mac"] = fmt::format("{:02x}", fmt::join(mac.addr_bytes, ":"));
    }
    rte_eth_stats stats{};
    if (rte_eth_stats_get(device_, &stats) == 0) {
        answer["device-counters"] = {{"missed", stats.imissed},
                                     {"receive-errors", stats.ierrors},
                                     {"transmit-errors", stats.oerrors},
                                     {"no-buffer", stats.rx_nombuf}};
    }
    if (kernel_) kernel_->describe(answer);
    return answer;
}

}  // namespace sluice::port
