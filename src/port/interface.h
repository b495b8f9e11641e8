// The settings of a kernel interface that all ports over such an interface change. Control thread, in the
// interface's namespace.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "port/netlink.h"

namespace sluice::port {

// Interfaces whose MTU we have set, until restore(). An interface stays as it is if it was deleted, moved to
// another namespace, or given another MTU meanwhile.
class BorrowedMtu {
 public:
    BorrowedMtu() = default;
    BorrowedMtu(const BorrowedMtu&) = delete;
    ~BorrowedMtu() { restore(); }

    base::Result<void> set(Netlink& netlink, const Link& link, uint32_t mtu);
    void restore() noexcept;

 private:
    struct Changed {
        int index;
        uint32_t before;
        uint32_t ours;
    };
    std::vector<Changed> changed_;
};

// The interface of that name. Sets its MTU if it differs.
base::Result<Link> take_interface(const std::string& name, uint16_t mtu, BorrowedMtu& borrowed);

// The reason why an interface carries no frames: it is down, has no carrier, or is gone. Empty: it has a link.
std::string why_no_link(const std::string& interface);

// Features of an interface that are turned off until restore(). Their names are those that `ethtool -k` shows in
// brackets, or the kernel's. Features that are off or fixed stay as they are. So does another interface that has
// taken the name meanwhile.
class FeaturesOff {
 public:
    FeaturesOff() = default;
    FeaturesOff(const FeaturesOff&) = delete;
    ~FeaturesOff() { restore(); }

    void turn_off(const Link& link, const std::vector<std::string>& features);
    void restore() noexcept;

 private:
    int index_ = 0;
    std::vector<std::string> features_;  // those that we have turned off
};

// Holds an interface to frames of its MTU. It no longer merges received frames (GRO, LRO), and the other end of a
// veth no longer sends segments: the kernel withdraws that offer while this end has an XDP program, so it gets a
// program that passes every frame. That costs an eighth of a veth's throughput (`bench/run overlay`), so it is
// used only after a port has met a packet that it cannot take. lift() undoes both; the end of our process removes
// the program as well.
class FrameLimit {
 public:
    // False if the other end cannot be kept from sending segments.
    bool impose(const Link& link);
    void lift() noexcept;
    bool imposed() const noexcept { return imposed_; }

 private:
    bool imposed_ = false;
    base::Fd program_;  // our XDP program, on a veth
    FeaturesOff merging_;
};

}  // namespace sluice::port
