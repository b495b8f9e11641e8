// rte_dev_event_callback_register(), the only way in which vfio tells that a device is to go.
#define ALLOW_EXPERIMENTAL_API

#include "port/ethdev.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_pause.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/log.h"
#include "path/came_by.h"
#include "port/bond.h"
#include "port/dpdk_log.h"
#include "port/pci.h"
#include "port/socket_device.h"
#include "wire/headers.h"

namespace sluice::port {
namespace {

constexpr uint32_t kEthernet = sizeof(wire::EthernetHeader);
constexpr uint32_t kTagsAndFcs = 12;     // what drivers add to an MTU beside the Ethernet header
constexpr std::chrono::seconds kLongestRest{60};  // of what makes a device that took long to fail
constexpr uint16_t kDescriptors = 1024;  // a queue; devices with less say so

constexpr uint64_t kReceiveChecksums =
    RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
constexpr uint64_t kTransmitChecksums =
    RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
constexpr uint64_t kSegmentation = kTransmitChecksums | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
                                   RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

constexpr bool has_all(uint64_t offloads, uint64_t wanted) { return (offloads & wanted) == wanted; }

int on_port_event(uint16_t, rte_eth_event_type event, void* port, void*) {
    auto* ethdev = static_cast<Ethdev*>(port);
    if (event == RTE_ETH_EVENT_INTR_LSC) ethdev->on_link();
    if (event == RTE_ETH_EVENT_INTR_RMV) ethdev->on_lost("the device was removed");
    if (event == RTE_ETH_EVENT_INTR_RESET) ethdev->on_lost("the device asks for a reset");
    return 0;
}

void on_bus_event(const char*, rte_dev_event_type event, void* port) {
    if (event == RTE_DEV_EVENT_REMOVE) {
        static_cast<Ethdev*>(port)->on_lost("the device is being removed");
    }
}

constexpr std::array kPortEvents = {RTE_ETH_EVENT_INTR_LSC, RTE_ETH_EVENT_INTR_RMV,
                                    RTE_ETH_EVENT_INTR_RESET};

base::Result<void> checked(int status, std::string_view what) {
    if (status >= 0) return {};
    return base::fail("{}: {}", what, rte_strerror(-status));
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

Ethdev::Ethdev(path::PortId id, PortConfig config, const Context& context)
    : Port(id, std::move(config)),
      pools_(context.pools),
      kernel_(KernelDevice::make(id, config_, pools_)),
      workers_(context.workers),
      attention_(context.attention),
      is_lacp_(config_.bond && config_.bond->mode == BondMode::kLacp),
      is_backup_(config_.bond && config_.bond->mode == BondMode::kActiveBackup) {
    if (config_.bond && config_.bond->probe) {
        probes_ = std::make_unique<MemberProbes>(*config_.bond->probe, context.instance + ":" + config_.name,
                                                 pools_.buffers);
    }
}

base::Result<void> Ethdev::open() {
    if (!is_opening()) take_dpdk_words();  // of earlier troubles
    auto done = find_device().and_then([&] { return start(); });
    if (done || is_opening()) return done;
    close();
    return base::fail("{}{}", done.error().message, take_dpdk_words());
}

// Finds a device that is there already, or makes it.
base::Result<MadeDevice> Ethdev::probe(const std::string& arguments) {
    if (!is_opening()) {
        if (std::chrono::steady_clock::now() < make_again_) return base::fail("{}", failure_);
        making_ = std::make_unique<DeviceMaking>(arguments);
    }
    if (!making_->is_over()) {
        return base::fail("DPDK has not finished making its device, or another one that comes first");
    }
    const auto making = std::move(making_);
    auto made = making->take();
    if (!made && making->took() > kDevicePatience) {
        failure_ = made.error().message;
        const std::chrono::steady_clock::duration longest = kLongestRest;
        make_again_ = std::chrono::steady_clock::now() + std::min(making->took() * 10, longest);
    }
    return made;
}

void Ethdev::release(const MadeDevice& made) noexcept {
    if (!made.is_ours) return;
    rte_eth_dev_info info{};
    rte_device* device = rte_eth_dev_info_get(made.port, &info) == 0 ? info.device : nullptr;
    rte_eth_dev_close(made.port);
    if (device != nullptr) remove_device(device);
}

base::Result<void> Ethdev::find_device() {
    if (!is_opening()) remove_stale_memif_socket(config_.device);
    std::string arguments = config_.device;
    if (config_.bond) {
        // Those before were made in an earlier attempt of this opening.
        for (size_t i = members_.size(); i < config_.bond->members.size(); ++i) {
            auto kernel = KernelMember::of(config_.bond->members[i]);
            if (kernel && !is_opening()) {
                auto link = take_interface(kernel->interface, config_.frame_mtu(), borrowed_mtus_);
                if (!link) return tl::unexpected(link.error());
            }
            auto member = probe(config_.bond->members[i]);
            if (!member) return tl::unexpected(member.error());
            members_.push_back(*member);
            kernel_members_.push_back(std::move(kernel));
        }
        arguments = bond_arguments(id(), config_.bond->mode, member_devices());
    }
    auto made = probe(arguments);
    if (!made) return tl::unexpected(made.error());
    made_ = *made;
    device_ = made_.port;
    for (const MadeDevice& member : members_) path::set_port_of_device(member.port, id());
    path::set_port_of_device(device_, id());
    return config_.bond ? join(device_, member_devices()) : base::Result<void>{};
}

std::vector<uint16_t> Ethdev::member_devices() const {
    std::vector<uint16_t> devices;
    for (const MadeDevice& member : members_) devices.push_back(member.port);
    return devices;
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
        if (auto done = kernel_->open(receive_queues_, config_.frame_mtu()); !done) return done;
    }
    listen_for_events(limits);
    // With an interrupt for its link DPDK believes what that said last, for ever if it doesn't come, which
    // some NICs' drivers have trouble with beside those of the queues: there the link is asked for.
    const bool tells_link = (*limits.dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
    const bool is_pci = pci::address_of(config_.device).has_value();
    // net_e1000_em says that its queue has an interrupt, but asks the device for the old kind only, which
    // nobody hears under MSI-X.
    const bool mute = limits.driver_name == std::string_view("net_e1000_em");
    Interrupts interrupts{.receive = may_interrupt() && !mute, .link = false};
    interrupts.link = tells_link && !(interrupts.receive && is_pci);
    auto done = start(limits, interrupts);
    // Nothing else tells whether a driver has them but that it starts with them.
    if (!done && interrupts.receive) {
        interrupts = {.receive = false, .link = tells_link};
        done = start(limits, interrupts);
    }
    if (!done && interrupts.link) {
        interrupts.link = false;
        done = start(limits, interrupts);
    }
    if (kernel_) kernel_->note_sockets();
    if (!done) return done;
    has_interrupts_ = interrupts.receive;
    find_descriptors();
    if (probes_) probes_->start(device_, member_devices());
    members_down_.assign(members_.size(), {});
    if (is_backup_) {
        choose_carrier();
        carrier_ = carrier(device_);
    }
    no_link_ = read_link();
    sources_.fill(carrier_.value_or(RTE_MAX_ETHPORTS));
    warn_of_limits(rte_eth_dev_socket_id(device_));
    return {};
}

base::Result<void> Ethdev::start(const rte_eth_dev_info& limits, Interrupts interrupts) {
    rte_eth_conf conf{};
    conf.intr_conf.rxq = interrupts.receive ? 1 : 0;
    conf.intr_conf.lsc = interrupts.link ? 1 : 0;
    const bool tells_removal = (*limits.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
    conf.intr_conf.rmv = tells_removal && (interrupts.link || interrupts.receive) ? 1 : 0;
    if (receive_queues_ > 1 && limits.flow_type_rss_offloads != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            limits.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
        if (limits.hash_key_size != 0) {
            // Drivers only read it, though the field isn't const.
            conf.rx_adv_conf.rss_conf.rss_key =
                const_cast<uint8_t*>(symmetric_key(limits.hash_key_size).data());
            conf.rx_adv_conf.rss_conf.rss_key_len = limits.hash_key_size;
        }
    }
    uint64_t wanted_transmit = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    // A bond gives back what a member refuses, as if the member were full.
    if (!config_.bond) wanted_transmit |= kTransmitChecksums;
    // Of software only what is as good as ours: net_tap's segmentation, say, is rte_gso's, for IPv4 and
    // up to 64 frames, and net_vhost's leaves out the length of the pseudo-header that a guest expects.
    if (pci::address_of(config_.device)) wanted_transmit |= kSegmentation;
    conf.txmode.offloads = limits.tx_offload_capa & wanted_transmit;
    conf.rxmode.offloads = limits.rx_offload_capa & kReceiveChecksums;
    const bool large =
        config_.frame_mtu() + kEthernet + kTagsAndFcs + RTE_PKTMBUF_HEADROOM > kBufferSize;
    if (large) conf.rxmode.offloads |= limits.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;

    rte_mempool* buffers = kernel_ ? kernel_->pool() : pools_.buffers;
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
    const auto node = static_cast<unsigned>(rte_eth_dev_socket_id(device_));
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
    take_capabilities(conf.rxmode.offloads, conf.txmode.offloads);
    return {};
}

// A function with a single interrupt would have the link and all queues share it, and uio passes on no
// more than one.
bool Ethdev::may_interrupt() const {
    const auto address = pci::address_of(config_.device);
    if (!address) return true;
    const auto device = pci::find(pci::this_host(), *address);
    return device && device->has_msix && device->driver.find("uio") == std::string::npos;
}

// All queues have one, each its own, that can be switched on, or all are polled. The descriptors are
// copies: a device that connects anew (memif, vhost) closes its own.
void Ethdev::find_descriptors() {
    descriptors_.clear();
    if (!has_interrupts_) return;
    std::set<int> seen;
    for (uint16_t queue = 0; queue < receive_queues_; ++queue) {
        const int descriptor = rte_eth_dev_rx_intr_ctl_q_get_fd(device_, queue);
        base::Fd copy(descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
        if (!copy || !seen.insert(descriptor).second ||
            rte_eth_dev_rx_intr_enable(device_, queue) != 0) {
            descriptors_.clear();
            return;
        }
        // A worker that listens already switches it on again when it finds the queue empty, which it
        // looks at under every new snapshot.
        rte_eth_dev_rx_intr_disable(device_, queue);
        descriptors_.push_back(std::move(copy));
    }
}

// A vfio device is removed only after its user has let it go, and the bus asks for that; other drivers
// tell after the fact.
void Ethdev::listen_for_events(const rte_eth_dev_info& limits) {
    lost_ = nullptr;
    changed_ = false;
    events_of_ = rte_dev_name(limits.device);
    for (const auto event : kPortEvents) {
        rte_eth_dev_callback_register(device_, event, on_port_event, this);
    }
    rte_dev_event_callback_register(events_of_.c_str(), on_bus_event, this);
}

// Afterwards no callback runs any more: while one does, DPDK answers EAGAIN.
void Ethdev::ignore_events() noexcept {
    if (events_of_.empty()) return;
    for (const auto event : kPortEvents) {
        while (rte_eth_dev_callback_unregister(device_, event, on_port_event, this) == -EAGAIN) {
            rte_pause();
        }
    }
    while (rte_dev_event_callback_unregister(events_of_.c_str(), on_bus_event, this) == -EAGAIN) {
        rte_pause();
    }
    events_of_.clear();
}

void Ethdev::on_link() noexcept {
    changed_.store(true, std::memory_order_release);
    attention_();
}

void Ethdev::on_lost(const char* why) noexcept {
    lost_.store(why, std::memory_order_release);
    on_link();
}

void Ethdev::take_capabilities(uint64_t receive, uint64_t transmit) {
    verifies_checksums_ = has_all(receive, kReceiveChecksums);
    capabilities_ = Capabilities{.checksums = has_all(transmit, kTransmitChecksums),
                                 .tcp_segments = has_all(transmit, kSegmentation),
                                 .chained = has_all(transmit, RTE_ETH_TX_OFFLOAD_MULTI_SEGS)};
}

// What works, but not as the operator expects.
void Ethdev::warn_of_limits(int node) {
    // A bridge takes frames for others. Devices without the notion (rings, files) take them anyway.
    const int status = rte_eth_promiscuous_enable(device_);
    if (status != 0 && pci::address_of(config_.device)) {
        base::log::warning(
            "port",
            "{}: its device takes frames for its own address only ({}): for a virtual function, `ip link "
            "set dev INTERFACE vf NUMBER trust on` at its physical one",
            config_.name, rte_strerror(-status));
    }
    rte_eth_allmulticast_enable(device_);
    const int memory = pools_.buffers->mz->socket_id;
    if (node < 0 || memory < 0 || node == memory) return;
    const std::string cores = pci::cores_of_node(pci::this_host(), node);
    base::log::warning(
        "port",
        "{}: its device is on NUMA node {} and the packet memory on node {}, so that every packet "
        "crosses between them: name cores of node {} in workers.cores{}",
        config_.name, node, memory, node, cores.empty() ? "" : fmt::format(" ({})", cores));
}

base::Result<void> Ethdev::set_mtu() {
    if (kernel_) return {};  // has set it
    int status = rte_eth_dev_set_mtu(device_, config_.frame_mtu());
    if (status == 0 || status == -ENOTSUP) return {};
    return base::fail("the device doesn't take an MTU of {}: {}", config_.frame_mtu(), rte_strerror(-status));
}

void Ethdev::close() noexcept {
    making_.reset();
    if (device_ != RTE_MAX_ETHPORTS) {
        earlier_ = counted();
        ignore_events();
        descriptors_.clear();
        listening_ = {};
        rte_eth_dev_stop(device_);
        path::set_port_of_device(device_, path::kNoPort);
        release(made_);
        device_ = RTE_MAX_ETHPORTS;
    }
    for (const MadeDevice& member : members_) {
        path::set_port_of_device(member.port, path::kNoPort);
        release(member);
    }
    members_.clear();
    kernel_members_.clear();
    borrowed_mtus_.restore();
    receive_queues_ = 0;
    without_link_ = 0;
    if (kernel_) kernel_->close();
}

base::Result<void> Ethdev::configure(const PortConfig& next) {
    config_ = next;
    set_max_frame();
    return {};
}

base::Result<void> Ethdev::check() {
    if (const char* why = lost_.load(std::memory_order_acquire)) return base::fail("{}", why);
    if (rte_eth_dev_is_removed(device_) != 0) return base::fail("the device was removed");
    if (auto done = check_members(); !done) return done;
    tell_of_members();
    if (is_backup_) {
        choose_carrier();
        tell_of_failover();
    }
    if (read_link() != no_link_) changed_ = true;
    if (kernel_) kernel_->check();
    return check_connection();
}

base::Result<void> Ethdev::check_members() {
    for (const auto& member : kernel_members_) {
        if (!member || !member->was_replaced()) continue;
        // The bond would be down until the device thread comes to it, and other members may carry the traffic.
        if (!devices_are_idle(std::chrono::milliseconds(0))) return {};
        return base::fail("interface {} was made anew: the bond is opened again", member->interface);
    }
    return {};
}

std::string Ethdev::why_no_link(size_t member) const {
    rte_eth_link link{};
    std::string why;
    if (kernel_members_[member]) {
        why = kernel_members_[member]->no_link();
    } else if (rte_eth_link_get_nowait(members_[member].port, &link) == 0 && link.link_status != RTE_ETH_LINK_UP) {
        why = "the device has no link: look at the cable and at the other end";
    }
    return why.empty() && probes_ ? probes_->silence(member) : why;
}

std::optional<size_t> Ethdev::carrying_member() const {
    const std::optional<uint16_t> now = carrier(device_);
    for (size_t i = 0; now && i < members_.size(); ++i) {
        if (members_[i].port == *now) return i;
    }
    return {};
}

// Where the kernel, or what is asked, knows better than DPDK.
void Ethdev::choose_carrier() {
    const auto now = carrying_member();
    if (!now || (!kernel_members_[*now] && !probes_) || why_no_link(*now).empty()) return;
    for (size_t i = 0; i < members_.size(); ++i) {
        if (i != *now && why_no_link(i).empty()) return set_carrier(device_, members_[i].port);
    }
}

void Ethdev::tell_of_members() {
    for (size_t i = 0; i < members_.size(); ++i) {
        std::string why = why_no_link(i);
        if (why == members_down_[i]) continue;
        const std::string& member = config_.bond->members[i];
        if (why.empty()) {
            base::log::notice("port", "{}: member {} is up; before: {}", config_.name, member, members_down_[i]);
        } else {
            base::log::warning("port", "{}: member {} is down: {}", config_.name, member, why);
        }
        members_down_[i] = std::move(why);
    }
}

// The traffic has moved already.
void Ethdev::tell_of_failover() {
    const std::optional<uint16_t> now = carrier(device_);
    if (!now || now == carrier_) return;
    const auto name = [&](uint16_t device) -> std::string_view {
        for (size_t i = 0; i < members_.size(); ++i) {
            if (members_[i].port == device) return config_.bond->members[i];
        }
        return "?";
    };
    if (carrier_) {
        base::log::notice("port", "{}: {} carries the bond now, for {} has lost its link", config_.name,
                          name(*now), name(*carrier_));
    }
    carrier_ = now;
    failed_over_ = true;
}

// Opening it again is how a device that connects comes to another server, or to one that wasn't ready; a
// server greets within a moment.
base::Result<void> Ethdev::check_connection() {
    if (!connects_once(config_.device)) return {};
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(device_, &link) != 0) return {};
    without_link_ = link.link_status == RTE_ETH_LINK_UP ? 0 : without_link_ + 1;
    if (without_link_ < 3) return {};
    return base::fail("the program at the other end is gone, or not ready");
}

void Ethdev::refresh() {
    changed_ = false;
    no_link_ = read_link();
    find_descriptors();
}

// Devices without the notion are as good as their word that they are up.
std::string Ethdev::read_link() const {
    if (const char* why = lost_.load(std::memory_order_acquire)) return why;
    rte_eth_link link{};
    const bool is_up = rte_eth_link_get_nowait(device_, &link) != 0 || link.link_status == RTE_ETH_LINK_UP;
    if (is_up && is_backup_) {
        const auto member = carrying_member();
        return member ? why_no_link(*member) : "";
    }
    if (is_up) return {};
    return "the device has no link: look at the cable and at the other end";
}

Ethdev::DeviceCounters Ethdev::counted() const noexcept {
    DeviceCounters sum = earlier_;
    rte_eth_stats stats{};
    if (rte_eth_stats_get(device_, &stats) != 0) return sum;
    sum.missed += stats.imissed;
    sum.receive_errors += stats.ierrors;
    sum.transmit_errors += stats.oerrors;
    sum.no_buffer += stats.rx_nombuf;
    return sum;
}

nlohmann::json Ethdev::describe() const {
    nlohmann::json answer{{"receive-queues", receive_queues_}, {"transmit-queues", transmit_queues_}};
    if (device_ == RTE_MAX_ETHPORTS) return answer;
    for (size_t i = 0; i < members_.size(); ++i) {
        const std::string why = why_no_link(i);
        answer["members"].push_back({{"device", config_.bond->members[i]},
                                     {"link", why.empty() ? "up" : "down"},
                                     {"active", is_active(device_, config_.bond->mode, members_[i].port)},
                                     {"reason", why}});
    }
    rte_eth_dev_info info{};
    if (rte_eth_dev_info_get(device_, &info) == 0) answer["driver"] = info.driver_name;
    const Capabilities can = capabilities();
    nlohmann::json transmit = nlohmann::json::array();
    if (can.checksums) transmit.push_back("checksum");
    if (can.tcp_segments) transmit.push_back("tcp-segmentation");
    nlohmann::json receive = nlohmann::json::array();
    if (verifies_checksums_) receive.push_back("checksum");
    answer["receive-by"] = descriptors_.empty() ? "polling" : "interrupt";
    answer["offloads"] = {{"receive", receive}, {"transmit", transmit}};
    if (const int node = rte_eth_dev_socket_id(device_); node >= 0) answer["numa-node"] = node;
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(device_, &link) == 0) {
        answer["link"] = read_link().empty() ? "up" : "down";
        if (link.link_speed != RTE_ETH_SPEED_NUM_NONE && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN) {
            answer["speed"] = fmt::format("{} Mbit/s", link.link_speed);
        }
    }
    rte_ether_addr mac{};
    if (rte_eth_macaddr_get(device_, &mac) == 0) {
        answer["mac"] = fmt::format("{:02x}", fmt::join(mac.addr_bytes, ":"));
    }
    const DeviceCounters sum = counted();
    answer["device-counters"] = {{"missed", sum.missed},
                                 {"receive-errors", sum.receive_errors},
                                 {"transmit-errors", sum.transmit_errors},
                                 {"no-buffer", sum.no_buffer}};
    if (kernel_) kernel_->describe(answer);
    return answer;
}

}  // namespace sluice::port
