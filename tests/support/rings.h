// DPDK devices over rings, so that a test hands packets to a port and takes what the port sent.
// They are ordinary net_ring devices: a configuration names them (`device: net_ring_NAME`). Main
// thread.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <string>
#include <vector>

namespace sluice::test {

class RingDevice {
 public:
    // `size` frames fit in each ring.
    explicit RingDevice(const std::string& name, uint16_t queues = 1, unsigned size = 1023);
    RingDevice(const RingDevice&) = delete;
    // Frees what is left in the rings. The port that used the device must be closed.
    ~RingDevice();

    // As DPDK and the configuration call it.
    std::string device() const { return "net_ring_" + name_; }

    // Takes the packet, for the port to receive.
    void put(rte_mbuf* packet, uint16_t queue = 0);
    // The oldest frame that the port sent, in the order of its queues; null if there is none.
    rte_mbuf* take();
    // Frees all packets in both directions.
    void drain();

 private:
    std::string name_;
    std::vector<rte_ring*> receive_;   // where the port receives from
    std::vector<rte_ring*> transmit_;  // where it sends to
};

}  // namespace sluice::test
