#include "dns/resolv_conf.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace sluice::dns {
namespace {

constexpr size_t kMostFileBytes = 64 * 1024;

std::string_view take_word(std::string_view& line) {
    constexpr std::string_view kBlanks = " \t\r";
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
    line.remove_prefix(word.size());
    return word;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(kMostFileBytes, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(file.gcount()));
    return text;
}

}  // namespace

std::vector<UpstreamConfig> read_resolv_conf(std::string_view text) {
    std::vector<UpstreamConfig> servers;
    while (!text.empty() && servers.size() < kMostUpstreams) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (take_word(line) != "nameserver") continue;
        const auto address = IpAddress::parse(take_word(line));
        if (!address || address->is_unspecified() || address->is_multicast()) continue;
        const UpstreamConfig server{.address = *address};
        if (std::ranges::find(servers, server) == servers.end()) servers.push_back(server);
    }
    return servers;
}

const std::vector<UpstreamConfig>& ResolvConf::servers(std::chrono::steady_clock::time_point now) {
    if (now < next_) return servers_;
    next_ = now + std::chrono::seconds(1);
    struct stat found {};
    // A file that is replaced is away for a moment: its servers stay until there are others.
    if (stat(path_.c_str(), &found) != 0) return servers_;
    const Stamp stamp{found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
    if (stamp == stamp_) return servers_;
    stamp_ = stamp;
    servers_ = read_resolv_conf(read_file(path_));
    return servers_;
}

}  // namespace sluice::dns
