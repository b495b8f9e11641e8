#include "path/counters.h"

#include <sys/mman.h>

#include <new>

namespace sluice::path {
namespace {

constexpr size_t kSize = kMaxPorts * sizeof(PortCounters);

PortCounters* map_zero_pages() {
    // All-zero bytes are a valid set of counters, so untouched pages of the kernel need no initialization.
    void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return static_cast<PortCounters*>(memory);
}

}  // namespace

Counters::Counters() : ports_(map_zero_pages()) {}

void Counters::Unmap::operator()(PortCounters* ports) const noexcept { munmap(ports, kSize); }

}  // namespace sluice::path
