// Integers as they lie in a packet: be16, be32 and be64 keep network byte order and an alignment of
// one, so that a header is a plain struct of them at any address. They don't turn into integers by
// themselves: host() reads, construction from host order writes, and comparing a be16 with an int
// doesn't compile. Plain values, any thread.
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

    // The same bytes read as an integer of the host: what hash keys, equality and one's complement
    // sums (RFC 1071, 2.B) want, since they don't depend on the order.
    static constexpr BigEndian from_raw(T raw) noexcept { return BigEndian(swap(raw)); }
    constexpr T raw() const noexcept { return std::bit_cast<T>(bytes_); }
    constexpr T host() const noexcept { return swap(raw()); }

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
