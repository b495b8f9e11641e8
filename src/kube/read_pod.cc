#include <fmt/format.h>

#include <algorithm>
#include <set>

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

// The API's fields (core/v1, Kubernetes 1.34) that mean nothing here. A later version may have more, so unknown
// ones are accepted. One that is nearly a known one is a slip, which would go unnoticed.
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
                   "hostname",
                   "hostnameOverride",
                   "imagePullSecrets",
                   "nodeName",
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
                   "subdomain",
                   "terminationGracePeriodSeconds",
                   "tolerations",
                   "topologySpreadConstraints",
                   "volumes"});
    fields.finish(Fields::Others::kAccept);
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
    fields.finish(Fields::Others::kAccept);
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

void read_spec(Reader& reader, const Tree& tree, Pod& pod) {
    Fields fields(reader, tree);
    fields.boolean("hostNetwork", pod.host_network);
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

void read_address(Fields& fields, std::string_view field, Pod& pod) {
    std::string text;
    if (!fields.string(field, text) || text.empty()) return;
    const auto address = IpAddress::parse(text);
    if (!address) return fields.report(field, address.error());
    if (std::find(pod.addresses.begin(), pod.addresses.end(), *address) == pod.addresses.end()) {
        pod.addresses.push_back(*address);
    }
}

void read_status(Reader& reader, const Tree& tree, Pod& pod) {
    Fields fields(reader, tree);
    Phase phase = Phase::kRunning;
    fields.word("phase", phase);
    pod.is_over = phase == Phase::kSucceeded || phase == Phase::kFailed;
    read_address(fields, "podIP", pod);
    fields.list("podIPs", [&](const Tree& item) {
        Fields address(reader, item);
        read_address(address, "ip", pod);
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
