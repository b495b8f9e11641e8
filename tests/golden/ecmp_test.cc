// Routes with several next hops of which one stops answering, and comes back: where flows go, with connections
// tracked and without. Packets through a whole switch.
#include <gtest/gtest.h>

#include "golden/row.h"

namespace sluice {
namespace {

using namespace golden;
using golden::port;  // not the namespace

constexpr uint16_t kFlows = 64;

// A sends to what lies behind B and C.
class Ecmp : public testing::TestWithParam<bool> {
 protected:
    Ecmp() : harness_(1, {"a", "b", "c"}) {
        const std::string acl = "acls: [{name: all, apply: {network: blue, direction: egress}, "
                                "rules: [{permit: {}}]}]\n";
        harness_.apply("networks:\n"
                       "  - {name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}\n"
                       "  - {name: red, subnets: [10.0.1.0/24], gateway: 10.0.1.254}\n"
                       "routes: [{to: 10.9.0.0/16, next-hops: [{via: 10.0.1.1}, {via: 10.0.1.2}]}]\n" +
                       (is_tracked() ? acl : "") + "ports:\n" + port("a") + port("b", "red") +
                       port("c", "red"));
        answers("b", kB, "10.0.1.1");
        answers("c", kC, "10.0.1.2");
    }
    ~Ecmp() override { harness_.check_books(); }

    bool is_tracked() const { return GetParam(); }
    void put(const std::string& device, const Bytes& frame) {
        harness_.device(device).put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
    }
    void answers(const std::string& device, std::string_view mac, std::string_view address) {
        const std::string router = router_of("red");
        put(device, Packet().eth(mac, router).arp_reply(mac, address, router, "10.0.1.254"));
        tick();
    }
    // As if it hadn't answered for some seconds.
    void dies(std::string_view address) {
        engine::Switch& running = harness_.running();
        neighbor::Entry* entry =
            running.neighbors().find(running.network_ids().at("red"), *IpAddress::parse(address));
        ASSERT_NE(entry, nullptr);
        entry->mac = 0;
        entry->state = neighbor::State::kFailed;
        entry->asked = engine::clock_seconds();
        entry->is_gone = true;
        tick();
    }
    void tick() {
        harness_.running().tick(engine::Clock::now());
        harness_.run();
        for (const char* name : {"a", "b", "c"}) harness_.sent(name);
    }
    // Which port each flow leaves by; of the first ones, and of others.
    std::string exits(uint16_t first = 1000) {
        std::string exits;
        for (uint16_t i = 0; i < kFlows; ++i) {
            put("a", Packet()
                         .eth(kA, router_of("blue"))
                         .ipv4("10.0.0.1", "10.9.0.1")
                         .udp(static_cast<uint16_t>(first + i), 53)
                         .payload(20));
            for (const char* name : {"b", "c"}) {
                for (size_t n = harness_.sent(name).size(); n > 0; --n) exits += name;
            }
        }
        return exits;
    }

    test::Harness harness_;
};

INSTANTIATE_TEST_SUITE_P(Path, Ecmp, testing::Values(false, true),
                         [](const auto& tracked) { return tracked.param ? "Tracked" : "Untracked"; });

TEST_P(Ecmp, FlowsLeaveANextHopThatDoesNotAnswer) {
    const std::string before = exits();
    ASSERT_EQ(before.size(), kFlows);
    EXPECT_NE(before.find('b'), std::string::npos);
    EXPECT_NE(before.find('c'), std::string::npos);
    dies("10.0.1.1");
    EXPECT_EQ(exits(), std::string(kFlows, 'c'));
    EXPECT_EQ(harness_.drops(), test::DropCounts{});
}

// A connection that is known stays with the next hop that it has; all else goes where it would have gone before.
TEST_P(Ecmp, ANextHopThatAnswersAgainIsUsedAgain) {
    const std::string before = exits();
    dies("10.0.1.1");
    EXPECT_EQ(exits(), std::string(kFlows, 'c'));
    answers("b", kB, "10.0.1.1");
    EXPECT_EQ(exits(), is_tracked() ? std::string(kFlows, 'c') : before);
    EXPECT_NE(exits(2000).find('b'), std::string::npos);
}

}  // namespace
}  // namespace sluice
