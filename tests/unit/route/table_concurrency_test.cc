// Readers that look up while the writer sets and removes routes around their addresses and uses the freed
// memory again: each gets a route that holds for its address, and the only one where that never changes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "path/published.h"
#include "route/table.h"

namespace sluice::route {
namespace {

using path::Grace;
using path::WorkerId;

constexpr uint16_t kReaders = 3;
constexpr uint32_t kChanges = 8000;  // at least, and until each reader has seen this many:
constexpr uint64_t kSeen = 2000;

// A next hop says which of a test's prefixes it belongs to.
class Routes {
 public:
    void add(std::string_view text) { prefixes_.push_back(*IpPrefix::parse(text)); }
    size_t size() const { return prefixes_.size(); }
    const IpPrefix& operator[](size_t i) const { return prefixes_[i]; }
    static uint32_t next_hop(size_t i) { return static_cast<uint32_t>(i) + 1; }

    // Whether this may be an answer for the address, where `stable` is always there.
    bool legal(uint32_t next_hop, const IpAddress& address, const IpPrefix& stable) const {
        if (next_hop == kNone || next_hop > prefixes_.size()) return false;
        const IpPrefix& prefix = prefixes_[next_hop - 1];
        return prefix.contains(address) && prefix.length >= stable.length;
    }

 private:
    std::vector<IpPrefix> prefixes_;
};

struct Watched {
    IpAddress address;
    IpPrefix stable;       // the longest prefix around the address that is always there
    uint32_t only = kNone;  // the next hop, where nothing longer ever is
};

uint32_t find(const Table& table, const IpAddress& address) {
    if (address.is_v4()) {
        table.fib4().prefetch(address.v4());
        return table.fib4().find(address.v4());
    }
    table.fib6().prefetch(address.bytes.data());
    return table.fib6().find(address.bytes.data());
}

// `fixed` prefixes stay, `changing` ones come and go.
void run(const std::vector<std::string>& fixed, const std::vector<std::string>& changing,
         const std::vector<std::string>& addresses) {
    Routes routes;
    for (const auto& text : fixed) routes.add(text);
    for (const auto& text : changing) routes.add(text);
    Table table;
    for (size_t i = 0; i < fixed.size(); ++i) table.set(routes[i], Routes::next_hop(i));

    std::vector<Watched> watched;
    for (const auto& text : addresses) {
        Watched w{*IpAddress::parse(text), {}, kNone};
        const auto stable = table.longest(w.address);
        ASSERT_TRUE(stable) << text;
        w.stable = stable->first;
        w.only = stable->second;
        for (size_t i = fixed.size(); i < routes.size(); ++i) {
            if (routes[i].contains(w.address) && routes[i].length > w.stable.length) w.only = kNone;
        }
        watched.push_back(w);
    }

    Grace grace(kReaders);
    std::atomic<bool> done{false};
    std::array<uint64_t, kReaders> wrong{};
    std::array<std::atomic<uint64_t>, kReaders> seen{};
    std::vector<std::thread> readers;
    for (uint16_t id = 0; id < kReaders; ++id) {
        readers.emplace_back([&, id] {
            const WorkerId self{id};
            std::vector<uint32_t> before(watched.size());
            grace.online(self);
            for (uint32_t turn = 0; !done.load(std::memory_order_relaxed); ++turn) {
                for (size_t i = 0; i < watched.size(); ++i) {
                    const Watched& w = watched[i];
                    const uint32_t next_hop = find(table, w.address);
                    wrong[id] += !routes.legal(next_hop, w.address, w.stable);
                    wrong[id] += w.only != kNone && next_hop != w.only;
                    if (next_hop != before[i]) seen[id].fetch_add(1, std::memory_order_relaxed);
                    before[i] = next_hop;
                }
                grace.quiescent(self);
                // As a worker does that sleeps: a writer on the same core needn't wait for its turn.
                if (turn % 64 != id) continue;
                grace.offline(self);
                std::this_thread::yield();
                grace.online(self);
            }
            grace.offline(self);
        });
    }

    constexpr uint32_t kSeed = 7;
    std::mt19937 random(kSeed);
    std::vector<bool> there(routes.size());
    const auto all_saw_enough = [&] {
        return std::all_of(seen.begin(), seen.end(),
                           [](const auto& count) { return count.load(std::memory_order_relaxed) >= kSeen; });
    };
    for (uint32_t change = 0; change < kChanges || !all_saw_enough(); ++change) {
        const size_t i = fixed.size() + random() % changing.size();
        if (there[i]) {
            table.remove(routes[i]);
        } else {
            table.set(routes[i], Routes::next_hop(i));
        }
        there[i] = !there[i];
        // At times after every change, at times after many.
        if (random() % (change / 1000 % 2 == 0 ? 2 : 20) != 0 || !table.has_retired()) continue;
        grace.wait();
        table.reclaim();
    }
    done.store(true, std::memory_order_relaxed);
    for (auto& reader : readers) reader.join();
    for (uint64_t count : wrong) EXPECT_EQ(count, 0u) << "seed " << kSeed;
    for (const Watched& w : watched) {
        EXPECT_EQ(find(table, w.address), table.longest(w.address)->second) << w.address.text();
    }
}

TEST(RouteTableConcurrency, Ipv4ReadersGetRoutesOfTheirOwn) {
    run({"0.0.0.0/0", "10.1.0.0/16", "10.1.2.64/26", "10.1.4.0/24"},
        {"10.0.0.0/12", "10.1.2.0/24", "10.1.2.0/25", "10.1.2.128/25", "10.1.2.4/30", "10.1.2.5/32",
         "10.1.2.200/32", "10.1.3.0/24", "10.1.3.1/32", "10.1.3.255/32", "10.1.4.7/32", "10.1.4.128/27",
         "10.1.5.0/32", "10.1.6.0/23", "10.1.7.9/32"},
        {"10.1.2.70", "10.1.4.1", "10.1.4.200", "10.1.2.5", "10.1.2.6", "10.1.2.201", "10.1.3.2", "10.1.3.1",
         "10.1.5.1", "10.1.7.9", "10.2.0.0", "11.0.0.0"});
}

TEST(RouteTableConcurrency, Ipv6ReadersGetRoutesOfTheirOwn) {
    run({"::/0", "2001:db8::/32", "2001:db8:1:1::/64", "2001:db8:2::/48", "fd00::1/128"},
        {"2001:d00::/24", "2001:da0::/27", "2001:db8:1::/48", "2001:db8:1:2::/64", "2001:db8:1:1::1/128",
         "2001:db8:1:1::2/128", "2001:db8:1:1::102/128", "2001:db8:2:8000::/49", "2001:db8:2:1::/64",
         "2001:db8:8000::/33", "2001:db8:8000::/40", "2001:db8:8001::/48", "2001:db8:2::/47", "fd00::/40",
         "fd00::/64", "fd00::2/127", "fd00::2/128", "fd00::8000:0:0:0/65", "fd80::/9"},
        {"2001:db8:1:1::3", "2001:db8:1:1::2", "2001:db8:2:2::", "2001:db8:2:1::5", "2001:db8:3::",
         "2001:db8:8001::1", "2001:db8:8080::1", "2001:db8:7fff::1", "2001:dff::", "2001:db9::", "fd00::1",
         "fd00::2", "fd00::3", "fd00::4", "fd00:0:0:1::", "fd80::", "2001:e00::"});
}

}  // namespace
}  // namespace sluice::route
