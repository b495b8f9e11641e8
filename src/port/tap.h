// Ports of containers and the host: a TAP device that Sluice makes in a network namespace and drives itself.
//
// Frames cross the descriptor behind a virtio-net header (IFF_VNET_HDR), so that 64 KiB TCP segments and
// unfinished checksums pass whole in both directions: five to nine times the throughput of a driver without it
// (DESIGN, "Ports"). The device is persistent: while the switch restarts, the container keeps its interface,
// ifindex, addresses and routes. An interface alias marks it as ours, names the switch and the port, and
// identifies the device even if the container has renamed it.
//
// If a container runtime hands the device over (`handover`), it is made down in the switch's own namespace. The
// runtime moves it into the container's, gives it its name there, configures it and sets it up. From then on it is
// as all others. Frames pass from the moment when it is up.
#pragma once

#include <atomic>
#include <vector>

#include "base/fd.h"
#include "port/kept_interface.h"
#include "port/namespace_watch.h"
#include "port/netlink.h"
#include "port/netns.h"
#include "port/port.h"

namespace sluice::port {

class Tap final : public Port {
 public:
    Tap(path::PortId id, PortConfig config, const Context& context);
    ~Tap() override { close(); }

    base::Result<void> open() override;
    void close() noexcept override;
    base::Result<void> configure(const PortConfig& next) override;
    base::Result<void> check() override;

    std::string no_link() const override { return no_link_; }
    std::string trouble() const override;
    bool changed() const noexcept override { return kept_.no_link() != no_link_; }
    void refresh() override { no_link_ = kept_.no_link(); }

    uint16_t receive_queues() const noexcept override { return static_cast<uint16_t>(queues_.size()); }
    Wake wake(uint16_t) const noexcept override { return Wake::kAlways; }
    int descriptor(uint16_t queue) const noexcept override { return queues_[queue].get(); }
    Received receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                     path::Counters& counters) noexcept override;
    void transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                  path::Counters& counters) noexcept override;

    std::optional<Refusal> refusal(uint32_t size) const override;
    nlohmann::json describe() const override;
    std::string interface() const override { return interface_; }
    std::optional<MacAddress> mac() const override;
    // The MAC address of such a port's interface. The port need not exist.
    static MacAddress mac_of(const PortConfig& config, const std::string& instance);

    // Removes the device for good, when the port is deleted from the configuration.
    void destroy() noexcept override;

 private:
    uint16_t wanted_queues() const noexcept;
    base::Result<void> attach();          // in the namespace: queues_, interface_, index_
    base::Result<std::optional<Link>> find_marked(Netlink& netlink);  // there: the existing device, if any
    base::Result<void> set_up();          // in the namespace: link, addresses, routes
    base::Result<void> prepare();         // there, for the runtime: the device stays down
    base::Result<InNetns> enter_to_open();
    base::Result<InNetns> enter() const;  // fails if the name means another namespace now
    base::Result<InNetns> enter_to_change();
    bool is_taken_over() const;  // in the namespace
    base::Result<void> look_for_runtime();
    struct Whereabouts {
        NetnsId netns;
        std::string name;
    };
    base::Result<Whereabouts> find_device() const;
    base::Result<void> look_at_device();
    WantedInterface wanted() const;
    std::optional<Link> find_link() const;

    Pools pools_;
    std::string mark_;
    MacAddress derived_mac_;
    uint16_t workers_;

    bool awaits_runtime_ = false;   // the device was made for a runtime, which has not set it up yet
    bool refused_ra_ = false;       // before the last change of the configuration
    std::vector<base::Fd> queues_;  // written while no worker uses the port
    std::string interface_;         // its current name in the kernel
    int index_ = 0;
    Since made_ = Since::kBefore;   // until it is set up for the first time
    NetnsId netns_;
    std::shared_ptr<NamespaceWatch> namespace_;  // held while open: the next port there shares it
    KeptInterface kept_;
    std::string no_link_;  // as reported to the engine
    std::atomic<int> transmit_error_{0};  // errno of the last refused frame: workers write, control reads
};

// Removes devices that a dead switch of the same instance left and that no port in `configured` uses. Returns
// their number.
size_t remove_orphans(const std::string& instance, const std::vector<PortConfig>& configured);

}  // namespace sluice::port
