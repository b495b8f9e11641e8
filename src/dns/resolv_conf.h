// The host's own servers: the lines `nameserver` of /etc/resolv.conf, read again when the file has changed. One
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dns/dns_config.h"

namespace sluice::dns {

// The servers in their order, each once; lines that are malformed are skipped, as C libraries do it. Link-local
// addresses with an interface (fe80::1%eth0) are skipped too.
std::vector<UpstreamConfig> read_resolv_conf(std::string_view text);

class ResolvConf {
 public:
    explicit ResolvConf(std::string path) : path_(std::move(path)) {}

    // Looks at the file at most once a second.
    const std::vector<UpstreamConfig>& servers(std::chrono::steady_clock::time_point now);

 private:
    // What tells one content of the file from another.
    struct Stamp {
        uint64_t inode = 0;
        int64_t size = -1;
        int64_t seconds = 0;
        int64_t nanoseconds = 0;

        bool operator==(const Stamp&) const = default;
    };

    std::string path_;
    std::vector<UpstreamConfig> servers_;
    Stamp stamp_;
    std::chrono::steady_clock::time_point next_{};
};

}  // namespace sluice::dns
