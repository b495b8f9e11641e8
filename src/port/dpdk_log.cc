#include "port/dpdk_log.h"

#include <dlfcn.h>
#include <fmt/ranges.h>
#include <rte_log.h>

#include <cstdarg>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/text.h"

namespace sluice::port {
namespace {

constexpr size_t kMostReasons = 2;  // later ones say where the driver came from

// The words of a thread's own calls.
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

// As libbpf and libxdp declare it. Their levels: 0 is a warning, 1 information, 2 debugging.
using TakeWords = int (*)(int level, const char* format, va_list arguments);

enum class BpfLibrary { kBpf, kXdp };

template <BpfLibrary kLibrary>
int take_words(int level, const char* format, va_list arguments) {
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    std::string_view line(text);
    while (line.ends_with('\n')) line.remove_suffix(1);
    if (line.empty()) return 0;
    const char* name = kLibrary == BpfLibrary::kBpf ? "libbpf" : "libxdp";
    if (level == 0) {
        base::log::info("dpdk", "{}: {}", name, line);
    } else {
        base::log::debug("dpdk", "{}: {}", name, line);
    }
    return 0;
}

bool redirect(const char* library, const char* function, TakeWords take) {
    void* loaded = dlopen(library, RTLD_NOW | RTLD_NOLOAD);  // a library that is not loaded stays so
    if (loaded == nullptr) return false;
    using SetPrint = TakeWords (*)(TakeWords);
    auto* set_print = reinterpret_cast<SetPrint>(dlsym(loaded, function));
    if (set_print != nullptr) set_print(take);
    dlclose(loaded);  // the loader's own reference remains
    return set_print != nullptr;
}

}  // namespace

int redirect_bpf_logs() {
    return (redirect("libbpf.so.1", "libbpf_set_print", take_words<BpfLibrary::kBpf>) ? 1 : 0) +
           (redirect("libxdp.so.1", "libxdp_set_print", take_words<BpfLibrary::kXdp>) ? 1 : 0);
}

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
