#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "kube/read_objects.h"

namespace sluice::kube {
namespace {

using base::Tree;

enum class Phase : uint8_t { kPending, kRunning, kSucceeded, kFailed, kUnknown };
constexpr auto names(Phase) {
    return std::array{base::Name{Phase::kPending, "Pending"}, base::Name{Phase::kRunning, "Running"},
                      base::Name{Phase::kSucceeded, "Succeeded"}, base::Name{Phase::kFailed, "Failed"},
                      base::Name{Phase::kUnknown, "Unknown"}};
}

// The API's fields (core/v1, Kubernetes 1.34) that mean nothing here. All others are refused, as the API server
// does it with strict validation: a slip would go unnoticed.
void accept_rest_of_spec(Fields& fields) {
    fields.accept({"activeDeadlineSeconds",
                   "affinity",
                   "automountServiceAccountToken",
                   "dnsConfig",
                   "dnsPolicy",
                   "enableServiceLinks",
                   "ephemeralContainers",
                   "hostAliases",
                   "hostIPC",
                   "hostPID",
                   "hostUsers",
                   "hostnameOverride",
                   "imagePullSecrets",
                   "nodeSelector",
                   "os",
                   "overhead",
                   "preemptionPolicy",
                   "priority",
                   "priorityClassName",
                   "readinessGates",
                   "resourceClaims",
                   "resources",
                   "restartPolicy",
                   "runtimeClassName",
                   "schedulerName",
                   "schedulingGates",
                   "securityContext",
                   "serviceAccount",
                   "serviceAccountName",
                   "setHostnameAsFQDN",
                   "shareProcessNamespace",
                   "terminationGracePeriodSeconds",
                   "tolerations",
                   "topologySpreadConstraints",
                   "volumes"});
    fields.finish();
}
void accept_rest_of_container(Fields& fields) {
    fields.accept({"args",
                   "command",
                   "env",
                   "envFrom",
                   "image",
                   "imagePullPolicy",
                   "lifecycle",
                   "livenessProbe",
                   "readinessProbe",
                   "resizePolicy",
                   "resources",
                   "restartPolicyRules",
                   "securityContext",
                   "startupProbe",
                   "stdin",
                   "stdinOnce",
                   "terminationMessagePath",
                   "terminationMessagePolicy",
                   "tty",
                   "volumeDevices",
                   "volumeMounts",
                   "workingDir"});
    fields.finish();
}

// Ports of one container. Of the rest of a container only the name counts, which a mistake is reported by.
class ContainerReader {
 public:
    ContainerReader(Reader& reader, Pod& pod) : reader_(reader), pod_(pod) {}

    void read(const Tree& tree, bool is_init) {
        Fields fields(reader_, tree);
        std::string name;
        if (!fields.string("name", name)) {
            if (fields.find("name") == nullptr) fields.require("name");
        } else if (const auto why = why_no_dns_label(name); !why.empty()) {
            fields.report("name", fmt::format("{} {}", base::shown(name), why));
        } else if (!containers_.insert(name).second) {
            fields.report("name", fmt::format("the pod has another container {}", base::shown(name)));
        }
        // An init container that is restarted always is a sidecar: it runs as long as the pod.
        std::string restart;
        fields.string("restartPolicy", restart);
        const bool counts = !is_init || restart == "Always";
        std::set<std::string> ports;
        fields.list("ports", [&](const Tree& port) { read_port(port, counts, ports); });
        accept_rest_of_container(fields);
    }

 private:
    void read_port(const Tree& tree, bool counts, std::set<std::string>& known) {
        Fields fields(reader_, tree);
        NamedPort port;
        int64_t number = 0;
        if (fields.integer("containerPort", number, 1, 65535)) {
            port.number = static_cast<uint16_t>(number);
        } else if (fields.find("containerPort") == nullptr) {
            fields.require("containerPort");
        }
        int64_t ignored = 0;
        fields.integer("hostPort", ignored, 0, 65535);
        fields.word("protocol", port.protocol);
        if (fields.string("name", port.name) && !port.name.empty()) {
            if (const auto why = why_no_port_name(port.name); !why.empty()) {
                fields.report("name", fmt::format("{} {}", base::shown(port.name), why));
            } else if (!known.insert(port.name).second) {
                fields.report("name", fmt::format("the container has another port {}", base::shown(port.name)));
            }
        }
        fields.accept({"hostIP"});
        fields.finish();
        if (counts && !port.name.empty()) pod_.ports.push_back(std::move(port));
    }

    Reader& reader_;
    Pod& pod_;
    std::set<std::string> containers_;
};

void read_label(Fields& fields, std::string_view field, std::string& label) {
    if (!fields.string(field, label) || label.empty()) return;
    if (const auto why = why_no_dns_label(label); !why.empty())
        fields.report(field, fmt::format("{} {}", base::shown(label), why));
}

void read_spec(Reader& reader, const Tree& tree, Pod& pod) {
    Fields fields(reader, tree);
    fields.boolean("hostNetwork", pod.host_network);
    fields.string("nodeName", pod.node_name);
    read_label(fields, "hostname", pod.host_name);
    read_label(fields, "subdomain", pod.subdomain);
    ContainerReader containers(reader, pod);
    const bool has_containers =
        fields.list("containers", [&](const Tree& container) { containers.read(container, false); });
    if (!has_containers) {
        fields.require("containers");
    } else if (fields.find("containers")->items.empty()) {
        fields.report("containers", "a pod has at least one container");
    }
    fields.list("initContainers", [&](const Tree& container) { containers.read(container, true); });
    accept_rest_of_spec(fields);
}

std::optional<IpAddress> read_address(Fields& fields, std::string_view field, Pod& pod) {
    std::string text;
    if (!fields.string(field, text) || text.empty()) return std::nullopt;
    const auto address = IpAddress::parse(text);
    if (!address) {
        fields.report(field, address.error());
        return std::nullopt;
    }
    if (std::find(pod.addresses.begin(), pod.addresses.end(), *address) == pod.addresses.end()) {
        pod.addresses.push_back(*address);
    }
    return *address;
}

// Of a pod's conditions only Ready counts.
void read_condition(Reader& reader, const Tree& tree, Pod& pod) {
    Fields fields(reader, tree);
    std::string type;
    std::string status;
    fields.string("type", type);
    fields.string("status", status);
    if (type == "Ready") pod.is_ready = status == "True";
    fields.accept({"lastProbeTime", "lastTransitionTime", "message", "observedGeneration", "reason"});
    fields.finish(Fields::Others::kAccept);
}

void read_status(Reader& reader, const Tree& tree, Pod& pod) {
    Fields fields(reader, tree);
    Phase phase = Phase::kRunning;
    fields.word("phase", phase);
    pod.is_over = phase == Phase::kSucceeded || phase == Phase::kFailed;
    if (const Tree* conditions = fields.find("conditions"); conditions != nullptr) {
        pod.is_ready = conditions->items.empty();
    }
    fields.list("conditions", [&](const Tree& condition) { read_condition(reader, condition, pod); });
    const auto first = read_address(fields, "podIP", pod);
    bool is_first = true;
    fields.list("podIPs", [&](const Tree& item) {
        Fields address(reader, item);
        const auto own = read_address(address, "ip", pod);
        if (std::exchange(is_first, false) && first && own && *first != *own) {
            address.report("ip", fmt::format("{} is not podIP, {}: the first of podIPs is the same",
                                             own->text(), first->text()));
        }
        address.finish();
    });
}

}  // namespace

Pod read_pod(Reader& reader, Fields& object) {
    Pod pod;
    if (!object.read("spec", [&](const Tree& spec) { read_spec(reader, spec, pod); })) object.require("spec");
    object.read("status", [&](const Tree& status) { read_status(reader, status, pod); });
    return pod;
}

}  // namespace sluice::kube
