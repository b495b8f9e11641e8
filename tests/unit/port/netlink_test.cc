#include "port/netlink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "support/netns.h"

namespace sluice::port {
namespace {

class NetlinkTest : public testing::Test {
 protected:
    void SetUp() override {
        if (!netns_.is_there()) GTEST_SKIP() << "needs root";
    }
    test::Netns netns_;
};

TEST_F(NetlinkTest, AddressesAndRoutesAreThoseOfOneInterface) {
    ASSERT_TRUE(netns_.shell("ip link add v1 type veth peer name v2 && ip link set v1 up && ip link set v2 up && "
                             "ip address add 10.0.0.1/24 dev v1 && ip address add 10.0.1.1/24 dev v2 && "
                             "ip -6 address add fd00::1/64 dev v1 nodad && ip route add 10.9.0.0/16 via 10.0.1.2"));
    netns_.run([&] {
        auto netlink = Netlink::open();
        const int index = (*netlink->find_link("v1"))->index;
        const auto addresses = *netlink->addresses(index, Whose::kAll);
        const auto has = [](const auto& list, const auto& item) {
            return std::find(list.begin(), list.end(), item) != list.end();
        };
        EXPECT_EQ(addresses.size(), 3u) << "and the link-local one";
        EXPECT_TRUE(has(addresses, KernelAddress{*IpAddress::parse("10.0.0.1"), 24}));
        EXPECT_TRUE(has(addresses, KernelAddress{*IpAddress::parse("fd00::1"), 64}));
        const auto routes = *netlink->routes(index, Whose::kAll);
        EXPECT_EQ(routes.size(), 3u);
        EXPECT_TRUE(has(routes, KernelRoute{.to = *IpPrefix::parse("10.0.0.0/24")}));
        EXPECT_TRUE(has(routes, KernelRoute{.to = *IpPrefix::parse("fd00::/64"), .metric = 256}));
    });
}

TEST_F(NetlinkTest, AnInterfaceThatIsGoneHasNeither) {
    netns_.run([&] {
        auto netlink = Netlink::open();
        const auto addresses = netlink->addresses(4711, Whose::kAll);
        ASSERT_TRUE(addresses);
        EXPECT_TRUE(addresses->empty());
        const auto routes = netlink->routes(4711, Whose::kAll);
        ASSERT_TRUE(routes);
        EXPECT_TRUE(routes->empty());
    });
}

TEST_F(NetlinkTest, SeveralInterfacesAreDeletedAndNoOthers) {
    ASSERT_TRUE(netns_.shell("for i in 1 2 3 4; do ip link add a$i type veth peer name b$i; done"));
    netns_.run([&] {
        auto netlink = Netlink::open();
        std::vector<Link> links;
        for (const char* name : {"a1", "b3"}) links.push_back(**netlink->find_link(name));
        EXPECT_EQ(netlink->delete_links(links), links);
        for (const char* name : {"a1", "b1", "a3", "b3"}) EXPECT_FALSE(*netlink->find_link(name)) << name;
        for (const char* name : {"a2", "b2", "a4", "b4"}) EXPECT_TRUE(*netlink->find_link(name)) << name;
    });
    EXPECT_TRUE(netns_.shell("test $(ip -o link show group default | wc -l) = 5"));
}

TEST_F(NetlinkTest, WhereOneCanNotBeDeletedTheOthersAre) {
    ASSERT_TRUE(netns_.shell("ip link add a1 type veth peer name b1 && ip link add a2 type veth peer name b2"));
    netns_.run([&] {
        auto netlink = Netlink::open();
        std::vector<Link> links{**netlink->find_link("a1"), **netlink->find_link("lo"), **netlink->find_link("a2")};
        const auto deleted = netlink->delete_links(links);
        EXPECT_EQ(deleted, (std::vector<Link>{links[0], links[2]}));
    });
}

}  // namespace
}  // namespace sluice::port
