// checksums_valid(): simple rather than fast, and written independently of src/wire.
#include "support/packet.h"

namespace sluice::test {

namespace {

// A read outside the frame returns 0 and clears `ok`.
struct Reader {
    const Bytes& frame;
    bool ok = true;

    unsigned byte(size_t at) {
        if (at >= frame.size()) ok = false;
        return at < frame.size() ? frame[at] : 0;
    }
    unsigned word(size_t at) { return byte(at) * 256 + byte(at + 1); }
};

// Adds words with end-around carry, as RFC 1071 describes.
struct OnesComplement {
    unsigned sum = 0;

    void add(unsigned word) {
        sum += word;
        if (sum >= 65536) sum = sum - 65536 + 1;
    }
    void add(Reader& reader, size_t begin, size_t end) {
        for (size_t at = begin; at < end; at += 2)
            add(reader.byte(at) * 256 + (at + 1 < end ? reader.byte(at + 1) : 0));
    }
    // The sum of a datagram with its checksum is minus zero.
    bool valid() const { return sum == 65535; }
};

bool l4_valid(Reader& reader, unsigned protocol, OnesComplement pseudo, bool v6, size_t begin,
              size_t end) {
    if (end > reader.frame.size() || begin > end) return false;
    pseudo.add(protocol);
    pseudo.add(static_cast<unsigned>(end - begin));
    if (protocol == 6) {
        pseudo.add(reader, begin, end);
        return reader.ok && pseudo.valid();
    }
    if (protocol == 17) {
        if (reader.word(begin + 4) != end - begin) return false;
        const bool none = reader.word(begin + 6) == 0;
        pseudo.add(reader, begin, end);
        const bool vxlan = reader.word(begin + 2) == 4789;
        // RFC 6935 allows tunnels a zero checksum over IPv6, too.
        if (!(none ? (!v6 || vxlan) : pseudo.valid())) return false;
        if (!vxlan) return reader.ok;
        const auto inner = reader.frame.begin() + static_cast<ptrdiff_t>(begin) + 16;
        return end - begin >= 16 &&
               checksums_valid(Bytes(inner, reader.frame.begin() + static_cast<ptrdiff_t>(end)));
    }
    if (protocol == 1 || protocol == 58) {
        OnesComplement icmp = protocol == 58 ? pseudo : OnesComplement{};
        icmp.add(reader, begin, end);
        return reader.ok && icmp.valid();
    }
    return reader.ok;
}

bool ipv4_valid(Reader& reader, size_t begin) {
    const size_t header = begin + (reader.byte(begin) & 15) * 4;
    const size_t end = begin + reader.word(begin + 2);
    OnesComplement own;
    own.add(reader, begin, header);
    if (!reader.ok || reader.byte(begin) / 16 != 4 || !own.valid()) return false;
    if ((reader.word(begin + 6) & 0x3fff) != 0) return true;
    OnesComplement pseudo;
    pseudo.add(reader, begin + 12, begin + 20);
    return l4_valid(reader, reader.byte(begin + 9), pseudo, false, header, end);
}

bool ipv6_valid(Reader& reader, size_t begin) {
    const size_t end = begin + 40 + reader.word(begin + 4);
    if (reader.byte(begin) / 16 != 6) return false;
    OnesComplement pseudo;
    pseudo.add(reader, begin + 8, begin + 40);
    unsigned next = reader.byte(begin + 6);
    size_t at = begin + 40;
    while (reader.ok && (next == 0 || next == 43 || next == 60)) {
        next = reader.byte(at);
        at += (reader.byte(at + 1) + 1) * 8;
    }
    if (next == 44) return reader.ok;
    return reader.ok && l4_valid(reader, next, pseudo, true, at, end);
}

}  // namespace

bool checksums_valid(const Bytes& frame) {
    Reader reader{frame};
    size_t type = 12;
    while (reader.word(type) == 0x8100 || reader.word(type) == 0x88a8 || reader.word(type) == 0x9100) type += 4;
    if (!reader.ok) return false;
    if (reader.word(type) == 0x0800) return ipv4_valid(reader, type + 2);
    if (reader.word(type) == 0x86dd) return ipv6_valid(reader, type + 2);
    return true;
}

}  // namespace sluice::test
