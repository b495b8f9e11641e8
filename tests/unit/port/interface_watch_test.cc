#include "port/interface_watch.h"

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <array>

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
    bool is_about_ours() const { return is_about(header_, kIndex, kDestinations); }

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
};

bool route(uint16_t type, std::string_view to, uint32_t index, const Route& more = {}) {
    const IpPrefix prefix = *IpPrefix::parse(to);
    Notification notification(type);
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

TEST(InterfaceWatch, LinksAndAddressesAreOurInterfacesOrNot) {
    EXPECT_TRUE(link(RTM_NEWLINK, kIndex));
    EXPECT_TRUE(link(RTM_DELLINK, kIndex));
    EXPECT_FALSE(link(RTM_NEWLINK, kIndex + 1));
    EXPECT_TRUE(address(RTM_NEWADDR, kIndex));
    EXPECT_TRUE(address(RTM_DELADDR, kIndex));
    EXPECT_FALSE(address(RTM_DELADDR, kIndex + 1));
}

TEST(InterfaceWatch, OfRoutesThoseToWhereOursLead) {
    EXPECT_TRUE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex));
    EXPECT_TRUE(route(RTM_DELROUTE, "fd09::/48", kIndex));
    EXPECT_FALSE(route(RTM_DELROUTE, "10.0.0.0/8", kIndex)) << "none of ours leads there";
    EXPECT_FALSE(route(RTM_DELROUTE, "fd09::/64", kIndex));
    EXPECT_FALSE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex + 1)) << "another interface's";
    EXPECT_TRUE(route(RTM_NEWROUTE, "0.0.0.0/0", kIndex + 1)) << "it may have replaced ours";
}

TEST(InterfaceWatch, OfMultipathRoutesThoseWithANextHopByOurInterface) {
    EXPECT_TRUE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex + 1, {.second = kIndex}));
    EXPECT_TRUE(route(RTM_DELROUTE, "fd09::/48", kIndex, {.second = kIndex}));
    EXPECT_FALSE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex + 1, {.second = kIndex + 2}));
}

TEST(InterfaceWatch, OtherTablesAreNoneOfOurs) {
    EXPECT_FALSE(route(RTM_DELROUTE, "0.0.0.0/0", kIndex, {.table = 100}));
    EXPECT_FALSE(route(RTM_NEWROUTE, "0.0.0.0/0", kIndex, {.table = 100}));
    EXPECT_FALSE(route(RTM_NEWROUTE, "fd09::/48", kIndex, {.table = RT_TABLE_LOCAL}));
    // A number that doesn't fit.
    EXPECT_FALSE(route(RTM_NEWROUTE, "fd09::/48", kIndex, {.table = RT_TABLE_COMPAT}));
}

TEST(InterfaceWatch, OtherAndShortMessagesAreAboutNobody) {
    EXPECT_FALSE(Notification(RTM_NEWLINK).is_about_ours());
    EXPECT_FALSE(Notification(RTM_NEWADDR).is_about_ours());
    EXPECT_FALSE(Notification(RTM_NEWROUTE).is_about_ours());
    EXPECT_FALSE(link(RTM_NEWNEIGH, kIndex));
}

TEST(InterfaceWatch, OneThatIsClosedTellsNothing) { EXPECT_FALSE(InterfaceWatch().read()); }

}  // namespace
}  // namespace sluice::port
