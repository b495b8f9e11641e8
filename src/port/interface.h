// An interface that stays with the kernel, as far as every port over it has the same to do to it. Control
// thread, in the interface's namespace.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "port/netlink.h"

namespace sluice::port {

// Interfaces whose MTU we have set, until restore(). One that was deleted, moved to another namespace, or given
// another MTU by its owner meanwhile stays as it is.
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

// The interface of that name, with that MTU: given it if it had another.
base::Result<Link> take_interface(const std::string& name, uint16_t mtu, BorrowedMtu& borrowed);

// Why nothing comes or goes by an interface: it is down, has no carrier, or is gone. Empty: it has a link.
std::string why_no_link(const std::string& interface);

// Features of an interface that are turned off, by the names that `ethtool -k` shows in brackets or the
// kernel has for them, until restore(). Those that are off already, or fixed, stay as they are; and so does
// another interface that has taken the name meanwhile.
class FeaturesOff {
 public:
    FeaturesOff() = default;
    FeaturesOff(const FeaturesOff&) = delete;
    ~FeaturesOff() { restore(); }

    void turn_off(const Link& link, const std::vector<std::string>& features);
    void restore() noexcept;

 private:
    int index_ = 0;
    std::vector<std::string> features_;  // that we have turned off
};

// Holds an interface to frames of its MTU: it no longer merges what it receives (GRO, LRO), and the other end
// of a veth no longer sends segments: the kernel withdraws that offer while this end has an XDP program,
// so it gets one that passes everything. That costs an eighth of what a veth can carry (`bench/run
// overlay`), so it is for a port that has met what it can't take. Both are undone by lift(), the program by
// our death as well.
class FrameLimit {
 public:
    // False where the other end can't be kept from sending segments.
    bool impose(const Link& link);
    void lift() noexcept;
    bool imposed() const noexcept { return imposed_; }

 private:
    bool imposed_ = false;
    base::Fd program_;  // of ours, on a veth
    FeaturesOff merging_;
};

}  // namespace sluice::port
