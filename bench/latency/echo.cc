// Round trips of ICMP echo requests, to the nanosecond: what ping measures, without its rounding to a microsecond
// and without its own work between the clock and the socket. The kernel of the other container answers.
//
//   echo CORE NETNS-A NETNS-B ADDRESS-B COUNT INTERVAL-US [DATAGRAMS]
//
// A thread on a core sends COUNT requests of 56 bytes from namespace A to ADDRESS-B, one each INTERVAL-US, or,
// with 0, each as soon as the last one's answer is there. It sleeps until the answer comes, as ping does. With
// DATAGRAMS another thread on the same core sends as many UDP datagrams of 64 bytes a second from A to a port of
// ADDRESS-B, where a socket takes them that nobody reads.
//
// Prints a line for each answer that came within a second: nanoseconds.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "../program.h"

namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kPatience = kSecond;
constexpr uint16_t kDiscard = 9;  // RFC 863

void sleep_until(uint64_t when) {
    const timespec time{static_cast<time_t>(when / kSecond), static_cast<long>(when % kSecond)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
    }
}

// A socket of a namespace. The thread stays in the namespace it had: sockets don't move.
int socket_in(const std::string& netns, int type, int protocol) {
    const int home = checked(open("/proc/self/ns/net", O_RDONLY), "/proc/self/ns/net");
    const int away = checked(open(("/run/netns/" + netns).c_str(), O_RDONLY), netns.c_str());
    checked(setns(away, CLONE_NEWNET), "setns");
    const int made = checked(socket(AF_INET, type, protocol), "socket");
    checked(setns(home, CLONE_NEWNET), "setns");
    close(home);
    close(away);
    return made;
}

sockaddr_in address_of(const char* text, uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
        std::fprintf(stderr, "%s is no IPv4 address\n", text);
        std::exit(2);
    }
    return address;
}

void connect_to(int socket, const sockaddr_in& address) {
    checked(connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
}

class Asker {
 public:
    Asker(const std::string& netns, const char* to) : socket_(socket_in(netns, SOCK_RAW, IPPROTO_ICMP)) {
        connect_to(socket_, address_of(to, 0));
        icmp_filter filter{~(1U << ICMP_ECHOREPLY)};
        checked(setsockopt(socket_, SOL_RAW, ICMP_FILTER, &filter, sizeof filter), "ICMP_FILTER");
        const timeval patience{static_cast<time_t>(kPatience / kSecond), 0};
        checked(setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), "SO_RCVTIMEO");
        request_.header.type = ICMP_ECHO;
        request_.header.un.echo.id = htons(static_cast<uint16_t>(getpid()));
    }

    // Nanoseconds; 0 if no answer comes in time.
    uint64_t ask(uint16_t number) {
        request_.header.un.echo.sequence = htons(number);
        request_.header.checksum = 0;
        request_.header.checksum = checksum();
        const uint64_t start = now();
        checked(static_cast<int>(send(socket_, &request_, sizeof request_, 0)), "send");
        while (await(number)) {
            const uint64_t end = now();
            if (is_answer_) return end - start;
            if (end - start > kPatience) break;
        }
        return 0;
    }

 private:
    struct Request {
        icmphdr header;
        std::array<uint8_t, 56> payload;
    };

    // False if nothing comes. is_answer_ tells whether what came answers this request.
    bool await(uint16_t number) {
        std::array<uint8_t, 2048> packet;
        const ssize_t size = recv(socket_, packet.data(), packet.size(), 0);
        if (size < 0) return false;
        iphdr ip;
        icmphdr icmp;
        std::memcpy(&ip, packet.data(), sizeof ip);
        const size_t offset = ip.ihl * size_t{4};
        if (static_cast<size_t>(size) < offset + sizeof icmp) return true;
        std::memcpy(&icmp, packet.data() + offset, sizeof icmp);
        is_answer_ = icmp.un.echo.id == request_.header.un.echo.id && icmp.un.echo.sequence == htons(number);
        return true;
    }

    // RFC 1071, of the request.
    uint16_t checksum() const {
        std::array<uint16_t, sizeof(Request) / 2> words;
        std::memcpy(words.data(), &request_, sizeof request_);
        uint32_t sum = 0;
        for (const uint16_t word : words) sum += word;
        sum = (sum & 0xffff) + (sum >> 16);
        return static_cast<uint16_t>(~((sum & 0xffff) + (sum >> 16)));
    }

    int socket_;
    Request request_{};
    bool is_answer_ = false;
};

// Sends datagrams at a constant rate until it is destroyed.
class Load {
 public:
    Load(int core, const std::string& from, const std::string& to, const char* address, uint64_t rate) {
        sockaddr_in end = address_of(address, kDiscard);
        const int sink = socket_in(to, SOCK_DGRAM, 0);
        checked(bind(sink, reinterpret_cast<sockaddr*>(&end), sizeof end), "bind");
        const int source = socket_in(from, SOCK_DGRAM, 0);
        connect_to(source, end);
        thread_ = std::thread([this, core, source, rate] {
            pin(core);
            prctl(PR_SET_TIMERSLACK, 1);
            const std::array<uint8_t, 64> bytes{};
            for (uint64_t next = now(); !ended_.load(std::memory_order_relaxed); next += kSecond / rate) {
                sleep_until(next);
                (void)!send(source, bytes.data(), bytes.size(), 0);
            }
        });
    }
    ~Load() {
        ended_.store(true, std::memory_order_relaxed);
        thread_.join();
    }

 private:
    std::atomic<bool> ended_{false};
    std::thread thread_;
};

void measure(Asker& asker, unsigned count, uint64_t interval) {
    std::vector<uint64_t> times;
    times.reserve(count);
    uint64_t next = now();
    for (unsigned i = 0; i < count; ++i) {
        if (interval != 0) sleep_until(next += interval);
        if (const uint64_t time = asker.ask(static_cast<uint16_t>(i)); time != 0) times.push_back(time);
    }
    for (const uint64_t time : times) std::printf("%lu\n", time);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 7 && argc != 8) {
        std::fprintf(stderr, "usage: see the top of echo.cc\n");
        return 2;
    }
    const int core = std::atoi(argv[1]);
    const auto count = static_cast<unsigned>(std::atoi(argv[5]));
    const uint64_t interval = std::strtoull(argv[6], nullptr, 10) * 1000;
    const uint64_t rate = argc == 8 ? std::strtoull(argv[7], nullptr, 10) : 0;
    pin(core);
    prctl(PR_SET_TIMERSLACK, 1);
    Asker asker(argv[2], argv[4]);
    // So that the neighbors are known and the program's pages are there.
    for (uint16_t i = 0; i < 100; ++i) asker.ask(static_cast<uint16_t>(0x8000 + i));
    if (rate == 0) {
        measure(asker, count, interval);
        return 0;
    }
    const Load load(core, argv[2], argv[3], argv[4], rate);
    measure(asker, count, interval);
}
