#include "wire/filter.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <array>

namespace sluice::wire {
namespace {

constexpr uint32_t kLooked = 256;  // bytes

}  // namespace

void Filter::Free::operator()(bpf_program* program) const noexcept {
    pcap_freecode(program);
    delete program;
}

base::Result<Filter> Filter::compile(const std::string& text) {
    Filter filter;
    if (text.empty()) return filter;
    const std::unique_ptr<pcap_t, decltype(&pcap_close)> handle(pcap_open_dead(DLT_EN10MB, 65535),
                                                                pcap_close);
    if (!handle) return base::fail("no memory for a filter");
    auto program = std::make_unique<bpf_program>();
    if (pcap_compile(handle.get(), program.get(), text.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
        return base::fail("{} (the language is tcpdump's: man pcap-filter)",
                          pcap_geterr(handle.get()));
    }
    filter.program_.reset(program.release());
    return filter;
}

bool Filter::matches(const rte_mbuf* m) const noexcept {
    if (!program_) return true;
    std::array<uint8_t, kLooked> copy;
    pcap_pkthdr header{};
    header.len = m->pkt_len;
    header.caplen = std::min(m->pkt_len, kLooked);
    const auto* bytes = static_cast<const uint8_t*>(rte_pktmbuf_read(m, 0, header.caplen, copy.data()));
    return bytes != nullptr && pcap_offline_filter(program_.get(), &header, bytes) != 0;
}

}  // namespace sluice::wire
