#include "port/netlink_objects.h"

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cstring>

namespace sluice::port {
namespace {

constexpr int kIndex = 7;

class Message {
 public:
    template <class Header>
    Message(uint16_t type, const Header& header) : header_(mnl_nlmsg_put_header(space_.data())) {
        header_->nlmsg_type = type;
        std::memcpy(mnl_nlmsg_put_extra_header(header_, sizeof header), &header, sizeof header);
    }
    Message& put(uint16_t type, std::string_view bytes) {
        mnl_attr_put(header_, type, bytes.size(), bytes.data());
        return *this;
    }
    template <class Number>
    Message& number(uint16_t type, Number value) {
        mnl_attr_put(header_, type, sizeof value, &value);
        return *this;
    }
    Message& address(uint16_t type, std::string_view text) {
        const IpAddress address = *IpAddress::parse(text);
        const size_t size = address.is_v4() ? 4 : 16;
        mnl_attr_put(header_, type, size, address.bytes.data() + 16 - size);
        return *this;
    }
    Message& nest(uint16_t type, uint16_t inner, std::string_view bytes) {
        nlattr* nest = mnl_attr_nest_start(header_, type);
        put(inner, bytes);
        mnl_attr_nest_end(header_, nest);
        return *this;
    }
    // The message says that it is this much shorter; the bytes stay behind it.
    Message& cut(uint32_t bytes) {
        header_->nlmsg_len -= bytes;
        return *this;
    }
    operator const nlmsghdr*() const { return header_; }

 private:
    alignas(8) std::array<char, 1024> space_{};
    nlmsghdr* header_;
};

Message link() { return {RTM_NEWLINK, ifinfomsg{.ifi_family = 0, .__ifi_pad = 0, .ifi_type = 0, .ifi_index = kIndex,
                                               .ifi_flags = IFF_UP, .ifi_change = 0}}; }
Message address(uint8_t family, uint8_t length) {
    return {RTM_NEWADDR, ifaddrmsg{family, length, 0, 0, kIndex}};
}
Message route(uint8_t family, uint8_t length) {
    rtmsg info{};
    info.rtm_family = family;
    info.rtm_dst_len = length;
    info.rtm_table = RT_TABLE_MAIN;
    info.rtm_type = RTN_UNICAST;
    return {RTM_NEWROUTE, info};
}

const std::string kMapped = std::string(10, '\0') + "\xff\xff\x0a" + std::string("\0\0\1", 3);  // ::ffff:10.0.0.1

TEST(NetlinkObjects, ALinkIsWhatItsAttributesSay) {
    const auto read = read_link(link().put(IFLA_IFNAME, std::string_view("eth0\0", 5)).number(IFLA_MTU, 1400U)
                                    .nest(IFLA_LINKINFO, IFLA_INFO_SLAVE_KIND, "vrf"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->index, kIndex);
    EXPECT_EQ(read->name, "eth0");
    EXPECT_EQ(read->mtu, 1400u);
    EXPECT_TRUE(read->up);
    EXPECT_TRUE(read->is_in_vrf);
}

TEST(NetlinkObjects, ATextEndsWithItsAttribute) {
    const auto read = read_link(link().put(IFLA_IFNAME, "eth0").put(IFLA_IFALIAS, "web0")
                                    .nest(IFLA_LINKINFO, IFLA_INFO_KIND, "veth").put(IFLA_QDISC, "noop"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->name, "eth0");
    EXPECT_EQ(read->alias, "web0");
    EXPECT_EQ(read->kind, "veth");
}

TEST(NetlinkObjects, ANumberInAShorterAttributeIsNone) {
    // What follows a short number would be read as the rest of it.
    EXPECT_EQ(read_link(link().put(IFLA_MTU, "\x01").put(IFLA_IFNAME, "x"))->mtu, 0u);
    EXPECT_EQ(read_link(link().put(IFLA_MTU, "").put(IFLA_IFNAME, "x"))->mtu, 0u);
    const auto peer = read_peer(link().put(IFLA_LINK, "").put(IFLA_LINK_NETNSID, ""));
    EXPECT_EQ(peer, PeerLink{});
    EXPECT_FALSE(read_address(address(AF_INET, 24).address(IFA_LOCAL, "10.0.0.1").put(IFA_PROTO, ""), kIndex,
                              Whose::kOurs));
    EXPECT_EQ(links_of_default_route(route(AF_INET, 0).put(RTA_OIF, "").put(RTA_GATEWAY, "")), std::set<int>{});
    EXPECT_EQ(read_route_notice(route(AF_INET, 0).put(RTA_OIF, "").put(RTA_GATEWAY, ""))->links, std::set<int>{});
}

TEST(NetlinkObjects, AMessageShorterThanItsHeaderIsNone) {
    EXPECT_FALSE(read_link(link().cut(1)));
    EXPECT_FALSE(read_peer(link().cut(1)));
    EXPECT_FALSE(read_address(address(AF_INET, 24).cut(4), kIndex, Whose::kAll));
    EXPECT_EQ(links_of_default_route(route(AF_INET, 0).number(RTA_OIF, kIndex).cut(9)), std::set<int>{});
    EXPECT_FALSE(read_route_notice(route(AF_INET, 0).cut(1)));
    EXPECT_FALSE(read_route(route(AF_INET, 0).number(RTA_OIF, kIndex).cut(9), AF_INET, kIndex, Whose::kAll));
}

TEST(NetlinkObjects, AnAttributeEndsWithItsMessage) {
    // The message is cut in its last attribute, and the kernel's alignment would reach over the missing byte.
    EXPECT_EQ(read_link(link().number(IFLA_MTU, 1400U).cut(1))->mtu, 0u);
    EXPECT_FALSE(read_address(address(AF_INET, 24).address(IFA_LOCAL, "10.0.0.1").cut(1), kIndex, Whose::kAll));
}

TEST(NetlinkObjects, AnAddressHasTheSizeOfItsFamily) {
    EXPECT_EQ(read_address(address(AF_INET, 24).address(IFA_LOCAL, "10.0.0.1"), kIndex, Whose::kAll),
              (KernelAddress{*IpAddress::parse("10.0.0.1"), 24}));
    EXPECT_FALSE(read_address(address(AF_INET, 24).address(IFA_LOCAL, "fd00::1"), kIndex, Whose::kAll));
    EXPECT_FALSE(read_address(address(AF_INET6, 64).address(IFA_ADDRESS, "10.0.0.1"), kIndex, Whose::kAll));
    EXPECT_FALSE(read_address(address(AF_PACKET, 0).address(IFA_ADDRESS, "fd00::1"), kIndex, Whose::kAll));
}

TEST(NetlinkObjects, AMappedAddressIsNotTheIpv4Address) {
    EXPECT_FALSE(read_address(address(AF_INET6, 24).put(IFA_ADDRESS, kMapped), kIndex, Whose::kAll));
    EXPECT_FALSE(read_route(route(AF_INET6, 24).put(RTA_DST, kMapped).number(RTA_OIF, kIndex), AF_INET6, kIndex,
                            Whose::kAll));
    EXPECT_FALSE(read_route_notice(route(AF_INET6, 24).put(RTA_DST, kMapped).number(RTA_OIF, kIndex)));
}

TEST(NetlinkObjects, APrefixIsNoLongerThanItsAddress) {
    EXPECT_FALSE(read_address(address(AF_INET, 33).address(IFA_LOCAL, "10.0.0.1"), kIndex, Whose::kAll));
    EXPECT_FALSE(read_route(route(AF_INET, 33).address(RTA_DST, "10.0.0.1").number(RTA_OIF, kIndex), AF_INET, kIndex,
                            Whose::kAll));
    EXPECT_FALSE(read_route_notice(route(AF_INET, 33).address(RTA_DST, "10.0.0.1").number(RTA_OIF, kIndex)));
}

TEST(NetlinkObjects, ARouteWhoseGatewayCannotBeReadIsNone) {
    EXPECT_FALSE(read_route(route(AF_INET, 0).number(RTA_OIF, kIndex).put(RTA_GATEWAY, "abc"), AF_INET, kIndex,
                            Whose::kAll));
    EXPECT_EQ(read_route(route(AF_INET, 0).number(RTA_OIF, kIndex), AF_INET, kIndex, Whose::kAll),
              (KernelRoute{*IpPrefix::parse("0.0.0.0/0")}));
}

TEST(NetlinkObjects, NextHopsEndWithTheirAttribute) {
    std::array<rtnexthop, 2> hops{};
    hops[0].rtnh_len = sizeof(rtnexthop);
    hops[0].rtnh_ifindex = kIndex;
    hops[1].rtnh_len = sizeof(rtnexthop) + 1;  // beyond
    hops[1].rtnh_ifindex = kIndex + 1;
    const std::string_view bytes(reinterpret_cast<const char*>(hops.data()), sizeof hops);
    EXPECT_EQ(links_of_default_route(route(AF_INET, 0).put(RTA_MULTIPATH, bytes)), std::set{kIndex});
}

}  // namespace
}  // namespace sluice::port
