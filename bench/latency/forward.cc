// The floor of what a user-space switch between two containers can reach: a forwarder that knows nothing. It
// makes a TAP device, eth0, in each of two namespaces, with the flags and offloads of Sluice's, and writes to one
// what it reads from the other.
//
//   forward spin CORE NETNS-A NETNS-B     reads both devices in turn, all the time
//   forward sleep CORE NETNS-A NETNS-B    sleeps in epoll_wait until one of them holds a frame
//
// Prints "ready" when both devices stand, and forwards until it is ended; the devices end with it. It costs one
// read and one write a frame; the sleeping one costs one epoll_wait more for each wake.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../program.h"

namespace {

// Of virtio-net (VIRTIO 1.2, 5.1.6): what lies before each frame. linux/virtio_net.h is no C++.
constexpr int kHeader = 10;

// A TCP segment of 64 KiB with its headers.
constexpr size_t kLongest = 65'536 + 256;

// eth0 in a namespace. Returns its descriptor; the thread stays in the namespace it had.
int make_tap(const std::string& netns) {
    const int home = checked(open("/proc/self/ns/net", O_RDONLY), "/proc/self/ns/net");
    const int away = checked(open(("/run/netns/" + netns).c_str(), O_RDONLY), netns.c_str());
    checked(setns(away, CLONE_NEWNET), "setns");
    const int tap = checked(open("/dev/net/tun", O_RDWR | O_NONBLOCK), "/dev/net/tun");
    ifreq request{};
    std::strcpy(request.ifr_name, "eth0");
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
    checked(ioctl(tap, TUNSETIFF, &request), "TUNSETIFF");
    int header = kHeader;
    checked(ioctl(tap, TUNSETVNETHDRSZ, &header), "TUNSETVNETHDRSZ");
    checked(ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN), "TUNSETOFFLOAD");
    checked(setns(home, CLONE_NEWNET), "setns");
    close(home);
    close(away);
    return tap;
}

class Forwarder {
 public:
    Forwarder(const std::string& a, const std::string& b) : taps_{make_tap(a), make_tap(b)}, bytes_(kLongest) {}

    [[noreturn]] void spin() {
        for (size_t side = 0;; side = 1 - side) move(side);
    }

    [[noreturn]] void sleep() {
        const int set = checked(epoll_create1(0), "epoll_create1");
        for (uint64_t side = 0; side < taps_.size(); ++side) {
            epoll_event event{.events = EPOLLIN, .data = {.u64 = side}};
            checked(epoll_ctl(set, EPOLL_CTL_ADD, taps_[side], &event), "epoll_ctl");
        }
        std::array<epoll_event, 2> events;
        for (;;) {
            const int count = epoll_wait(set, events.data(), events.size(), -1);
            for (int i = 0; i < count; ++i) move(events[static_cast<size_t>(i)].data.u64);
        }
    }

 private:
    // One frame at most, with the header of its offloads as it is. A frame that the other device refuses is lost.
    void move(size_t side) {
        const ssize_t size = read(taps_[side], bytes_.data(), bytes_.size());
        if (size > 0) (void)!write(taps_[1 - side], bytes_.data(), static_cast<size_t>(size));
    }

    std::array<int, 2> taps_;
    std::vector<uint8_t> bytes_;
};

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    if (argc != 5 || (mode != "spin" && mode != "sleep")) {
        std::fprintf(stderr, "usage: see the top of forward.cc\n");
        return 2;
    }
    Forwarder forwarder(argv[3], argv[4]);
    pin(std::atoi(argv[2]));
    std::printf("ready\n");
    std::fflush(stdout);
    if (mode == "spin") forwarder.spin();
    forwarder.sleep();
}
