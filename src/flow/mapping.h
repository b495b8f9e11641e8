// Zeroed address space that becomes memory as it is written, in huge pages where the kernel has them: several
// arrays, one behind the other. Control thread.
#pragma once

#include <cstddef>

namespace sluice::flow {

class Mapping {
 public:
    explicit Mapping(size_t size);  // throws std::bad_alloc
    Mapping(const Mapping&) = delete;
    ~Mapping();

    // The next `count` elements, on a page of their own.
    template <class T>
    T* take(size_t count) noexcept {
        T* array = reinterpret_cast<T*>(data_ + taken_);
        taken_ += rounded(count * sizeof(T));
        return array;
    }
    static constexpr size_t rounded(size_t size) noexcept {
        return (size + kPageSize - 1) / kPageSize * kPageSize;
    }

    size_t size() const noexcept { return size_; }
    size_t used() const;  // bytes that are memory now

 private:
    static constexpr size_t kPageSize = 4096;

    size_t size_;
    size_t mapped_;
    std::byte* mapping_;
    std::byte* data_;
    size_t taken_ = 0;
};

}  // namespace sluice::flow
