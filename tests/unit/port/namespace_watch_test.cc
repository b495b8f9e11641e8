#include "port/namespace_watch.h"

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "support/netns.h"

namespace sluice::port {
namespace {

constexpr int kIndex = 7;
const std::vector<IpPrefix> kDestinations = {*IpPrefix::parse("0.0.0.0/0"), *IpPrefix::parse("fd09::/48")};

class Notification {
 public:
    explicit Notification(uint16_t type) : header_(mnl_nlmsg_put_header(space_.data())) { header_->nlmsg_type = type; }
    template <class T>
    T* extra() {
        return static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
    }
    void put(uint16_t type, const void* value, size_t size) { mnl_attr_put(header_, type, size, value); }
    void replace() { header_->nlmsg_flags |= NLM_F_REPLACE; }
    bool is_about_ours() const {
        auto watch = NamespaceWatch::here();
        Listener listener{.index = kIndex, .destinations = kDestinations};
        Listener other{.index = kIndex + 100};
        EXPECT_TRUE((*watch)->add(listener) && (*watch)->add(other));
        (*watch)->tell(header_);
        (*watch)->remove(listener);
        (*watch)->remove(other);
        EXPECT_FALSE(other.has_news);
        return listener.has_news;
    }

 private:
    alignas(8) std::array<char, 512> space_{};
    nlmsghdr* header_;
};

bool link(uint16_t type, int index) {
    Notification notification(type);
    notification.extra<ifinfomsg>()->ifi_index = index;
    return notification.is_about_ours();
}

bool address(uint16_t type, uint32_t index) {
    Notification notification(type);
    notification.extra<ifaddrmsg>()->ifa_index = index;
    return notification.is_about_ours();
}

struct Route {
    uint8_t table = RT_TABLE_MAIN;
    uint32_t second = 0;  // the interface of a second next hop; 0: there is none
    bool replaces = false;
};

bool route(uint16_t type, std::string_view to, uint32_t index, const Route& more = {}) {
    const IpPrefix prefix = *IpPrefix::parse(to);
    Notification notification(type);
    if (more.replaces) notification.replace();
    auto* route = notification.extra<rtmsg>();
    const bool is_v4 = prefix.address.is_v4();
    route->rtm_family = is_v4 ? AF_INET : AF_INET6;
    route->rtm_dst_len = prefix.length;
    route->rtm_table = more.table;
    const size_t size = is_v4 ? 4 : 16;
    // The kernel leaves the destination of a default route out.
    if (prefix.length != 0) notification.put(RTA_DST, prefix.address.bytes.data() + 16 - size, size);
    if (more.second == 0) {
        notification.put(RTA_OIF, &index, sizeof index);
    } else {
        std::array<rtnexthop, 2> hops{};
        for (rtnexthop& hop : hops) hop.rtnh_len = sizeof hop;
        hops[0].rtnh_ifindex = static_cast<int>(index);
        hops[1].rtnh_ifindex = static_cast<int>(more.second);
        notification.put(RTA_MULTIPATH, hops.data(), sizeof hops);
    }
    return notification.is_about_ours();
}

TEST(NamespaceWatch, LinksAndAddressesAreOurInterfacesOrNot) {
    EXPECT_TRUE(link(RTM_NEWLINK, kIndex));
    EXPECT_TRUE(link(RTM_DELLINK, kIndex));
    EXPECT_FALSE(link(RTM_NEWLINK, kIndex + 1));
    EXPECT_TRUE(address(RTM_NEWADDR, kIndex));
    EXPECT_TRUE(address(RTM_DELADDR, kIndex));
    EXPECT_FALSE(address(RTM_DELADDR, kIndex + 1));
}

TEST(NamespaceWatch, OfRoutesThoseToWhereOursLead) {
    EXPECT_TRUE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex));
    EXPECT_TRUE(route(RTM_DELROUTE, "fd09::/48", kIndex));
    EXPECT_FALSE(route(RTM_DELROUTE, "10.0.0.0/8", kIndex)) << "none of ours leads there";
    EXPECT_FALSE(route(RTM_DELROUTE, "fd09::/64", kIndex));
    EXPECT_FALSE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex + 1)) << "another interface's";
    EXPECT_FALSE(route(RTM_NEWROUTE, "0.0.0.0/0", kIndex + 1)) << "it stands beside ours";
    EXPECT_TRUE(route(RTM_NEWROUTE, "0.0.0.0/0", kIndex + 1, {.replaces = true})) << "it may have replaced ours";
}

TEST(NamespaceWatch, OfMultipathRoutesThoseWithANextHopByOurInterface) {
    EXPECT_TRUE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex + 1, {.second = kIndex}));
    EXPECT_TRUE(route(RTM_DELROUTE, "fd09::/48", kIndex, {.second = kIndex}));
    EXPECT_FALSE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex + 1, {.second = kIndex + 2}));
}

TEST(NamespaceWatch, OtherTablesAreNoneOfOurs) {
    EXPECT_FALSE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex, {.table = 100, .replaces = true}));
    EXPECT_FALSE(route(RTM_NEWROUTE, "0.0.0.0/0", kIndex, {.table = 100}));
    EXPECT_FALSE(route(RTM_NEWROUTE, "fd09::/48", kIndex, {.table = RT_TABLE_LOCAL}));
    // A number that doesn't fit.
    EXPECT_FALSE(route(RTM_NEWROUTE, "fd09::/48", kIndex, {.table = RT_TABLE_COMPAT}));
}

TEST(NamespaceWatch, OtherAndShortMessagesAreAboutNobody) {
    EXPECT_FALSE(Notification(RTM_NEWLINK).is_about_ours());
    EXPECT_FALSE(Notification(RTM_NEWADDR).is_about_ours());
    EXPECT_FALSE(Notification(RTM_NEWROUTE).is_about_ours());
    EXPECT_FALSE(link(RTM_NEWNEIGH, kIndex));
}

class NamespaceWatchTest : public testing::Test {
 protected:
    void SetUp() override {
        if (!netns_.is_there()) GTEST_SKIP() << "needs root";
    }
    test::Netns netns_;
};

TEST(NamespaceWatch, AMessageLongerThanItsPieceIsNotRead) {
    struct {
        nlmsghdr header;
        ifinfomsg info;
    } message{};
    message.header.nlmsg_type = RTM_NEWLINK;
    message.info.ifi_index = kIndex;
    const std::span piece(reinterpret_cast<const char*>(&message), sizeof message);
    const auto watch = *NamespaceWatch::here();
    Listener listener{.index = kIndex};
    ASSERT_TRUE(watch->add(listener));
    message.header.nlmsg_len = sizeof message;
    watch->read(piece);
    EXPECT_TRUE(std::exchange(listener.has_news, false));
    for (const uint32_t length : {uint32_t{sizeof message} + 1, uint32_t{0x80000000}, uint32_t{0xffffffff}}) {
        message.header.nlmsg_len = length;
        watch->read(piece);
        EXPECT_FALSE(listener.has_news) << length;
    }
    watch->remove(listener);
}

TEST_F(NamespaceWatchTest, ANamespaceHasOneForAllWhoHoldIt) {
    netns_.run([&] {
        auto first = *NamespaceWatch::here();
        EXPECT_EQ(*NamespaceWatch::here(), first);
        const std::weak_ptr<NamespaceWatch> weak = first;
        first.reset();
        EXPECT_TRUE(weak.expired()) << "it pins the namespace no longer";
        EXPECT_NE(*NamespaceWatch::here(), nullptr);
    });
    netns_.run([&] {
        const auto inside = *NamespaceWatch::here();
        EXPECT_NE(inside, nullptr);
    });
}

TEST_F(NamespaceWatchTest, AliasesFollowTheInterfaces) {
    netns_.run([&] {
        const auto watch = *NamespaceWatch::here();
        const auto index_of = [&](const std::string& alias) { return *watch->find_alias(alias); };
        ASSERT_EQ(system("ip link add v1 type veth peer name v2 && ip link set v1 alias one"), 0);
        const int index = static_cast<int>(if_nametoindex("v1"));
        EXPECT_EQ(index_of("one"), index) << "of the first list";
        EXPECT_EQ(index_of("two"), std::nullopt);
        ASSERT_EQ(system("ip link set v1 alias two && ip link set v1 name v3 && ip link set v2 alias one && ip link set v2 up"), 0);
        EXPECT_EQ(index_of("two"), index) << "of what was told";
        EXPECT_EQ(index_of("one"), static_cast<int>(if_nametoindex("v2")));
        ASSERT_EQ(system("ip link delete v3"), 0);
        EXPECT_EQ(index_of("two"), std::nullopt);
        EXPECT_EQ(index_of("one"), std::nullopt);
    });
}

}  // namespace
}  // namespace sluice::port
