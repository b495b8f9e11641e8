// What looks at frames for people: filters of captures and mirrors, and the line that tells a frame. An input
// is a filter's text up to a zero byte, then a frame.
#include "fuzz/rows.h"
#include "fuzz/target.h"
#include "wire/filter.h"
#include "wire/summary.h"

namespace sluice::fuzz {

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    const std::string text(input.line());
    const auto frame = input.rest();

    const std::string line = wire::summary(frame, frame.size());
    must(line.find('\n') == line.npos, "a summary of several lines");
    (void)wire::summary(frame.first(frame.size() / 2), frame.size());

    const auto filter = wire::Filter::compile(text);
    if (!filter) {
        must(!filter.error().message.empty(), "refused without a word");
        return;
    }
    const test::Bytes copy(frame.begin(), frame.end());
    rte_mbuf* whole = test::to_guarded_mbuf(test::test_pool(), copy);
    rte_mbuf* chain = test::to_guarded_mbuf(test::test_pool(), copy, {15, 1, 20});
    must(filter->matches(whole) == filter->matches(chain), "a chain of buffers is another frame to '{}'", text);
    rte_pktmbuf_free(whole);
    rte_pktmbuf_free(chain);
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    const std::vector<std::string> filters = {
        "", "tcp port 80", "host 10.0.0.1 and not arp", "vlan 5 and ip6", "ether src 02:00:00:00:00:0a",
        "icmp6 or (udp portrange 1000-2000)", "ip[6:2] & 0x1fff != 0", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
        "net 10.0.0.0/8", "greater 100 and len <= 1500", "ip proto 132", "ip6 protochain 6"};
    size_t next = 0;
    for (const golden::Row& row : golden_rows()) {
        for (const golden::In& in : row.in) {
            seeds.push_back(Output().line(filters[next++ % filters.size()]).add(in.frame));
        }
    }
    return seeds;
}

std::vector<std::string> words() {
    return {"and ", "or ", "not ", "src ", "dst ", "host ", "net ", "port ", "portrange ", "ether ", "ip ", "ip6 ",
            "arp ", "tcp ", "udp ", "icmp ", "vlan ", "mpls ", "pppoes ", "geneve ", "proto ", "protochain ",
            "less ", "greater ", "len ", "broadcast ", "multicast ", "10.0.0.1 ", "fd00::1 ", "[0:4] ", "& 0xff ",
            "== ", "!= ", "( ", ") ", "inbound ", "gateway ", "mask ", "link ", "llc "};
}

}  // namespace sluice::fuzz
