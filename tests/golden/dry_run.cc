#include "golden/dry_run.h"

#include <gtest/gtest.h>

#include "explain/dry_run.h"

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
        text += fmt::format("{} moves {} flaps {} refused {}\n", name, table->moves(), table->flaps(),
                            table->refused());
        for (const auto& [mac, entry] : table->list())
            text += fmt::format("{} {:x} {:x}\n", name, mac, entry.word());
    }
    running.neighbors().each([&](const neighbor::Entry& entry) {
        text += fmt::format("neighbor {} {:x} at {:x}, {} used {} confirmed {} asked {} waiting {}\n",
                            entry.address.text(), entry.mac.load(), entry.exit.load(),
                            static_cast<int>(entry.state.load()), entry.used.load(), entry.confirmed.load(),
                            entry.asked.load(), running.waiting_for(entry));
    });
    running.flows().for_each(0, [&](const flow::Listed& flow) {
        text += fmt::format("flow {:x} {:x} {} {} {}\n", flow.original.key.addresses, flow.original.key.rest,
                            static_cast<int>(flow.state), flow.directions[0].packets, flow.directions[1].packets);
    });
    text += fmt::format("created {}, fragments {}\n", running.flows().created(), running.fragments().changes());
    for (const auto& worker : running.workers()) text += fmt::format("holds {}\n", worker->held_fragments());
    for (const auto& tunnel : running.snapshot().tunnels) {
        text += fmt::format("tunnel mtu {} state {}\n", tunnel->remote->path_mtu.get(),
                            static_cast<int>(tunnel->remote->state(engine::clock_seconds())));
    }
    for (const auto& [name, list] : running.acls()) {
        for (uint32_t i = 0; i < list->config().rules.size(); ++i)
            text += fmt::format("{} {}\n", name, list->hits(i));
        text += fmt::format("{} end {}\n", name, list->hits(acl::kNoRule));
    }
    return text;
}

void run_dry(test::Harness& harness, const std::string& port, rte_mbuf* frame) {
    ASSERT_NE(frame, nullptr);
    engine::Switch& running = harness.running();
    const auto held = running.ports().find(port);
    if (held == running.ports().end() || !held->second.up) return rte_pktmbuf_free(frame);
    const std::string before = digest(harness);
    explain::DryRun(running).go(frame, {.ingress = held->second.port->id()});
    EXPECT_EQ(digest(harness), before);
}

}  // namespace sluice::golden
