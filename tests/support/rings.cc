#include "support/rings.h"

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "port/device_thread.h"
#include "support/eal.h"

namespace sluice::test {
namespace {

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, rte_strerror(rte_errno));
    std::exit(1);
}

rte_ring* make_ring(const std::string& name, unsigned size) {
    // RING_F_EXACT_SZ: exactly this size, although the ring uses the next power of two.
    rte_ring* ring = rte_ring_create(name.c_str(), size, SOCKET_ID_ANY, RING_F_EXACT_SZ);
    if (ring == nullptr) fail(name.c_str());
    return ring;
}

void empty(rte_ring* ring) {
    void* packet = nullptr;
    while (rte_ring_dequeue(ring, &packet) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
}

}  // namespace

RingDevice::RingDevice(const std::string& name, uint16_t queues, unsigned size) : name_(name) {
    start_eal();
    for (uint16_t i = 0; i < queues; ++i) {
        receive_.push_back(make_ring(name + "-in" + std::to_string(i), size));
        transmit_.push_back(make_ring(name + "-out" + std::to_string(i), size));
    }
    const int port =
        rte_eth_from_rings(name.c_str(), receive_.data(), queues, transmit_.data(), queues, 0);
    if (port < 0) fail(name.c_str());
}

RingDevice::~RingDevice() {
    // The port that used it may just have been closed.
    port::devices_are_idle(std::chrono::minutes(10));
    if (rte_eal_hotplug_remove("vdev", device().c_str()) != 0) fail("cannot remove a ring device");
    drain();
    for (rte_ring* ring : receive_) rte_ring_free(ring);
    for (rte_ring* ring : transmit_) rte_ring_free(ring);
}

void RingDevice::put(rte_mbuf* packet, uint16_t queue) {
    if (packet == nullptr || rte_ring_enqueue(receive_.at(queue), packet) != 0) {
        std::fprintf(stderr, "no packet, or no room for it in %s\n", name_.c_str());
        std::abort();
    }
}

rte_mbuf* RingDevice::take() {
    for (rte_ring* ring : transmit_) {
        void* packet = nullptr;
        if (rte_ring_dequeue(ring, &packet) == 0) return static_cast<rte_mbuf*>(packet);
    }
    return nullptr;
}

void RingDevice::drain() {
    for (rte_ring* ring : receive_) empty(ring);
    for (rte_ring* ring : transmit_) empty(ring);
}

}  // namespace sluice::test
