#include "sluice-cni/configuration.h"

#include <algorithm>

#include "base/object_name.h"
#include "base/tree.h"
#include "sluice/protocol.h"

namespace sluice::cni {
namespace {

using base::Tree;

constexpr std::string_view kOwnIpam = "sluice";  // `ipam: {"type": "sluice"}`: the switch chooses

// --- the keys, as base/fields.h reads them ---

enum class Proto { kTcp, kUdp, kSctp };
constexpr auto names(Proto) {
    return std::array{base::Name{Proto::kTcp, "tcp"}, base::Name{Proto::kUdp, "udp"},
                      base::Name{Proto::kSctp, "sctp"}};
}

// An address of the host, or one of the spellings of "every address": "", 0.0.0.0 and ::.
struct HostAddress {
    std::optional<IpAddress> address;
};
tl::expected<HostAddress, std::string> parse_value(std::string_view text, HostAddress*) {
    if (text.empty()) return HostAddress{};
    const auto address = IpAddress::parse(text);
    if (!address) return tl::unexpected(address.error());
    if (address->is_unspecified()) return HostAddress{};
    return HostAddress{*address};
}
[[maybe_unused]] std::string to_text(const HostAddress& host) {
    return host.address ? host.address->text() : "";
}
constexpr std::string_view type_name(const HostAddress*) {
    return "IP address";
}

struct PortMapping {
    uint16_t host_port = 0;
    uint16_t container_port = 0;
    Proto protocol = Proto::kTcp;
    HostAddress host_ip;
};
template <class V>
void fields(V& v, PortMapping& p) {
    v.required("hostPort", p.host_port, base::Range{1, 65535});
    v.required("containerPort", p.container_port, base::Range{1, 65535});
    v.optional("protocol", p.protocol);
    v.optional("hostIP", p.host_ip);
}

struct RuntimeDns {
    std::vector<std::string> servers;
    std::vector<std::string> searches;
    std::vector<std::string> options;
};
template <class V>
void fields(V& v, RuntimeDns& d) {
    v.optional("servers", d.servers);
    v.optional("searches", d.searches);
    v.optional("options", d.options);
}

// Rates in bits a second, and bursts in bits. 0 stands for a key that is left out.
struct Bandwidth {
    uint64_t ingress_rate = 0;
    uint64_t ingress_burst = 0;
    uint64_t egress_rate = 0;
    uint64_t egress_burst = 0;
};
constexpr uint64_t kLowestRate = 1000;  // of a port
constexpr uint64_t kHighestRate = 1'000'000'000'000;
constexpr uint64_t kLargestBurst = uint64_t{4} << 30;  // bytes
template <class V>
void fields(V& v, Bandwidth& b) {
    const auto limit = [&v](const char* rate_key, uint64_t& rate, const char* burst_key, uint64_t& burst) {
        v.optional(rate_key, rate, base::Range{.low = 0});
        v.check(
            rate_key, rate == 0 || (rate >= kLowestRate && rate <= kHighestRate),
            "is not a rate from 1000 bits to 10^12 bits a second: leave it out, or give 0, and there is no limit");
        v.optional(burst_key, burst, base::Range{.low = 0});
    };
    limit("ingressRate", b.ingress_rate, "ingressBurst", b.ingress_burst);
    limit("egressRate", b.egress_rate, "egressBurst", b.egress_burst);
}

struct RuntimeConfig {
    std::vector<PortMapping> port_mappings;
    Bandwidth bandwidth;
    std::vector<InterfaceAddress> ips;
    std::optional<MacAddress> mac;
    std::optional<RuntimeDns> dns;
    std::vector<std::string> aliases;  // in this network
};
template <class V>
void fields(V& v, RuntimeConfig& r) {
    v.optional("portMappings", r.port_mappings);
    v.optional("bandwidth", r.bandwidth);
    v.optional("ips", r.ips);
    v.optional("mac", r.mac);
    v.optional("dns", r.dns);
    v.optional("aliases", r.aliases);
}
constexpr std::array<std::string_view, 6> kCapabilities = {"portMappings", "bandwidth", "ips",
                                                           "mac",          "dns",       "aliases"};

struct Label {
    std::string key;
    std::string value;
};
template <class V>
void fields(V& v, Label& l) {
    v.required("key", l.key);
    v.optional("value", l.value);
}

struct CniArgs {
    std::vector<InterfaceAddress> ips;
    std::optional<MacAddress> mac;
    std::vector<Label> labels;
};
template <class V>
void fields(V& v, CniArgs& a) {
    v.optional("ips", a.ips);
    v.optional("mac", a.mac);
    v.optional("labels", a.labels);
}
constexpr std::array<std::string_view, 3> kCniArgs = {"ips", "mac", "labels"};

struct Args {
    CniArgs cni;
};
template <class V>
void fields(V& v, Args& a) {
    v.optional("cni", a.cni);
}

struct Ipam {
    std::string type;
};
template <class V>
void fields(V& v, Ipam& i) {
    v.required("type", i.type);
    v.check(
        "type", !i.type.empty() && i.type != "." && i.type != ".." && i.type.find('/') == i.type.npos,
        "is not a name of a plugin: give a file's name in CNI_PATH, or leave `ipam` out and the switch chooses");
}

struct Dns {
    std::vector<std::string> nameservers;
    std::string domain;
    std::vector<std::string> search;
    std::vector<std::string> options;
};
template <class V>
void fields(V& v, Dns& d) {
    v.optional("nameservers", d.nameservers);
    v.optional("domain", d.domain);
    v.optional("search", d.search);
    v.optional("options", d.options);
}

struct Keys {
    std::string name;
    std::string type;
    std::string network;
    std::vector<IpPrefix> subnets;
    std::vector<IpAddress> gateway;
    std::string socket = protocol::kDefaultSocket;
    std::optional<uint16_t> mtu;
    Attach attach = Attach::kNetns;
    std::optional<VhostSocket> vhost_user;
    std::optional<Ipam> ipam;
    base::Words labels;
    std::string name_space;
    Dns dns;
    RuntimeConfig runtime;
    Args args;
};
template <class V>
void fields(V& v, Keys& k) {
    v.required("name", k.name);
    v.check("name", is_cni_name(k.name),
            "is not a name of a network: letters, digits, '_', '.' or '-', the first a letter or digit");
    v.optional("type", k.type);
    v.optional("network", k.network);
    v.check("network", k.network.empty() || base::is_object_name(k.network), base::kObjectNameRule);
    v.check("network", !k.network.empty() || base::is_object_name(k.name) || v.is_wrong("name"),
            fmt::format("is needed here, because the name of the CNI network {}", base::kObjectNameRule));
    v.optional("subnets", k.subnets);
    v.optional("gateway", k.gateway);
    v.optional("socket", k.socket);
    v.check("socket", k.socket.starts_with('/') && k.socket.size() < 108,
            "is not an absolute path of less than 108 characters");
    v.optional("mtu", k.mtu, base::Range{68, 65521});
    v.optional("attach", k.attach);
    v.optional("vhost-user", k.vhost_user);
    v.check("vhost-user", !k.vhost_user || k.attach == Attach::kVhostUser || v.is_wrong("attach"),
            "is for `attach: vhost-user`");
    v.optional("ipam", k.ipam);
    v.check("ipam", !k.ipam || k.type.empty() || k.ipam->type != k.type,
            "has this plugin as its `type`: give another one, or leave `ipam` out and the switch chooses");
    v.optional("labels", k.labels);
    v.optional("namespace", k.name_space);
    v.optional("dns", k.dns);
    v.optional("runtimeConfig", k.runtime);
    v.optional("args", k.args);
}

// Keys that the specification reserves or gives to the runtime. Those of them that mean something here are read
// elsewhere in this file.
constexpr std::array<std::string_view, 8> kReserved = {
    "cniVersion",   "cniVersions", "disableCheck", "disableGC", "loadOnlyInlinedPlugins",
    "capabilities", "prevResult",  "ipMasq"};
constexpr std::string_view kReservedStart = "cni.dev/";

template <size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_given(const Tree* value) {
    return value != nullptr && value->kind != Tree::Kind::kNull;
}

// The same map with the keys that `keeps` accepts. Another kind of tree stays as it is, for the reader to refuse.
template <class Keeps>
Tree with_keys(const Tree& tree, Keeps keeps) {
    if (tree.kind != Tree::Kind::kMap) return tree;
    Tree kept = Tree::map();
    for (const Tree::Entry& entry : tree.entries) {
        if (keeps(entry)) kept.entries.push_back(entry);
    }
    return kept;
}

// containerd writes "HostPort" where others write "hostPort".
void decapitalize_keys(Tree& tree) {
    for (Tree& item : tree.items) decapitalize_keys(item);
    for (Tree::Entry& entry : tree.entries) {
        std::string& key = entry.key.text;
        // An acronym alone, as in "IPs", is none of the keys here.
        if (!key.empty() && key[0] >= 'A' && key[0] <= 'Z') key[0] = static_cast<char>(key[0] - 'A' + 'a');
    }
}

// The names of the container: a list in the conventions of CNI. podman gives them by network: {"blue": ["web"]}.
Tree aliases_in(const Tree& tree, const std::string& network) {
    if (tree.kind != Tree::Kind::kMap) return tree;
    const Tree* own = tree.find(network);
    return is_given(own) ? *own : Tree::list();
}

// The capabilities that are read, in the specification's spelling.
Tree runtime_config(const Tree& tree, const std::string& network) {
    Tree kept = with_keys(tree, [](const Tree::Entry& entry) {
        return contains(kCapabilities, entry.key.text) && entry.value.kind != Tree::Kind::kNull;
    });
    for (Tree::Entry& entry : kept.entries) {
        if (entry.key.text == "aliases") {
            entry.value = aliases_in(entry.value, network);
            continue;
        }
        decapitalize_keys(entry.value);
        if (entry.key.text != "portMappings") continue;
        for (Tree& mapping : entry.value.items) {
            for (Tree::Entry& key : mapping.entries) {
                if (key.key.text == "protocol") key.value.text = base::lower(key.value.text);
            }
            // An empty protocol is the default.
            std::erase_if(mapping.entries, [](const Tree::Entry& key) {
                return key.key.text == "protocol" && key.value.kind == Tree::Kind::kScalar &&
                       key.value.text.empty();
            });
        }
    }
    return kept;
}

// Of `args` only what the conventions define under "cni" is read; plugins ignore the rest.
Tree arguments(const Tree& tree) {
    Tree kept = with_keys(tree, [](const Tree::Entry& entry) {
        return entry.key.text == "cni" && entry.value.kind == Tree::Kind::kMap;
    });
    for (Tree::Entry& entry : kept.entries) {
        entry.value = with_keys(entry.value, [](const Tree::Entry& argument) {
            return contains(kCniArgs, argument.key.text) && argument.value.kind != Tree::Kind::kNull;
        });
    }
    return kept;
}

// A delegated plugin has keys of its own in `ipam`.
Tree ipam_keys(const Tree& tree) {
    const Tree* type = tree.find("type");
    if (type == nullptr || type->text == kOwnIpam) return tree;
    return with_keys(tree, [](const Tree::Entry& entry) { return entry.key.text == "type"; });
}

// The configuration without keys that are none of this plugin's.
Tree own_keys(const Tree& root) {
    Tree own = with_keys(root, [](const Tree::Entry& entry) {
        const std::string& key = entry.key.text;
        if (contains(kReserved, key) || key.starts_with(kReservedStart)) return false;
        const bool is_absent = entry.value.kind == Tree::Kind::kNull ||
                               (entry.value.kind == Tree::Kind::kMap && entry.value.entries.empty());
        return !(is_absent && (key == "ipam" || key == "args" || key == "runtimeConfig" || key == "dns"));
    });
    const Tree* name = own.find("name");
    const std::string network = name == nullptr ? "" : name->text;
    for (Tree::Entry& entry : own.entries) {
        if (entry.key.text == "ipam") entry.value = ipam_keys(entry.value);
        if (entry.key.text == "args") entry.value = arguments(entry.value);
        if (entry.key.text == "runtimeConfig") entry.value = runtime_config(entry.value, network);
    }
    return own;
}

// --- mistakes ---

// The key and the value of a field that this plugin can't act on.
tl::unexpected<Failure> unsupported(std::string_view key, const Tree& value, std::string_view fix) {
    return tl::unexpected(
        failure(kUnsupportedField, "{} is not supported: {}: {}", key,
                base::to_json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), fix));
}

tl::expected<void, Failure> refuse_unsupported(const Tree& root, bool is_delegated) {
    const Tree* masquerade = root.find("ipMasq");
    if (is_given(masquerade) && masquerade->text != "false") {
        return unsupported("ipMasq", *masquerade,
                           "leave it out, and declare `nat: [{masquerade: …}]` in the switch's configuration");
    }
    const Tree* runtime = root.find("runtimeConfig");
    if (!is_given(runtime)) return {};
    for (const auto& [key, value] : runtime->entries) {
        if (contains(kCapabilities, key.text) || value.kind == Tree::Kind::kNull) continue;
        // The delegated plugin reads these.
        if (is_delegated && (key.text == "ipRanges" || key.text == "cgroupPath")) continue;
        return unsupported("runtimeConfig." + key.text, value,
                           fmt::format("leave {} out of `capabilities`", base::shown(key.text)));
    }
    return {};
}

Failure failure_of(const base::Errors& errors, int code) {
    Failure failed{code, {}};
    for (const base::Error& error : errors) {
        // The runtime has composed the text, so its lines and columns are not those of the operator's file.
        const std::string line =
            error.path.empty() ? error.message : fmt::format("{}: {}", error.path, error.message);
        if (failed.message.empty()) {
            failed.message = "network configuration: " + line;
        } else {
            failed.details += failed.details.empty() ? line : "\n" + line;
        }
    }
    return failed;
}

// Whether a mistake at this key keeps DEL and GC from what they do.
bool concerns_removal(const std::string& path) {
    return path == "name" || path == "socket" || path == "ipam" || path.starts_with("ipam.");
}

// --- reading ---

tl::expected<Tree, Failure> parse(std::string_view text) {
    if (text.size() > kMaxInput) {
        return tl::unexpected(failure(kIoFailure, "network configuration: longer than {} bytes", kMaxInput));
    }
    if (text.find_first_not_of(" \t\r\n") == text.npos) {
        return tl::unexpected(failure(kNotDecoded, "network configuration: nothing came on standard input"));
    }
    auto document = base::parse_json(text, "standard input");
    if (!document) {
        const base::Error& error = document.error().front();
        return tl::unexpected(failure(kNotDecoded, "network configuration: {}", error.text()));
    }
    if (document->root.kind != Tree::Kind::kMap) {
        return tl::unexpected(
            failure(kNotDecoded, "network configuration: expected a mapping, found {}", found(document->root)));
    }
    return std::move(document->root);
}

tl::expected<std::string, Failure> read_version(const Tree& root, Command command) {
    const Tree* value = root.find("cniVersion");
    if (value == nullptr) {
        return tl::unexpected(failure(kIncompatibleVersion,
                                      "cniVersion is missing, which means 0.1.0: this plugin speaks {}",
                                      fmt::join(kVersions, ", ")));
    }
    if (value->kind != Tree::Kind::kScalar || value->is_no_string) {
        return tl::unexpected(failure(kInvalidConfiguration,
                                      "network configuration: cniVersion: expected a string such as \"{}\"",
                                      kNewestVersion));
    }
    if (!contains(kVersions, value->text)) {
        return tl::unexpected(failure(kIncompatibleVersion,
                                      "cniVersion {} is not supported: this plugin speaks {}",
                                      base::shown(value->text), fmt::join(kVersions, ", ")));
    }
    const bool is_of_newest = command == Command::kGc || command == Command::kStatus;
    if (is_of_newest && value->text != kNewestVersion) {
        return tl::unexpected(failure(kIncompatibleVersion, "cniVersion {} has no {}: it came with 1.1.0",
                                      value->text, base::word_of(command)));
    }
    return value->text;
}

tl::expected<std::optional<Result>, Failure> read_prev_result(const Tree& root) {
    const Tree* value = root.find("prevResult");
    if (!is_given(value)) return std::nullopt;
    auto result = read_result(*value);
    if (!result) {
        const bool is_of_key = !result.error().starts_with("expected");
        return tl::unexpected(failure(kInvalidConfiguration, "network configuration: prevResult{}{}",
                                      is_of_key ? "." : ": ", result.error()));
    }
    return std::optional(std::move(*result));
}

// Without the list GC would delete every attachment, so a missing key is an error. Runtimes in Go write an empty
// list as null.
tl::expected<std::vector<ValidAttachment>, Failure> read_valid_attachments(const Tree& root) {
    constexpr std::string_view kKey = "cni.dev/valid-attachments";
    const auto wrong = [&](const auto& what) {
        return tl::unexpected(failure(kInvalidConfiguration, "network configuration: {}: {}", kKey, what));
    };
    const Tree* value = root.find(kKey);
    // An early libcni 1.2 sends the list under this name only.
    if (value == nullptr) value = root.find("cni.dev/attachments");
    if (value == nullptr) return wrong("is missing: GC deletes all attachments but those that it lists");
    std::vector<ValidAttachment> valid;
    if (value->kind == Tree::Kind::kNull) return valid;
    if (value->kind != Tree::Kind::kList) return wrong("expected a list");
    for (const Tree& item : value->items) {
        const Tree* container = item.find("containerID");
        const Tree* interface = item.find("ifname");
        const bool is_whole = container != nullptr && container->kind == Tree::Kind::kScalar &&
                              interface != nullptr && interface->kind == Tree::Kind::kScalar;
        if (!is_whole) return wrong("expected {\"containerID\": TEXT, \"ifname\": TEXT} in the list");
        valid.push_back({container->text, interface->text});
    }
    return valid;
}

nlohmann::json dns_of(const Keys& keys) {
    Dns dns = keys.dns;
    if (keys.runtime.dns) {
        // The runtime's servers are for this container; the configuration's are for all containers.
        const auto prepend = [](const std::vector<std::string>& first, std::vector<std::string>& to) {
            to.insert(to.begin(), first.begin(), first.end());
        };
        prepend(keys.runtime.dns->servers, dns.nameservers);
        prepend(keys.runtime.dns->searches, dns.search);
        prepend(keys.runtime.dns->options, dns.options);
    }
    auto object = nlohmann::json::object();
    if (!dns.nameservers.empty()) object["nameservers"] = dns.nameservers;
    if (!dns.domain.empty()) object["domain"] = dns.domain;
    if (!dns.search.empty()) object["search"] = dns.search;
    if (!dns.options.empty()) object["options"] = dns.options;
    return object;
}

// A burst without a rate limits nothing. A runtime gives the largest integer for a burst that has no bound.
RateLimit rate_limit_of(uint64_t rate, uint64_t burst) {
    if (rate == 0) return {};
    const uint64_t bytes = std::min(burst / 8 + (burst % 8 != 0 ? 1 : 0), kLargestBurst);
    return {.rate = rate, .burst = bytes};
}

// `runtimeConfig` takes precedence over `args`, which the runtime gives to all plugins.
Configuration configuration_of(const Keys& keys) {
    Configuration configuration{
        .name = keys.name,
        .network = keys.network.empty() ? keys.name : keys.network,
        .subnets = keys.subnets,
        .gateway = keys.gateway,
        .socket = keys.socket,
        .mtu = keys.mtu,
        .attach = keys.attach,
        .vhost_user = keys.vhost_user.value_or(VhostSocket{}),
        .ipam = keys.ipam && keys.ipam->type != kOwnIpam ? keys.ipam->type : "",
        .labels = keys.labels,
        .name_space = keys.name_space,
        .dns = dns_of(keys),
        .aliases = keys.runtime.aliases,
        .rate_limits = {.ingress = rate_limit_of(keys.runtime.bandwidth.ingress_rate,
                                                 keys.runtime.bandwidth.ingress_burst),
                        .egress = rate_limit_of(keys.runtime.bandwidth.egress_rate,
                                                keys.runtime.bandwidth.egress_burst)},
        .ips = keys.runtime.ips.empty() ? keys.args.cni.ips : keys.runtime.ips,
        .mac = keys.runtime.mac ? keys.runtime.mac : keys.args.cni.mac,
    };
    for (const Label& label : keys.args.cni.labels) configuration.labels[label.key] = label.value;
    for (const PortMapping& mapping : keys.runtime.port_mappings) {
        configuration.publish.push_back({.port = mapping.host_port,
                                         .to = mapping.container_port,
                                         .proto = std::string(base::word_of(mapping.protocol)),
                                         .address = mapping.host_ip.address});
    }
    return configuration;
}

}  // namespace

tl::expected<Configuration, Failure> read_configuration(std::string_view text, Command command) {
    const auto root = parse(text);
    if (!root) return tl::unexpected(root.error());
    const auto version = read_version(*root, command);
    if (!version) return tl::unexpected(version.error());

    Keys keys;
    base::Errors errors = base::read(base::Document{{}, own_keys(*root)}, keys);
    base::limit(errors);
    std::vector<std::string> ignored;
    if (removes(command)) {
        std::erase_if(errors, [&](const base::Error& error) {
            // The error of a missing name has no path.
            if (concerns_removal(error.path) || (error.path.empty() && keys.name.empty())) return false;
            ignored.push_back(error.path.empty() ? error.message
                                                 : fmt::format("{}: {}", error.path, error.message));
            return true;
        });
    }
    if (!errors.empty()) return tl::unexpected(failure_of(errors, kInvalidConfiguration));
    Configuration configuration = configuration_of(keys);
    configuration.version = *version;
    configuration.ignored = std::move(ignored);

    if (!removes(command)) {
        if (auto supported = refuse_unsupported(*root, configuration.is_delegated()); !supported) {
            return tl::unexpected(std::move(supported.error()));
        }
    }
    if (command == Command::kAdd || command == Command::kCheck) {
        auto prev_result = read_prev_result(*root);
        if (!prev_result) return tl::unexpected(std::move(prev_result.error()));
        configuration.prev_result = std::move(*prev_result);
    }
    if (command == Command::kGc) {
        auto valid = read_valid_attachments(*root);
        if (!valid) return tl::unexpected(std::move(valid.error()));
        configuration.valid_attachments = std::move(*valid);
    }
    return configuration;
}

std::string version_of_request(std::string_view text) {
    const auto root = parse(text);
    const Tree* value = root ? root->find("cniVersion") : nullptr;
    const bool is_string = value != nullptr && value->kind == Tree::Kind::kScalar && !value->is_no_string;
    return is_string && !value->text.empty() ? value->text : std::string(kNewestVersion);
}

std::string version_of_answer(std::string_view text) {
    std::string version = version_of_request(text);
    return contains(kVersions, version) ? version : std::string(kNewestVersion);
}

}  // namespace sluice::cni
