#include "explain/pod_end.h"

#include <algorithm>

namespace sluice::explain {
namespace {

using engine::PodPolicies;
using engine::Switch;

// The families of addresses that an end has.
struct Families {
    bool v4 = false;
    bool v6 = false;

    void add(const IpAddress& address) { (address.is_v4() ? v4 : v6) = true; }
    bool empty() const { return !v4 && !v6; }
};

base::Result<Families> families_of(const Switch& running, const std::string& text) {
    Families families;
    if (const auto address = IpAddress::parse(text)) {
        families.add(*address);
    } else if (is_pod_name(text)) {
        const auto pod = find_pod_with_address(running, text);
        if (!pod) return tl::unexpected(pod.error());
        for (const IpAddress& own : own_addresses(running, **pod)) families.add(own);
    } else if (const auto port = running.ports().find(text); port != running.ports().end()) {
        for (const auto& own : port->second.port->config().address) families.add(own.address);
    }
    // A port without addresses, or a MAC address: either family will do.
    return families.empty() ? Families{true, true} : families;
}

// "http (TCP 8080), dns (UDP 53)"
std::string named_ports(const std::vector<kube::NamedPort>& ports) {
    std::string text;
    for (const kube::NamedPort& port : ports) {
        text += fmt::format("{}{} ({} {})", text.empty() ? "" : ", ", port.name, base::word_of(port.protocol),
                            port.number);
    }
    return text;
}

// The pod that a question goes to, if it is one.
const kube::Key* find_destination(const Switch& running, const std::string& to) {
    const PodPolicies& pods = running.pod_policies();
    if (const auto address = IpAddress::parse(to)) return find_pod_with(running, *address);
    return pods.find_key(to);
}

}  // namespace

bool is_pod_name(std::string_view text) {
    return text.find('/') != text.npos;
}

std::string pod_text(const kube::Key& key) {
    return fmt::format("{}/{}", key.name_space, key.name);
}

const kube::Key* find_pod_with(const Switch& running, const IpAddress& address) {
    const PodPolicies& pods = running.pod_policies();
    const auto declaring = running.ports_with(address);
    for (const engine::HeldPort* held : declaring) {
        if (const kube::Key* key = pods.find_key(held->name())) return key;
    }
    return declaring.empty() ? pods.find_key(address) : nullptr;
}

std::vector<IpAddress> own_addresses(const Switch& running, const PodState& pod) {
    std::vector<IpAddress> addresses = pod.addresses;
    std::erase_if(addresses, [&](const IpAddress& address) {
        const auto declaring = running.ports_with(address);
        const bool is_at_port =
            std::ranges::any_of(declaring, [&](const auto* held) { return held->name() == pod.port; });
        if (is_at_port) return false;
        const kube::Key* key = find_pod_with(running, address);
        return key == nullptr || running.pod_policies().find_state(*key) != &pod;
    });
    return addresses;
}

base::Result<kube::Key> find_pod(const Switch& running, std::string_view text) {
    const size_t slash = text.find('/');
    if (slash == 0 || slash == text.npos || slash + 1 == text.size()) {
        return base::fail("{} is not a pod: write NAMESPACE/NAME", base::shown(text));
    }
    kube::Key key{kube::Kind::kPod, std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
    if (running.pod_policies().find_state(key) != nullptr) return key;
    // A port that says by labels alone which pod it is.
    if (const kube::Key* of_port = running.pod_policies().find_key(key.name)) {
        return base::fail("there is no pod {}: the pod at port {} is {}", base::shown(text), key.name,
                          pod_text(*of_port));
    }
    return base::fail("there is no pod {}", base::shown(text));
}

base::Result<const PodState*> find_pod_with_address(const Switch& running, std::string_view text) {
    const auto key = find_pod(running, text);
    if (!key) return tl::unexpected(key.error());
    const PodState* pod = running.pod_policies().find_state(*key);
    if (pod->facts.host_network) {
        return base::fail("pod {} is in its host's network, and policies don't tell it from its host: name an "
                          "address or a port", text);
    }
    if (pod->facts.is_over) return base::fail("pod {} has run to its end, and has no address any more", text);
    if (pod->addresses.empty()) {
        return base::fail("pod {} has no address: neither its status nor a port here gives one", text);
    }
    if (own_addresses(running, *pod).empty()) {
        const IpAddress& lost = pod->addresses.front();
        const kube::Key* owner = find_pod_with(running, lost);
        return base::fail("pod {} isn't found by its address {}: {} has it", text, lost.text(),
                          owner != nullptr ? "pod " + pod_text(*owner) : "port " + running.port_without_pod(lost));
    }
    return pod;
}

IpAddress address_of(const Switch& running, const PodState& pod, bool v4) {
    const auto addresses = own_addresses(running, pod);
    return *std::ranges::find_if(addresses, [&](const IpAddress& address) { return address.is_v4() == v4; });
}

base::Result<bool> is_v4_between(const Switch& running, const std::string& from, const std::string& to) {
    const auto one = families_of(running, from);
    if (!one) return tl::unexpected(one.error());
    const auto other = families_of(running, to);
    if (!other) return tl::unexpected(other.error());
    if (one->v4 && other->v4) return true;
    if (one->v6 && other->v6) return false;
    return base::fail("{} has no {} address, and {} no {} one", from, one->v4 ? "IPv6" : "IPv4", to,
                      one->v4 ? "IPv4" : "IPv6");
}

base::Result<uint16_t> find_port_number(const Switch& running, const kube::Key* pod, std::string_view end,
                                        wire::Protocol protocol, std::string_view name) {
    if (pod == nullptr) return base::fail("only a pod's ports have names like {}, and {} is no pod", name, end);
    const std::vector<kube::NamedPort>& ports = running.pod_policies().find_state(*pod)->facts.ports;
    for (const kube::NamedPort& port : ports) {
        const bool is_same_protocol = static_cast<uint8_t>(port.protocol) == static_cast<uint8_t>(protocol);
        if (port.name == name && is_same_protocol) return port.number;
    }
    const std::string known = named_ports(ports);
    return base::fail("pod {} has no {} port named {}; {}", pod_text(*pod),
                      base::word_of(static_cast<kube::Protocol>(protocol)), name,
                      known.empty() ? "its ports have no names" : "it has " + known);
}

base::Result<Question> resolve_pods(const Switch& running, Question question, std::string_view port_name) {
    const PodPolicies& pods = running.pod_policies();
    std::optional<kube::Key> destination;
    if (const kube::Key* known = find_destination(running, question.to)) destination = *known;
    if (is_pod_name(question.from) || is_pod_name(question.to)) {
        const auto v4 = is_v4_between(running, question.from, question.to);
        if (!v4) return tl::unexpected(v4.error());
        for (auto [end, address] : {std::pair{&question.from, &question.from_address},
                                    std::pair{&question.to, &question.to_address}}) {
            if (!is_pod_name(*end)) continue;
            const kube::Key key = *find_pod(running, *end);
            if (end == &question.to) destination = key;
            const PodState& pod = *pods.find_state(key);
            const IpAddress own = address_of(running, pod, *v4);
            if (!pod.port.empty()) *address = own;
            *end = pod.port.empty() ? own.text() : pod.port;
        }
    }
    if (port_name.empty()) return question;
    const auto number = find_port_number(running, destination ? &*destination : nullptr, question.to,
                                         question.protocol, port_name);
    if (!number) return tl::unexpected(number.error());
    question.destination_port = *number;
    return question;
}

}  // namespace sluice::explain
