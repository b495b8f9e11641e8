// Bytes of messages in network order. A read behind the end gives zeros and is remembered, so that a parser checks
// once. Any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sluice/address.h"

namespace sluice::dhcp {

using Bytes = std::vector<uint8_t>;

inline constexpr size_t kMostBytes = 1500;  // of a guest's message

class ByteReader {
 public:
    explicit ByteReader(std::span<const uint8_t> bytes) : left_(bytes) {}

    // Whether all reads so far were inside.
    bool is_good() const noexcept { return is_good_; }
    bool empty() const noexcept { return left_.empty(); }
    std::span<const uint8_t> rest() const noexcept { return left_; }

    // Empty if there are fewer bytes.
    std::span<const uint8_t> take(size_t size) noexcept {
        if (size > left_.size()) {
            is_good_ = false;
            left_ = {};
            return {};
        }
        const auto taken = left_.first(size);
        left_ = left_.subspan(size);
        return taken;
    }
    // Big-endian, of 1 to 4 bytes.
    uint32_t number(size_t size) noexcept {
        uint32_t value = 0;
        for (const uint8_t byte : take(size)) value = value << 8 | byte;
        return value;
    }
    IpAddress ipv4() noexcept { return IpAddress::from_v4(number(4)); }
    IpAddress ipv6() noexcept {
        IpAddress address;
        const auto bytes = take(address.bytes.size());
        std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
        return address;
    }

 private:
    std::span<const uint8_t> left_;
    bool is_good_ = true;
};

class ByteWriter {
 public:
    ByteWriter& number(uint32_t value, size_t size) {
        for (size_t i = size; i-- != 0;) bytes_.push_back(static_cast<uint8_t>(value >> 8 * i));
        return *this;
    }
    ByteWriter& add(std::span<const uint8_t> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    ByteWriter& add(std::string_view text) {
        bytes_.insert(bytes_.end(), text.begin(), text.end());
        return *this;
    }
    // 4 bytes of an IPv4 address, 16 of an IPv6 address.
    ByteWriter& add(const IpAddress& address) {
        return address.is_v4() ? number(address.v4(), 4) : add(std::span<const uint8_t>(address.bytes));
    }
    ByteWriter& add(const MacAddress& mac) { return add(std::span<const uint8_t>(mac.bytes)); }
    ByteWriter& zeros(size_t count) {
        bytes_.insert(bytes_.end(), count, 0);
        return *this;
    }

    size_t size() const noexcept { return bytes_.size(); }
    const Bytes& bytes() const noexcept { return bytes_; }
    Bytes take() noexcept { return std::move(bytes_); }

 private:
    Bytes bytes_;
};

}  // namespace sluice::dhcp
