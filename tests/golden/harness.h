// A whole switch in the test's hands: ring devices for ports, a configuration in YAML, workers
// whose turns the test makes itself. After a run the books must balance. Main thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/switch.h"
#include "punt/line.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::test {

using DropCounts = std::map<std::pair<std::string, path::Drop>, uint64_t>;  // by port and reason

class Harness {
 public:
    // `devices` are names; a configuration calls them net_ring_NAME. Each has a queue a worker. What `flows`
    // says of the flow table's size a configuration repeats.
    Harness(uint16_t workers, const std::vector<std::string>& devices, const flow::FlowConfig& flows = {});
    // Closes the ports, empties the rings, and checks that every mbuf is home.
    ~Harness();

    // Checks that it is accepted.
    void apply(const std::string& yaml);

    RingDevice& device(const std::string& name) { return *devices_.at(name); }
    engine::Switch& running() { return *switch_; }
    // The worker's line to the protocol thread, which the test is. Questions of one run() are gone in the next.
    punt::Line& line(size_t worker) { return *lines_.at(worker); }

    // Turns of every worker until none has packets.
    void run();

    // Later fragments that wait for a first one wait no longer.
    void give_up_fragments();

    // The frames that a device was sent since it was last asked for, in the order of their sending.
    std::vector<Bytes> sent(const std::string& device);

    // What was dropped since the start at ports that still exist, zeros left out; at a tunnel under its
    // remote end point's address.
    DropCounts drops() const;

    // The books of a switch that serves for long begin anew here: all ports that it had are gone.
    void begin_books();
    // received + made = transmitted + dropped + consumed + waiting over all workers, and the totals are the sums of the
    // ports' (as long as no port was removed). What was dropped is in the drop logs, unless those are full.
    void check_books(bool ports_removed = false) const;
    uint64_t made() const;

 private:
    // Of all workers since the start.
    struct Totals {
        uint64_t received = 0;
        uint64_t transmitted = 0;
        uint64_t dropped = 0;
        uint64_t consumed = 0;
    };
    Totals totals() const;
    void collect();
    void check_drop_logs() const;
    std::map<std::string, path::PortId> places() const;

    std::map<std::string, std::unique_ptr<RingDevice>> devices_;
    std::map<std::string, std::vector<Bytes>> sent_;
    punt::Bell bell_;
    std::vector<std::unique_ptr<punt::Line>> lines_;
    std::unique_ptr<engine::Switch> switch_;
    Totals begun_;  // when the books began
};

}  // namespace sluice::test
