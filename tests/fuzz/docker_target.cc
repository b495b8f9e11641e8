// What docker, or any program of root's, posts at the plug-in's socket: several calls in turn, each with a body.
// Each gets a JSON object; the book of pools, networks and endpoints stays in order, and a switch is asked only
// for what it can be asked. A byte chooses the call; the body ends at a zero byte.
#include <set>

#include "docker/driver.h"
#include "fuzz/target.h"
#include "support/docker_switch.h"

namespace sluice::fuzz {
namespace {

using nlohmann::json;

constexpr std::array kCalls{"Plugin.Activate",
                            "NetworkDriver.GetCapabilities",
                            "NetworkDriver.CreateNetwork",
                            "NetworkDriver.DeleteNetwork",
                            "NetworkDriver.CreateEndpoint",
                            "NetworkDriver.DeleteEndpoint",
                            "NetworkDriver.EndpointOperInfo",
                            "NetworkDriver.Join",
                            "NetworkDriver.Leave",
                            "NetworkDriver.ProgramExternalConnectivity",
                            "NetworkDriver.RevokeExternalConnectivity",
                            "NetworkDriver.DiscoverNew",
                            "IpamDriver.GetDefaultAddressSpaces",
                            "IpamDriver.RequestPool",
                            "IpamDriver.ReleasePool",
                            "IpamDriver.RequestAddress",
                            "IpamDriver.ReleaseAddress",
                            "NetworkDriver.Unknown"};

void check_book(const docker::Book& book, const test::DockerSwitch& fabric) {
    for (const docker::Pool& pool : book.entries().pools) {
        const std::set<IpAddress> addresses(pool.addresses.begin(), pool.addresses.end());
        must(addresses.size() == pool.addresses.size(), "an address was given twice");
        for (const IpAddress& address : addresses)
            must(pool.subnet.contains(address), "{} is not in {}", address.text(), pool.subnet.text());
    }
    for (const docker::Network& network : book.entries().networks) {
        must(network.is_confirmed, "a network is half made");
        must(fabric.networks.contains(network.name), "the switch has no network {}", network.name);
    }
    for (const docker::Endpoint& endpoint : book.entries().endpoints)
        must(book.find_network(endpoint.network) != nullptr, "an endpoint without a network");
    for (const auto& [id, port] : fabric.ports)
        must(book.find_endpoint(id) != nullptr, "a port without an endpoint");
    docker::Entries again;
    const auto document = base::parse_json(base::to_json(base::write(book.entries())).dump(), "");
    must(document && base::read(*document, again).empty() && again == book.entries(), "the book reads otherwise");
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    test::DockerSwitch fabric;
    fabric.networks["blue"] = {{*IpPrefix::parse("10.5.0.0/29")}, {*IpAddress::parse("10.5.0.1")}};
    docker::Book book;
    docker::Driver driver(fabric, book);
    for (int i = 0; i < 16 && !input.at_end(); ++i) {
        const char* call = kCalls[input.below(kCalls.size())];
        const json answer = json::parse(driver.answer(call, input.line()), nullptr, false);
        must(answer.is_object(), "an answer that is no object");
        must(!answer.contains("Err") || !answer.at("Err").get<std::string>().empty(), "refused without a reason");
        check_book(book, fabric);
    }
}

std::vector<Bytes> seeds() {
    const auto number_of = [](std::string_view call) {
        return static_cast<uint32_t>(std::find(kCalls.begin(), kCalls.end(), call) - kCalls.begin());
    };
    const auto container = [&](std::string_view options) {
        return Output()
            .byte(number_of("IpamDriver.RequestPool"))
            .line(
                R"({"AddressSpace": "sluice", "Pool": "10.6.0.0/29", "SubPool": "", "Options": null, "V6": false})")
            .byte(number_of("IpamDriver.RequestAddress"))
            .line(R"({"PoolID": "pool-1-10.6.0.0/29", "Address": "",
                "Options": {"RequestAddressType": "com.docker.network.gateway"}})")
            .byte(number_of("NetworkDriver.CreateNetwork"))
            .line(fmt::format(R"({{"NetworkID": "n1", "Options": {{"com.docker.network.enable_ipv6": false,
                "com.docker.network.generic": {}}},
                "IPv4Data": [{{"AddressSpace": "sluice", "Pool": "10.6.0.0/29", "Gateway": "10.6.0.1/29",
                "AuxAddresses": {{"a": "10.6.0.3/29"}}}}], "IPv6Data": []}})",
                              options))
            .byte(number_of("NetworkDriver.CreateEndpoint"))
            .line(R"({"NetworkID": "n1", "EndpointID": "e1", "Interface": {"Address": "10.6.0.2/29",
                "AddressIPv6": "", "MacAddress": ""}, "Options": {"sluice.label.app": "web",
                "com.docker.network.portmap": [{"Proto": 6, "IP": "", "Port": 80, "HostIP": "::", "HostPort": 8080,
                "HostPortEnd": 8089}]}})")
            .byte(number_of("NetworkDriver.Join"))
            .line(R"({"NetworkID": "n1", "EndpointID": "e1", "SandboxKey": "/n", "Options": {}})")
            .byte(number_of("NetworkDriver.ProgramExternalConnectivity"))
            .line(R"({"NetworkID": "n1", "EndpointID": "e1", "Options": {"com.docker.network.portmap":
                [{"Proto": 17, "Port": 53, "HostPort": 0}]}})")
            .byte(number_of("NetworkDriver.RevokeExternalConnectivity"))
            .line(R"({"NetworkID": "n1", "EndpointID": "e1"})")
            .byte(number_of("NetworkDriver.Leave"))
            .line(R"({"NetworkID": "n1", "EndpointID": "e1"})")
            .byte(number_of("NetworkDriver.DeleteEndpoint"))
            .line(R"({"NetworkID": "n1", "EndpointID": "e1"})")
            .byte(number_of("NetworkDriver.DeleteNetwork"))
            .line(R"({"NetworkID": "n1"})")
            .byte(number_of("IpamDriver.ReleaseAddress"))
            .line(R"({"PoolID": "pool-1-10.6.0.0/29", "Address": "10.6.0.1"})")
            .byte(number_of("IpamDriver.ReleasePool"))
            .line(R"({"PoolID": "pool-1-10.6.0.0/29"})");
    };
    std::vector<Bytes> seeds;
    seeds.push_back(
        container(R"({"sluice.vni": "7", "sluice.remotes": "192.0.2.1,192.0.2.2", "sluice.vlan": "7"})"));
    seeds.push_back(container(R"({"com.docker.network.driver.mtu": "1400", "sluice.domain": "shop"})"));
    seeds.push_back(Output()
                        .byte(number_of("IpamDriver.RequestPool"))
                        .line(R"({"Pool": "", "Options": {"sluice.network": "blue"}})")
                        .byte(number_of("IpamDriver.RequestAddress"))
                        .line(R"({"PoolID": "pool-1-10.5.0.0/29", "Address": ""})")
                        .byte(number_of("NetworkDriver.CreateNetwork"))
                        .line(R"({"NetworkID": "n2", "Options": {"com.docker.network.internal": true,
                            "com.docker.network.generic": {"sluice.network": "blue"}},
                            "IPv4Data": [{"Pool": "10.5.0.0/29", "Gateway": "10.5.0.1/29"}]})"));
    return seeds;
}

std::vector<std::string> words() {
    return {"null",
            "\"Options\": {",
            "sluice.network",
            "sluice.label.",
            "\"Interface\": {",
            "\"HostPort\": 65535",
            "/0",
            "/32",
            "::/0",
            "\"V6\": true",
            "fd00::/64",
            "[{",
            "10.5.0.7",
            "\"SubPool\": \"10.6.0.4/30\""};
}

}  // namespace sluice::fuzz
