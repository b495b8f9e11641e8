#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kube/read_objects.h"
#include "kube/read_values.h"

namespace sluice::kube {
namespace {

using base::Tree;

constexpr std::string_view kNoAddress = "None";
constexpr uint16_t kKubeletPort = 10250;
constexpr uint32_t kDefaultAffinity = 10'800;
constexpr uint32_t kLongestAffinity = 86'400;

enum class Affinity : uint8_t { kNone, kClientIp };
constexpr auto names(Affinity) {
    return std::array{base::Name{Affinity::kNone, "None"}, base::Name{Affinity::kClientIp, "ClientIP"}};
}

// How a load balancer's address is reached. Clients of a proxy must go by the proxy, so the address is not ours.
enum class IpMode : uint8_t { kVip, kProxy };
constexpr auto names(IpMode) {
    return std::array{base::Name{IpMode::kVip, "VIP"}, base::Name{IpMode::kProxy, "Proxy"}};
}

void add(std::vector<IpAddress>& addresses, const IpAddress& address) {
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
}

class ServiceReader {
 public:
    ServiceReader(Reader& reader, std::vector<base::Error>& warnings) : reader_(reader), warnings_(warnings) {}

    void read_spec(const Tree& tree) {
        Fields fields(reader_, tree);
        defaulted_word(fields, "type", service_.type);
        fields.labels("selector", service_.selector);
        read_cluster_ips(fields);
        read_families(fields);
        read_ports(fields);
        read_external_ips(fields);
        read_load_balancer(fields);
        read_affinity(fields);
        read_traffic_policies(fields);
        read_external_name(fields);
        fields.boolean("publishNotReadyAddresses", service_.publishes_not_ready_addresses);
        fields.accept({"trafficDistribution"});
        fields.finish();
    }

    void read_status(const Tree& tree) {
        Fields fields(reader_, tree);
        fields.read("loadBalancer", [&](const Tree& balancer) {
            Fields of_balancer(reader_, balancer);
            std::vector<IpAddress> addresses;
            bool is_given = false;
            of_balancer.list("ingress", [&](const Tree& ingress) {
                is_given = true;
                read_ingress(ingress, addresses);
            });
            of_balancer.finish();
            if (is(ServiceType::kLoadBalancer) && is_given) service_.load_balancer_ips = addresses;
        });
        fields.accept({"conditions"});
        fields.finish(Fields::Others::kAccept);
    }

    Service take() { return std::move(service_); }

 private:
    bool is(ServiceType type) const { return service_.type == type; }

    // Where the API server fills in a default, an empty word is the same as none.
    template <class E>
    static bool defaulted_word(Fields& fields, std::string_view field, E& value) {
        const Tree* tree = fields.find(field);
        const bool is_empty = tree == nullptr || (tree->kind == Tree::Kind::kScalar && tree->text.empty());
        return !is_empty && fields.word(field, value);
    }

    void read_cluster_ips(Fields& fields) {
        std::string first;
        fields.string("clusterIP", first);
        size_t count = 0;
        fields.list("clusterIPs", [&](const Tree& item) {
            const std::string* text = reader_.string(item);
            if (text == nullptr) return;
            if (count++ == 0 && *text != first) {
                return reader_.report(item, fmt::format("the first address is clusterIP, {}, not {}",
                                                        base::shown(first), base::shown(*text)));
            }
            add_cluster_ip(item, *text);
        });
        if (count == 0 && !first.empty()) {
            fields.read("clusterIP", [&](const Tree& tree) { add_cluster_ip(tree, first); });
        }
        const bool has_any = count > 0 || !first.empty();
        if (has_any && is(ServiceType::kExternalName)) {
            fields.report("clusterIP", "a service of type ExternalName has no address of its own");
        } else if (service_.is_headless && !is(ServiceType::kClusterIp)) {
            fields.report("clusterIP",
                          fmt::format("a service of type {} needs an address: None goes with ClusterIP",
                                      base::word_of(service_.type)));
        }
    }

    void add_cluster_ip(const Tree& tree, const std::string& text) {
        auto& known = service_.cluster_ips;
        if (service_.is_headless || (text == kNoAddress && !known.empty())) {
            return reader_.report(tree, "a service has no address (None) or some, not both");
        }
        if (text == kNoAddress) {
            service_.is_headless = true;
            return;
        }
        IpAddress address;
        if (!read_host_address(reader_, tree, address)) return;
        const IpFamily family = family_of(address);
        if (std::any_of(known.begin(), known.end(), [&](const auto& it) { return family_of(it) == family; })) {
            return reader_.report(tree,
                                  fmt::format("a service has at most one {} address", base::word_of(family)));
        }
        known.push_back(address);
    }

    void read_families(Fields& fields) {
        auto& families = service_.ip_families;
        fields.list("ipFamilies", [&](const Tree& item) { read_family(item); });
        const bool has_policy = fields.word("ipFamilyPolicy", service_.ip_family_policy);
        if (is(ServiceType::kExternalName)) {
            for (const std::string_view field : {"ipFamilies", "ipFamilyPolicy"}) {
                if (fields.find(field) == nullptr) continue;
                fields.report(field, "a service of type ExternalName has no address of its own");
            }
            return;
        }
        for (size_t i = 0; i < service_.cluster_ips.size(); ++i) {
            const IpFamily family = family_of(service_.cluster_ips[i]);
            if (i >= families.size()) {
                families.push_back(family);
            } else if (families[i] != family) {
                fields.report("ipFamilies",
                              fmt::format("{} is no {} address: give families in the addresses' order",
                                          service_.cluster_ips[i].text(), base::word_of(families[i])));
                break;
            }
        }
        if (!has_policy && service_.is_headless && service_.selector.all().empty()) {
            service_.ip_family_policy = IpFamilyPolicy::kRequireDualStack;
        }
        if (families.size() > 1 && service_.ip_family_policy == IpFamilyPolicy::kSingleStack) {
            fields.report("ipFamilyPolicy",
                          "two families need an ipFamilyPolicy PreferDualStack or RequireDualStack");
        }
    }

    void read_family(const Tree& item) {
        const std::string* text = reader_.string(item);
        if (text == nullptr) return;
        for (const auto& [family, word] : names(IpFamily{})) {
            if (*text != word) continue;
            auto& known = service_.ip_families;
            if (std::find(known.begin(), known.end(), family) != known.end()) {
                return reader_.report(item, fmt::format("{} stands here twice", word));
            }
            known.push_back(family);
            return;
        }
        reader_.report(item, fmt::format("{} is not one of IPv4, IPv6", base::shown(*text)));
    }

    void read_ports(Fields& fields) {
        const Tree* ports = fields.find("ports");
        const bool has_ports = ports != nullptr && !ports->items.empty();
        if (!has_ports && !service_.is_headless && !is(ServiceType::kExternalName)) {
            fields.report("ports", "a service has at least one port in 'ports', unless it has no address");
        }
        fields.list("ports", [&](const Tree& port) { read_port(port, ports->items.size() > 1); });
    }

    void read_port(const Tree& tree, bool needs_name) {
        Fields fields(reader_, tree);
        ServicePort port;
        fields.string("name", port.name);
        if (port.name.empty()) {
            if (needs_name) fields.report("name", "of several ports each has a 'name'");
        } else if (const auto why = why_no_dns_label(port.name); !why.empty()) {
            fields.report("name", fmt::format("{} {}", base::shown(port.name), why));
        } else if (!port_names_.insert(port.name).second) {
            fields.report("name", fmt::format("the service has another port {}", base::shown(port.name)));
        }
        defaulted_word(fields, "protocol", port.protocol);
        int64_t number = 0;
        if (fields.integer("port", number, 1, 65535)) {
            port.port = static_cast<uint16_t>(number);
            check_port(fields, port);
        } else if (fields.find("port") == nullptr) {
            fields.require("port");
        }
        kube::read_port(fields, "targetPort", 0, port.target_number, port.target_name);
        if (port.target_number == 0 && port.target_name.empty()) port.target_number = port.port;
        read_node_port(fields, port);
        fields.accept({"appProtocol"});
        fields.finish();
        service_.ports.push_back(std::move(port));
    }

    void check_port(Fields& fields, const ServicePort& port) {
        if (!port_numbers_.emplace(port.protocol, port.port).second) {
            fields.report("port", fmt::format("the service has another port {} of {}", port.port,
                                              base::word_of(port.protocol)));
        } else if (is(ServiceType::kLoadBalancer) && port.port == kKubeletPort) {
            fields.report("port",
                          fmt::format("{} is the kubelet's: a LoadBalancer may not have it", kKubeletPort));
        }
    }

    void read_node_port(Fields& fields, ServicePort& port) {
        int64_t number = 0;
        if (!fields.integer("nodePort", number, 0, 65535) || number == 0) return;
        port.node_port = static_cast<uint16_t>(number);
        if (is(ServiceType::kClusterIp)) {
            fields.report("nodePort", "a service of type ClusterIP has none: use type NodePort or LoadBalancer");
        } else if (!node_ports_.emplace(port.protocol, port.node_port).second) {
            fields.report("nodePort", fmt::format("the service has another node port {} of {}", port.node_port,
                                                  base::word_of(port.protocol)));
        }
    }

    void read_external_ips(Fields& fields) {
        fields.list("externalIPs", [&](const Tree& item) {
            IpAddress address;
            if (read_host_address(reader_, item, address)) add(service_.external_ips, address);
        });
    }

    void read_load_balancer(Fields& fields) {
        const bool is_balancer = is(ServiceType::kLoadBalancer);
        if (const Tree* asked = fields.find("loadBalancerIP"); asked != nullptr && !asked->text.empty()) {
            IpAddress address;
            fields.read("loadBalancerIP", [&](const Tree& tree) {
                if (read_host_address(reader_, tree, address) && is_balancer)
                    add(service_.load_balancer_ips, address);
            });
        }
        fields.list("loadBalancerSourceRanges", [&](const Tree& item) {
            IpPrefix range;
            if (!read_prefix(reader_, item, range, warnings_)) return;
            service_.load_balancer_source_ranges.push_back(range);
        });
        if (!is_balancer && !service_.load_balancer_source_ranges.empty()) {
            fields.report("loadBalancerSourceRanges", "only a service of type LoadBalancer has them");
        }
        bool allocates = true;
        if (fields.boolean("allocateLoadBalancerNodePorts", allocates) && !is_balancer) {
            fields.report("allocateLoadBalancerNodePorts", "only a service of type LoadBalancer has it");
        }
        service_.allocates_node_ports = is(ServiceType::kNodePort) || (is_balancer && allocates);
        std::string balancer_class;
        if (fields.string("loadBalancerClass", balancer_class) && !is_balancer) {
            fields.report("loadBalancerClass", "only a service of type LoadBalancer has it");
        }
    }

    void read_ingress(const Tree& tree, std::vector<IpAddress>& addresses) {
        Fields fields(reader_, tree);
        IpMode mode = IpMode::kVip;
        fields.word("ipMode", mode);
        IpAddress address;
        bool has_address = false;
        if (const Tree* given = fields.find("ip"); given != nullptr && !given->text.empty()) {
            fields.read("ip", [&](const Tree& ip) { has_address = read_host_address(reader_, ip, address); });
        }
        if (has_address && mode == IpMode::kVip) add(addresses, address);
        fields.accept({"hostname", "ports"});
        fields.finish();
    }

    // Without ClientIP the timeout means nothing: the API server takes it off.
    void read_affinity(Fields& fields) {
        Affinity affinity = Affinity::kNone;
        defaulted_word(fields, "sessionAffinity", affinity);
        int64_t seconds = kDefaultAffinity;
        fields.read("sessionAffinityConfig", [&](const Tree& config) {
            Fields of_config(reader_, config);
            of_config.read("clientIP", [&](const Tree& client) {
                Fields of_client(reader_, client);
                of_client.integer("timeoutSeconds", seconds, 1, kLongestAffinity);
                of_client.finish();
            });
            of_config.finish();
        });
        if (affinity == Affinity::kClientIp) service_.affinity_seconds = static_cast<uint32_t>(seconds);
    }

    void read_traffic_policies(Fields& fields) {
        fields.word("internalTrafficPolicy", service_.internal_traffic_policy);
        const bool is_external = is(ServiceType::kNodePort) || is(ServiceType::kLoadBalancer) ||
                                 (is(ServiceType::kClusterIp) && !service_.external_ips.empty());
        const bool has_policy = defaulted_word(fields, "externalTrafficPolicy", service_.external_traffic_policy);
        if (has_policy && !is_external) {
            fields.report(
                "externalTrafficPolicy",
                "nothing reaches the service from outside: it goes with type NodePort or LoadBalancer, or "
                "with externalIPs");
        }
        int64_t number = 0;
        if (!fields.integer("healthCheckNodePort", number, 0, 65535) || number == 0) return;
        service_.health_check_node_port = static_cast<uint16_t>(number);
        const bool is_checked =
            is(ServiceType::kLoadBalancer) && service_.external_traffic_policy == TrafficPolicy::kLocal;
        if (!is_checked) {
            fields.report("healthCheckNodePort", "it goes with type LoadBalancer and externalTrafficPolicy Local");
        }
    }

    void read_external_name(Fields& fields) {
        std::string name;
        fields.string("externalName", name);
        if (!is(ServiceType::kExternalName)) return;
        if (name.ends_with('.')) name.pop_back();
        if (name.empty()) {
            fields.report("externalName", "a service of type ExternalName needs an 'externalName'");
        } else if (const auto why = why_no_dns_subdomain(name); !why.empty()) {
            fields.report("externalName", fmt::format("{} {}", base::shown(name), why));
        }
        service_.external_name = std::move(name);
    }

    Reader& reader_;
    std::vector<base::Error>& warnings_;
    Service service_;
    std::set<std::string> port_names_;
    std::set<std::pair<Protocol, uint16_t>> port_numbers_;
    std::set<std::pair<Protocol, uint16_t>> node_ports_;
};

}  // namespace

Service read_service(Reader& reader, Fields& object, std::vector<base::Error>& warnings) {
    ServiceReader service(reader, warnings);
    if (!object.read("spec", [&](const Tree& spec) { service.read_spec(spec); })) object.require("spec");
    object.read("status", [&](const Tree& status) { service.read_status(status); });
    return service.take();
}

}  // namespace sluice::kube
