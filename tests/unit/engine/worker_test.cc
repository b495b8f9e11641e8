#include "engine/worker.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "engine/machine.h"
#include "engine/switch.h"
#include "support/netns.h"
#include "support/packet.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::engine {
namespace {

using namespace std::chrono_literals;
using test::Packet;

constexpr Clock::time_point kStart{1000s};
constexpr int kUntilCold = 10'000;  // turns after which no queue is read that hasn't spoken

// Two containers' devices in a namespace, and what their kernel sends on each.
class WorkerOfContainers : public testing::Test {
 protected:
    void SetUp() override {
        if (!space_.is_there() || access("/dev/net/tun", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/net/tun";
        }
        // Nothing comes from the devices but what a test sends.
        ASSERT_TRUE(space_.shell("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"));
        const std::string netns = ", netns: " + space_.path() + ", network: blue}";
        auto config = load_config("networks: [{name: blue}]\nports: [{name: a, interface: tap-a" + netns +
                                      ", {name: b, interface: tap-b" + netns +
                                      ", {name: c, device: " + device_.device() + ", network: blue}]",
                                  "f", {}, Machine{});
        ASSERT_TRUE(config) << config.error()[0].text();
        ASSERT_TRUE(switch_.apply(*config, kStart));
        for (const auto& [name, port] : switch_.ports()) ASSERT_TRUE(port.up) << port.reason;
        a_ = open("tap-a");
        b_ = open("tap-b");
        grow_cold();
    }

    int open(const char* interface) {
        int made = -1;
        space_.run([&] {
            made = socket(AF_PACKET, SOCK_RAW, 0);
            sockaddr_ll address{};
            address.sll_family = AF_PACKET;
            address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
            EXPECT_EQ(bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        });
        return made;
    }
    void send(int from) {
        const std::string_view source = from == a_ ? test::kMacA : test::kMacB;
        const test::Bytes frame = Packet().eth(source, "ff:ff:ff:ff:ff:ff").payload(46).bytes();
        EXPECT_EQ(::send(from, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
    }

    Worker& worker() { return *switch_.workers()[0]; }
    void grow_cold() {
        for (int i = 0; i < kUntilCold; ++i) worker().turn();
    }
    // Of the next turn.
    uint64_t received() {
        const uint64_t before = worker().counters().totals.received.get();
        worker().turn();
        return worker().counters().totals.received.get() - before;
    }

    test::Netns space_;
    test::RingDevice device_{"worker"};
    int a_ = -1;
    int b_ = -1;
    Switch switch_{1, test::switch_pools(), "test", {}, [] { return kStart; }};
};

TEST_F(WorkerOfContainers, ReadsTheAnswerToALonePacketInTheNextTurn) {
    // As often as it takes for the turns at which epoll is asked anyway to come by.
    for (int i = 0; i < 16; ++i) {
        send(a_);
        EXPECT_EQ(received(), 0u);  // epoll tells of it
        send(b_);
        EXPECT_EQ(received(), 1u);
        EXPECT_EQ(received(), 1u) << "round " << i;
        for (int turn = 0; turn < kUntilCold + i; ++turn) EXPECT_FALSE(worker().turn());
    }
}

TEST_F(WorkerOfContainers, ForwardsTheFirstPacketsAfterASilenceOneByOne) {
    for (int i = 0; i < 5; ++i) send(a_);
    EXPECT_EQ(received(), 0u);
    EXPECT_EQ(received(), 1u);
    EXPECT_EQ(received(), 1u);
    EXPECT_EQ(received(), 3u);
}

// Its driver may give nothing where there is room for less than a vector.
TEST_F(WorkerOfContainers, AsksADeviceForAsManyAsThereIsRoomFor) {
    for (int i = 0; i < 5; ++i) {
        const test::Bytes frame = Packet().eth("02:00:00:00:00:0c", "ff:ff:ff:ff:ff:ff").payload(46).bytes();
        device_.put(test::to_mbuf(test::switch_pools().buffers, frame));
    }
    EXPECT_EQ(received(), 5u);
}

}  // namespace
}  // namespace sluice::engine
