#include "service/service_config.h"

#include <map>
#include <set>
#include <tuple>

namespace sluice::service {
namespace {

// How many ports of back ends the Service has checked.
size_t count_checks(const ServiceConfig& service) {
    std::set<std::pair<IpAddress, uint16_t>> checked;
    for (const BackendConfig& backend : service.backends) {
        for (const PortConfig& port : service.ports)
            checked.emplace(backend.address, service.health->port.value_or(port.to.value_or(port.port)));
    }
    return checked.size();
}

void check_health(const std::vector<ServiceConfig>& services, base::Mistakes& mistakes) {
    size_t count = 0;
    for (size_t i = 0; i < services.size() && !mistakes.is_full(); ++i) {
        const ServiceConfig& service = services[i];
        if (!service.health) continue;
        const auto other = std::ranges::find_if(
            service.ports, [](const PortConfig& port) { return port.protocol != Transport::kTcp; });
        if (!service.health->port && other != service.ports.end()) {
            mistakes.report(
                {"services", i, "health"}, service.place,
                "checks by TCP, and port {} of the service is {}: give the back ends' port that answers "
                "checks, as in `health: {{port: 8080}}`",
                other->port, base::word_of(other->protocol));
        }
        const bool had_room = count <= kMostChecks;
        count += count_checks(service);
        if (had_room && count > kMostChecks) {
            mistakes.report({"services", i, "health"}, service.place,
                            "is one check too many: at most {} ports of back ends can be checked in all",
                            kMostChecks);
        }
    }
}

}  // namespace

void check(const std::vector<ServiceConfig>& services, base::Mistakes& mistakes) {
    std::map<std::string_view, const ServiceConfig*> named;
    std::map<std::tuple<IpAddress, Transport, uint16_t>, const ServiceConfig*> taken;
    for (size_t i = 0; i < services.size() && !mistakes.is_full(); ++i) {
        const ServiceConfig& service = services[i];
        if (const auto [first, is_new] = named.emplace(service.name, &service); !is_new && !service.name.empty()) {
            mistakes.report({"services", i, "name"}, service.place,
                            "service {} is declared already, at {}: give one another name", service.name,
                            origin(first->second->place));
        }
        for (size_t p = 0; p < service.ports.size(); ++p) {
            const PortConfig& port = service.ports[p];
            for (const IpAddress& address : service.address) {
                const auto [first, is_new] =
                    taken.emplace(std::tuple(address, port.protocol, port.port), &service);
                if (is_new) continue;
                mistakes.report({"services", i, "ports", p}, service.place,
                                "{} port {} of {} is that of service {} at {} already",
                                base::word_of(port.protocol), port.port, address.text(), first->second->name,
                                origin(first->second->place));
            }
        }
    }
    check_health(services, mistakes);
}

}  // namespace sluice::service
