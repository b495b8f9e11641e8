// SipHash-2-4 (Aumasson and Bernstein, 2012) over a few words, with a secret key. It hashes what strangers choose,
// so that nobody can fill one bucket of a table; with a counter as its input it gives port numbers that nobody
// outside can predict (RFC 6056, 3.3). Any thread; a Secret doesn't change.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "sluice/address.h"

namespace sluice::nat {

class Secret {
 public:
    Secret();  // drawn from the kernel
    constexpr Secret(uint64_t low, uint64_t high) noexcept : low_(low), high_(high) {}

    // Of the words' bytes, each word in little-endian order.
    template <size_t N>
    constexpr uint64_t hash(const std::array<uint64_t, N>& words) const noexcept {
        State s{low_ ^ 0x736f6d6570736575, high_ ^ 0x646f72616e646f6d, low_ ^ 0x6c7967656e657261,
                high_ ^ 0x7465646279746573};
        for (const uint64_t word : words) s.take(word);
        s.take(uint64_t{8 * N} << 56);
        s.v2 ^= 0xff;
        for (int i = 0; i < 4; ++i) s.round();
        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    }
    uint64_t hash(const IpAddress& address, uint64_t rest) const noexcept {
        std::array<uint64_t, 3> words{0, 0, rest};
        std::memcpy(words.data(), address.bytes.data(), sizeof address.bytes);
        return hash(words);
    }

 private:
    struct State {
        uint64_t v0, v1, v2, v3;

        constexpr void round() noexcept {
            v0 += v1;
            v2 += v3;
            v1 = std::rotl(v1, 13) ^ v0;
            v3 = std::rotl(v3, 16) ^ v2;
            v0 = std::rotl(v0, 32);
            v2 += v1;
            v0 += v3;
            v1 = std::rotl(v1, 17) ^ v2;
            v3 = std::rotl(v3, 21) ^ v0;
            v2 = std::rotl(v2, 32);
        }
        constexpr void take(uint64_t word) noexcept {
            v3 ^= word;
            round();
            round();
            v0 ^= word;
        }
    };

    uint64_t low_ = 0;
    uint64_t high_ = 0;
};

}  // namespace sluice::nat
