#include "port/tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/directory.h"
#include "support/netns.h"
#include "support/pools.h"

namespace sluice::port {
namespace {

class TapTest : public testing::Test {
 protected:
    void SetUp() override {
        if (!here_.is_there() || access("/dev/net/tun", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/net/tun";
        }
        point_to(here_);
        config_.name = "web";
        config_.netns = directory_ / "netns";
        config_.address = {*InterfaceAddress::parse("10.0.0.1/24")};
        port_ = make_port(path::PortId{3}, config_, {test::switch_pools(), 1, "test"});
        const auto opened = port_->open();
        ASSERT_TRUE(opened) << opened.error().message;
    }
    void TearDown() override {
        if (port_) port_->destroy();
    }

    void point_to(const test::Netns& netns) {
        std::filesystem::remove(directory_ / "netns");
        std::filesystem::create_symlink(netns.path(), directory_ / "netns");
    }
    static int index_of(test::Netns& netns, const std::string& name) {
        int index = 0;
        netns.run([&] { index = static_cast<int>(if_nametoindex(name.c_str())); });
        return index;
    }
    // An interface that isn't ours, under the number that ours has, or had.
    static void add_foreign(test::Netns& netns, const std::string& name, int index) {
        ASSERT_TRUE(netns.shell("ip link add " + name + " index " + std::to_string(index) +
                                " mtu 1440 type veth peer name peer index 900"));
    }
    static void expect_untouched(test::Netns& netns, const std::string& name) {
        netns.run([&] {
            auto netlink = Netlink::open();
            ASSERT_TRUE(netlink);
            const auto link = netlink->find_link(name);
            ASSERT_TRUE(link && *link) << name;
            EXPECT_EQ((*link)->mtu, 1440u);
            EXPECT_FALSE((*link)->up);
            EXPECT_TRUE(netlink->addresses((*link)->index, Whose::kAll)->empty());
        });
    }
    // Whatever the change may be, the port refuses it, and goes down at the next check.
    void expect_refused(std::string_view why) {
        PortConfig next = config_;
        next.mtu = 1300;
        const auto configured = port_->configure(next);
        ASSERT_FALSE(configured);
        EXPECT_NE(configured.error().message.find(why), std::string::npos) << configured.error().message;
        const auto checked = port_->check();
        ASSERT_FALSE(checked);
        EXPECT_NE(checked.error().message.find(why), std::string::npos) << checked.error().message;
    }

    test::Directory directory_;
    test::Netns here_;
    test::Netns there_;
    PortConfig config_;
    std::unique_ptr<Port> port_;
};

TEST_F(TapTest, AnotherNamespaceUnderTheNameIsLeftAlone) {
    add_foreign(there_, "foreign", index_of(here_, "eth0"));
    point_to(there_);
    expect_refused("was replaced");
    expect_untouched(there_, "foreign");
    EXPECT_FALSE(port_->describe().contains("mtu")) << "that is the foreign interface's";
    point_to(here_);
}

TEST_F(TapTest, AnotherInterfaceUnderItsNumberIsLeftAlone) {
    const int index = index_of(here_, "eth0");
    ASSERT_TRUE(here_.shell("ip link set eth0 netns " + there_.path() + " name away"));
    add_foreign(here_, "eth0", index);
    expect_refused("was moved to another network namespace");
    expect_untouched(here_, "eth0");
    port_->close();
    EXPECT_EQ(index_of(there_, "away"), 0) << "it goes with its port";
}

TEST_F(TapTest, OneThatWasMovedAndCameBackIsOpenedAnew) {
    const int index = index_of(here_, "eth0");
    ASSERT_TRUE(here_.shell("ip link set eth0 netns " + there_.path()));
    add_foreign(here_, "foreign", index);
    ASSERT_TRUE(there_.shell("ip link set eth0 netns " + here_.path()));
    ASSERT_NE(index_of(here_, "eth0"), index);
    expect_refused("and back");
    expect_untouched(here_, "foreign");
    port_->close();
    const auto opened = port_->open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(port_->check());
    EXPECT_EQ(port_->describe().at("ifindex"), index_of(here_, "eth0"));
    EXPECT_EQ(port_->describe().at("mtu"), 1300);
    expect_untouched(here_, "foreign");
}

TEST_F(TapTest, AnotherInterfaceUnderItsNameIsLeftAlone) {
    ASSERT_TRUE(here_.shell("ip link set eth0 down && ip link set eth0 name eth9"));
    add_foreign(here_, "eth0", 77);
    const auto accept_ra = [&](const std::string& name) {
        std::string text;
        here_.run([&] { text = test::file_text("/proc/sys/net/ipv6/conf/" + name + "/accept_ra"); });
        return text;
    };
    ASSERT_EQ(accept_ra("eth9"), "0\n");
    ASSERT_EQ(accept_ra("eth0"), "1\n");
    PortConfig next = config_;
    next.mtu = 1300;
    const auto configured = port_->configure(next);
    ASSERT_TRUE(configured) << configured.error().message;
    expect_untouched(here_, "eth0");
    EXPECT_EQ(accept_ra("eth0"), "1\n");
    EXPECT_EQ(accept_ra("eth9"), "0\n");
    EXPECT_EQ(port_->interface(), "eth9");
    EXPECT_EQ(port_->describe().at("mtu"), 1300);
    EXPECT_TRUE(port_->check());
}

TEST_F(TapTest, TheKernelKeepsNoQueueingDisciplineForEachPossibleQueue) {
    EXPECT_TRUE(here_.shell("ip link show eth0 | grep -q 'qdisc noqueue'"));
    // What the namespace has chosen stays when the port is opened again.
    ASSERT_TRUE(here_.shell("ip link set eth0 down && ip link set eth0 up"));
    EXPECT_TRUE(here_.shell("ip link show eth0 | grep -q 'qdisc noqueue'"));
    if (!here_.shell("tc qdisc replace dev eth0 root pfifo")) GTEST_SKIP() << "no tc";
    port_->close();
    ASSERT_TRUE(port_->open());
    EXPECT_TRUE(here_.shell("ip link show eth0 | grep -q 'qdisc pfifo '"));
}

TEST_F(TapTest, FramesThatFindItsQueueFullAreMissed) {
    EXPECT_EQ(port_->describe().at("device-counters").at("missed"), 0);
    ASSERT_TRUE(here_.shell("ip link set eth0 txqueuelen 8 && "
                            "ip neighbor add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0"));
    here_.run([] {
        const base::Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(0x0a000002)}};
        for (int i = 0; i < 100; ++i) {
            ASSERT_EQ(sendto(any.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to), 1);
        }
    });
    EXPECT_GE(port_->describe().at("device-counters").at("missed"), 100 - 8);
}

// A runtime moves the interface into the container. The switch has a namespace of its own here: home_.
class TapHandover : public testing::Test {
 protected:
    void SetUp() override {
        if (!there_.is_there() || access("/dev/net/tun", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/net/tun";
        }
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        config_.name = "web";
        config_.netns = directory_ / "netns";
        config_.handover = true;
        config_.interface = "sl7";
        config_.mtu = 1400;
        config_.mac = *MacAddress::parse("02:00:00:00:00:07");
        config_.address = {*InterfaceAddress::parse("10.0.0.1/24")};
        make();
        const auto opened = port_->open();
        ASSERT_TRUE(opened) << opened.error().message;
    }
    void TearDown() override {
        if (port_) port_->destroy();
        EXPECT_EQ(setns(home_.get(), CLONE_NEWNET), 0);
    }

    void make() { port_ = make_port(path::PortId{3}, config_, {test::switch_pools(), 1, "test"}); }
    static std::optional<Link> find(const std::string& name) {
        auto netlink = Netlink::open();
        return netlink ? netlink->find_link(name).value_or(std::nullopt) : std::nullopt;
    }
    std::optional<Link> find_there(const std::string& name) {
        std::optional<Link> link;
        there_.run([&] { link = find(name); });
        return link;
    }
    void make_namespace() { std::filesystem::create_symlink(there_.path(), directory_ / "netns"); }
    bool move() const { return system(("ip link set sl7 netns " + there_.path()).c_str()) == 0; }
    void expect_waiting(const char* for_what) {
        const auto checked = port_->check();
        ASSERT_TRUE(checked) << checked.error().message;
        EXPECT_NE(port_->trouble().find("has not moved interface sl7"), std::string::npos) << for_what;
    }
    void take_over() {
        make_namespace();
        ASSERT_TRUE(move());
        ASSERT_TRUE(there_.shell("ip link set sl7 name eth3 && ip link set eth3 up"));
        const auto checked = port_->check();
        ASSERT_TRUE(checked) << checked.error().message;
        EXPECT_EQ(port_->trouble(), "");
    }

    const base::Fd home_{::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)};
    test::Directory directory_;
    test::Netns there_;
    PortConfig config_;
    std::unique_ptr<Port> port_;
};

TEST_F(TapHandover, IsMadeDownWhereTheSwitchIs) {
    const auto link = find("sl7");
    ASSERT_TRUE(link);
    EXPECT_FALSE(link->up);
    EXPECT_EQ(link->mtu, 1400u);
    EXPECT_EQ(link->mac.text(), "02:00:00:00:00:07");
    EXPECT_EQ(port_->no_link(), "") << "frames may pass at any moment";
    expect_waiting("the namespace");
    port_->destroy();
    EXPECT_FALSE(find("sl7"));
}

TEST_F(TapHandover, IsLeftToTheRuntimeUntilThatHasSetItUp) {
    make_namespace();
    expect_waiting("the runtime");
    ASSERT_TRUE(move());
    expect_waiting("its name");
    ASSERT_TRUE(there_.shell("ip link set sl7 name eth3"));
    expect_waiting("its being up");
    EXPECT_FALSE(find_there("eth3")->up);
    ASSERT_TRUE(there_.shell("ip link set eth3 up"));
    ASSERT_TRUE(port_->check());
    EXPECT_EQ(port_->trouble(), "");
    EXPECT_EQ(port_->interface(), "eth3");
    EXPECT_TRUE(there_.shell("ip -4 -o address show dev eth3 | grep -q ' 10.0.0.1/24 '"));
    EXPECT_TRUE(there_.shell("test -z \"$(ip route show default)\""));
}

TEST_F(TapHandover, IsKeptOnceItWasTakenOver) {
    take_over();
    ASSERT_TRUE(there_.shell("ip link set eth3 mtu 1300"));
    for (int i = 0; i < 1000 && find_there("eth3")->mtu != 1400; ++i) {
        usleep(10'000);
        ASSERT_TRUE(port_->check());
    }
    EXPECT_EQ(find_there("eth3")->mtu, 1400u);
}

TEST_F(TapHandover, IsFoundAgainInTheContainer) {
    take_over();
    const int index = find_there("eth3")->index;
    port_->close();
    make();
    ASSERT_TRUE(port_->open());
    EXPECT_EQ(port_->interface(), "eth3");
    EXPECT_EQ(port_->trouble(), "");
    EXPECT_EQ(find_there("eth3")->index, index);
    EXPECT_FALSE(find("sl7"));
    EXPECT_EQ(remove_orphans("test", {config_}), 0u);
    port_->destroy();
    EXPECT_FALSE(find_there("eth3"));
}

TEST_F(TapHandover, IsFoundAgainBeforeItWasMoved) {
    const int index = find("sl7")->index;
    port_->close();
    EXPECT_EQ(remove_orphans("test", {config_}), 0u);
    make();
    ASSERT_TRUE(port_->open());
    EXPECT_EQ(find("sl7")->index, index);
    take_over();
}

TEST_F(TapHandover, GoesDownWithItsContainer) {
    take_over();
    ASSERT_TRUE(there_.shell("ip link delete eth3"));
    EXPECT_FALSE(port_->check());
}

// With two queues, which two workers read and write.
class TapOfTwoWorkers : public testing::Test {
 protected:
    void SetUp() override {
        if (!space_.is_there() || access("/dev/net/tun", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/net/tun";
        }
        ASSERT_TRUE(space_.shell("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"));
        PortConfig config;
        config.name = "web";
        config.netns = space_.path();
        port_ = make_port(path::PortId{3}, config, {test::switch_pools(), 2, "test"});
        const auto opened = port_->open();
        ASSERT_TRUE(opened) << opened.error().message;
        ASSERT_EQ(port_->receive_queues(), 2);
        space_.run([&] {
            socket_ = base::Fd(socket(AF_PACKET, SOCK_RAW, 0));
            sockaddr_ll address{};
            address.sll_family = AF_PACKET;
            address.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
            EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        });
    }
    void TearDown() override {
        if (port_) port_->destroy();
    }

    // What the container sends comes by this queue.
    int queue_of(const test::Bytes& frame) {
        EXPECT_EQ(send(socket_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
        int found = -1;
        for (uint16_t queue = 0; queue < 2; ++queue) {
            rte_mbuf* packet = nullptr;
            if (port_->receive(queue, &packet, 1, counters_).count == 0) continue;
            EXPECT_EQ(found, -1);
            found = queue;
            rte_pktmbuf_free(packet);
        }
        EXPECT_NE(found, -1);
        return found;
    }
    void write(uint16_t worker, const test::Bytes& frame) {
        rte_mbuf* packet = test::to_mbuf(test::switch_pools().buffers, frame);
        port_->transmit(path::WorkerId{worker}, &packet, 1, packet->pkt_len, counters_);
    }

    test::Netns space_;
    std::unique_ptr<Port> port_;
    base::Fd socket_;
    path::Counters counters_;
};

using test::Packet;

TEST_F(TapOfTwoWorkers, AConnectionComesByOneQueueWhoeverWritesItsAnswers) {
    std::array<int, 2> of_queue{};
    for (uint16_t n = 0; n < 64; ++n) {
        const auto port = static_cast<uint16_t>(40'000 + 2 * n);
        const test::Bytes there =
            Packet().eth(test::kMacA, test::kMacB).ipv4("10.0.0.1", "10.0.0.2").tcp(port, 5201).payload(10);
        const test::Bytes back =
            Packet().eth(test::kMacB, test::kMacA).ipv4("10.0.0.2", "10.0.0.1").tcp(5201, port).payload(10);
        write(0, back);
        const int queue = queue_of(there);
        write(1, back);
        EXPECT_EQ(queue_of(there), queue);
        EXPECT_EQ(queue_of(back), queue) << "the other direction, from another interface";
        ++of_queue[static_cast<size_t>(queue)];
    }
    EXPECT_GT(of_queue[0], 16);
    EXPECT_GT(of_queue[1], 16);
}

TEST_F(TapOfTwoWorkers, ConnectionsOfIpv6AreSpreadToo) {
    std::array<int, 2> of_queue{};
    for (uint16_t n = 0; n < 64; ++n) {
        const auto port = static_cast<uint16_t>(40'000 + 2 * n);
        const test::Bytes there = Packet().eth(test::kMacA, test::kMacB).ipv6("fd00::1", "fd00::2").udp(port, 53);
        const test::Bytes back = Packet().eth(test::kMacB, test::kMacA).ipv6("fd00::2", "fd00::1").udp(53, port);
        const int queue = queue_of(there);
        EXPECT_EQ(queue_of(back), queue);
        ++of_queue[static_cast<size_t>(queue)];
    }
    EXPECT_GT(of_queue[0], 16);
    EXPECT_GT(of_queue[1], 16);
}

TEST_F(TapOfTwoWorkers, FragmentsComeByTheQueueOfTheirAddresses) {
    constexpr uint16_t kMore = 0x2000;
    const auto fragment = [](uint16_t port, uint16_t flags_offset) {
        return Packet()
            .eth(test::kMacA, test::kMacB)
            .ipv4("10.0.0.1", "10.0.0.2")
            .fragment(flags_offset)
            .udp(port, 53)
            .bytes();
    };
    const int later = queue_of(fragment(7, 1480 / 8));
    for (uint16_t port = 1; port < 16; ++port) EXPECT_EQ(queue_of(fragment(port, kMore)), later);
}

TEST_F(TapOfTwoWorkers, WhatIsNoIpComesByTheFirstQueue) {
    EXPECT_EQ(queue_of(Packet().eth(test::kMacA, test::kMacB, 0x88b5).payload(46)), 0);
    test::Bytes bare(14);
    bare[12] = 0x08;
    EXPECT_EQ(queue_of(bare), 0) << "IPv4 by its type, with nothing behind it";
}

}  // namespace
}  // namespace sluice::port
