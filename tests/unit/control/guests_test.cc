#include "control/guests.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "unit/dhcp/messages.h"

namespace sluice::control {
namespace {

using dhcp::address4;
using dhcp::association6;
using dhcp::ip;
using dhcp::message4;
using dhcp::message6;
using dhcp::options4;

MacAddress guest(uint64_t number) {
    return MacAddress::from_uint64(0x0200'0000'0000 + number);
}

class Dhcp : public testing::Test {
 protected:
    void SetUp() override {
        folder_ = testing::TempDir() + "guests-" + std::to_string(getpid());
        std::filesystem::create_directories(folder_);
        engine::NetworkConfig blue;
        blue.name = "blue";
        blue.subnets = {IpPrefix::parse("10.0.0.0/24").value(), IpPrefix::parse("fd00::/64").value()};
        blue.gateway = {ip("10.0.0.1"), ip("fd00::1")};
        blue.dhcp.emplace();
        config_.networks = {blue};
        add_port("vm", {});
        add_port("own", {"10.0.0.20/24", "fd00::20/64", "fd00::21/64"});
        restart();
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    void add_port(const char* name, const std::vector<const char*>& addresses) {
        port::PortConfig port;
        port.name = name;
        port.vhost_user.emplace();
        port.network = "blue";
        port.mtu = 1450;
        for (const char* address : addresses) port.address.push_back(InterfaceAddress::parse(address).value());
        config_.ports.push_back(port);
    }
    void restart() {
        ipam_ = {};
        guests_.emplace(ipam_, folder_ + "/leases");
        EXPECT_EQ(guests_->leases().load(now_).size(), 0u);
    }
    engine::NetworkConfig& blue() { return config_.networks[0]; }

    auto holders() {
        return [this](const engine::NetworkConfig& network) { return engine::holders_in(config_, {}, network); };
    }
    std::optional<Guests::Reply> ask(Asking asking, const dhcp::Bytes& payload, const MacAddress& mac,
                                     const char* port = "vm", const char* source = "0.0.0.0",
                                     std::optional<MacAddress> port_mac = {}) {
        const Asker asker{blue(), *engine::find_port(config_, port), port_mac, guest(1), mac, ip(source), 1400};
        auto reply = guests_->answer(asking, payload, asker, holders(), now_);
        EXPECT_TRUE(guests_->leases().save());
        return reply;
    }
    // The type of the answer and the address in it, as text: "2 10.0.0.2"; empty: there is no answer.
    std::string dhcp(dhcp::Type4 type, const MacAddress& mac, const char* requested = nullptr,
                     const char* own = "0.0.0.0", const char* port = "vm",
                     std::optional<MacAddress> port_mac = {}) {
        dhcp::ByteWriter options;
        options.number(53, 1).number(1, 1).number(static_cast<uint32_t>(type), 1);
        if (requested != nullptr) options.number(50, 1).number(4, 1).add(ip(requested));
        const bool names_server = type == dhcp::Type4::kDecline || type == dhcp::Type4::kRelease;
        if (names_server) options.number(54, 1).number(4, 1).add(ip("10.0.0.1"));
        options.number(255, 1);
        const auto reply =
            ask(Asking::kDhcp, message4(options.bytes(), {.own = own, .mac = mac}), mac, port, own, port_mac);
        if (!reply) return "";
        return std::to_string(dhcp::read_answer4(reply->payload).at(53).at(0)) + " " +
               dhcp::yours4(reply->payload).text();
    }
    std::string join(uint64_t number) {
        dhcp(dhcp::Type4::kDiscover, guest(number));
        const dhcp::Lease* lease = guests_->leases().find({"blue", "vm", guest(number)}, true);
        if (lease == nullptr) return "";
        return dhcp(dhcp::Type4::kRequest, guest(number), lease->address.text().c_str());
    }

    std::string folder_;
    engine::Config config_;
    engine::Ipam ipam_;
    std::optional<Guests> guests_;
    int64_t now_ = 1000;
};

TEST_F(Dhcp, APortsOwnAddressIsForItsGuestAlone) {
    EXPECT_EQ(dhcp(dhcp::Type4::kDiscover, guest(9), nullptr, "0.0.0.0", "own"), "2 10.0.0.20");
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(9), "10.0.0.20", "0.0.0.0", "own"), "5 10.0.0.20");
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(9), "10.0.0.21", "0.0.0.0", "own"), "6 0.0.0.0");
    EXPECT_EQ(dhcp(dhcp::Type4::kDiscover, guest(8), nullptr, "0.0.0.0", "own", guest(9)), "");
    EXPECT_EQ(dhcp(dhcp::Type4::kDiscover, guest(9), nullptr, "0.0.0.0", "own", guest(9)), "2 10.0.0.20");
    EXPECT_TRUE(guests_->lent(config_).empty()) << "it is the port's anyway";
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(7), "10.0.0.20"), "6 0.0.0.0") << "from another port";
}

TEST_F(Dhcp, AGuestKeepsItsAddressOfThePoolOverARestart) {
    EXPECT_EQ(join(2), "5 10.0.0.2");
    EXPECT_EQ(join(3), "5 10.0.0.3");
    restart();
    EXPECT_EQ(join(4), "5 10.0.0.4");
    EXPECT_EQ(join(3), "5 10.0.0.3");
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(2), nullptr, "10.0.0.2"), "5 10.0.0.2");
    now_ += 3600;
    guests_->leases().expire(now_);
    EXPECT_EQ(join(5), "5 10.0.0.5") << "what others had is taken last";
    EXPECT_EQ(join(2), "5 10.0.0.2");
    const auto lent = guests_->lent(config_);
    ASSERT_TRUE(lent.contains("vm"));
    EXPECT_EQ(lent.at("vm"), (std::vector<engine::LentAddress>{{"blue", ip("10.0.0.2"), guest(2)},
                                                               {"blue", ip("10.0.0.5"), guest(5)}}));
}

TEST_F(Dhcp, AGuestGetsTheAddressThatItAsksForIfThatIsFree) {
    EXPECT_EQ(dhcp(dhcp::Type4::kDiscover, guest(2), "10.0.0.77"), "2 10.0.0.77");
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(3), nullptr, "10.0.0.78"), "5 10.0.0.78")
        << "the leases were lost";
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(4), nullptr, "10.0.0.78"), "6 0.0.0.0");
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(5), "10.0.0.20"), "6 0.0.0.0") << "a port declares it";
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(6), "10.0.0.1"), "6 0.0.0.0") << "the gateway's";
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(7), "10.9.0.1"), "6 0.0.0.0") << "of another network";
    blue().ipam.exclude = {{ip("10.0.0.100"), ip("10.0.0.200")}};
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(8), "10.0.0.150"), "6 0.0.0.0") << "excluded";
}

TEST_F(Dhcp, ADeclinedAddressGoesToNobodyAndAReleasedOneToItsGuest) {
    EXPECT_EQ(join(2), "5 10.0.0.2");
    EXPECT_EQ(dhcp(dhcp::Type4::kDecline, guest(2), "10.0.0.2"), "");
    EXPECT_TRUE(guests_->lent(config_).empty());
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(3), "10.0.0.2"), "6 0.0.0.0");
    EXPECT_EQ(join(2), "5 10.0.0.3");
    EXPECT_EQ(dhcp(dhcp::Type4::kRelease, guest(3), nullptr, "10.0.0.3"), "") << "another's";
    EXPECT_EQ(guests_->lent(config_).at("vm").size(), 1u);
    EXPECT_EQ(dhcp(dhcp::Type4::kRelease, guest(2), nullptr, "10.0.0.3"), "");
    EXPECT_TRUE(guests_->lent(config_).empty());
    EXPECT_EQ(join(2), "5 10.0.0.3");
}

TEST_F(Dhcp, APortsGuestsAreLimited) {
    for (uint64_t i = 0; i < Guests::kMostOfPort; ++i)
        EXPECT_NE(dhcp(dhcp::Type4::kDiscover, guest(100 + i)), "") << i;
    EXPECT_EQ(dhcp(dhcp::Type4::kDiscover, guest(99)), "");
    EXPECT_NE(dhcp(dhcp::Type4::kDiscover, guest(100)), "");
    now_ += dhcp::Leases::kOfferTime;
    guests_->leases().expire(now_);
    EXPECT_NE(dhcp(dhcp::Type4::kDiscover, guest(99)), "");
}

TEST_F(Dhcp, OfAFullNetworkGuestsGetWhatOthersHadBefore) {
    blue().ipam.ranges = {{ip("10.0.0.10"), ip("10.0.0.11")}};
    EXPECT_EQ(join(2), "5 10.0.0.10");
    EXPECT_EQ(join(3), "5 10.0.0.11");
    EXPECT_EQ(join(4), "");
    EXPECT_EQ(dhcp(dhcp::Type4::kRelease, guest(3), nullptr, "10.0.0.11"), "");
    EXPECT_EQ(join(4), "5 10.0.0.11");
    EXPECT_EQ(join(3), "");
}

TEST_F(Dhcp, AMessageForAnotherMacAddressGetsNoAnswer) {
    EXPECT_FALSE(ask(Asking::kDhcp, message4(options4({{53, {1}}}), {.mac = guest(3)}), guest(2)));
    EXPECT_FALSE(ask(Asking::kDhcp, {1, 2, 3}, guest(2)));
    EXPECT_TRUE(guests_->leases().entries().empty());
    blue().dhcp.reset();
    EXPECT_EQ(dhcp(dhcp::Type4::kDiscover, guest(2)), "");
}

TEST_F(Dhcp, AnotherServersOfferFreesOurs) {
    EXPECT_NE(dhcp(dhcp::Type4::kDiscover, guest(2)), "");
    const auto taken = options4({{53, {3}}, {54, address4("10.0.0.9")}, {50, address4("10.0.0.99")}});
    EXPECT_FALSE(ask(Asking::kDhcp, message4(taken, {.mac = guest(2)}), guest(2)));
    EXPECT_TRUE(guests_->leases().entries().empty());
}

TEST_F(Dhcp, GuestsGetAddressesOfIpv6) {
    const auto solicit = message6(dhcp::Type6::kSolicit, {{1, dhcp::kDuid}, {14, {}}, {3, association6(1, {})}});
    const auto reply = ask(Asking::kDhcpv6, solicit, guest(2), "vm", "fe80::2");
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->needs_lease);
    EXPECT_EQ(reply->to, ip("fe80::2"));
    EXPECT_EQ(reply->to_mac, guest(2));
    EXPECT_EQ(reply->from, ip("fe80::ff:fe00:1"));
    EXPECT_EQ(guests_->lent(config_).at("vm").at(0).address, ip("fd00::2"));
    const auto own = ask(Asking::kDhcpv6, solicit, guest(9), "own", "fe80::9");
    ASSERT_TRUE(own);
    const auto has = [&](const char* address) {
        const auto bytes = ip(address).bytes;
        return std::search(own->payload.begin(), own->payload.end(), bytes.begin(), bytes.end()) !=
               own->payload.end();
    };
    EXPECT_TRUE(has("fd00::20"));
    EXPECT_TRUE(has("fd00::21"));
    EXPECT_EQ(guests_->lent(config_).size(), 1u);
    // Who wants other parameters only uses up no address.
    ask(Asking::kDhcpv6, message6(dhcp::Type6::kInformationRequest, {{6, {0, 23}}}), guest(3), "vm", "fe80::3");
    ask(Asking::kDhcpv6, message6(dhcp::Type6::kSolicit, {{1, dhcp::kDuid}, {25, association6(1, {})}}), guest(4));
    EXPECT_EQ(guests_->leases().find({"blue", "vm", guest(3)}, false), nullptr);
    EXPECT_EQ(guests_->leases().find({"blue", "vm", guest(4)}, false), nullptr);
}

TEST_F(Dhcp, RoutersAreAdvertisedToTheGuestAlone) {
    const auto reply = ask(Asking::kRouter, {}, guest(2), "vm", "fe80::2");
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->to_mac, guest(2));
    EXPECT_EQ(reply->to, ip("fe80::2"));
    EXPECT_EQ(reply->payload.at(0), 134);
    const auto nameless = ask(Asking::kRouter, {}, guest(2), "vm", "::");
    ASSERT_TRUE(nameless);
    EXPECT_EQ(nameless->to, ip("ff02::1"));
    EXPECT_EQ(nameless->to_mac.text(), "33:33:00:00:00:01");
    blue().gateway = {ip("10.0.0.1")};
    EXPECT_FALSE(ask(Asking::kRouter, {}, guest(2), "vm", "fe80::2"));
}

TEST_F(Dhcp, LeasesGiveWayToWhatIsDeclared) {
    EXPECT_EQ(join(2), "5 10.0.0.2");
    EXPECT_EQ(join(3), "5 10.0.0.3");
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(9), "10.0.0.20", "0.0.0.0", "own"), "5 10.0.0.20");
    const engine::Config running = config_;  // the switch's own copy
    guests_->reconcile(running, holders(), now_);
    EXPECT_EQ(guests_->leases().entries().size(), 3u);
    add_port("new", {"10.0.0.3/24"});
    guests_->reconcile(config_, holders(), now_);
    EXPECT_EQ(guests_->lent(config_).at("vm").size(), 1u);
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(3), nullptr, "10.0.0.3"), "6 0.0.0.0");
    config_.ports[0].address = {InterfaceAddress::parse("10.0.0.30/24").value()};
    config_.ports[1].address.clear();
    guests_->reconcile(config_, holders(), now_);
    EXPECT_TRUE(guests_->leases().entries().empty());
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(2), nullptr, "10.0.0.2"), "6 0.0.0.0");
    EXPECT_EQ(dhcp(dhcp::Type4::kDiscover, guest(2)), "2 10.0.0.30");
}

// They may have chosen it themselves (RFC 4862), or have it from elsewhere.
TEST_F(Dhcp, AnAddressThatAStationUsesIsNobodys) {
    guests_->set_in_use([](const engine::NetworkConfig&, const IpAddress& address, const MacAddress& mac) {
        return address == ip("10.0.0.2") && mac != guest(7);
    });
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(3), "10.0.0.2"), "6 0.0.0.0");
    EXPECT_EQ(join(3), "5 10.0.0.3");
    EXPECT_EQ(dhcp(dhcp::Type4::kRequest, guest(7), "10.0.0.2"), "5 10.0.0.2") << "it is that station";
}

TEST_F(Dhcp, LeasesEndWithTheirPort) {
    EXPECT_EQ(join(2), "5 10.0.0.2");
    engine::Config without = config_;
    std::erase_if(without.ports, [](const auto& port) { return port.name == "vm"; });
    EXPECT_TRUE(guests_->lent(without).empty());
    guests_->reconcile(without, holders(), now_);
    EXPECT_TRUE(guests_->lent(config_).empty()) << "another port of that name has other guests";
    EXPECT_EQ(join(2), "5 10.0.0.2") << "and if it is the same one, it gets its address again";
}

TEST_F(Dhcp, LeasesAreHoldersOfTheirAddresses) {
    EXPECT_EQ(join(2), "5 10.0.0.2");
    engine::Holders all = holders()(blue());
    add_leases(guests_->leases(), "blue", all);
    EXPECT_EQ(all.at(ip("10.0.0.2")).name, "guest 02:00:00:00:00:02 at port vm");
    EXPECT_EQ(ipam_.choose(blue(), all).value().at(0).address, ip("10.0.0.3"));
}

}  // namespace
}  // namespace sluice::control
