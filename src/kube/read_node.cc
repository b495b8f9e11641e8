#include <fmt/format.h>

#include <algorithm>

#include "kube/read_objects.h"
#include "kube/read_values.h"

namespace sluice::kube {
namespace {

using base::Tree;

// A later version of the API may have more fields, and nothing of them counts here: unknown ones are accepted, but
// those that are nearly known.
class NodeReader {
 public:
    NodeReader(Reader& reader, std::vector<base::Error>& warnings) : reader_(reader), warnings_(warnings) {}

    void read_spec(const Tree& tree) {
        Fields fields(reader_, tree);
        std::string first;
        fields.string("podCIDR", first);
        size_t count = 0;
        fields.list("podCIDRs", [&](const Tree& item) {
            const std::string* text = reader_.string(item);
            if (text == nullptr) return;
            if (count++ == 0 && *text != first) {
                return reader_.report(item, fmt::format("the first prefix is podCIDR, {}, not {}",
                                                        base::shown(first), base::shown(*text)));
            }
            read_pod_cidr(item);
        });
        if (count == 0 && !first.empty()) fields.read("podCIDR", [&](const Tree& it) { read_pod_cidr(it); });
        fields.accept({"configSource", "externalID", "providerID", "taints", "unschedulable"});
        fields.finish(Fields::Others::kAccept);
    }

    void read_status(const Tree& tree) {
        Fields fields(reader_, tree);
        fields.list("addresses", [&](const Tree& address) { read_address(address); });
        fields.accept({"allocatable", "capacity", "conditions", "config", "daemonEndpoints", "declaredFeatures",
                       "features", "images", "nodeInfo", "phase", "runtimeHandlers", "volumesAttached",
                       "volumesInUse"});
        fields.finish(Fields::Others::kAccept);
    }

    Node take() { return std::move(node_); }

 private:
    void read_pod_cidr(const Tree& tree) {
        IpPrefix prefix;
        if (!read_prefix(reader_, tree, prefix, warnings_)) return;
        const IpFamily family = family_of(prefix.address);
        const bool is_second = std::any_of(node_.pod_cidrs.begin(), node_.pod_cidrs.end(),
                                           [&](const auto& it) { return family_of(it.address) == family; });
        if (is_second) {
            return reader_.report(tree, fmt::format("a node has at most one {} prefix", base::word_of(family)));
        }
        node_.pod_cidrs.push_back(prefix);
    }

    void read_address(const Tree& tree) {
        Fields fields(reader_, tree);
        NodeAddress address;
        const bool has_type = fields.word("type", address.type);
        if (fields.find("type") == nullptr) fields.require("type");
        const bool is_ip = has_type && (address.type == NodeAddressType::kInternalIp ||
                                        address.type == NodeAddressType::kExternalIp);
        bool is_set = false;
        const bool has_address = fields.read("address", [&](const Tree& text) {
            if (is_ip) is_set = read_host_address(reader_, text, address.address);
        });
        if (!has_address) fields.require("address");
        fields.finish();
        auto& known = node_.addresses;
        if (is_set && std::find(known.begin(), known.end(), address) == known.end()) known.push_back(address);
    }

    Reader& reader_;
    std::vector<base::Error>& warnings_;
    Node node_;
};

}  // namespace

Node read_node(Reader& reader, Fields& object, std::vector<base::Error>& warnings) {
    NodeReader node(reader, warnings);
    object.read("spec", [&](const Tree& spec) { node.read_spec(spec); });
    object.read("status", [&](const Tree& status) { node.read_status(status); });
    return node.take();
}

}  // namespace sluice::kube
