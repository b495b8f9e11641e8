// A filter in tcpdump's language (pcap-filter(7)), compiled once and run on each packet. Hosts, networks and
// ports must be numbers: looking up a name (DNS) would block the control thread.
#pragma once

#include <rte_mbuf.h>

#include <memory>
#include <string>

#include "base/error.h"

struct bpf_program;

namespace sluice::wire {

class Filter {
 public:
    // An empty text matches every frame. Control thread.
    static base::Result<Filter> compile(const std::string& text);

    // Any thread. Reads only the first 256 bytes of a frame.
    bool matches(const rte_mbuf* m) const noexcept;

 private:
    struct Free {
        void operator()(bpf_program* program) const noexcept;
    };
    std::unique_ptr<bpf_program, Free> program_;  // null: matches every frame
};

}  // namespace sluice::wire
