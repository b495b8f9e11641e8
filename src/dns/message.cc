#include "dns/message.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

// Last: it brings <stdbool.h>, after which clang can't read the C++ library's headers any more.
#include <ldns/ldns.h>

namespace sluice::dns {
namespace {

constexpr uint8_t kFlagsHighAnswer = 0x80;         // QR
constexpr uint8_t kFlagsHighAuthoritative = 0x04;  // AA
constexpr uint8_t kFlagsHighTruncated = 0x02;      // TC
constexpr uint8_t kFlagsHighRecursion = 0x01;      // RD
constexpr uint8_t kFlagsLowAvailable = 0x80;       // RA
constexpr uint8_t kFlagsLowAuthentic = 0x20;       // AD
constexpr uint8_t kFlagsLowUnchecked = 0x10;       // CD
constexpr uint32_t kMostTtl = 0x7fffffff;          // RFC 2181, 8

struct FreePacket {
    void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};
using Packet = std::unique_ptr<ldns_pkt, FreePacket>;

void put_u16(std::vector<uint8_t>& bytes, uint16_t value) {
    bytes.push_back(static_cast<uint8_t>(value >> 8));
    bytes.push_back(static_cast<uint8_t>(value & 0xff));
}
void put_u32(std::vector<uint8_t>& bytes, uint32_t value) {
    put_u16(bytes, static_cast<uint16_t>(value >> 16));
    put_u16(bytes, static_cast<uint16_t>(value & 0xffff));
}
template <class Bytes>
void put_all(std::vector<uint8_t>& bytes, const Bytes& more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
}
uint16_t u16_at(std::span<const uint8_t> bytes, size_t at) {
    return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
uint32_t u32_at(std::span<const uint8_t> bytes, size_t at) {
    return static_cast<uint32_t>(u16_at(bytes, at)) << 16 | u16_at(bytes, at + 2);
}
void set_u16(std::span<uint8_t> bytes, size_t at, uint16_t value) {
    bytes[at] = static_cast<uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<uint8_t>(value & 0xff);
}
void set_u32(std::span<uint8_t> bytes, size_t at, uint32_t value) {
    set_u16(bytes, at, static_cast<uint16_t>(value >> 16));
    set_u16(bytes, at + 2, static_cast<uint16_t>(value & 0xffff));
}

// --- writing ---

class Writer {
 public:
    Writer(std::string_view name, Type type, uint32_t ttl) : packet_(ldns_pkt_new()), ttl_(ttl) {
        std::vector<uint8_t> question;
        put_all(question, name);
        put_u16(question, static_cast<uint16_t>(type));
        put_u16(question, kClassIn);
        add(question, LDNS_SECTION_QUESTION);
    }

    void add(std::string_view name, Type type, std::string_view rdata, ldns_pkt_section section) {
        std::vector<uint8_t> record;
        put_all(record, name);
        put_u16(record, static_cast<uint16_t>(type));
        put_u16(record, kClassIn);
        put_u32(record, ttl_);
        put_u16(record, static_cast<uint16_t>(rdata.size()));
        put_all(record, rdata);
        add(record, section);
    }
    // Of a message that was read or written by ldns before.
    void add_all(const ldns_rr_list* records, ldns_pkt_section section) {
        for (size_t i = 0; i < ldns_rr_list_rr_count(records); ++i) {
            const ldns_rr* record = ldns_rr_list_rr(records, i);
            if (ldns_rr_get_type(record) == LDNS_RR_TYPE_OPT || ldns_rr_get_type(record) == LDNS_RR_TYPE_TSIG)
                continue;
            push(ldns_rr_clone(record), section);
        }
    }
    // The zone's: for a negative answer (RFC 2308), and where it is what was asked for.
    void add_soa(const std::string& zone, ldns_pkt_section section) {
        std::string rdata = prefixed("\2ns\3dns", zone) + prefixed("\12hostmaster", zone);
        std::vector<uint8_t> times;
        for (const uint32_t value : {1U, 7200U, 1800U, 86400U, ttl_}) put_u32(times, value);
        rdata.append(times.begin(), times.end());
        add(zone, Type::kSoa, rdata, section);
    }

    // Null: a record is none, or there are too many.
    SharedMessage finish(Rcode rcode, uint8_t flags_high, uint8_t flags_low) {
        uint8_t* wire = nullptr;
        size_t size = 0;
        if (has_failed_ || ldns_pkt2wire(&wire, packet_.get(), &size) != LDNS_STATUS_OK) return nullptr;
        auto message = std::make_shared<Message>();
        message->wire.assign(wire, wire + size);
        free(wire);
        if (size > kMostBytes - kOptBytes || !survey(*message)) return nullptr;
        message->wire[2] = kFlagsHighAnswer | flags_high;
        message->wire[3] = static_cast<uint8_t>(flags_low | static_cast<uint8_t>(rcode));
        return message;
    }

 private:
    // A name of this zone, if it isn't too long for one.
    static std::string prefixed(std::string_view labels, const std::string& zone) {
        const std::string name = std::string(labels) + zone;
        return name.size() <= kMostNameBytes ? name : zone;
    }

    void add(const std::vector<uint8_t>& wire, ldns_pkt_section section) {
        ldns_rr* record = nullptr;
        size_t at = 0;
        const auto status = ldns_wire2rr(&record, wire.data(), wire.size(), &at, section);
        if (status != LDNS_STATUS_OK) {
            has_failed_ = true;
            return;
        }
        push(record, section);
    }
    void push(ldns_rr* record, ldns_pkt_section section) {
        if (record != nullptr && ldns_pkt_push_rr(packet_.get(), section, record)) return;
        ldns_rr_free(record);
        has_failed_ = true;
    }

    // Notes where the TTLs and the addresses stand.
    static bool survey(Message& message);

    Packet packet_;
    uint32_t ttl_;
    bool has_failed_ = false;
};

// Behind a name of a message of our own, which ends with the root or a pointer.
size_t skip_name(std::span<const uint8_t> wire, size_t at) {
    while (at < wire.size()) {
        const uint8_t label = wire[at];
        if (label == 0) return at + 1;
        if (label >= 0xc0) return at + 2;
        at += 1U + label;
    }
    return at;
}

bool Writer::survey(Message& message) {
    const std::span<const uint8_t> wire = message.wire;
    constexpr size_t kFixedBytes = 10;  // type, class, TTL, size
    size_t at = skip_name(wire, kHeaderBytes) + 4;
    message.question_bytes = static_cast<uint16_t>(at - kHeaderBytes);
    const size_t answers = u16_at(wire, 6);
    const size_t records = answers + u16_at(wire, 8) + u16_at(wire, 10);
    message.ttl = kMostTtl;
    bool is_rotated = answers > 1;
    for (size_t i = 0; i < records; ++i) {
        const size_t begin = at;
        at = skip_name(wire, at);
        if (at + kFixedBytes > wire.size()) return false;
        const Type type{u16_at(wire, at)};
        const size_t ttl = at + 4;
        at += kFixedBytes + u16_at(wire, at + 8);
        if (at > wire.size()) return false;
        message.ttls.push_back(static_cast<uint16_t>(ttl));
        message.ttl = std::min(message.ttl, u32_at(wire, ttl) > kMostTtl ? 0 : u32_at(wire, ttl));
        if (i >= answers) continue;
        if (i == 0) {
            message.first_address = static_cast<uint16_t>(begin);
            message.address_bytes = static_cast<uint16_t>(at - begin);
        }
        is_rotated = is_rotated && (type == Type::kA || type == Type::kAaaa) &&
                     at - begin == message.address_bytes && wire[begin] == 0xc0 && wire[begin + 1] == kHeaderBytes;
    }
    if (records == 0) message.ttl = 0;
    message.addresses = is_rotated ? static_cast<uint16_t>(answers) : 0;
    return at == wire.size();
}

Writer begin_answer(std::string_view name, Type type, const Resolved& resolved, const Names& names) {
    Writer writer(name, type, names.settings().ttl);
    for (const Answered& it : resolved.answers)
        writer.add(it.name, it.record->type, it.record->rdata, LDNS_SECTION_ANSWER);
    return writer;
}

Packet read_packet(std::span<const uint8_t> bytes) {
    ldns_pkt* packet = nullptr;
    if (ldns_wire2pkt(&packet, bytes.data(), bytes.size()) != LDNS_STATUS_OK) return nullptr;
    return Packet(packet);
}

// Of a negative answer: how long it may be kept.
uint32_t negative_ttl(const ldns_pkt* packet) {
    const ldns_rr_list* records = ldns_pkt_authority(packet);
    for (size_t i = 0; i < ldns_rr_list_rr_count(records); ++i) {
        const ldns_rr* record = ldns_rr_list_rr(records, i);
        if (ldns_rr_get_type(record) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(record) != 7) continue;
        return std::min(ldns_rr_ttl(record), ldns_rdf2native_int32(ldns_rr_rdf(record, 6)));
    }
    return 0;
}

}  // namespace

SharedMessage write_answer(std::string_view name, Type type, const Resolved& resolved, const Names& names) {
    Writer writer = begin_answer(name, type, resolved, names);
    if (resolved.kind == Resolved::Kind::kMinimal) {
        using namespace std::string_view_literals;
        writer.add(name, Type::kHinfo, "\7RFC8482\0"sv, LDNS_SECTION_ANSWER);
    }
    for (const Answered& it : resolved.additional)
        writer.add(it.name, it.record->type, it.record->rdata, LDNS_SECTION_ADDITIONAL);
    if (!resolved.zone.empty()) {
        const bool is_asked = type == Type::kSoa && name == resolved.zone && resolved.rcode == Rcode::kNoError;
        writer.add_soa(resolved.zone, is_asked ? LDNS_SECTION_ANSWER : LDNS_SECTION_AUTHORITY);
    }
    return writer.finish(resolved.rcode, kFlagsHighAuthoritative, 0);
}

SharedMessage write_answer(std::string_view name, Type type, const Resolved& resolved, const Names& names,
                           const Message& rest) {
    Writer writer = begin_answer(name, type, resolved, names);
    const Packet packet = read_packet(rest.wire);
    if (packet == nullptr) return nullptr;
    writer.add_all(ldns_pkt_answer(packet.get()), LDNS_SECTION_ANSWER);
    writer.add_all(ldns_pkt_authority(packet.get()), LDNS_SECTION_AUTHORITY);
    return writer.finish(static_cast<Rcode>(ldns_pkt_get_rcode(packet.get())), 0, 0);
}

std::vector<uint8_t> write_question(const Question& question, uint16_t id) {
    std::vector<uint8_t> bytes;
    put_u16(bytes, id);
    bytes.push_back(kFlagsHighRecursion);
    bytes.push_back(question.checks_disabled ? kFlagsLowUnchecked : 0);
    for (const uint16_t count : {1, 0, 0, 1}) put_u16(bytes, count);
    put_all(bytes, question.name);
    put_u16(bytes, static_cast<uint16_t>(question.type));
    put_u16(bytes, kClassIn);
    bytes.push_back(0);  // the root
    put_u16(bytes, static_cast<uint16_t>(Type::kOpt));
    put_u16(bytes, kUdpBytes);
    put_u32(bytes, question.dnssec_ok ? 0x8000 : 0);
    put_u16(bytes, 0);
    return bytes;
}

tl::expected<SharedMessage, Fault> read_answer(std::span<const uint8_t> bytes, const Question& question,
                                               uint16_t id) {
    // Whose answer it is, is read first: a forged one must not end the wait for the true one.
    const size_t asked_end = kHeaderBytes + question.name.size() + 4;
    if (bytes.size() < kHeaderBytes || u16_at(bytes, 0) != id || (bytes[2] & 0xf8) != kFlagsHighAnswer)
        return tl::unexpected(Fault::kForeign);
    const auto rcode = static_cast<Rcode>(bytes[3] & 0xf);
    const bool has_failed = rcode != Rcode::kNoError && rcode != Rcode::kNoSuchName;
    // A server that fails may leave the question out.
    if (has_failed && u16_at(bytes, 4) == 0) return tl::unexpected(Fault::kFailed);
    if (bytes.size() < asked_end || u16_at(bytes, 4) != 1) return tl::unexpected(Fault::kForeign);
    const auto name = bytes.subspan(kHeaderBytes, question.name.size());
    const bool is_same = std::ranges::equal(name, question.name,
                                            [](uint8_t a, char b) { return lower(static_cast<char>(a)) == b; });
    if (!is_same || Type{u16_at(bytes, asked_end - 4)} != question.type ||
        u16_at(bytes, asked_end - 2) != kClassIn)
        return tl::unexpected(Fault::kForeign);
    if (has_failed) return tl::unexpected(Fault::kFailed);
    if ((bytes[2] & kFlagsHighTruncated) != 0) return tl::unexpected(Fault::kTruncated);

    const Packet packet = read_packet(bytes);
    if (packet == nullptr) return tl::unexpected(Fault::kMalformed);
    if (ldns_pkt_edns_extended_rcode(packet.get()) != 0) return tl::unexpected(Fault::kFailed);
    Writer writer(question.name, question.type, 0);
    writer.add_all(ldns_pkt_answer(packet.get()), LDNS_SECTION_ANSWER);
    writer.add_all(ldns_pkt_authority(packet.get()), LDNS_SECTION_AUTHORITY);
    writer.add_all(ldns_pkt_additional(packet.get()), LDNS_SECTION_ADDITIONAL);
    const auto message = writer.finish(rcode, 0, bytes[3] & kFlagsLowAuthentic);
    if (message == nullptr) return tl::unexpected(Fault::kMalformed);
    if (rcode == Rcode::kNoError && ldns_rr_list_rr_count(ldns_pkt_answer(packet.get())) != 0) return message;
    auto negative = std::make_shared<Message>(*message);
    negative->ttl = std::min(negative->ttl, negative_ttl(packet.get()));
    return negative;
}

namespace {

class Sender {
 public:
    Sender(const Query& query, const Envelope& envelope, Buffer& buffer)
        : query_(query), envelope_(envelope), buffer_(buffer) {}

    std::span<const uint8_t> send(const Message& message) {
        const size_t size = message.wire.size();
        if (size + opt_bytes() > envelope_.most_bytes || query_.question.size() != message.question_bytes)
            return truncate(message);
        std::memcpy(buffer_.data(), message.wire.data(), size);
        rotate(message);
        if (envelope_.age != 0) {
            for (const uint16_t at : message.ttls) {
                const uint32_t ttl = u32_at(buffer_, at);
                set_u32(buffer_, at, ttl > envelope_.age ? ttl - envelope_.age : 0);
            }
        }
        return finish(size, Rcode::kNoError);
    }

    std::span<const uint8_t> send_error(Rcode rcode) {
        std::fill_n(buffer_.begin(), kHeaderBytes, 0);
        buffer_[2] = kFlagsHighAnswer | static_cast<uint8_t>(query_.opcode << 3);
        buffer_[3] = static_cast<uint8_t>(rcode) & 0xf;
        set_u16(buffer_, 4, query_.question.empty() ? 0 : 1);
        return finish(kHeaderBytes + query_.question.size(), rcode);
    }

 private:
    size_t opt_bytes() const { return query_.has_edns ? kOptBytes : 0; }

    std::span<const uint8_t> truncate(const Message& message) {
        std::fill_n(buffer_.begin(), kHeaderBytes, 0);
        buffer_[2] = message.wire[2] | kFlagsHighTruncated;
        buffer_[3] = message.wire[3];
        set_u16(buffer_, 4, 1);
        return finish(kHeaderBytes + query_.question.size(), Rcode::kNoError);
    }

    void rotate(const Message& message) {
        if (message.addresses < 2) return;
        const size_t unit = message.address_bytes;
        const size_t shift = envelope_.rotation % message.addresses * unit;
        const size_t whole = message.addresses * unit;
        const uint8_t* from = message.wire.data() + message.first_address;
        uint8_t* to = buffer_.data() + message.first_address;
        std::memcpy(to, from + shift, whole - shift);
        std::memcpy(to + whole - shift, from, shift);
    }

    // What repeats the query's, and the OPT record.
    std::span<const uint8_t> finish(size_t size, Rcode rcode) {
        set_u16(buffer_, 0, query_.id);
        if (query_.wants_recursion) buffer_[2] |= kFlagsHighRecursion;
        if (envelope_.offers_recursion) buffer_[3] |= kFlagsLowAvailable;
        if (query_.checks_disabled) buffer_[3] |= kFlagsLowUnchecked;
        std::ranges::copy(query_.question, buffer_.begin() + kHeaderBytes);
        if (!query_.has_edns) return {buffer_.data(), size};
        set_u16(buffer_, 10, static_cast<uint16_t>(u16_at(buffer_, 10) + 1));
        uint8_t* opt = buffer_.data() + size;
        std::fill_n(opt, kOptBytes, 0);
        opt[2] = static_cast<uint8_t>(Type::kOpt);
        opt[3] = kUdpBytes >> 8;
        opt[4] = kUdpBytes & 0xff;
        opt[5] = static_cast<uint8_t>(static_cast<uint8_t>(rcode) >> 4);
        if (query_.dnssec_ok) opt[7] = 0x80;
        return {buffer_.data(), size + kOptBytes};
    }

    const Query& query_;
    const Envelope& envelope_;
    Buffer& buffer_;
};

}  // namespace

std::span<const uint8_t> send(const Message& message, const Query& query, const Envelope& envelope,
                              Buffer& buffer) {
    return Sender(query, envelope, buffer).send(message);
}

std::span<const uint8_t> send_error(Rcode rcode, const Query& query, const Envelope& envelope, Buffer& buffer) {
    return Sender(query, envelope, buffer).send_error(rcode);
}

}  // namespace sluice::dns
