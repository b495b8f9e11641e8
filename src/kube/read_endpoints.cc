#include <fmt/format.h>

#include <set>

#include "kube/read_objects.h"
#include "kube/read_values.h"

namespace sluice::kube {
namespace {

using base::Tree;

constexpr size_t kMostEndpoints = 1000;  // of an EndpointSlice
constexpr size_t kMostAddresses = 100;   // of an endpoint
constexpr size_t kMostPorts = 100;

// The two kinds describe an endpoint by other fields, and share its ports and its target.
class EndpointsReader {
 public:
    EndpointsReader(Reader& reader, const Key& key, std::vector<base::Error>& warnings)
        : reader_(reader), key_(key), warnings_(warnings) {}

    // --- Endpoints ---

    EndpointSubset read_subset(const Tree& tree) {
        EndpointSubset subset;
        Fields fields(reader_, tree);
        for (const bool is_ready : {true, false}) {
            fields.list(is_ready ? "addresses" : "notReadyAddresses", [&](const Tree& address) {
                Endpoint endpoint{.is_ready = is_ready, .is_serving = is_ready};
                read_endpoint_address(address, endpoint);
                subset.endpoints.push_back(std::move(endpoint));
            });
        }
        if (subset.endpoints.empty()) {
            reader_.report(tree, "a subset has at least one address in 'addresses' or 'notReadyAddresses'");
        }
        const Tree* ports = fields.find("ports");
        const bool needs_names = ports != nullptr && ports->items.size() > 1;
        std::set<std::string> names;
        fields.list("ports", [&](const Tree& item) {
            read_port(item, names, subset.ports);
            const Tree* name = item.find("name");
            if (needs_names && item.kind == Tree::Kind::kMap && (name == nullptr || name->text.empty())) {
                reader_.report(item, "of several ports each has a 'name'");
            }
        });
        fields.finish();
        return subset;
    }

    // --- EndpointSlice ---

    EndpointSlice read_slice(Fields& object, const Labels& labels) {
        EndpointSlice slice;
        if (const std::string* service = labels.find(kServiceName); service != nullptr) slice.service = *service;
        if (!object.word("addressType", slice.address_type)) {
            if (object.find("addressType") == nullptr) object.require("addressType");
            object.accept({"endpoints", "ports"});  // what they should be is unknown
            return slice;
        }
        if (!has_more(object, "endpoints", kMostEndpoints)) {
            object.list("endpoints", [&](const Tree& item) { read_endpoint(item, slice); });
        }
        std::set<std::string> names;
        if (!has_more(object, "ports", kMostPorts)) {
            object.list("ports", [&](const Tree& item) { read_port(item, names, slice.subset.ports); });
        }
        return slice;
    }

 private:
    bool has_more(Fields& fields, std::string_view field, size_t most) {
        const Tree* list = fields.find(field);
        if (list == nullptr || list->items.size() <= most) return false;
        fields.report(field, fmt::format("{} are too many: at most {}", list->items.size(), most));
        return true;
    }

    void read_endpoint_address(const Tree& tree, Endpoint& endpoint) {
        Fields fields(reader_, tree);
        if (!fields.read("ip", [&](const Tree& ip) { read_host_address(reader_, ip, endpoint.address); })) {
            fields.require("ip");
        }
        read_rest(fields, endpoint);
        fields.finish();
    }

    void read_endpoint(const Tree& tree, EndpointSlice& slice) {
        Fields fields(reader_, tree);
        Endpoint endpoint;
        read_addresses(fields, slice.address_type, endpoint);
        fields.read("conditions", [&](const Tree& it) { read_conditions(it, endpoint); });
        read_rest(fields, endpoint);
        fields.accept({"deprecatedTopology", "hints", "zone"});
        fields.finish();
        if (slice.address_type != AddressType::kFqdn) slice.subset.endpoints.push_back(std::move(endpoint));
    }

    void read_addresses(Fields& fields, AddressType type, Endpoint& endpoint) {
        const Tree* addresses = fields.find("addresses");
        if (addresses == nullptr) return fields.require("addresses");
        if (addresses->kind == Tree::Kind::kList && addresses->items.empty()) {
            return fields.report("addresses", "an endpoint has at least one address");
        }
        if (has_more(fields, "addresses", kMostAddresses)) return;
        bool is_first = true;
        fields.list("addresses", [&](const Tree& item) {
            if (type == AddressType::kFqdn) return check_name(item);
            IpAddress address;
            if (!read_host_address(reader_, item, address)) return;
            if (address.is_v4() != (type == AddressType::kIpv4)) {
                return reader_.report(item,
                                      fmt::format("{} is no {} address", address.text(), base::word_of(type)));
            }
            if (is_first) endpoint.address = address;
            is_first = false;
        });
    }

    void check_name(const Tree& item) {
        const std::string* text = reader_.string(item);
        if (text == nullptr) return;
        const std::string_view name =
            text->ends_with('.') ? std::string_view(*text).substr(0, text->size() - 1) : *text;
        if (const auto why = why_no_dns_subdomain(name); !why.empty()) {
            reader_.report(item, fmt::format("{} {}", base::shown(*text), why));
        }
    }

    void read_conditions(const Tree& tree, Endpoint& endpoint) {
        Fields fields(reader_, tree);
        fields.boolean("ready", endpoint.is_ready);
        endpoint.is_serving = endpoint.is_ready;
        fields.boolean("serving", endpoint.is_serving);
        fields.boolean("terminating", endpoint.is_terminating);
        fields.finish();
    }

    void read_rest(Fields& fields, Endpoint& endpoint) {
        if (fields.string("hostname", endpoint.host_name) && !endpoint.host_name.empty()) {
            if (const auto why = why_no_dns_label(endpoint.host_name); !why.empty()) {
                fields.report("hostname", fmt::format("{} {}", base::shown(endpoint.host_name), why));
            }
        }
        if (fields.string("nodeName", endpoint.node_name)) {
            if (const auto why = why_no_dns_subdomain(endpoint.node_name); !why.empty()) {
                fields.report("nodeName", fmt::format("{} {}", base::shown(endpoint.node_name), why));
            }
        }
        fields.read("targetRef", [&](const Tree& target) { read_target(target, endpoint); });
    }

    void read_target(const Tree& tree, Endpoint& endpoint) {
        Fields fields(reader_, tree);
        std::string kind;
        Key pod{.kind = Kind::kPod, .name_space = key_.name_space, .name = {}};
        fields.string("kind", kind);
        fields.string("namespace", pod.name_space);
        fields.string("name", pod.name);
        fields.accept({"apiVersion", "fieldPath", "resourceVersion", "uid"});
        fields.finish();
        if (kind == base::word_of(Kind::kPod) && !pod.name.empty()) endpoint.pod = std::move(pod);
    }

    void read_port(const Tree& tree, std::set<std::string>& names, std::vector<EndpointPort>& ports) {
        Fields fields(reader_, tree);
        EndpointPort port;
        if (fields.string("name", port.name) && !port.name.empty()) {
            if (const auto why = why_no_dns_label(port.name); !why.empty()) {
                fields.report("name", fmt::format("{} {}", base::shown(port.name), why));
            }
        }
        if (!names.insert(port.name).second && key_.kind == Kind::kEndpointSlice) {
            fields.report("name", fmt::format("there is another port {}", base::shown(port.name)));
        }
        fields.word("protocol", port.protocol);
        int64_t number = 0;
        const bool has_number = fields.integer("port", number, 1, 65535);
        port.port = static_cast<uint16_t>(number);
        if (fields.find("port") == nullptr) {
            if (key_.kind == Kind::kEndpoints) {
                fields.require("port");
            } else {
                warnings_.push_back(
                    {fmt::format("{}: a port without a number is of no use to a Service", key_.text()),
                     {},
                     reader_.place(tree)});
            }
        }
        fields.accept({"appProtocol"});
        fields.finish();
        if (has_number) ports.push_back(std::move(port));
    }

    Reader& reader_;
    const Key& key_;
    std::vector<base::Error>& warnings_;
};

}  // namespace

Endpoints read_endpoints(Reader& reader, Fields& object, const Key& key, std::vector<base::Error>& warnings) {
    Endpoints endpoints;
    EndpointsReader subsets(reader, key, warnings);
    object.list("subsets", [&](const Tree& subset) { endpoints.subsets.push_back(subsets.read_subset(subset)); });
    return endpoints;
}

EndpointSlice read_endpoint_slice(Reader& reader, Fields& object, const Object& read,
                                  std::vector<base::Error>& warnings) {
    EndpointSlice slice = EndpointsReader(reader, read.key, warnings).read_slice(object, read.labels);
    if (slice.service.empty()) {
        warnings.push_back(
            {fmt::format("{} belongs to no Service: it has no label {}", read.key.text(), kServiceName),
             {},
             read.place});
    }
    return slice;
}

}  // namespace sluice::kube
