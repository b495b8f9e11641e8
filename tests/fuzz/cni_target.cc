// What a runtime, and other plugins, give sluice-cni: the environment's arguments and the configuration, the
// result of a delegated plugin, and the answers of a switch. Each is taken or refused with a code and a reason,
// and what is taken gives parameters and results that read back. The first byte chooses among them.
#include "fuzz/target.h"
#include "sluice-cni/container.h"

namespace sluice::fuzz {
namespace {

using nlohmann::json;

constexpr std::array kCommands{cni::Command::kAdd, cni::Command::kDelete, cni::Command::kCheck,
                               cni::Command::kStatus, cni::Command::kGc};

void check_failure(const cni::Failure& failure, std::string_view version) {
    must(failure.code > 0 && !failure.message.empty(), "refused without a reason");
    must(std::find(cni::kVersions.begin(), cni::kVersions.end(), version) != cni::kVersions.end(),
         "an answer in the version {}", version);
    must(cni::to_json(failure, version).at("msg") == failure.message, "another message");
}

cni::Environment environment(std::string_view arguments) {
    const std::string terminated(arguments.substr(0, arguments.find('\0')));
    const auto read = cni::read_environment([&](const char* name) -> const char* {
        const std::string_view variable = name;
        if (variable == "CNI_COMMAND") return "ADD";
        if (variable == "CNI_CONTAINERID") return "c1";
        if (variable == "CNI_NETNS") return "/n";
        if (variable == "CNI_IFNAME") return "eth0";
        return variable == "CNI_ARGS" ? terminated.c_str() : nullptr;
    });
    if (read) return *read;
    must(read.error().code == cni::kInvalidEnvironment, "the code {} for CNI_ARGS", read.error().code);
    must(read.error().message.starts_with("CNI_ARGS"), "CNI_ARGS isn't named: {}", read.error().message);
    return {};
}

// A result that was made here is one that this plugin takes as prevResult.
void check_result(cni::Result result, const cni::Added& added, std::string_view version) {
    const size_t before = result.interfaces.size();
    cni::append(result, added, version);
    const json written = cni::to_json(result, version);
    must(written.at("interfaces").size() == before + 1, "another number of interfaces");
    const auto again = cni::read_result(base::from_json(written).root);
    must(again.has_value(), "our result is refused: {}", again ? "" : again.error());
}

cni::Added added() {
    return {.interface = {"eth0", "02:00:00:00:00:01", 1500, "/n"},
            .ips = {{*InterfaceAddress::parse("10.0.0.5/24"), *IpAddress::parse("10.0.0.1")}},
            .routes = {{*IpPrefix::parse("0.0.0.0/0"), *IpAddress::parse("10.0.0.1")}}};
}

void check_configuration(Input& input) {
    const cni::Command command = kCommands[input.below(kCommands.size())];
    const cni::Environment variables = environment(input.line());
    const std::string_view text = text_of(input.rest());
    const auto configuration = cni::read_configuration(text, command);
    const std::string version = cni::version_of_answer(text);
    if (!configuration) return check_failure(configuration.error(), version);
    must(configuration->version == version, "the versions {} and {}", configuration->version, version);
    must(cni::is_cni_name(configuration->name), "the name '{}'", configuration->name);
    must(configuration->socket.starts_with('/'), "the socket '{}'", configuration->socket);
    must(configuration->ipam.find('/') == std::string::npos, "a plugin elsewhere: '{}'", configuration->ipam);
    const json params = cni::add_params(variables, *configuration, std::nullopt);
    must(params.at("by") == "cni:" + configuration->name, "another owner");
    must(!params.contains("pod") || !params.contains("labels"), "a pod with labels of its own");
    check_result(configuration->prev_result.value_or(cni::Result{}), added(), configuration->version);
}

void check_chosen(std::string_view text) {
    const auto chosen = cni::read_chosen(text);
    if (!chosen) return must(!chosen.error().empty(), "refused without a reason");
    must(!chosen->addresses.empty(), "no address was taken");
    for (const InterfaceAddress& address : chosen->addresses)
        must(address.has_length(), "an address without length");
    const json params = cni::add_params({}, {}, *chosen);
    must(params.at("address").size() == chosen->addresses.size(), "another number of addresses");
    json dns = json::object();
    cni::append_dns(dns, chosen->dns);
    cni::append_dns(dns, chosen->dns);
}

void check_answers(std::string_view text) {
    const json answer = json::parse(text, nullptr, false);
    if (answer.is_discarded()) return;
    const auto given = cni::read_added(answer, "/n");
    if (given) {
        check_result({}, *given, cni::kNewestVersion);
    } else {
        must(!given.error().empty(), "refused without a reason");
    }
    if (const auto all = cni::read_attachments(answer); !all)
        must(!all.error().empty(), "refused without a reason");
    if (const auto has = cni::has_network(answer, "blue"); !has)
        must(!has.error().empty(), "refused without a reason");
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    switch (input.below(3)) {
        case 0:
            return check_configuration(input);
        case 1:
            return check_chosen(text_of(input.rest()));
        default:
            return check_answers(text_of(input.rest()));
    }
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    const auto add = [&](uint8_t what, std::string_view text) {
        seeds.push_back(Output().byte(what).add(bytes_of(text)));
    };
    for (uint8_t command = 0; command < kCommands.size(); ++command) {
        seeds.push_back(
            Output()
                .byte(0)
                .byte(command)
                .line(
                    "IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;IP=10.0.0.5/24;MAC=02:00:00:00:00:01;X=y")
                .add(bytes_of(R"({
  "cniVersion": "1.1.0", "cniVersions": ["0.4.0"], "name": "blue", "type": "sluice-cni", "network": "pods",
  "subnets": ["10.0.0.0/24", "fd00::/64"], "gateway": ["10.0.0.1"], "socket": "/run/s", "mtu": 1400,
  "ipam": {"type": "host-local", "subnet": "10.0.0.0/24"}, "labels": {"app": "web"}, "namespace": "shop",
  "dns": {"nameservers": ["10.0.0.53"], "domain": "d", "search": ["s"], "options": ["o"]}, "ipMasq": false,
  "capabilities": {"portMappings": true}, "args": {"cni": {"ips": ["10.0.0.6"], "labels": [{"key": "a", "value": "b"}]}},
  "runtimeConfig": {"portMappings": [{"HostPort": 8080, "containerPort": 80, "protocol": "TCP", "hostIP": "::"}],
    "bandwidth": {"ingressRate": 8000, "egressRate": 1000000, "egressBurst": 80000},
    "ips": ["10.0.0.5"], "mac": "02:00:00:00:00:05", "dns": {"servers": ["9.9.9.9"]}, "ipRanges": []},
  "prevResult": {"interfaces": [{"name": "lo", "sandbox": "/n"}], "ips": [{"address": "127.0.0.1/8", "interface": 0}],
    "routes": [{"dst": "10.0.0.0/8", "gw": "10.0.0.1"}], "dns": {"search": []}},
  "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]})")));
    }
    add(1, R"({"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.0.0.5/24", "gateway": "10.0.0.1"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "gw": "fe80::1", "mtu": 0}], "dns": {"nameservers": ["a"]}})");
    add(2, R"({"port": {"name": "p", "state": "up"}, "interface": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1500,
        "socket-path": "/run/s", "address": [{"address": "10.0.0.5/24", "gateway": null}], "routes": [{"to": "0.0.0.0/0", "via": "10.0.0.1"}]})");
    add(2, R"({"containers": [{"container": "c1", "interface": "eth0", "by": "cni:blue", "port": "p",
        "network": "blue", "netns": "/n", "socket-path": null, "address": ["10.0.0.5/24"], "mac": null, "mtu": 1500, "state": "up",
        "rate-limit": {"ingress": {"rate": 8000, "burst": 65536}, "egress": null}}],
        "networks": [{"name": "blue", "state": "in-force"}]})");
    return seeds;
}

std::vector<std::string> words() {
    return {"null",
            "\"cniVersion\": \"1.0.0\"",
            "\"ipam\": {",
            "\"bandwidth\": {",
            "\"prevResult\": {",
            "\"interface\": 1",
            "\"0.0.0.0\"",
            "\"sctp\"",
            "\"ipMasq\": true",
            "/128",
            "\"gw\": \"\"",
            "IgnoreUnknown=",
            ";"};
}

}  // namespace sluice::fuzz
