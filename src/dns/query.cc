#include "dns/query.h"

#include <algorithm>

namespace sluice::dns {

class QueryReader {
 public:
    QueryReader(std::span<const uint8_t> message, Query& query) : message_(message), query_(query) {}

    Readable read() noexcept {
        if (message_.size() < kHeaderBytes) return Readable::kNotForUs;
        const uint8_t high = message_[2];
        const uint8_t low = message_[3];
        if ((high & 0x80) != 0) return Readable::kNotForUs;
        query_.id = u16(0);
        query_.opcode = high >> 3 & 0xf;
        query_.wants_recursion = (high & 1) != 0;
        query_.checks_disabled = (low & 0x10) != 0;
        if (query_.opcode != 0) return Readable::kNotImplemented;
        if (u16(4) != 1 || !read_question()) return Readable::kNo;
        // An incremental transfer names its version in the authority section. It is refused anyway.
        if (query_.type == Type::kIxfr) return Readable::kYes;
        if (u16(6) != 0 || u16(8) != 0 || u16(10) > 1) return Readable::kNo;
        if (u16(10) == 1 && !read_opt()) return Readable::kNo;
        return at_ == message_.size() ? Readable::kYes : Readable::kNo;
    }

 private:
    uint16_t u16(size_t at) const noexcept { return static_cast<uint16_t>(message_[at] << 8 | message_[at + 1]); }
    size_t rest() const noexcept { return message_.size() - at_; }

    // A question's name comes first, so it has nothing before it to point to: it is never compressed.
    bool read_question() noexcept {
        const size_t begin = kHeaderBytes;
        at_ = begin;
        size_t size = 0;
        while (true) {
            if (rest() == 0) return false;
            const uint8_t label = message_[at_];
            if (label > kMostLabelBytes || rest() < 1U + label || size + 1 + label > kMostNameBytes) return false;
            query_.name_[size++] = static_cast<char>(label);
            for (size_t i = 1; i <= label; ++i) query_.name_[size++] = lower(static_cast<char>(message_[at_ + i]));
            at_ += 1U + label;
            if (label == 0) break;
        }
        if (rest() < 4) return false;
        query_.name_bytes_ = static_cast<uint8_t>(size);
        query_.type = Type{u16(at_)};
        query_.dns_class = u16(at_ + 2);
        at_ += 4;
        query_.question = message_.subspan(begin, at_ - begin);
        return true;
    }

    bool read_opt() noexcept {
        if (rest() < kOptBytes || message_[at_] != 0 || Type{u16(at_ + 1)} != Type::kOpt) return false;
        const uint16_t size = u16(at_ + 9);
        if (rest() < kOptBytes + size) return false;
        query_.has_edns = true;
        query_.udp_bytes = std::max(u16(at_ + 3), kPlainUdpBytes);
        query_.edns_version = message_[at_ + 6];
        query_.dnssec_ok = (message_[at_ + 7] & 0x80) != 0;
        at_ += kOptBytes;
        for (const size_t end = at_ + size; at_ < end;) {
            if (end - at_ < 4 || end - at_ - 4 < u16(at_ + 2)) return false;
            at_ += 4U + u16(at_ + 2);
        }
        return true;
    }

    std::span<const uint8_t> message_;
    Query& query_;
    size_t at_ = 0;
};

Readable read_query(std::span<const uint8_t> message, Query& query) noexcept {
    return QueryReader(message, query).read();
}

}  // namespace sluice::dns
