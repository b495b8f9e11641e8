// A filter in tcpdump's language (pcap-filter(7)), compiled once and asked for each packet. Hosts, networks and
// ports go by their numbers: a name would be looked up (DNS), and keep the control thread waiting.
#pragma once

#include <rte_mbuf.h>

#include <memory>
#include <string>

#include "base/error.h"

struct bpf_program;

namespace sluice::wire {

class Filter {
 public:
    // An empty text lets everything pass. Control thread.
    static base::Result<Filter> compile(const std::string& text);

    // Any thread. Only the first 256 bytes of a frame are looked at.
    bool matches(const rte_mbuf* m) const noexcept;

 private:
    struct Free {
        void operator()(bpf_program* program) const noexcept;
    };
    std::unique_ptr<bpf_program, Free> program_;  // null: everything
};

}  // namespace sluice::wire
