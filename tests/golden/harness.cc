#include "golden/harness.h"

#include <array>

#include "support/opening.h"

namespace sluice::test {
namespace {

constexpr engine::Clock::time_point kNow{std::chrono::seconds(1000)};

}  // namespace

Harness::Harness(uint16_t workers, const std::vector<std::string>& devices, const flow::FlowConfig& flows) {
    for (const std::string& name : devices) {
        // "tiny" holds few frames, for rows about a receiver that is overrun.
        devices_[name] = std::make_unique<RingDevice>(name, workers, name == "tiny" ? 4 : 1023);
    }
    switch_ = std::make_unique<engine::Switch>(workers, switch_pools(), "golden", flows);
    for (const auto& worker : switch_->workers())
        worker->connect(lines_.emplace_back(std::make_unique<punt::Line>(bell_)).get());
    // As if it had run for long: no connection of before is to be expected.
    switch_->flows().recover_until(0);
}

Harness::~Harness() {
    switch_.reset();
    devices_.clear();
    EXPECT_TRUE(are_full(switch_pools())) << "an mbuf is missing";
}

void Harness::apply(const std::string& yaml) {
    auto config = engine::load_config(yaml, "golden", {});
    ASSERT_TRUE(config) << config.error()[0].text();
    auto changes = switch_->apply(*config, kNow);
    ASSERT_TRUE(changes) << changes.error()[0].text();
    finish_opening(*switch_, kNow);
}

void Harness::run() {
    for (const auto& line : lines_) {
        while (line->question() != nullptr) line->end_question();
    }
    for (bool busy = true; busy;) {
        busy = false;
        for (auto& worker : switch_->workers()) {
            busy |= worker->turn();
            collect();  // after each, since workers have transmit queues of their own
        }
    }
}

void Harness::give_up_fragments() {
    for (auto& worker : switch_->workers()) {
        worker->resume_fragments(engine::clock_seconds() + flow::HeldFragments::kPatience);
    }
    run();
}

void Harness::collect() {
    for (const auto& [name, device] : devices_) {
        while (rte_mbuf* frame = device->take()) {
            std::vector<Bytes>& sent = sent_[name];
            sent.push_back(bytes_of(frame));
            // No device finishes anything: what reaches one must be ready for the wire.
            EXPECT_EQ(frame->ol_flags & port::kUnfinished, 0u);
            EXPECT_EQ(frame->pkt_len, sent.back().size());
            rte_pktmbuf_free(frame);
        }
    }
}

std::vector<Bytes> Harness::sent(const std::string& name) {
    return std::exchange(sent_[name], {});
}

std::map<std::string, path::PortId> Harness::places() const {
    std::map<std::string, path::PortId> places;
    for (const auto& [name, held] : switch_->ports()) places[name] = held.port->id();
    for (const auto& [remote, held] : switch_->tunnels()) places[remote.text()] = held.id;
    return places;
}

DropCounts Harness::drops() const {
    DropCounts counts;
    for (const auto& [name, id] : places()) {
        for (const auto& worker : switch_->workers()) {
            const path::PortCounters& port = worker->counters().port(id);
            for (size_t i = 0; i < path::kDropCount; ++i) {
                const uint64_t count = port.dropped[i].get();
                if (count != 0) counts[{name, static_cast<path::Drop>(i)}] += count;
            }
        }
    }
    return counts;
}

uint64_t Harness::made() const {
    uint64_t made = 0;
    for (const auto& worker : switch_->workers()) made += worker->counters().totals.made.get();
    return made;
}

// Of a worker whose log is not full every drop is there.
void Harness::check_drop_logs() const {
    for (const auto& worker : switch_->workers()) {
        std::vector<path::DropRecord> records = worker->counters().log.recent();
        const std::vector<path::DropRecord> background = worker->counters().background.recent();
        if (records.size() == path::DropLog::kSize || background.size() == path::DropLog::kSize) continue;
        records.insert(records.end(), background.begin(), background.end());
        std::array<uint64_t, path::kDropCount> recorded{};
        for (const path::DropRecord& record : records) {
            recorded[static_cast<size_t>(record.reason)] += record.count;
            EXPECT_NE(record.length, 0u) << text(record.reason).name;
            EXPECT_TRUE(record.port == record.ingress || record.port == record.egress)
                << text(record.reason).name;
        }
        for (size_t i = 0; i < path::kDropCount; ++i) {
            EXPECT_EQ(recorded[i], worker->counters().totals.dropped[i].get()) << path::kDropTexts[i].name;
        }
    }
}

Harness::Totals Harness::totals() const {
    Totals sum;
    for (const auto& worker : switch_->workers()) {
        const path::WorkerTotals& totals = worker->counters().totals;
        sum.received += totals.received.get();
        sum.transmitted += totals.transmitted.get();
        sum.consumed += totals.consumed.get();
        for (const path::Counter& reason : totals.dropped) sum.dropped += reason.get();
    }
    return sum;
}

void Harness::begin_books() { begun_ = totals(); }

void Harness::check_books(bool ports_removed) const {
    auto [received, transmitted, dropped, consumed] = totals();
    uint64_t waiting = 0;  // for a neighbor's address, and for a first fragment
    switch_->neighbors().each([&](const neighbor::Entry& entry) { waiting += switch_->waiting_for(entry); });
    for (const auto& worker : switch_->workers()) waiting += worker->held_fragments();
    check_drop_logs();
    EXPECT_EQ(received + made(), transmitted + dropped + consumed + waiting)
        << received << " received + " << made() << " made = " << transmitted << " transmitted + " << dropped
        << " dropped + " << consumed << " consumed + " << waiting << " waiting";
    if (ports_removed) return;

    received -= begun_.received;
    transmitted -= begun_.transmitted;
    dropped -= begun_.dropped;
    for (const auto& [name, held] : switch_->ports()) {
        for (const auto& worker : switch_->workers()) {
            const path::PortCounters& port = worker->counters().port(held.port->id());
            for (const path::Traffic& queue : port.received) received -= queue.packets.get();
            transmitted -= port.transmitted.packets.get();
        }
    }
    // What passes a tunnel is counted at the underlay's port as well, what is dropped there is not.
    for (const auto& [name, id] : places()) {
        for (const auto& worker : switch_->workers()) {
            for (const path::Counter& reason : worker->counters().port(id).dropped) dropped -= reason.get();
        }
    }
    EXPECT_EQ(received, 0u) << "of the totals at no port";
    EXPECT_EQ(transmitted, 0u) << "of the totals at no port";
    EXPECT_EQ(dropped, 0u) << "of the totals at no port";
}

}  // namespace sluice::test
