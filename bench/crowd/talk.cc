// All containers talk: a thread on a core sends UDP datagrams from one after the other, each to another
// container's MAC address, as fast as it can, until it is ended.
//
//   talk CORE FLOWS NETNS...
//
// Each container has eth0 with an IPv4 address and sends from both its addresses: FLOWS flows in all, in random
// order. The frames have 64 bytes and go to an IP address that no container has, so that its kernel drops them
// without an answer.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "../program.h"

namespace {

constexpr const char* kNobody = "198.18.0.1";  // RFC 2544: for benchmarks
constexpr uint16_t kPort = 5000;

struct Container {
    int socket;
    std::array<uint8_t, ETH_ALEN> mac;
    in_addr address;
};

// A packet socket on eth0 of a namespace, which receives nothing. The thread stays in the namespace it had.
Container container(const std::string& netns) {
    const int home = checked(open("/proc/self/ns/net", O_RDONLY), "/proc/self/ns/net");
    const int away = checked(open(("/run/netns/" + netns).c_str(), O_RDONLY), netns.c_str());
    checked(setns(away, CLONE_NEWNET), "setns");
    Container made{checked(socket(AF_PACKET, SOCK_RAW, 0), "socket"), {}, {}};
    ifreq request{};
    std::strcpy(request.ifr_name, "eth0");
    checked(ioctl(made.socket, SIOCGIFHWADDR, &request), "eth0");
    std::memcpy(made.mac.data(), request.ifr_hwaddr.sa_data, ETH_ALEN);
    checked(ioctl(made.socket, SIOCGIFINDEX, &request), "eth0");
    sockaddr_ll place{};
    place.sll_family = AF_PACKET;
    place.sll_ifindex = request.ifr_ifindex;
    checked(bind(made.socket, reinterpret_cast<sockaddr*>(&place), sizeof place), "bind");
    const int plain = checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    checked(ioctl(plain, SIOCGIFADDR, &request), "eth0 has no address");
    sockaddr_in address;
    std::memcpy(&address, &request.ifr_addr, sizeof address);
    made.address = address.sin_addr;
    close(plain);
    checked(setns(home, CLONE_NEWNET), "setns");
    close(home);
    close(away);
    return made;
}

struct Talk {
    int socket;
    std::array<uint8_t, 64> frame;
};

Talk talk(const Container& from, const Container& to, uint16_t port) {
    Talk made{from.socket, {}};
    ether_header ethernet{};
    std::memcpy(ethernet.ether_dhost, to.mac.data(), ETH_ALEN);
    std::memcpy(ethernet.ether_shost, from.mac.data(), ETH_ALEN);
    ethernet.ether_type = htons(ETHERTYPE_IP);
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = htons(sizeof made.frame - sizeof ethernet);
    ip.ttl = 64;
    ip.protocol = IPPROTO_UDP;
    ip.saddr = from.address.s_addr;
    inet_pton(AF_INET, kNobody, &ip.daddr);
    std::array<uint16_t, sizeof ip / 2> words;
    std::memcpy(words.data(), &ip, sizeof ip);
    uint32_t sum = 0;
    for (const uint16_t word : words) sum += word;
    sum = (sum & 0xffff) + (sum >> 16);
    ip.check = static_cast<uint16_t>(~((sum & 0xffff) + (sum >> 16)));
    udphdr udp{};
    udp.source = htons(port);
    udp.dest = htons(kPort);
    udp.len = htons(sizeof made.frame - sizeof ethernet - sizeof ip);
    uint8_t* at = made.frame.data();
    std::memcpy(at, &ethernet, sizeof ethernet);
    std::memcpy(at + sizeof ethernet, &ip, sizeof ip);
    std::memcpy(at + sizeof ethernet + sizeof ip, &udp, sizeof udp);
    return made;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) {
        std::fprintf(stderr, "usage: see the top of talk.cc\n");
        return 2;
    }
    std::vector<Container> all;
    for (int i = 3; i < argc; ++i) all.push_back(container(argv[i]));
    std::mt19937 dice(1);
    std::vector<Talk> talks;
    for (int i = 0; i < std::atoi(argv[2]); ++i) {
        const size_t from = static_cast<size_t>(i) % all.size();
        const size_t to = (from + 1 + dice() % (all.size() - 1)) % all.size();
        const auto round = static_cast<uint16_t>(i / static_cast<int>(all.size()));
        talks.push_back(talk(all[from], all[to], static_cast<uint16_t>(10'000 + round)));
    }
    pin(std::atoi(argv[1]));
    for (size_t i = 0;; i = (i + 1) % talks.size()) {
        // What a full queue refuses is lost, as it would be to its container.
        (void)!send(talks[i].socket, talks[i].frame.data(), talks[i].frame.size(), MSG_DONTWAIT);
    }
}
