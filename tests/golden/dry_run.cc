#include "golden/dry_run.h"

namespace sluice::golden {

std::string digest(test::Harness& harness) {
    engine::Switch& running = harness.running();
    std::string text = fmt::format("generation {}\n", running.generation());
    for (const auto& worker : running.workers()) {
        const path::WorkerTotals& totals = worker->counters().totals;
        text +=
            fmt::format("received {} transmitted {} made {} consumed {} logged {} batches {}\n",
                        totals.received.get(), totals.transmitted.get(), totals.made.get(), totals.consumed.get(),
                        worker->counters().log.recent().size() + worker->counters().background.recent().size(),
                        totals.batches.get());
    }
    for (const auto& [where, count] : harness.drops()) {
        text += fmt::format("{} {} {}\n", where.first, path::text(where.second).name, count);
    }
    for (const auto& [name, held] : running.ports()) {
        const engine::PortTraffic traffic = running.traffic(held.port->id(), {});
        text += fmt::format("{} rx {} tx {}\n", name, traffic.rx_packets, traffic.tx_packets);
    }
    for (const auto& [name, table] : running.macs()) {
        for (const auto& [mac, entry] : table->list())
            text += fmt::format("{} {:x} {:x}\n", name, mac, entry.word());
    }
    running.neighbors().each([&](const neighbor::Entry& entry) {
        text += fmt::format("neighbor {} {:x} {} {} {}\n", entry.address.text(), entry.mac.load(),
                            static_cast<int>(entry.state.load()), entry.used.load(), entry.held);
    });
    running.flows().for_each(0, [&](const flow::Listed& flow) {
        text += fmt::format("flow {:x} {:x} {} {} {}\n", flow.original.key.addresses, flow.original.key.rest,
                            static_cast<int>(flow.state), flow.directions[0].packets, flow.directions[1].packets);
    });
    text += fmt::format("created {}\n", running.flows().created());
    for (const auto& [name, list] : running.acls()) {
        for (uint32_t i = 0; i < list->config().rules.size(); ++i)
            text += fmt::format("{} {}\n", name, list->hits(i));
        text += fmt::format("{} end {}\n", name, list->hits(acl::kNoRule));
    }
    return text;
}

}  // namespace sluice::golden
