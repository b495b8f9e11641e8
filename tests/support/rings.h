// DPDK devices over rings: a test passes packets to a port and takes the packets that the port sent. They are
// ordinary net_ring devices, and a configuration names them (`device: net_ring_NAME`). Main thread.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <string>
#include <vector>

namespace sluice::test {

class RingDevice {
 public:
    // Each ring holds `size` frames.
    explicit RingDevice(const std::string& name, uint16_t queues = 1, unsigned size = 1023);
    RingDevice(const RingDevice&) = delete;
    // Frees the packets in the rings. The port that used the device must be closed.
    ~RingDevice();

    // The name for DPDK and for the configuration.
    std::string device() const { return "net_ring_" + name_; }

    // Takes ownership of the packet; the port receives it.
    void put(rte_mbuf* packet, uint16_t queue = 0);
    // The oldest frame that the port sent, by queue; null if there is none.
    rte_mbuf* take();
    // Frees all packets in both directions.
    void drain();

 private:
    std::string name_;
    std::vector<rte_ring*> receive_;   // the port receives from these
    std::vector<rte_ring*> transmit_;  // the port sends to these
};

}  // namespace sluice::test
