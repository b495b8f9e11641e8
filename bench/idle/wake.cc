// How long a wake takes.
//
//   wake bare CORE-A CORE-B COUNT INTERVAL-US
//       A thread on core A writes an eventfd; one on core B, asleep in epoll_wait on it, wakes, reads it
//       and writes another one, for which A waits. Two figures a round: A's write to B awake (one way:
//       both cores read the same time stamp counter), and there and back.
//   wake path CORE NETNS-A NETNS-B COUNT INTERVAL-US
//       One thread on a core sends a frame on eth0 of namespace A by a packet socket and sleeps until
//       it arrives at a packet socket on eth0 of B: one figure a round.
//
// Prints a line a round: nanoseconds, one figure or two. INTERVAL-US of sleep lies between rounds, so
// that everything falls asleep again.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "../program.h"

namespace {

constexpr uint16_t kProtocol = 0x88b5;  // local experimental (IEEE 802)

// An eventfd behind an epoll set: what a sleeping worker waits with.
struct Bell {
    int event = checked(eventfd(0, EFD_NONBLOCK), "eventfd");
    int set = checked(epoll_create1(0), "epoll_create1");

    Bell() {
        epoll_event what{.events = EPOLLIN, .data = {}};
        checked(epoll_ctl(set, EPOLL_CTL_ADD, event, &what), "epoll_ctl");
    }
    void ring() const {
        const uint64_t one = 1;
        if (write(event, &one, sizeof one) != sizeof one) fail("write");
    }
    // The time of waking.
    uint64_t wait() const {
        epoll_event what;
        while (epoll_wait(set, &what, 1, -1) < 1) {
        }
        const uint64_t woken = now();
        uint64_t count;
        if (read(event, &count, sizeof count) != sizeof count) fail("read");
        return woken;
    }
};

void bare(int core_a, int core_b, int count, int interval) {
    Bell there;
    Bell back;
    std::atomic<uint64_t> woken{0};
    std::thread other([&] {
        pin(core_b);
        for (int i = 0; i < count; ++i) {
            woken.store(there.wait(), std::memory_order_relaxed);
            back.ring();
        }
    });
    pin(core_a);
    for (int i = 0; i < count; ++i) {
        usleep(static_cast<useconds_t>(interval));
        const uint64_t start = now();
        there.ring();
        const uint64_t end = back.wait();
        std::printf("%lu %lu\n", woken.load(std::memory_order_relaxed) - start, end - start);
    }
    other.join();
}

struct Station {
    int socket;
    uint8_t mac[ETH_ALEN];
};

// A packet socket on eth0 of a namespace. The thread stays in the namespace it had: sockets don't move.
Station station(const std::string& netns) {
    const int home = checked(open("/proc/self/ns/net", O_RDONLY), "/proc/self/ns/net");
    const int away = checked(open(("/run/netns/" + netns).c_str(), O_RDONLY), netns.c_str());
    checked(setns(away, CLONE_NEWNET), "setns");
    Station made{checked(socket(AF_PACKET, SOCK_RAW, htons(kProtocol)), "socket"), {}};
    ifreq request{};
    std::strcpy(request.ifr_name, "eth0");
    checked(ioctl(made.socket, SIOCGIFHWADDR, &request), "eth0");
    std::memcpy(made.mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
    checked(ioctl(made.socket, SIOCGIFINDEX, &request), "eth0");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(kProtocol);
    address.sll_ifindex = request.ifr_ifindex;
    checked(bind(made.socket, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
    checked(setns(home, CLONE_NEWNET), "setns");
    close(home);
    close(away);
    return made;
}

void send_frame(const Station& from, const Station& to, uint32_t number) {
    uint8_t frame[64]{};
    std::memcpy(frame, to.mac, ETH_ALEN);
    std::memcpy(frame + 6, from.mac, ETH_ALEN);
    frame[12] = kProtocol >> 8;
    frame[13] = kProtocol & 0xff;
    std::memcpy(frame + 14, &number, sizeof number);
    if (send(from.socket, frame, sizeof frame, 0) != sizeof frame) fail("send");
}

// False if the frame doesn't arrive within a second.
bool await_frame(const Station& at, uint32_t number) {
    pollfd what{at.socket, POLLIN, 0};
    while (poll(&what, 1, 1000) == 1) {
        uint8_t frame[2048];
        uint32_t read = 0;
        const auto size = recv(at.socket, frame, sizeof frame, 0);
        std::memcpy(&read, frame + 14, sizeof read);
        if (size >= 18 && read == number) return true;
    }
    return false;
}

void path(int core, const char* netns_a, const char* netns_b, int count, int interval) {
    pin(core);
    const Station a = station(netns_a);
    const Station b = station(netns_b);
    send_frame(b, a, ~0U);  // the switch learns both
    await_frame(a, ~0U);
    for (int i = 0; i < count; ++i) {
        usleep(static_cast<useconds_t>(interval));
        const uint64_t start = now();
        send_frame(a, b, static_cast<uint32_t>(i));
        if (!await_frame(b, static_cast<uint32_t>(i))) {
            std::fprintf(stderr, "frame %d was lost\n", i);
            continue;
        }
        std::printf("%lu\n", now() - start);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    if (mode == "bare" && argc == 6) {
        bare(std::atoi(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]), std::atoi(argv[5]));
    } else if (mode == "path" && argc == 7) {
        path(std::atoi(argv[2]), argv[3], argv[4], std::atoi(argv[5]), std::atoi(argv[6]));
    } else {
        std::fprintf(stderr, "usage: see the top of wake.cc\n");
        return 2;
    }
    return 0;
}
