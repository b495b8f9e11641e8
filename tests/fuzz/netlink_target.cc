// What the kernel answers and tells over rtnetlink: pieces of bytes as they come out of a socket, to everything that
// reads them. Lengths may lie, messages and attributes may be cut, nested or of any type. Nothing is read beyond a
// piece or a message, and what is read is a valid object.
//
// An input begins with what was asked (Asked); then come pieces, each with its length before it.
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "fuzz/target.h"
#include "port/namespace_watch.h"
#include "port/netlink_message.h"
#include "port/netlink_objects.h"
#include "port/netlink_reply.h"

namespace sluice::fuzz {
namespace {

using port::NetlinkReply;
using port::Whose;

constexpr uint32_t kSequence = 7;
constexpr int kIndex = 3;

enum Asked : uint8_t {
    kDump = 0,
    kAlone = 1,
    kChange = 2,
    kAsItIs = 4,  // messages keep their sequence numbers, so that most are another request's
};

// A block of exactly these bytes, which AddressSanitizer guards.
class Piece {
 public:
    explicit Piece(std::span<const uint8_t> bytes)
        : size_(bytes.size()), bytes_(static_cast<char*>(std::malloc(bytes.size())), &std::free) {
        if (size_ != 0) std::memcpy(bytes_.get(), bytes.data(), size_);
    }
    std::span<const char> get() const { return {bytes_.get(), size_}; }

    // visit(nlmsghdr*) for each message that is whole.
    template <class Visit>
    void each(Visit visit) const {
        auto left = static_cast<int>(size_);
        auto* header = reinterpret_cast<nlmsghdr*>(bytes_.get());
        for (; port::is_whole(header, left); header = mnl_nlmsg_next(header, &left)) visit(header);
    }

 private:
    size_t size_;
    std::unique_ptr<char, decltype(&std::free)> bytes_;
};

const std::vector<IpPrefix>& destinations() {
    static const std::vector<IpPrefix> destinations{*IpPrefix::parse("0.0.0.0/0"), *IpPrefix::parse("10.9.0.0/16"),
                                                    *IpPrefix::parse("fd09::/48")};
    return destinations;
}

void check_prefix(const IpPrefix& prefix) {
    must(prefix.length <= prefix.address.bits(), "a prefix of {} bits", prefix.length);
    must(IpPrefix::around(prefix.address, prefix.length) == prefix, "{} has bits beyond its length", prefix.text());
}

// One that listens for the interface and the destinations, and is told of messages as the socket's reader is.
class Told {
 public:
    Told() : watch_(*port::NamespaceWatch::here()), listener_{.index = kIndex, .destinations = destinations()} {
        must(watch_->add(listener_).has_value(), "nobody can listen");
    }
    bool of(const nlmsghdr* message) {
        watch_->tell(message);
        return std::exchange(listener_.has_news, false);
    }
    bool of(std::span<const char> piece) {
        watch_->read(piece);
        return std::exchange(listener_.has_news, false);
    }

 private:
    std::shared_ptr<port::NamespaceWatch> watch_;
    port::Listener listener_;
};

Told& told() {
    static Told told;
    return told;
}

// What is read of a message.
struct Read {
    std::optional<port::Link> link;
    std::optional<port::PeerLink> peer;
    std::optional<port::KernelAddress> addresses[2];
    std::optional<port::KernelRoute> routes[4];
    std::set<int> defaults;
    std::optional<port::RouteNotice> notice;
    bool is_about;

    explicit Read(const nlmsghdr* message)
        : link(port::read_link(message)),
          peer(port::read_peer(message)),
          addresses{port::read_address(message, kIndex, Whose::kOurs),
                    port::read_address(message, kIndex, Whose::kAll)},
          routes{port::read_route(message, AF_INET, kIndex, Whose::kOurs),
                 port::read_route(message, AF_INET, kIndex, Whose::kAll),
                 port::read_route(message, AF_INET6, kIndex, Whose::kOurs),
                 port::read_route(message, AF_INET6, kIndex, Whose::kAll)},
          defaults(port::links_of_default_route(message)),
          notice(port::read_route_notice(message)),
          is_about(told().of(message)) {}

    bool operator==(const Read&) const = default;
};

// Each message alone, so that reading beyond it is reading beyond a block.
Read check_message(const nlmsghdr* message) {
    const Piece alone({reinterpret_cast<const uint8_t*>(message), message->nlmsg_len});
    const Read read(reinterpret_cast<const nlmsghdr*>(alone.get().data()));
    must(read == Read(message), "what follows a message changes what is read of it");
    if (read.link) {
        must(read.link->name.size() + read.link->alias.size() + read.link->kind.size() <= message->nlmsg_len,
             "names longer than the message");
    }
    for (const auto& address : read.addresses) {
        if (address) must(address->length <= address->address.bits(), "an address with {} bits", address->length);
    }
    for (const auto& route : read.routes) {
        if (!route) continue;
        check_prefix(route->to);
        if (route->via) must(route->via->is_v4() == route->to.address.is_v4(), "a gateway of the other family");
    }
    if (read.notice) check_prefix(read.notice->to);
    must(!read.addresses[0] || read.addresses[0] == read.addresses[1], "an address of ours is none of all");
    return read;
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    const uint8_t asked = input.byte();
    const uint16_t flags = (asked & kChange) != 0 ? NLM_F_ACK : (asked & kAlone) != 0 ? 0 : NLM_F_DUMP;
    const nlmsghdr request{.nlmsg_len = sizeof(nlmsghdr), .nlmsg_type = RTM_GETLINK,
                           .nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags), .nlmsg_seq = kSequence,
                           .nlmsg_pid = 0};
    NetlinkReply reply(&request);
    auto state = NetlinkReply::State::kMore;
    while (!input.at_end()) {
        const uint16_t size = input.word();
        const Piece piece(input.take(size));
        const auto all = piece.get();
        if ((asked & kAsItIs) == 0) piece.each([](nlmsghdr* message) { message->nlmsg_seq = kSequence; });
        bool is_about = false;
        piece.each([&](const nlmsghdr* message) { is_about |= check_message(message).is_about; });
        must(is_about == told().of(all), "a piece tells another thing than its messages");

        if (state != NetlinkReply::State::kMore) continue;
        state = reply.take(all, [&](const nlmsghdr* message) {
            const auto* at = reinterpret_cast<const char*>(message);
            must(at >= all.data() && at + message->nlmsg_len <= all.data() + all.size(), "a message beyond its piece");
            must(message->nlmsg_seq == kSequence, "a message of another answer");
        });
        const bool failed = state == NetlinkReply::State::kFailed;
        must(failed == (reply.error() > 0), "error {}", reply.error());
    }
}

namespace {

// Messages one after the other.
class Messages {
 public:
    template <class Header>
    Messages& begin(uint16_t type, const Header& header, uint16_t flags = NLM_F_MULTI) {
        at_ = bytes_.size();
        add(nlmsghdr{.nlmsg_len = 0, .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = kSequence, .nlmsg_pid = 0});
        return add(header).end();
    }
    Messages& put(uint16_t type, std::span<const uint8_t> payload) {
        add(nlattr{static_cast<uint16_t>(sizeof(nlattr) + payload.size()), type});
        bytes_.insert(bytes_.end(), payload.begin(), payload.end());
        return end();
    }
    Messages& text(uint16_t type, std::string_view text) {
        Bytes payload = bytes_of(text);
        payload.push_back(0);
        return put(type, payload);
    }
    template <class Value>
    Messages& value(uint16_t type, const Value& value) {
        return put(type, {reinterpret_cast<const uint8_t*>(&value), sizeof value});
    }
    Messages& address(uint16_t type, std::string_view text) {
        const IpAddress address = *IpAddress::parse(text);
        return put(type, std::span(address.bytes).last(address.is_v4() ? 4 : 16));
    }
    const Bytes& bytes() const { return bytes_; }

 private:
    template <class Value>
    Messages& add(const Value& value) {
        const auto* from = reinterpret_cast<const uint8_t*>(&value);
        bytes_.insert(bytes_.end(), from, from + sizeof value);
        return *this;
    }
    Messages& end() {
        bytes_.resize(NLMSG_ALIGN(bytes_.size()));
        const auto size = static_cast<uint32_t>(bytes_.size() - at_);
        std::memcpy(bytes_.data() + at_, &size, sizeof size);
        return *this;
    }

    Bytes bytes_;
    size_t at_ = 0;
};

Messages links() {
    const ifinfomsg info{.ifi_family = 0, .__ifi_pad = 0, .ifi_type = 1, .ifi_index = kIndex,
                         .ifi_flags = IFF_UP | IFF_RUNNING, .ifi_change = 0};
    const Messages kind = Messages().text(IFLA_INFO_KIND, "veth").text(IFLA_INFO_SLAVE_KIND, "vrf");
    return Messages()
        .begin(RTM_NEWLINK, info)
        .text(IFLA_IFNAME, "eth0")
        .text(IFLA_IFALIAS, "web")
        .value(IFLA_MTU, 1500U)
        .put(IFLA_ADDRESS, Bytes{2, 0, 0, 0, 0, 1})
        .put(IFLA_STATS64, Bytes(sizeof(rtnl_link_stats64), 1))
        .put(IFLA_LINKINFO, kind.bytes())
        .value(IFLA_LINK, 5U)
        .value(IFLA_LINK_NETNSID, 1U)
        .begin(RTM_DELLINK, info);
}

Messages addresses() {
    return Messages()
        .begin(RTM_NEWADDR, ifaddrmsg{AF_INET, 24, 0, 0, kIndex})
        .address(IFA_LOCAL, "10.0.0.1")
        .value(IFA_PROTO, port::kRouteProtocol)
        .begin(RTM_NEWADDR, ifaddrmsg{AF_INET6, 64, 0, 0, kIndex})
        .address(IFA_ADDRESS, "fd00::1");
}

Messages routes(uint8_t family) {
    rtmsg info{};
    info.rtm_family = family;
    info.rtm_table = RT_TABLE_MAIN;
    info.rtm_type = RTN_UNICAST;
    info.rtm_protocol = port::kRouteProtocol;
    Messages messages;
    messages.begin(RTM_NEWROUTE, info).value(RTA_OIF, kIndex).address(RTA_GATEWAY, family == AF_INET ? "10.0.0.9" : "fd00::9");
    info.rtm_dst_len = family == AF_INET ? 16 : 48;
    rtnexthop hops[2]{};
    for (rtnexthop& hop : hops) {
        hop.rtnh_len = sizeof hop;
        hop.rtnh_ifindex = kIndex;
    }
    return messages.begin(RTM_DELROUTE, info)
        .address(RTA_DST, family == AF_INET ? "10.9.0.0" : "fd09::")
        .value(RTA_MULTIPATH, hops);
}

}  // namespace

std::vector<Bytes> seeds() {
    std::vector<Bytes> lists;
    for (const Messages& messages : {links(), addresses(), routes(AF_INET), routes(AF_INET6)}) {
        lists.push_back(messages.bytes());
    }
    std::vector<Bytes> seeds;
    for (const uint8_t asked : {kDump, kAlone, kChange, kAsItIs}) {
        Output all;
        all.byte(asked);
        for (const Bytes& list : lists) {
            const auto size = static_cast<uint32_t>(list.size());
            seeds.push_back(Output().byte(asked).word(size).add(list));
            all.word(size).add(list);
        }
        for (const int number : {0, -EPERM, -EINTR}) {
            for (const uint16_t type : {NLMSG_DONE, NLMSG_ERROR}) {
                const Bytes end = Messages().begin(type, number, NLM_F_MULTI | NLM_F_DUMP_INTR).bytes();
                seeds.push_back(Output(all).word(static_cast<uint32_t>(end.size())).add(end));
            }
        }
    }
    return seeds;
}

std::vector<std::string> words() { return {}; }

}  // namespace sluice::fuzz
