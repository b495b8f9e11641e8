#include "route/memory.h"

#include <sys/mman.h>

#include <utility>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace sluice::route {
namespace {

// Small pages are replaced by a huge page when a quarter of them are in use.
constexpr uint16_t kPagesForHuge = kHugePageSize / kPageSize / 4;

}  // namespace

Reserved::Reserved(size_t size)
    : mapped_((size + kHugePageSize - 1) / kHugePageSize * kHugePageSize + kHugePageSize) {
    mapping_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping_ == MAP_FAILED) throw std::bad_alloc();
    const size_t past = reinterpret_cast<uintptr_t>(mapping_) % kHugePageSize;
    data_ = static_cast<std::byte*>(mapping_) + (past == 0 ? 0 : kHugePageSize - past);
}

Reserved::Reserved(Reserved&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_(other.mapped_),
      data_(std::exchange(other.data_, nullptr)) {}

Reserved::~Reserved() {
    if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

void advise_huge(std::byte* memory, size_t size) noexcept { madvise(memory, size, MADV_HUGEPAGE); }

bool make_huge(std::byte* memory, size_t size) noexcept {
    // If an older kernel refuses this, its khugepaged does it later.
    return madvise(memory, size, MADV_HUGEPAGE) == 0 && madvise(memory, size, MADV_COLLAPSE) == 0;
}

Root::Root()
    : memory_(kCount * sizeof(uint32_t)),
      words_(reinterpret_cast<std::atomic<uint32_t>*>(memory_.data())),
      touched_(kPages),
      blocks_(kPages / kBlockPages) {}

void Root::touch(size_t page) noexcept {
    touched_[page] = true;
    Block& block = blocks_[page / kBlockPages];
    if (++block.touched != kPagesForHuge) return;
    // One huge page at a time: a reader of the same page waits while the kernel copies it.
    block.huge = make_huge(memory_.data() + page / kBlockPages * kHugePageSize, kHugePageSize);
}

size_t Root::memory() const noexcept {
    size_t size = 0;
    for (const Block& block : blocks_) size += block.huge ? kHugePageSize : block.touched * kPageSize;
    return size;
}

}  // namespace sluice::route
