// rte_dev_event_callback_register(): only by this does vfio report that a device is to be removed.
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

namespace sluice::port {
namespace {

// Pauses between attempts to open a device that fails.
constexpr std::chrono::milliseconds kShortAttempt{20};
constexpr std::chrono::seconds kLongRest{5};
constexpr std::chrono::seconds kLongestRest{60};

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

}  // namespace

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
    if (!is_opening()) {
        if (std::chrono::steady_clock::now() < open_again_) return base::fail("{}", failure_);
        took_ = {};
        take_dpdk_words();  // discard words of earlier errors
    }
    auto done = device_ == RTE_MAX_ETHPORTS ? find_device() : base::Result<void>{};
    if (done) done = start();
    if (!done && is_opening()) return done;
    if (done) {
        failure_.clear();
        return {};
    }
    failure_ = done.error().message + take_dpdk_words();
    rest();
    give_up();
    return base::fail("{}", failure_);
}

// Limits the share of the device thread's time that repeated attempts take. A device that fails soon gets a
// hundredth, as on the control thread (engine/retry.h), whose pauses are enough for short attempts. If that pause
// would be too long, it gets a tenth.
void Ethdev::rest() {
    using Duration = std::chrono::steady_clock::duration;
    if (took_ < kShortAttempt) return;
    const Duration pause = std::min<Duration>(std::max<Duration>(took_ * 10, kLongRest), kLongestRest);
    open_again_ = std::chrono::steady_clock::now() + std::min<Duration>(took_ * 100, pause);
}

// Whether a job of the device thread is done. Does not wait for it if the last attempt failed.
template <class Job>
bool Ethdev::is_over(Job& job) const {
    return failure_.empty() ? job.is_over() : job.is_over_by_now();
}

// Finds a device that is there already, or makes it.
base::Result<MadeDevice> Ethdev::probe(const std::string& arguments) {
    if (!making_) making_ = std::make_unique<DeviceMaking>(arguments);
    if (!is_over(*making_)) {
        return base::fail("DPDK has not finished making its device, or another one that comes first");
    }
    const auto making = std::move(making_);
    took_ += making->took();
    return making->take();
}

base::Result<void> Ethdev::find_device() {
    if (!is_opening()) remove_stale_memif_socket(config_.device);
    std::string arguments = config_.device;
    if (config_.bond) {
        // The earlier members were made in an earlier attempt of this opening.
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
    return {};
}

std::vector<uint16_t> Ethdev::member_devices() const {
    std::vector<uint16_t> devices;
    for (const MadeDevice& member : members_) devices.push_back(member.port);
    return devices;
}

// Starts the device on the device thread, and takes it over once that is done.
base::Result<void> Ethdev::start() {
    if (!starting_) {
        rte_eth_dev_info limits{};
        if (const int status = rte_eth_dev_info_get(device_, &limits); status < 0) {
            return base::fail("device: {}", rte_strerror(-status));
        }
        listen_for_events(limits);
        starting_ = std::make_unique<DeviceStart>(
            StartWish{.device = device_, .arguments = config_.device, .members = member_devices(),
                      .queues = config_.queues, .workers = workers_, .mtu = config_.frame_mtu(), .pools = pools_,
                      .kernel = kernel_});
    }
    if (!is_over(*starting_)) {
        return base::fail("DPDK has not finished starting its device, or another one that comes first");
    }
    const auto starting = std::move(starting_);
    took_ += starting->took();
    const auto& started = starting->result();
    if (!started) return tl::unexpected(started.error());
    receive_queues_ = started->receive_queues;
    transmit_queues_ = started->transmit_queues;
    capabilities_ = started->capabilities;
    verifies_checksums_ = started->verifies_checksums;
    has_interrupts_ = started->has_interrupts;
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

// Either each queue has an interrupt of its own that can be enabled and disabled, or all are polled. The
// descriptors are copies, because a device that reconnects (memif, vhost) closes its own.
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
        // A worker that is listening enables it again when it finds the queue empty. It looks at the queue under
        // every new snapshot.
        rte_eth_dev_rx_intr_disable(device_, queue);
        descriptors_.push_back(std::move(copy));
    }
}

// vfio removes a device only after its user has released it, and the bus requests that by an event. Other drivers
// report a removal afterwards.
void Ethdev::listen_for_events(const rte_eth_dev_info& limits) {
    lost_ = nullptr;
    changed_ = false;
    events_of_ = rte_dev_name(limits.device);
    for (const auto event : kPortEvents) {
        rte_eth_dev_callback_register(device_, event, on_port_event, this);
    }
    rte_dev_event_callback_register(events_of_.c_str(), on_bus_event, this);
}

// After it returns, no callback runs: while one does, DPDK returns EAGAIN.
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

// Warns of limits that do not stop the port, but that the operator may not expect.
void Ethdev::warn_of_limits(int node) {
    // A bridge takes frames for other stations. Devices without a promiscuous mode (rings, files) take them
    // anyway.
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

void Ethdev::close() noexcept {
    if (auto closing = give_up()) closing->is_over();
}

// Leaves the device to the device thread, which closes it.
std::optional<DeviceJob> Ethdev::give_up() noexcept {
    making_.reset();
    const bool is_there = device_ != RTE_MAX_ETHPORTS;
    if (is_there) {
        if (!starting_ && receive_queues_ != 0) earlier_ = counted();
        ignore_events();
        descriptors_.clear();
        listening_ = {};
        path::set_port_of_device(device_, path::kNoPort);
    }
    starting_.reset();
    for (const MadeDevice& member : members_) path::set_port_of_device(member.port, path::kNoPort);
    std::optional<DeviceJob> closing;
    if (is_there || !members_.empty()) closing = close_device(made_, std::exchange(members_, {}), kernel_);
    made_ = {RTE_MAX_ETHPORTS, false};
    device_ = RTE_MAX_ETHPORTS;
    kernel_members_.clear();
    borrowed_mtus_.restore();
    receive_queues_ = 0;
    without_link_ = 0;
    return closing;
}

base::Result<void> Ethdev::configure(const PortConfig& next) {
    config_ = next;
    set_max_frame();
    // An attempt that failed before may succeed now.
    failure_.clear();
    open_again_ = {};
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
        // If the device thread is busy, the bond would be down until its turn, while other members may carry the
        // traffic.
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

// Chooses the active member by the kernel's links and by probes, which know more than DPDK.
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

// Called after the traffic has moved.
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

// Opening it again lets a connecting device reach a new server, or one that was not ready; a server answers at
// once.
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

// A device without a link state counts as up.
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
    if (device_ == RTE_MAX_ETHPORTS || starting_) return answer;
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
