#include "port/dpdk_log.h"

#include <rte_log.h>

#include <cstdio>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace sluice::port {
namespace {

// Of each thread: what it has called for.
thread_local std::string last_error;

ssize_t take_line(void*, const char* text, size_t size) {
    std::string_view line(text, size);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    if (line.empty()) return static_cast<ssize_t>(size);
    if (rte_log_cur_msg_loglevel() <= static_cast<int>(RTE_LOG_ERR)) {
        last_error = line;
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
    std::string words = std::exchange(last_error, {});
    return words.empty() ? words : fmt::format(" ({})", base::escaped(words));
}

}  // namespace sluice::port
