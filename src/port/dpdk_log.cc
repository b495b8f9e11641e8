#include "port/dpdk_log.h"

#include <fmt/ranges.h>
#include <rte_log.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/text.h"

namespace sluice::port {
namespace {

constexpr size_t kMostReasons = 2;  // the next ones say where the driver came from

// Of each thread: what it has called for.
struct Words {
    std::vector<std::string> first;
    std::string last;
};
thread_local Words words;

bool is_summary(std::string_view line) {
    return line.starts_with("EAL: Failed to attach device") ||
           line.starts_with("EAL: Driver cannot attach the device");
}

ssize_t take_line(void*, const char* text, size_t size) {
    std::string_view line(text, size);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    if (line.empty()) return static_cast<ssize_t>(size);
    if (rte_log_cur_msg_loglevel() <= static_cast<int>(RTE_LOG_ERR)) {
        if (!is_summary(line)) {
            if (words.first.size() < kMostReasons) words.first.emplace_back(line);
            words.last = line;
        }
        base::log::info("dpdk", "{}", line);
    } else {
        base::log::debug("dpdk", "{}", line);
    }
    return static_cast<ssize_t>(size);
}

}  // namespace

void redirect_dpdk_log() {
    cookie_io_functions_t functions{};
    functions.write = take_line;
    FILE* stream = fopencookie(nullptr, "w", functions);
    if (stream == nullptr) return;
    setvbuf(stream, nullptr, _IOLBF, 1024);
    rte_openlog_stream(stream);
}

std::string take_dpdk_words() {
    const Words taken = std::exchange(words, {});
    return taken.last.empty() ? "" : fmt::format(" ({})", base::escaped(taken.last));
}

std::string take_dpdk_reasons() {
    return base::escaped(fmt::format("{}", fmt::join(std::exchange(words, {}).first, "; ")));
}

}  // namespace sluice::port
