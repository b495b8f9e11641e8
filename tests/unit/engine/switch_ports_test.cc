// Ports of every kind through their lives in a switch: those whose device is there, and those whose
// device is not.
#include <gtest/gtest.h>

#include <thread>

#include "engine/switch.h"
#include "support/directory.h"
#include "support/opening.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::engine {
namespace {

using namespace std::chrono_literals;

constexpr Clock::time_point kStart{1000s};

struct Kind {
    std::string name;
    std::string keys;  // what tells the switch which device to take
    bool opens;
};

// All kinds that need no hardware. Those that can't open fail for every user, in a different way each.
std::vector<Kind> kinds(const test::Directory& directory) {
    return {
        {"ring", "device: net_ring_a", true},
        {"null", "device: net_null_life", true},
        {"guest", "vhost-user: {path: " + directory / "guest.sock" + "}", true},
        {"served", "vhost-user: {path: " + directory / "served.sock" + ", mode: server}", true},
        {"bond", "bond: {members: [net_null_life0, net_null_life1]}", true},
        {"container that is not there", "netns: sluice-no-such", false},
        {"process that is not there", "netns: 'pid:999999999'", false},
        {"namespace that is none", "netns: /etc/passwd", false},
        {"interface of somebody else", "host: true, interface: lo", false},
        {"driver that is not there", "device: net_nosuch0", false},
        {"file that is not there", "device: 'net_pcap_life,rx_pcap=/no/such/file'", false},
        {"interface that is not there", "device: 'net_af_packet0,iface=no-such-one'", false},
        {"the same by XDP", "device: 'net_af_xdp0,iface=no-such-one'", false},
        {"function that is not there", "device: '0000:ff:1f.7'", false},
        {"socket without folder", "vhost-user: {path: /no/such/folder/x, mode: server}", false},
        {"memif without folder", "device: 'net_memif0,role=server,socket=/no/such/folder/x,socket-abstract=no'",
         false},
        {"bond of nobody", "bond: {members: [net_nosuch0, net_nosuch1]}", false},
        {"bond of one and nobody", "bond: {members: [net_null_life0, net_nosuch1]}", false},
    };
}

class SwitchPortsTest : public testing::Test {
 protected:
    // The port under test beside one that is always there.
    void apply(const std::string& port_keys) {
        const std::string port = port_keys.empty() ? "" : ", {name: p, " + port_keys + "}";
        auto config = load_config(
            "networks: [{name: blue}, {name: red}]\nports: [{name: b, device: net_ring_b, network: blue}" + port + "]",
            "f", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        auto changes = switch_->apply(*config, now_);
        ASSERT_TRUE(changes) << changes.error()[0].text();
        test::finish_opening(*switch_, now_);
    }
    void retry() {
        switch_->tick(now_ += 3s);
        test::finish_opening(*switch_, now_);
    }
    void restart() { switch_ = std::make_unique<Switch>(2, test::switch_pools(), "test"); }
    void expect_up(bool up) {
        const HeldPort& held = switch_->ports().at("p");
        EXPECT_EQ(held.up, up) << held.reason;
        EXPECT_EQ(held.reason.empty(), up);
        EXPECT_TRUE(switch_->ports().at("b").up);
    }

    test::Directory directory_;
    test::RingDevice ring_a_{"a", 2};
    test::RingDevice ring_b_{"b", 2};
    Clock::time_point now_ = kStart;
    std::unique_ptr<Switch> switch_ = std::make_unique<Switch>(2, test::switch_pools(), "test");
};

TEST_F(SwitchPortsTest, EveryKindOfPortGoesThroughItsLife) {
    for (const Kind& kind : kinds(directory_)) {
        SCOPED_TRACE(kind.name);
        const std::string keys = kind.keys + ", network: blue";
        apply(keys);
        expect_up(kind.opens);
        apply("");  // deleted as it was left by the first attempt
        apply(keys);
        retry();
        retry();
        expect_up(kind.opens);
        apply("");
        // Every change that an open device takes, and those that it is opened anew for.
        apply(keys);
        for (const char* change : {", mac-limit: 7", ", mtu: 1400", ", mtu: 1400, address: [10.0.0.1/24]", ""}) {
            apply(keys + change);
            expect_up(kind.opens);
        }
        if (kind.keys.find("vhost-user") == std::string::npos) {
            apply(keys + ", queues: 2");
            expect_up(kind.opens);
        }
        apply(kind.keys + ", network: red");
        expect_up(kind.opens);
        retry();
        apply("device: net_null_other, network: blue");  // another device under the same name
        expect_up(true);
        apply(keys);
        expect_up(kind.opens);
        restart();
        apply(keys);
        expect_up(kind.opens);
        apply("");
        restart();
    }
}

// A port pauses for a hundred times what its attempt took.
TEST_F(SwitchPortsTest, APortDoesNotPauseForTheWaitForOtherDevices) {
    apply("");
    port::run_on_device_thread([] { std::this_thread::sleep_for(200ms); });
    const auto begin = Clock::now();
    const auto waited_before = port::waited_for_devices();
    apply("device: net_nosuch0, network: blue");
    const auto waited = port::waited_for_devices() - waited_before;
    const auto own = Clock::now() - begin - waited;
    const Retry& retry = switch_->ports().at("p").retry;
    if (retry.failures == 0) GTEST_SKIP() << "the machine is so busy that the attempt isn't over";
    EXPECT_LE(retry.due - now_, std::max<Clock::duration>(Retry::kFirstPause, own * 100));
}

// Guests' leases.
class LentTest : public SwitchPortsTest {
 protected:
    void apply_guest(const char* dhcp, const char* more = "") {
        auto config = load_config(
            fmt::format("networks: [{{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.1, dhcp: {}}}]\n"
                        "ports: [{{name: p, vhost-user: {{path: {}}}, network: blue{}}}]",
                        dhcp, directory_ / "guest.sock", more),
            "f", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        auto changes = switch_->apply(*config, now_);
        ASSERT_TRUE(changes) << changes.error()[0].text();
        test::finish_opening(*switch_, now_);
    }
    const guard::Guard* guard() const {
        return switch_->snapshot().slots[path::index(switch_->ports().at("p").port->id())].guard;
    }
    bool is_held() const { return guard() != nullptr && guard()->check_addresses; }

    const IpAddress address_ = IpAddress::parse("10.0.0.5").value();
    const LentAddresses lent_{{"p", {{"blue", address_, MacAddress::from_uint64(0x0200'0000'0005)}}}};
};

TEST_F(LentTest, ALeasedAddressBelongsToItsPort) {
    switch_->lend(lent_);  // before the port is there, as at the start
    apply_guest("true");
    ASSERT_TRUE(is_held());
    EXPECT_EQ(guard()->addresses, std::vector{address_});
    EXPECT_TRUE(guard()->allows_link_local);
    EXPECT_EQ(guard()->mac, 0u);
    ASSERT_EQ(switch_->ports_with(address_).size(), 1u);
    const path::NetworkId blue = switch_->network_ids().at("blue");
    const auto* owner = switch_->snapshot().owners.find(blue, address_);
    ASSERT_NE(owner, nullptr);
    EXPECT_EQ(owner->port, switch_->ports().at("p").port->id());
    switch_->lend({});
    EXPECT_FALSE(is_held());
    EXPECT_TRUE(switch_->ports_with(address_).empty());
    EXPECT_EQ(switch_->snapshot().owners.find(blue, address_), nullptr);
    const uint64_t generation = switch_->generation();
    switch_->lend({});
    EXPECT_EQ(switch_->generation(), generation) << "nothing has changed";
    switch_->lend(lent_);
    EXPECT_TRUE(is_held());
}

TEST_F(LentTest, APortIsHeldToItsLeasesUnlessItMayHaveOtherAddresses) {
    switch_->lend(lent_);
    apply_guest("{autonomous: true}");
    EXPECT_FALSE(is_held());
    apply_guest("true", ", spoofing: allow");
    EXPECT_FALSE(is_held());
    apply_guest("true");
    EXPECT_TRUE(is_held());
    apply_guest("false");
    EXPECT_FALSE(is_held());
    EXPECT_FALSE(switch_->snapshot().networks[path::index(switch_->network_ids().at("blue"))].serves_dhcp);
}

}  // namespace
}  // namespace sluice::engine
