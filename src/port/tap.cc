#include "port/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/log.h"
#include "port/derived_mac.h"
#include "port/netlink.h"
#include "port/tap_steering.h"
#include "wire/headers.h"

namespace sluice::port {
namespace {

constexpr unsigned kOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

// A device must be attached with the flags with which it was made (otherwise EINVAL), so they never vary:
// multi-queue even for one queue.
constexpr short kFlags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;

std::string mark_of(const std::string& instance, const std::string& port) {
    return fmt::format("sluice:{}:{}", instance, port);
}

const char* ioctl_failure(int error) {
    switch (error) {
        case EBUSY: return "another process is attached to it";
        case EINVAL: return "it is not a TAP device made by Sluice";
        case EPERM: return "not permitted: run sluiced as root or with CAP_NET_ADMIN";
        default: return std::strerror(error);
    }
}

base::Result<base::Fd> open_queue(const std::string& interface) {
    base::Fd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd) {
        if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
            return base::fail("the kernel has no TUN/TAP (/dev/net/tun): modprobe tun");
        }
        if (errno == EACCES || errno == EPERM) {
            return base::fail("/dev/net/tun is not permitted: run sluiced as root");
        }
        return base::fail_errno("cannot open /dev/net/tun");
    }
    ifreq request{};
    std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
    request.ifr_flags = kFlags;
    if (ioctl(fd.get(), TUNSETIFF, &request) != 0) {
        return base::fail("cannot attach to interface {}: {}", interface, ioctl_failure(errno));
    }
    int header = sizeof(wire::VirtioNetHeader);
    if (ioctl(fd.get(), TUNSETVNETHDRSZ, &header) != 0 ||
        ioctl(fd.get(), TUNSETOFFLOAD, kOffloads) != 0) {
        return base::fail_errno(fmt::format("interface {} takes no offloads", interface));
    }
    return fd;
}

std::vector<KernelAddress> kernel_addresses(const PortConfig& config) {
    std::vector<KernelAddress> addresses;
    for (const auto& address : config.address) {
        addresses.push_back({address.address, address.prefix().length});
    }
    return addresses;
}

std::vector<KernelRoute> kernel_routes(const PortConfig& config) {
    std::vector<KernelRoute> routes;
    for (const auto& route : config.routes) {
        routes.push_back({.to = route.to, .via = route.via, .metric = route.kernel_metric()});
    }
    return routes;
}

}  // namespace

Tap::Tap(path::PortId id, PortConfig config, const Context& context)
    : Port(id, std::move(config)),
      pools_(context.pools),
      mark_(mark_of(context.instance, config_.name)),
      derived_mac_(host_mac(mark_)),
      workers_(context.workers),
      interface_(config_.interface_name()) {
    capabilities_ = Capabilities{.checksums = true, .tcp_segments = true, .chained = true};
}

base::Result<void> Tap::open() {
    auto inside = enter_to_open();
    if (!inside) return tl::unexpected(inside.error());
    netns_ = inside->id();
    auto done = attach().and_then([&] {
        awaits_runtime_ = config_.handover && !is_taken_over();
        return awaits_runtime_ ? prepare() : set_up();
    });
    if (!done) close();
    return done;
}

// The namespace of the device. If there is none yet: the namespace to make it in.
base::Result<InNetns> Tap::enter_to_open() {
    if (!config_.handover) return InNetns::enter(config_.netns);
    {
        auto inside = InNetns::enter(config_.netns);
        auto netlink = Netlink::open();
        if (inside && netlink && find_marked(*netlink).value_or(std::nullopt)) return inside;
        namespace_.reset();
    }
    return InNetns::enter("");
}

// The runtime can only rename the device while it is down, so whoever sets it up too early makes the runtime fail.
bool Tap::is_taken_over() const {
    if (!is_netns(config_.netns, netns_)) return false;
    auto netlink = Netlink::open();
    if (!netlink) return false;
    const auto link = netlink->find_link(index_);
    return link && *link && (*link)->up && (*link)->name != config_.interface_name();
}

base::Result<void> Tap::prepare() {
    if (std::exchange(made_, Since::kBefore) == Since::kBefore) return {};
    auto netlink = Netlink::open();
    if (!netlink) return tl::unexpected(netlink.error());
    return netlink->change_link(index_, {.mac = mac(), .mtu = config_.frame_mtu()});
}

// Called a few times a second until the runtime has set the device up.
base::Result<void> Tap::look_for_runtime() {
    const auto device = find_device();
    if (!device) return tl::unexpected(device.error());
    if (!is_netns(config_.netns, device->netns)) return {};
    auto inside = InNetns::enter(config_.netns);
    if (!inside || inside->id() != device->netns) return {};
    netns_ = device->netns;
    interface_ = device->name;
    index_ = static_cast<int>(if_nametoindex(interface_.c_str()));
    if (!is_taken_over()) return {};
    awaits_runtime_ = false;
    return set_up();
}

std::string Tap::trouble() const {
    if (!awaits_runtime_) return kept_.trouble();
    return fmt::format("the container's runtime has not moved interface {} into {} yet", config_.interface_name(),
                       config_.netns);
}

uint16_t Tap::wanted_queues() const noexcept {
    return config_.queues != 0 ? config_.queues : std::min(workers_, path::kMaxQueues);
}

base::Result<void> Tap::attach() {
    auto netlink = Netlink::open();
    if (!netlink) return tl::unexpected(netlink.error());
    const auto named = netlink->find_link(config_.interface_name());
    if (!named) return tl::unexpected(named.error());
    const auto marked = find_marked(*netlink);
    if (!marked) return tl::unexpected(marked.error());
    const std::optional<Link>& ours = *marked;
    interface_ = ours ? ours->name : config_.interface_name();
    if (!ours && *named) {
        return base::fail(
            "interface {} exists already and was not made by this switch{}: remove it, or give the "
            "port another `interface:`",
            interface_, (*named)->alias.empty() ? "" : fmt::format(" (alias {})", (*named)->alias));
    }
    for (uint16_t queue = 0; queue < wanted_queues(); ++queue) {
        auto fd = open_queue(interface_);
        if (!fd) return tl::unexpected(fd.error());
        queues_.push_back(std::move(*fd));
    }
    if (queues_.size() > 1) {
        if (auto done = steer_by_connection(queues_[0].get()); !done) {
            // One queue keeps the order of packets too.
            base::log::warning("port", "{}: {}: its interface has one queue, whatever `queues` says", config_.name,
                               done.error().message);
            queues_.resize(1);
        }
    }
    index_ = static_cast<int>(if_nametoindex(interface_.c_str()));
    made_ = ours ? Since::kBefore : Since::kNow;
    if (!ours) {
        // Set the mark first: if the switch is killed between the two steps, the device vanishes with its
        // descriptor. It never persists without a mark.
        auto done = netlink->change_link(index_, {.alias = mark_});
        if (!done) return done;
        // Do this before the device is set up, when the kernel would give each of its 256 possible queues a
        // discipline. The thousandth such device takes 60 ms and 3 MiB with disciplines, 0.7 ms without
        // (bench/run change). No packet ever waits in a TAP's discipline, because its driver drops frames that
        // find its own queue full. If the kernel refuses, the device works all the same.
        (void)netlink->set_no_queue(index_);
    }
    if (ioctl(queues_[0].get(), TUNSETPERSIST, 1) != 0) {
        return base::fail_errno(fmt::format("interface {} cannot be made persistent", interface_));
    }
    return {};
}

// It mostly has the name that we gave it, but the container may have renamed it.
base::Result<std::optional<Link>> Tap::find_marked(Netlink& netlink) {
    auto named = netlink.find_link(config_.interface_name());
    if (!named || (*named && (*named)->alias == mark_)) return named;
    auto watch = NamespaceWatch::here();
    if (!watch) return tl::unexpected(watch.error());
    namespace_ = std::move(*watch);
    const auto index = namespace_->find_alias(mark_);
    if (!index) return tl::unexpected(index.error());
    if (!*index) return std::nullopt;
    auto link = netlink.find_link(**index);
    if (link && *link && (*link)->alias != mark_) return std::nullopt;
    return link;
}

base::Result<void> Tap::set_up() {
    auto done = kept_.set_up(index_, wanted(), std::exchange(made_, Since::kBefore));
    no_link_ = kept_.no_link();
    return done;
}

WantedInterface Tap::wanted() const {
    using enum RouterAdvertisements;
    return {.port = config_.name,
            .name = interface_,
            .mac = *mac(),
            // A port that may send from any address may also change its own.
            .keeps_mac = config_.is_guarded() || config_.mac,
            .mtu = config_.frame_mtu(),
            // If not configured, and not refused before, the setting of the namespace's owner stays.
            .advertisements = !config_.accepts_ra() ? kRefuse
                              : config_.accept_ra   ? kAccept
                              : refused_ra_         ? kReset
                                                    : kAsTheyAre,
            .addresses = kernel_addresses(config_),
            .routes = kernel_routes(config_)};
}

MacAddress Tap::mac_of(const PortConfig& config, const std::string& instance) {
    return config.mac ? *config.mac : host_mac(mark_of(instance, config.name));
}

std::optional<MacAddress> Tap::mac() const { return config_.mac.value_or(derived_mac_); }

void Tap::close() noexcept {
    queues_.clear();
    kept_.close();
    namespace_.reset();
    no_link_.clear();
}

void Tap::destroy() noexcept {
    if (!queues_.empty()) {
        ioctl(queues_[0].get(), TUNSETPERSIST, 0);
        close();
        return;
    }
    // The port is down, but its device may exist (opening failed half-way, or the port was never opened in this
    // run).
    auto inside = enter_to_open();
    if (!inside) return;
    auto netlink = Netlink::open();
    if (!netlink) return;
    if (const auto ours = find_marked(*netlink); ours && *ours) (void)netlink->delete_link((*ours)->index);
    namespace_.reset();
}

base::Result<void> Tap::configure(const PortConfig& next) {
    refused_ra_ = !config_.accepts_ra();
    config_ = next;
    set_max_frame();
    if (queues_.empty() || awaits_runtime_) return {};
    auto inside = enter_to_change();
    if (!inside) return tl::unexpected(inside.error());
    return set_up();
}

// Called a few times a second for thousands of ports: two system calls each if nothing has happened. The kernel
// reports a deleted, renamed or moved interface.
base::Result<void> Tap::check() {
    if (awaits_runtime_) return look_for_runtime();
    if (!is_netns(config_.netns, netns_)) {
        const auto id = identify_netns(config_.netns);
        if (!id) return tl::unexpected(id.error());
        return base::fail("network namespace {} was replaced", config_.netns);
    }
    if (!kept_.is_due()) return {};
    if (auto done = look_at_device(); !done) return done;
    auto inside = enter_to_change();
    if (!inside) return tl::unexpected(inside.error());
    kept_.look();
    return {};
}

base::Result<InNetns> Tap::enter() const {
    auto inside = InNetns::enter(config_.netns);
    if (inside && inside->id() != netns_) {
        return base::fail("network namespace {} was replaced", config_.netns);
    }
    return inside;
}

// In any namespace.
base::Result<Tap::Whereabouts> Tap::find_device() const {
    ifreq request{};
    if (ioctl(queues_[0].get(), TUNGETIFF, &request) != 0) {
        return base::fail("interface {} was deleted inside the container", interface_);
    }
    const base::Fd netns(ioctl(queues_[0].get(), TUNGETDEVNETNS));
    if (!netns) return base::fail_errno(fmt::format("cannot tell where interface {} is", interface_));
    const auto id = identify_netns(netns);
    if (!id) return tl::unexpected(id.error());
    return Whereabouts{*id, request.ifr_name};
}

// Changes name the interface by its index, and by its name in /proc/sys. Another interface may have either by
// now: in a namespace that replaced the port's, or after ours was renamed or moved. Only our descriptors identify
// ours reliably.
base::Result<InNetns> Tap::enter_to_change() {
    auto inside = enter();
    if (!inside) return inside;
    if (auto done = look_at_device(); !done) return tl::unexpected(done.error());
    if (static_cast<int>(if_nametoindex(interface_.c_str())) != index_) {
        return base::fail("interface {} was moved to another network namespace and back", interface_);
    }
    return inside;
}

// Reads the device's namespace and its current name. In any namespace.
base::Result<void> Tap::look_at_device() {
    const auto device = find_device();
    if (!device) return tl::unexpected(device.error());
    if (device->netns != netns_) {
        // Elsewhere the device would keep the port's addresses without supervision. Make it vanish with its
        // descriptors.
        ioctl(queues_[0].get(), TUNSETPERSIST, 0);
        return base::fail("interface {} was moved to another network namespace", interface_);
    }
    if (interface_ != device->name) {
        base::log::warning("port", "{}: the container renamed interface {} to {}", config_.name, interface_,
                           device->name);
        interface_ = device->name;
        kept_.rename(interface_);
    }
    return {};
}

std::optional<Link> Tap::find_link() const {
    auto inside = enter();
    if (!inside) return std::nullopt;
    auto netlink = Netlink::open();
    if (!netlink) return std::nullopt;
    return netlink->find_link(index_).value_or(std::nullopt);
}

std::optional<Port::Refusal> Tap::refusal(uint32_t size) const {
    if (auto refusal = Port::refusal(size)) return refusal;
    const auto link = find_link();
    if (!link || link->up) return std::nullopt;
    return Refusal{path::Drop::kInterfaceDown,
                   fmt::format("interface {0} is down inside: ip link set {0} up", link->name)};
}

nlohmann::json Tap::describe() const {
    nlohmann::json answer{{"queues", queues_.empty() ? wanted_queues() : queues_.size()},
                          {"offloads", {"checksum", "tcp-segmentation"}},
                          {"mark", mark_}};
    if (int error = transmit_error_.load(std::memory_order_relaxed); error != 0) {
        answer["last-transmit-error"] = std::strerror(error);
    }
    if (queues_.empty()) return answer;
    if (interface_ != config_.interface_name()) answer["renamed-from"] = config_.interface_name();
    answer["ifindex"] = index_;
    answer["repairs"] = kept_.repairs();
    if (kept_.repairs() != 0) answer["last-repair"] = kept_.last_repair();
    const auto link = find_link();
    if (!link) return answer;
    answer["mac"] = link->mac.text();
    answer["mtu"] = link->mtu;
    answer["interface-up"] = link->up;
    // Frames that found the interface's queue full because the switch did not read fast enough. The kernel counts
    // them on the container's side, since the interface was made.
    answer["device-counters"] = {{"missed", link->transmit_drops}};
    return answer;
}

size_t remove_orphans(const std::string& instance, const std::vector<PortConfig>& configured) {
    const std::string prefix = mark_of(instance, "");
    std::unordered_map<std::string, const PortConfig*> owners;
    for (const PortConfig& port : configured) {
        if (port.is_tap()) owners.emplace(mark_of(instance, port.name), &port);
    }
    const auto own_netns = identify_netns("");
    size_t removed = 0;
    for (const std::string& path : all_netns()) {
        auto inside = InNetns::enter(path);
        if (!inside) continue;
        auto netlink = Netlink::open();
        if (!netlink) continue;
        auto links = netlink->links();
        if (!links) continue;
        std::vector<Link> orphans;
        for (const Link& link : *links) {
            if (!link.alias.starts_with(prefix)) continue;
            if (const auto owner = owners.find(link.alias); owner != owners.end()) {
                auto home = identify_netns(owner->second->netns);
                if (home && *home == inside->id()) continue;
                if (owner->second->handover && own_netns && *own_netns == inside->id()) continue;
            }
            orphans.push_back(link);
        }
        for (const Link& link : netlink->delete_links(orphans)) {
            base::log::info("port", "removed {} in {}, left by an earlier run", link.name, path);
            ++removed;
        }
    }
    return removed;
}

}  // namespace sluice::port
