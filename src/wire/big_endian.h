// Integers in network byte order: be16, be32 and be64 have an alignment of one, so a header is a plain struct of
// them at any address. They do not convert to integers implicitly: host() reads, construction from host order
// writes, and comparing a be16 with an int does not compile. Plain values, any thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace sluice::wire {

static_assert(std::endian::native == std::endian::little, "DPDK's x86 and Arm hosts");

template <class T>
class BigEndian {
 public:
    BigEndian() = default;
    constexpr explicit BigEndian(T host) noexcept : bytes_(std::bit_cast<Bytes>(swap(host))) {}

    // The same bytes read as an integer of the host. Hash keys, equality and one's complement sums (RFC 1071,
    // 2.B) use it, since they do not depend on byte order.
    [[gnu::always_inline]] static constexpr BigEndian from_raw(T raw) noexcept { return BigEndian(swap(raw)); }
    [[gnu::always_inline]] constexpr T raw() const noexcept { return std::bit_cast<T>(bytes_); }
    [[gnu::always_inline]] constexpr T host() const noexcept { return swap(raw()); }

    friend constexpr bool operator==(BigEndian a, BigEndian b) noexcept {
        return a.raw() == b.raw();
    }

 private:
    using Bytes = std::array<unsigned char, sizeof(T)>;

    static constexpr T swap(T value) noexcept {
        if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
        if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
        if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
    }

    Bytes bytes_;
};

using be16 = BigEndian<uint16_t>;
using be32 = BigEndian<uint32_t>;
using be64 = BigEndian<uint64_t>;

static_assert(sizeof(be16) == 2 && sizeof(be32) == 4 && sizeof(be64) == 8);
static_assert(alignof(be64) == 1 && std::is_trivially_copyable_v<be64>);

}  // namespace sluice::wire
