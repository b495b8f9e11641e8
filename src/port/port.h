// The ports through which Sluice receives and transmits. One small interface for every kind of port: a burst in
// and a burst out, dispatched once per burst (the only indirect calls in a packet's path).
//
// open(), configure(), check(), close() and the queries belong to the control thread. receive() and transmit()
// belong to workers: one worker at a time polls a receive queue; all workers may call transmit() at once. The
// engine guarantees that no worker uses the port when close() is called (it first publishes a snapshot without
// the port and waits for the grace period).
#pragma once

#include <rte_mbuf.h>

#include <atomic>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "path/counters.h"
#include "path/ids.h"
#include "port/pools.h"
#include "port/port_config.h"
#include "port/rate_limit.h"

namespace sluice::port {

// The capabilities of a port's transmit side. What it lacks, software does before (egress.h).
struct alignas(4) Capabilities {
    bool checksums = false;     // finishes TCP and UDP checksums
    bool tcp_segments = false;  // cuts TCP segments (or its peer takes them whole)
    bool chained = false;       // takes frames of several mbufs
};
static_assert(std::atomic<Capabilities>::is_always_lock_free);

// How a worker learns that an empty receive queue has packets again.
enum class Wake : uint8_t {
    kNever,    // the queue must be polled
    kAlways,   // its descriptor becomes readable (edge-triggered) whenever a packet arrives
    kOnDemand  // the same, from listen(queue, true) until listen(queue, false)
};

struct Received {
    uint16_t count;
    bool more;  // the queue may hold more: call again without waiting for its descriptor
};

class Port {
 public:
    Port(const Port&) = delete;
    virtual ~Port() = default;

    // Makes the device ready. After an error the port is as before and may be opened again.
    virtual base::Result<void> open() = 0;
    // After an error of open(): whether the opening continues in the background. Call open() again for its
    // progress.
    virtual bool is_opening() const { return false; }
    virtual void close() noexcept = 0;
    // Closes the port and removes objects that must not outlive its configuration (a persistent interface).
    virtual void destroy() noexcept { close(); }

    // Takes over a configuration. For an open device it may differ only in keys that can change while it is open
    // (same_device()); for a closed one, in all keys that keep its objects outside the switch (same_interface()).
    // After an error the configuration is partly in force: close the device.
    virtual base::Result<void> configure(const PortConfig& next) = 0;

    // Checks an open device; called a few times a second. An error is the reason why the port must go down
    // (namespace gone, interface deleted). The engine then closes it and tries again later.
    virtual base::Result<void> check() = 0;

    // The reason why the other end is missing (a guest with a driver, a cable); empty if it is there. Floods skip
    // a port without link.
    virtual std::string no_link() const { return {}; }
    bool has_link() const { return no_link().empty(); }
    // A fault of a port that is up, such as an address that its namespace refuses. Empty if there is none.
    virtual std::string trouble() const { return {}; }
    // True once after another member of a bond became active: the stations beyond the port must learn the member
    // by which our stations are reached now.
    virtual bool take_failover() { return false; }
    // For a dry run: the reason why a frame of `size` bytes (for a segment, its longest piece) would be dropped
    // after the port has taken it. None if no reason is known.
    struct Refusal {
        path::Drop reason;
        std::string why;
    };
    virtual std::optional<Refusal> refusal(uint32_t size) const;
    // Whether an open device has changed by itself: its link, queues and descriptors may differ since the last
    // refresh(), which takes the change over. No worker may wait for the old descriptors any more.
    virtual bool changed() const noexcept { return false; }
    virtual void refresh() {}

    // Zero while the device is closed: there is then nothing to receive from or to wait for.
    virtual uint16_t receive_queues() const noexcept = 0;
    virtual Wake wake(uint16_t queue) const noexcept = 0;
    virtual int descriptor(uint16_t queue) const noexcept = 0;  // unless wake() is kNever
    // Worker side, for kOnDemand. A packet may have arrived before: receive() once more, then wait.
    virtual void listen(uint16_t, bool) noexcept {}

    // Returns at most `room` packets. Malformed ones are counted and freed here.
    virtual Received receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                             path::Counters& counters) noexcept = 0;
    // Takes ownership of every packet: transmits it, or counts the drop and frees it. `bytes` is the sum of their
    // sizes.
    virtual void transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                          path::Counters& counters) noexcept = 0;

    // Details for `port show` beyond the configuration, as a JSON object.
    virtual nlohmann::json describe() const = 0;
    // The MAC address of the other side, as far as the switch chooses it.
    virtual std::optional<MacAddress> mac() const { return config_.mac; }
    // The port's name on the other side: an interface or a device.
    virtual std::string interface() const = 0;

    const PortConfig& config() const noexcept { return config_; }
    // Sets the new place of its configuration: another line, or declared in the file after it was added.
    void set_place(const base::Place& place) { config_.place = place; }
    Capabilities capabilities() const noexcept {
        return capabilities_.load(std::memory_order_relaxed);
    }
    // The size in bytes of the longest frame that the port transmits, without FCS and VLAN tag.
    uint32_t max_frame() const noexcept { return max_frame_.load(std::memory_order_relaxed); }
    path::PortId id() const noexcept { return id_; }
    // No two ports of a run of the switch have the same, while ports that come and go may have the same id.
    uint64_t serial() const noexcept { return serial_; }

    // Takes the rate limits over from the configuration, into time of which a second has `second` units.
    void limit_rates(uint64_t second) noexcept;
    // Worker side. Null: no limit.
    [[gnu::always_inline]] RateLimit* ingress_limit() noexcept {
        return unlikely((limited_.load(std::memory_order_acquire) & kIngress) != 0) ? &ingress_limit_ : nullptr;
    }
    [[gnu::always_inline]] RateLimit* egress_limit() noexcept {
        return unlikely((limited_.load(std::memory_order_acquire) & kEgress) != 0) ? &egress_limit_ : nullptr;
    }

 protected:
    Port(path::PortId id, PortConfig config);

    // Sets it from the configured MTU, which may change while workers transmit.
    void set_max_frame() noexcept;

    PortConfig config_;
    std::atomic<Capabilities> capabilities_{};  // changes only while no worker has a packet for the port

 private:
    static constexpr uint8_t kIngress = 1;
    static constexpr uint8_t kEgress = 2;

    path::PortId id_;
    std::atomic<uint8_t> limited_{0};  // in which directions: beside what workers read of each port anyway
    std::atomic<uint32_t> max_frame_;
    RateLimit ingress_limit_;  // of what goes to the port's guest
    RateLimit egress_limit_;   // of what comes from it
    const uint64_t serial_;
};

// Objects of the switch that its ports share.
struct Context {
    Pools pools;
    uint16_t workers;      // number of threads that will call transmit()
    std::string instance;  // this switch's name among those of the host, in the mark on its devices
    // For a device that changes by itself, on its own thread: attention() asks the engine to look at changed()
    // soon, wait_for_workers() waits until no worker is inside receive() or transmit().
    std::function<void()> attention = [] {};
    std::function<void()> wait_for_workers = [] {};
};

std::unique_ptr<Port> make_port(path::PortId id, const PortConfig& config, const Context& context);

// Whether the device stays open when the configuration changes from one to the other.
bool same_device(const PortConfig& a, const PortConfig& b);
// Whether at least the port's objects outside the switch stay: the interface in its namespace. Then it is the
// same port with its counters, and its device is closed and opened again.
bool same_interface(const PortConfig& a, const PortConfig& b);

}  // namespace sluice::port
