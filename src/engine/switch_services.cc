// The switch's half of Services: their names in DNS, and health checks. Of these it brings the schedule
// (service/health.h) and the probes that workers send (service/probes.h) together, and puts in force what the
// results make of back ends.
#include "engine/switch.h"

namespace sluice::engine {

void Switch::check_services(Clock::time_point now) {
    service::HealthChecks& checks = translation_.checks();
    if (checks.empty()) return;
    service::Probes& probes = *translation_.probes();
    std::vector<responder::Chore> chores;
    const auto ask_to_send = [&](uint32_t number) {
        chores.push_back({.kind = responder::Chore::Kind::kProbe, .check = number});
    };
    for (const uint32_t number : checks.running()) {
        if (const auto outcome = probes.take(number)) {
            checks.take(number, outcome);
        } else if (now >= checks.check(number).deadline()) {
            const service::Probes::GivenUp given_up = probes.give_up(number);
            checks.take(number, given_up.outcome);
            if (given_up.is_abandoned) ask_to_send(number);
        } else if (probes.is_unresolved(number)) {
            // The neighbor may have answered by now.
            ask_to_send(number);
        }
    }
    for (const uint32_t number : checks.due(now)) {
        if (!probes.begin(number)) continue;
        checks.begin(number, now);
        ask_to_send(number);
    }
    ask(std::move(chores));
    const std::vector<service::HealthChecks::Change> changes = checks.take_changes();
    if (changes.empty()) return;
    for (const service::HealthChecks::Change& change : changes) {
        translation_.change(change.key.service);
        tell_backend(change, now);
    }
    publish(ChangedPorts{});
}

void Switch::tell_backend(const service::HealthChecks::Change& change, Clock::time_point now) {
    const auto& [service, address, port] = change.key;
    const std::string backend =
        fmt::format(fmt::runtime(address.is_v4() ? "service {}: back end {}:{}" : "service {}: back end [{}]:{}"),
                    service, address.text(), port);
    if (change.is_failing) {
        counted_log_.tell(now, base::log::Level::kWarning, "service", backend + " fails",
                          fmt::format("{} fails its checks: {}", backend, text(change.last)));
    } else {
        counted_log_.tell(now, base::log::Level::kNotice, "service", backend + " passes",
                          backend + " passes its checks again");
    }
}

base::Result<void> Switch::drain_backend(const std::string& service, const IpAddress& backend, bool drains) {
    auto done = translation_.drain(config_, service, backend, drains);
    if (done) publish(ChangedPorts{});
    return done;
}

// --- names in DNS ---

namespace {

// Empty behind a port with several guests: its name is none of theirs.
std::vector<IpAddress> leased_by_its_guest(const HeldPort& held) {
    const port::PortConfig& port = held.port->config();
    std::vector<IpAddress> addresses;
    for (const LentAddress& lent : held.lent) {
        if (lent.mac != held.port->mac().value_or(held.lent.front().mac)) return {};
        if (lent.network == port.network) addresses.push_back(lent.address);
    }
    return port.is_ethdev() ? std::vector<IpAddress>{} : addresses;
}

}  // namespace

void Switch::name_port(const HeldPort& held) {
    dns_names_.set_port(config_, held.port->config(), held.port->id(), leased_by_its_guest(held));
}

// Of Services that are others now. Ports and pods have told theirs before.
void Switch::arrange_names() {
    KubeServices& services = translation_.kubernetes();
    for (const kube::Key& key : services.take_rebuilt()) {
        const auto known = services.find(key);
        dns_names_.set_service(key, known ? &*known : nullptr);
    }
    auto names = dns_names_.take();
    if (names == nullptr) return;
    names_ = std::move(names);
    if (take_names_) take_names_(names_);
}

void Switch::tell_names(TakeNames take) {
    take_names_ = std::move(take);
    if (take_names_ && names_ != nullptr) take_names_(names_);
}

}  // namespace sluice::engine
