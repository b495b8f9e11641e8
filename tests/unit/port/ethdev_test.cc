#define ALLOW_EXPERIMENTAL_API  // rte_dev_event_callback_process()

#include "port/ethdev.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <rte_dev.h>
#include <rte_thash.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/fd.h"
#include "path/batch.h"
#include "port/netlink.h"
#include "support/device_thread.h"
#include "support/directory.h"
#include "support/opening.h"
#include "support/pools.h"
#include "support/rings.h"
#include "wire/offload.h"

namespace sluice::port {
namespace {

using path::Drop;
using path::PortId;
using test::open_at_last;
using test::Packet;

constexpr PortId kId{3};
constexpr path::WorkerId kWorker{0};

class EthdevTest : public testing::Test {
 protected:
    std::unique_ptr<Port> make(PortConfig config, uint16_t workers = 1) {
        config.name = "port";
        return make_port(kId, config, {pools_, workers, "test"});
    }
    rte_mbuf* packet() { return test::to_mbuf(pools_.buffers, Packet().eth().payload(46)); }

    const Pools& pools_ = test::switch_pools();
    path::Counters counters_;
    std::array<rte_mbuf*, path::kBatchSize> packets_{};
};

TEST_F(EthdevTest, ReceivesAndCountsByQueue) {
    test::RingDevice ring("rx", 2);
    auto port = make({.device = ring.device()}, 2);
    ASSERT_TRUE(open_at_last(*port));
    EXPECT_EQ(port->receive_queues(), 2);
    EXPECT_EQ(port->wake(1), Wake::kNever);
    for (int i = 0; i < 3; ++i) ring.put(packet(), 1);

    EXPECT_EQ(port->receive(0, packets_.data(), 64, counters_).count, 0);
    const Received some = port->receive(1, packets_.data(), 2, counters_);
    EXPECT_EQ(some.count, 2);
    EXPECT_TRUE(some.more);
    const Received rest = port->receive(1, packets_.data() + 2, 62, counters_);
    EXPECT_EQ(rest.count, 1);
    EXPECT_FALSE(rest.more);
    EXPECT_EQ(counters_.port(kId).received[1].packets.get(), 3u);
    EXPECT_EQ(counters_.port(kId).received[1].bytes.get(), 180u);
    EXPECT_EQ(counters_.port(kId).received[0].packets.get(), 0u);
    rte_pktmbuf_free_bulk(packets_.data(), 3);
}

TEST_F(EthdevTest, WhatTheDeviceDoesNotTakeIsDroppedAsFull) {
    test::RingDevice ring("full", 1, 10);
    auto port = make({.device = ring.device()});
    ASSERT_TRUE(open_at_last(*port));
    for (auto& m : packets_) m = packet();
    port->transmit(kWorker, packets_.data(), path::kBatchSize, path::kBatchSize * 60, counters_);
    EXPECT_EQ(counters_.port(kId).transmitted.packets.get(), 10u);
    EXPECT_EQ(counters_.port(kId).transmitted.bytes.get(), 600u);
    EXPECT_EQ(counters_.totals.dropped[static_cast<size_t>(Drop::kTransmitFull)].get(), 54u);
    ring.drain();
    EXPECT_TRUE(test::are_full(pools_));
}

TEST_F(EthdevTest, WorkersShareTheQueuesThatADeviceHas) {
    test::RingDevice ring("shared", 1);
    auto port = make({.device = ring.device()}, 4);
    ASSERT_TRUE(open_at_last(*port));
    EXPECT_EQ(port->receive_queues(), 1);
    for (uint16_t worker = 0; worker < 4; ++worker) {
        rte_mbuf* m = packet();
        port->transmit(path::WorkerId{worker}, &m, 1, m->pkt_len, counters_);
    }
    EXPECT_EQ(counters_.totals.transmitted.get(), 4u);
}

TEST_F(EthdevTest, TakesAsManyQueuesAsConfigured) {
    test::RingDevice ring("queues", 4);
    auto port = make({.device = ring.device(), .queues = 3}, 2);
    ASSERT_TRUE(open_at_last(*port));
    EXPECT_EQ(port->receive_queues(), 3);
}

TEST_F(EthdevTest, TakesFramesOfItsMtu) {
    test::RingDevice ring("mtu");
    auto port = make({.device = ring.device(), .mtu = 9000});
    ASSERT_TRUE(open_at_last(*port));
    EXPECT_EQ(port->max_frame(), 9014u);
    EXPECT_FALSE(port->capabilities().tcp_segments);
    EXPECT_FALSE(port->capabilities().checksums);
}

// Nothing is taken out of the ring, as from a device's that has nothing more to send.
TEST_F(EthdevTest, ADeviceDoesNotKeepTheLastLargeBuffers) {
    test::RingDevice ring("keeps", 1, 200);
    auto port = make({.device = ring.device(), .mtu = 9000});
    ASSERT_TRUE(open_at_last(*port));
    ASSERT_TRUE(port->capabilities().chained);
    const Packet packet = Packet().eth().payload(8000);
    for (int i = 0; i < 150; ++i) {
        rte_mbuf* m = test::to_mbuf(pools_.large, packet);
        ASSERT_NE(m, nullptr) << i;
        port->transmit(kWorker, &m, 1, m->pkt_len, counters_);
    }
    EXPECT_EQ(counters_.port(kId).transmitted.packets.get(), 150u);
    EXPECT_EQ(counters_.port(kId).transmitted.bytes.get(), 150u * 8014);
    int large = 0;
    for (int i = 0; i < 150; ++i) {
        rte_mbuf* m = ring.take();
        ASSERT_NE(m, nullptr);
        EXPECT_EQ(test::bytes_of(m), packet.bytes());
        large += m->pool == pools_.large ? 1 : 0;
        rte_pktmbuf_free(m);
    }
    EXPECT_GT(large, 40);
    EXPECT_LT(large, static_cast<int>(test::kPoolLarge) - 24);
    EXPECT_TRUE(test::are_full(pools_));
}

TEST_F(EthdevTest, OpensAgainAfterClose) {
    test::RingDevice ring("again");
    auto port = make({.device = ring.device()});
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(open_at_last(*port));
        ASSERT_TRUE(port->check());
        port->close();
    }
}

TEST_F(EthdevTest, ADeviceMadeForThePortGoesWithIt) {
    const PortConfig config{.device = "net_null_ours,size=60"};
    uint16_t device = 0;
    for (int i = 0; i < 2; ++i) {
        auto port = make(config);
        ASSERT_TRUE(open_at_last(*port)) << open_at_last(*port).error().message;
        EXPECT_EQ(rte_eth_dev_get_port_by_name("net_null_ours", &device), 0);
        EXPECT_EQ(port->interface(), config.device);
        EXPECT_EQ(port->describe().at("driver"), "net_null");
        port.reset();
        EXPECT_NE(rte_eth_dev_get_port_by_name("net_null_ours", &device), 0);
    }
}

TEST_F(EthdevTest, ADeviceThatWasThereStaysThere) {
    test::RingDevice ring("stays");
    auto port = make({.device = ring.device()});
    ASSERT_TRUE(open_at_last(*port));
    port->destroy();
    uint16_t device = 0;
    EXPECT_EQ(rte_eth_dev_get_port_by_name("net_ring_stays", &device), 0);
}

TEST_F(EthdevTest, AnUnknownDriverIsExplained) {
    auto port = make({.device = "net_nosuch0,x=1"});
    const auto opened = open_at_last(*port);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("\"net_nosuch0,x=1\""), std::string::npos);
    EXPECT_NE(opened.error().message.find("driver's name"), std::string::npos);
    // What can be said of a port that isn't open.
    EXPECT_FALSE(port->describe().contains("driver"));
}

TEST(SymmetricKey, HashesBothDirectionsAlike) {
    const auto key = symmetric_key(40);
    ASSERT_EQ(key.size(), 40u);
    // Addresses and ports of IPv6 and TCP, as RSS lines them up.
    std::array<uint32_t, 9> there{0xfd000010, 0, 0, 1, 0xfd000010, 0, 7, 2, 40000U << 16 | 80};
    std::array<uint32_t, 9> back{0xfd000010, 0, 7, 2, 0xfd000010, 0, 0, 1, 80U << 16 | 40000};
    const uint32_t hash = rte_softrss(there.data(), there.size(), key.data());
    EXPECT_EQ(hash, rte_softrss(back.data(), back.size(), key.data()));
    there[8] += 1;
    EXPECT_NE(hash, rte_softrss(there.data(), there.size(), key.data()));
    EXPECT_EQ(symmetric_key(52).size(), 52u);
}

// A memif has a link: it is up while its other end is there.
class EthdevLinkTest : public EthdevTest {
 protected:
    std::unique_ptr<Port> open(const std::string& device) {
        PortConfig config{.device = device};
        config.name = "port";
        auto port = make_port(kId, config,
                              {pools_, 1, "test", [this] { ++calls_; }, [] {}});
        const auto opened = open_at_last(*port);
        EXPECT_TRUE(opened) << opened.error().message;
        return port;
    }
    // Supervises until the device has changed, for some seconds at most.
    static bool changes(Port& port) {
        for (int i = 0; i < 500 && !port.changed(); ++i) {
            EXPECT_TRUE(port.check());
            usleep(10'000);
        }
        return port.changed();
    }

    std::atomic<int> calls_ = 0;
};

TEST_F(EthdevLinkTest, SoftwareDevicesHaveOne) {
    test::RingDevice ring("link");
    for (const auto& device : {ring.device(), std::string("net_null_link")}) {
        auto port = open(device);
        EXPECT_EQ(port->no_link(), "") << device;
        EXPECT_TRUE(port->check());
        EXPECT_FALSE(port->changed()) << device;
    }
}

TEST_F(EthdevLinkTest, ComesAndGoesWithTheOtherEnd) {
    const test::Directory directory;
    const auto device = [&](const char* role) {
        return std::string("net_memif_") + role + ",socket=" + (directory / "m.sock") +
               ",socket-abstract=no,role=" + role;
    };
    auto server = open(device("server"));
    EXPECT_NE(server->no_link(), "");
    EXPECT_FALSE(server->changed());

    auto client = open(device("client"));
    ASSERT_TRUE(changes(*server));
    server->refresh();
    EXPECT_EQ(server->no_link(), "");
    EXPECT_FALSE(server->changed());

    client.reset();
    ASSERT_TRUE(changes(*server));
    server->refresh();
    EXPECT_NE(server->no_link(), "");
}

TEST_F(EthdevLinkTest, ADeviceThatIsLostGoesDownAndMayComeBack) {
    test::RingDevice ring("lost");
    auto port = open(ring.device());
    rte_dev_event_callback_process(ring.device().c_str(), RTE_DEV_EVENT_ADD);
    EXPECT_TRUE(port->check());
    // As vfio does when the kernel wants the device back.
    rte_dev_event_callback_process(ring.device().c_str(), RTE_DEV_EVENT_REMOVE);
    EXPECT_EQ(calls_, 1);
    ASSERT_TRUE(port->changed());
    port->refresh();
    EXPECT_FALSE(port->has_link()) << "nothing is flooded to it meanwhile";
    const auto checked = port->check();
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().message, "the device is being removed");
    port->close();
    ASSERT_TRUE(open_at_last(*port));
    EXPECT_TRUE(port->has_link());
    EXPECT_TRUE(port->check());
    port->close();
    rte_dev_event_callback_process(ring.device().c_str(), RTE_DEV_EVENT_REMOVE);
    EXPECT_EQ(calls_, 1) << "nobody listens to a closed port";
}

// net_tap has descriptors that can't be switched, net_ring has none (tests/smoke/port_device_link.sh has
// a device with interrupts).
TEST_F(EthdevLinkTest, QueuesWithoutInterruptsArePolled) {
    test::RingDevice ring("polled", 2);
    auto port = open(ring.device());
    EXPECT_EQ(port->wake(0), Wake::kNever);
    EXPECT_EQ(port->describe().at("receive-by"), "polling");
}

// net_tap finishes checksums in software, and does so only if asked in the right way: what it sends
// comes out of an interface of the kernel's.
class EthdevTapTest : public EthdevTest {
 protected:
    void SetUp() override {
        if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/net/tun";
        }
        port_ = make({.device = "net_tap_sluice,iface=" + interface_});
        const auto opened = open_at_last(*port_);
        ASSERT_TRUE(opened) << opened.error().message;
        socket_ = base::Fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0003)));  // ETH_P_ALL
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(0x0003);
        address.sll_ifindex = static_cast<int>(if_nametoindex(interface_.c_str()));
        ASSERT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        const timeval patience{5, 0};
        setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }

    // The next frame of the test's own addresses: the kernel speaks on its interface too.
    test::Bytes next() {
        const test::Bytes own = test::mac_bytes(test::kMacA);
        for (;;) {
            test::Bytes frame(70000);
            const ssize_t size = recv(socket_.get(), frame.data(), frame.size(), 0);
            if (size < 0) return {};
            frame.resize(static_cast<size_t>(size));
            if (frame.size() > 12 && std::equal(own.begin(), own.end(), frame.begin() + 6)) return frame;
        }
    }
    rte_mbuf* unfinished(Packet packet, const test::Unfinished& what) {
        rte_mbuf* m = test::to_mbuf(pools_.buffers, packet.unfinished());
        test::mark(m, what);
        return m;
    }
    void transmit(std::initializer_list<rte_mbuf*> packets) {
        std::vector<rte_mbuf*> list(packets);
        uint32_t bytes = 0;
        for (const rte_mbuf* m : list) bytes += m->pkt_len;
        port_->transmit(kWorker, list.data(), static_cast<uint16_t>(list.size()), bytes, counters_);
    }

    const std::string interface_ = "sl" + std::to_string(getpid() % 1000000);
    std::unique_ptr<Port> port_;
    base::Fd socket_;
};

TEST_F(EthdevTapTest, ADeviceFinishesChecksums) {
    EXPECT_EQ(port_->wake(0), Wake::kNever);
    EXPECT_TRUE(port_->capabilities().checksums);
    EXPECT_FALSE(port_->capabilities().tcp_segments);
    const Packet v4 = Packet().eth().ipv4("10.0.0.1", "10.0.0.2");
    const Packet v6 = Packet().eth().ipv6("fd00::1", "fd00::2");
    const Packet packets[] = {Packet(v4).tcp(1, 2).payload(101), Packet(v6).tcp(1, 2).payload(100),
                              Packet(v4).udp(1, 2).payload(101), Packet(v6).udp(1, 2).payload(100)};
    transmit({unfinished(packets[0], {.l3_len = 20}), packet(),
              unfinished(packets[1], {.l3_len = 40, .ipv6 = true}),
              unfinished(packets[2], {.l3_len = 20, .l4_len = 8, .udp = true}),
              unfinished(packets[3], {.l3_len = 40, .l4_len = 8, .ipv6 = true, .udp = true})});
    EXPECT_EQ(next(), packets[0].bytes());
    EXPECT_TRUE(test::checksums_valid(next()));  // packet()
    for (int i = 1; i < 4; ++i) EXPECT_EQ(next(), packets[i].bytes()) << i;
    EXPECT_EQ(counters_.port(kId).transmitted.packets.get(), 5u);
}

TEST_F(EthdevTapTest, WhatADeviceCannotFinishIsFinishedInSoftware) {
    const Packet extended =
        Packet().eth().ipv6("fd00::1", "fd00::2").extension(60, 8).tcp(1, 2).payload(64);
    rte_mbuf* spread = test::to_mbuf(
        pools_.buffers, Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(64).unfinished(),
        {40});
    test::mark(spread, {});
    transmit({unfinished(extended, {14, 48, 20, true, false, 0}), spread});
    EXPECT_EQ(next(), extended.bytes());
    EXPECT_TRUE(test::checksums_valid(next()));
}

// As if the device had promised to cut segments and refused this one.
TEST_F(EthdevTapTest, ASegmentThatADeviceRefusesIsCutInSoftware) {
    const Packet segment =
        Packet().eth().ipv6("fd00::1", "fd00::2").extension(60, 8).tcp(1, 2).payload(1900);
    transmit({packet(), unfinished(segment, {14, 48, 20, true, false, 500}), packet()});
    EXPECT_EQ(next().size(), 60u);
    for (const size_t size : {500, 500, 500, 400}) {
        const test::Bytes frame = next();
        EXPECT_EQ(frame.size(), 82 + size);
        EXPECT_TRUE(test::checksums_valid(frame));
    }
    EXPECT_EQ(next().size(), 60u);
    EXPECT_EQ(counters_.port(kId).transmitted.packets.get(), 6u);
    EXPECT_EQ(counters_.totals.made.get(), 3u);
}

// A flood's copies share their bytes, and other ports need the length in the sum.
TEST_F(EthdevTapTest, ASegmentThatOthersShareIsLeftAsItIs) {
    rte_mbuf* segment =
        unfinished(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(1900),
                   {.segment_size = 500});
    const test::Bytes before = test::bytes_of(segment);
    rte_mbuf* copy = rte_pktmbuf_clone(segment, pools_.buffers);
    transmit({copy});
    EXPECT_EQ(test::bytes_of(segment), before);
    copy = rte_pktmbuf_clone(segment, pools_.buffers);
    transmit({segment});
    EXPECT_EQ(test::bytes_of(copy), before);
    rte_pktmbuf_free(copy);
}

// A TAP, which has a link as long as this lives.
class KernelInterface {
 public:
    explicit KernelInterface(const std::string& prefix) : name_(prefix + std::to_string(getpid() % 1000000)) {
        make();
    }

    const std::string& name() const { return name_; }
    void make_anew() {
        fd_.reset();
        make();
    }
    // What was sent by it; empty if there is nothing more.
    test::Bytes take() {
        test::Bytes frame(2000);
        const ssize_t size = read(fd_.get(), frame.data(), frame.size());
        frame.resize(size < 0 ? 0 : static_cast<size_t>(size));
        return frame;
    }
    // Something for it to receive.
    void put(const test::Bytes& frame) {
        ASSERT_EQ(write(fd_.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size()));
    }
    uint32_t mtu() const {
        const auto link = Netlink::open()->find_link(name_);
        return link && *link ? (*link)->mtu : 0;
    }
    void set_mtu(uint32_t mtu) {
        const auto index = static_cast<int>(if_nametoindex(name_.c_str()));
        const auto done = Netlink::open()->change_link(index, {.mtu = mtu, .up = true});
        ASSERT_TRUE(done) << done.error().message;
    }

 private:
    void make() {
        fd_ = base::Fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
        ifreq request{};
        name_.copy(request.ifr_name, IFNAMSIZ - 1);
        request.ifr_flags = IFF_TAP | IFF_NO_PI;
        ASSERT_EQ(ioctl(fd_.get(), TUNSETIFF, &request), 0);
        // Else the kernel speaks by it, unasked.
        std::ofstream("/proc/sys/net/ipv6/conf/" + name_ + "/disable_ipv6") << 1;
        set_mtu(1500);
    }

    std::string name_;
    base::Fd fd_;
};

class EthdevBondTest : public EthdevTest {
 protected:
    void SetUp() override {
        if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/net/tun";
        }
        for (const char* prefix : {"sla", "slb"}) kernel_.push_back(std::make_unique<KernelInterface>(prefix));
    }
    std::unique_ptr<Port> make_bond(uint16_t mtu) {
        BondConfig bond;
        for (const auto& interface : kernel_) {
            bond.members.push_back("net_af_packet_" + interface->name() + ",iface=" + interface->name());
        }
        return make({.bond = bond, .mtu = mtu});
    }

    std::vector<std::unique_ptr<KernelInterface>> kernel_;
};

TEST_F(EthdevBondTest, AMemberGetsItsMtuBack) {
    kernel_[1]->set_mtu(1450);
    auto port = make_bond(1400);
    const auto opened = open_at_last(*port);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(kernel_[0]->mtu(), 1400u);
    EXPECT_EQ(kernel_[1]->mtu(), 1400u);
    port->close();
    EXPECT_EQ(kernel_[0]->mtu(), 1500u);
    EXPECT_EQ(kernel_[1]->mtu(), 1450u);
}

TEST_F(EthdevBondTest, AFirstMemberThatCanGiveTheBondNoMacAddressIsNamed) {
    test::RingDevice ring("no_mac");
    auto port = make_bond(1500);
    PortConfig config = port->config();
    config.bond->members[0] = ring.device();
    port = make(config);
    const auto opened = open_at_last(*port);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().message.find("net_ring_no_mac can't be the first member of a bond, which has its MAC "
                                          "address: it has none"),
              0u)
        << opened.error().message;
}

TEST_F(EthdevBondTest, AMemberOfABondThatCannotOpenGetsItsMtuBack) {
    auto port = make_bond(1400);
    PortConfig config = port->config();
    config.bond->members[1] = "net_af_packet_none,iface=no-such-one";
    port = make(config);
    const auto opened = open_at_last(*port);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().message, "there is no interface no-such-one");
    EXPECT_EQ(kernel_[0]->mtu(), 1500u);
}

// The bond would be down for as long as another device takes.
TEST_F(EthdevBondTest, ABondGoesOnWithItsOtherMemberWhileDevicesCannotBeMade) {
    auto port = make_bond(1500);
    const auto opened = open_at_last(*port);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(port->check());
    kernel_[0]->make_anew();
    {
        const test::BlockedDeviceThread blocked;
        const auto checked = port->check();
        EXPECT_TRUE(checked) << checked.error().message;
    }
    ASSERT_TRUE(devices_are_idle(std::chrono::minutes(10)));
    const auto checked = port->check();
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().message, "interface " + kernel_[0]->name() +
                                           " was made anew: the bond is opened again");
}

// Two members that always have a link.
class EthdevProbeTest : public EthdevBondTest {
 protected:
    void SetUp() override {
        EthdevBondTest::SetUp();
        if (IsSkipped()) return;
        PortConfig config = make_bond(1500)->config();
        config.bond->probe = ProbeConfig{.interval = 100, .targets = {*IpAddress::parse("10.0.0.9")}};
        port_ = make(config);
        const auto opened = open_at_last(*port_);
        ASSERT_TRUE(opened) << opened.error().message;
    }

    std::string state(size_t member) const {
        const auto row = port_->describe().at("members").at(member);
        return fmt::format("{} {}", row.at("link").get<std::string>(), row.at("active").get<bool>());
    }
    // Has the port work and be supervised until members are as said, for a minute at most; on each probe of a
    // member `hear(member, probe)` is called.
    template <class Hear>
    bool becomes(const std::vector<std::string>& states, Hear hear) {
        for (int i = 0; i < 60'000; ++i) {
            for (size_t member = 0; member < kernel_.size(); ++member) {
                for (test::Bytes sent = kernel_[member]->take(); !sent.empty(); sent = kernel_[member]->take()) {
                    if (sent[12] != 0x08 || sent[13] != 0x06) continue;  // the kernel's own
                    probes_[member].push_back(sent);
                    hear(member, sent);
                }
            }
            const uint16_t count = port_->receive(0, packets_.data(), path::kBatchSize, counters_).count;
            kept_ += count;
            rte_pktmbuf_free_bulk(packets_.data(), count);
            EXPECT_TRUE(port_->check());
            if (state(0) == states[0] && state(1) == states[1]) return true;
            usleep(1000);
        }
        return false;
    }
    // The same where the target answers those members, by which each probe came.
    bool becomes(const std::vector<std::string>& states, const std::set<size_t>& answered) {
        return becomes(states, [&](size_t member, const test::Bytes& probe) {
            if (answered.contains(member)) kernel_[member]->put(answer(probe));
        });
    }
    static test::Bytes answer(const test::Bytes& probe) {
        const std::string mac = source(probe);
        return Packet().eth(test::kMacB, mac).arp_reply(test::kMacB, "10.0.0.9", mac, "0.0.0.0").bytes();
    }
    static std::string source(const test::Bytes& frame) {
        return fmt::format("{:02x}", fmt::join(frame.begin() + 6, frame.begin() + 12, ":"));
    }

    std::array<std::vector<test::Bytes>, 2> probes_;  // what the members have sent
    uint32_t kept_ = 0;                               // frames that came through the bond
    std::unique_ptr<Port> port_;
};

TEST_F(EthdevProbeTest, AMemberThatIsNotAnsweredIsDownUntilItIs) {
    const std::string why = "it received nothing while it probed 10.0.0.9 3 times, every 100 ms";
    ASSERT_TRUE(becomes({"up true", "up false"}, {0, 1}));
    ASSERT_TRUE(becomes({"down false", "up true"}, {1})) << state(0) << ", " << state(1);
    EXPECT_EQ(port_->describe().at("members").at(0).at("reason"), why);
    port_->refresh();
    EXPECT_EQ(port_->no_link(), "");
    EXPECT_TRUE(port_->take_failover());
    ASSERT_TRUE(becomes({"up false", "up true"}, {0, 1})) << "the other one goes on carrying";
    EXPECT_FALSE(port_->take_failover());
    ASSERT_TRUE(becomes({"down false", "down true"}, std::set<size_t>{}));
    port_->refresh();
    EXPECT_EQ(port_->no_link(), why);
    EXPECT_EQ(kept_, 0u) << "answers are nobody's";
    EXPECT_EQ(counters_.totals.received.get(), 0u);
    EXPECT_EQ(counters_.totals.transmitted.get(), 0u);
}

TEST_F(EthdevProbeTest, EachMemberAsksFromAnAddressOfItsOwn) {
    while (probes_[0].empty() || probes_[1].empty()) ASSERT_TRUE(becomes({"up true", "up false"}, {0, 1}));
    EXPECT_NE(source(probes_[0][0]), source(probes_[1][0]));
    for (const auto& probes : probes_) {
        const std::string mac = source(probes[0]);
        test::Bytes expected = Packet().eth(mac, "ff:ff:ff:ff:ff:ff").arp_request(mac, "0.0.0.0", "10.0.0.9");
        expected.resize(60);
        EXPECT_EQ(probes[0], expected);
    }
}

// Both may stand at a switch that has lost its way out.
TEST_F(EthdevProbeTest, WhatTheOtherMemberAsksIsNoSignOfLife) {
    ASSERT_TRUE(becomes({"up true", "up false"}, {0, 1}));
    ASSERT_TRUE(becomes({"down false", "up true"}, [&](size_t member, const test::Bytes& probe) {
        kernel_[1 - member]->put(probe);
        if (member == 1) kernel_[1]->put(answer(probe));
    }));
    EXPECT_EQ(kept_, 0u) << "a probe is nobody's";
}

TEST_F(EthdevProbeTest, AnyFrameIsASignOfLife) {
    ASSERT_TRUE(becomes({"down false", "up true"}, {1}));
    const test::Bytes frame = Packet().eth().payload(46).bytes();
    kernel_[0]->put(frame);
    ASSERT_TRUE(becomes({"up false", "up true"}, {1}));
    EXPECT_EQ(kept_, 0u) << "it came to a member that stands by";
    kernel_[1]->put(frame);
    while (kept_ == 0) ASSERT_TRUE(becomes({state(0), "up true"}, {1}));
}

// The driver leaves its sockets open, and with them the interface's queue taken.
TEST_F(EthdevBondTest, AnXdpDeviceOpensAgainAfterClose) {
    auto port = make({.device = "net_af_xdp_again,iface=" + kernel_[0]->name()});
    if (const auto opened = open_at_last(*port); !opened) GTEST_SKIP() << opened.error().message;
    for (int i = 0; i < 2; ++i) {
        port->close();
        // The kernel gives the queue free a moment after the last descriptor is closed.
        auto opened = open_at_last(*port);
        for (int attempt = 0; !opened && attempt < 6000; ++attempt) {
            usleep(10'000);
            opened = open_at_last(*port);
        }
        ASSERT_TRUE(opened) << opened.error().message;
    }
}

TEST_F(EthdevTest, TakesWhatADeviceLeavesUnfinished) {
    test::RingDevice ring("unfinished");
    auto port = make({.device = ring.device()});
    ASSERT_TRUE(open_at_last(*port));
    const Packet tcp = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(64);
    rte_mbuf* good = test::to_mbuf(pools_.buffers, Packet(tcp).unfinished());
    good->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
    rte_mbuf* nonsense = packet();
    nonsense->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
    for (rte_mbuf* m : {packet(), nonsense, good}) ring.put(m);
    ASSERT_EQ(port->receive(0, packets_.data(), 64, counters_).count, 2);
    EXPECT_EQ(counters_.totals.dropped[static_cast<size_t>(Drop::kMalformedOffload)].get(), 1u);
    EXPECT_EQ(packets_[1]->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_TCP_CKSUM);
    wire::finish_checksums(packets_[1]);
    EXPECT_EQ(test::bytes_of(packets_[1]), tcp.bytes());
    rte_pktmbuf_free_bulk(packets_.data(), 2);
}

TEST_F(EthdevTest, APciFunctionThatIsNotThereIsExplained) {
    auto port = make({.device = "ffff:ff:1f.7"});
    const auto opened = open_at_last(*port);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("there is no PCI device ffff:ff:1f.7"), std::string::npos);
}

TEST(SameInterface, OutlivesOtherQueues) {
    const PortConfig web{.name = "a", .netns = "web"};
    PortConfig other = web;
    other.queues = 2;
    EXPECT_TRUE(same_interface(web, other));
    EXPECT_FALSE(same_device(web, other));
    other.netns = "db";
    EXPECT_FALSE(same_interface(web, other));
}

TEST(SameDevice, IsAskedOfEveryKey) {
    const PortConfig base{.name = "a", .device = "net_null0", .network = "blue"};
    const auto same = [&](auto change) {
        PortConfig other = base;
        change(other);
        return same_device(base, other);
    };
    EXPECT_TRUE(same([](PortConfig&) {}));
    EXPECT_TRUE(same([](PortConfig& p) { p.network = "red"; }));
    EXPECT_FALSE(same([](PortConfig& p) { p.mtu = 9000; }));
    EXPECT_FALSE(same([](PortConfig& p) { p.queues = 2; }));
    EXPECT_FALSE(same([](PortConfig& p) { p.device = "net_null1"; }));
    EXPECT_FALSE(same([](PortConfig& p) { p.device.clear(), p.netns = "web"; }));

    const PortConfig web{.name = "a", .netns = "web"};
    PortConfig other = web;
    other.mtu = 9000;  // which an interface takes while it is up
    EXPECT_TRUE(same_device(web, other));
    other.netns = "db";
    EXPECT_FALSE(same_device(web, other));
    other = web;
    other.interface = "eth1";
    EXPECT_FALSE(same_device(web, other));
    other.interface = "eth0";  // the default, said aloud
    EXPECT_TRUE(same_device(web, other));
}

}  // namespace
}  // namespace sluice::port
