// What Sluice receives from and transmits to. One small interface over every kind of port: a burst in
// and a burst out, dispatched once a burst (the only indirect calls in a packet's way).
//
// open(), configure(), check(), close() and the queries belong to the control thread. receive() and
// transmit() belong to workers: a receive queue is polled by one worker at a time, transmit() may be
// called by all workers at once. The engine guarantees that no worker holds the port when close() is
// called (it publishes a snapshot without the port and waits for the grace period first).
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

namespace sluice::port {

// What the way out of a port can take; what it can't is done in software before (egress.h).
struct alignas(4) Capabilities {
    bool checksums = false;     // finishes TCP and UDP checksums
    bool tcp_segments = false;  // cuts TCP segments (or its peer takes them whole)
    bool chained = false;       // takes frames of several mbufs
};
static_assert(std::atomic<Capabilities>::is_always_lock_free);

// How a receive queue that has run empty makes itself heard.
enum class Wake : uint8_t {
    kNever,    // it has to be polled
    kAlways,   // its descriptor polls readable (edge-triggered) whenever a packet comes
    kOnDemand  // the same, after listen(queue, true) and until listen(queue, false)
};

struct Received {
    uint16_t count;
    bool more;  // the queue may hold more: ask again without waiting for its descriptor
};

class Port {
 public:
    Port(const Port&) = delete;
    virtual ~Port() = default;

    // Makes the device ready. After an error the port is as it was before, and may be tried again.
    virtual base::Result<void> open() = 0;
    // After an error of open(): that isn't over. Its device takes its time; open() again asks how far it is.
    virtual bool is_opening() const { return false; }
    virtual void close() noexcept = 0;
    // Removes what must not outlive the port's configuration (a persistent interface). Closes.
    virtual void destroy() noexcept { close(); }

    // Takes over a configuration: an open device one that differs only in keys that it can change
    // (same_device()), a closed one any by which it keeps what stands outside of the switch
    // (same_interface()). After an error the device has it in part: close it.
    virtual base::Result<void> configure(const PortConfig& next) = 0;

    // Supervision of an open device, a few times a second. An error says why the port must go down
    // (namespace gone, interface deleted); the engine closes it and tries again later.
    virtual base::Result<void> check() = 0;

    // Why nobody is at the other end (a guest with a driver, a cable); empty if somebody is. Nothing is
    // flooded to a port without link.
    virtual std::string no_link() const { return {}; }
    bool has_link() const { return no_link().empty(); }
    // What doesn't work though the port is up: an address that its namespace doesn't take. Empty if all does.
    virtual std::string trouble() const { return {}; }
    // True once after another member of a bond has begun to carry the traffic: whoever is beyond the port has to
    // learn by which member our stations are reached now.
    virtual bool take_failover() { return false; }
    // Why a frame of so many bytes (of a segment: the longest that it is cut to) would get no further than the
    // port, were it given to the port now: for a packet that is only asked about. None: nothing that is known
    // would keep it.
    struct Refusal {
        path::Drop reason;
        std::string why;
    };
    virtual std::optional<Refusal> refusal(uint32_t size) const;
    // What an open device does by itself: its link, queues and descriptors may be others since the
    // last refresh(), which takes that over. No worker may wait for the old descriptors any more.
    virtual bool changed() const noexcept { return false; }
    virtual void refresh() {}

    // None while the device is closed: there is then nothing to receive from, nor to wait for.
    virtual uint16_t receive_queues() const noexcept = 0;
    virtual Wake wake(uint16_t queue) const noexcept = 0;
    virtual int descriptor(uint16_t queue) const noexcept = 0;  // unless wake() is kNever
    // Worker side, for kOnDemand. A packet may have come before: receive() once more, then wait.
    virtual void listen(uint16_t, bool) noexcept {}

    // Up to `room` packets. Malformed ones are counted and freed here.
    virtual Received receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                             path::Counters& counters) noexcept = 0;
    // Takes every packet: transmits it, or counts why not and frees it. `bytes` is their sum.
    virtual void transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                          path::Counters& counters) noexcept = 0;

    // What a person would ask at 3 AM, beyond the configuration: an object for `port show`.
    virtual nlohmann::json describe() const = 0;
    // The address that the other side has, as far as it is ours to say.
    virtual std::optional<MacAddress> mac() const { return config_.mac; }
    // The name that the other side knows the port by: interface or device.
    virtual std::string interface() const = 0;

    const PortConfig& config() const noexcept { return config_; }
    // Where its configuration stands by now: in another line, or no more added but declared.
    void set_place(const base::Place& place) { config_.place = place; }
    Capabilities capabilities() const noexcept {
        return capabilities_.load(std::memory_order_relaxed);
    }
    // Bytes of the longest frame that the port transmits, without FCS and without a VLAN tag.
    uint32_t max_frame() const noexcept { return max_frame_.load(std::memory_order_relaxed); }
    path::PortId id() const noexcept { return id_; }

 protected:
    Port(path::PortId id, PortConfig config) : config_(std::move(config)), id_(id) {
        set_max_frame();
    }

    // From the configured MTU, which may change while workers transmit.
    void set_max_frame() noexcept;

    PortConfig config_;
    std::atomic<Capabilities> capabilities_{};  // changes only while no worker has a packet for it

 private:
    path::PortId id_;
    std::atomic<uint32_t> max_frame_;
};

// What ports share with the switch they belong to.
struct Context {
    Pools pools;
    uint16_t workers;      // how many threads will call transmit()
    std::string instance;  // names this switch among those of the host, in the mark on its devices
    // For a device that changes by itself, from its own thread: asks the engine to look at changed()
    // soon, and waits until no worker is inside of receive() or transmit().
    std::function<void()> attention = [] {};
    std::function<void()> wait_for_workers = [] {};
};

std::unique_ptr<Port> make_port(path::PortId id, const PortConfig& config, const Context& context);

// Whether going from one configuration to the other keeps the device open.
bool same_device(const PortConfig& a, const PortConfig& b);
// Whether it at least keeps what stands outside of the switch: the interface in its namespace. Then it is the
// same port, with its counters, and its device is closed and opened again.
bool same_interface(const PortConfig& a, const PortConfig& b);

}  // namespace sluice::port
