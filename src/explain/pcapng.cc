#include "explain/pcapng.h"

#include <algorithm>
#include <limits>

namespace sluice::explain::pcapng {
namespace {

// Block types and option codes of the draft, sections 4 and 3.5.
constexpr uint32_t kSection = 0x0a0d0d0a;
constexpr uint32_t kInterface = 1;
constexpr uint32_t kStatistics = 5;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kByteOrder = 0x1a2b3c4d;
constexpr uint16_t kEthernet = 1;  // LINKTYPE_ETHERNET

constexpr uint16_t kEnd = 0;
constexpr uint16_t kComment = 1;
constexpr uint16_t kApplication = 4;  // shb_userappl
constexpr uint16_t kName = 2;         // if_name
constexpr uint16_t kResolution = 9;   // if_tsresol
constexpr uint16_t kFlags = 2;        // epb_flags
constexpr uint16_t kReceived = 4;     // isb_ifrecv
constexpr uint16_t kLost = 5;         // isb_ifdrop

// In the host's byte order, which the section header identifies.
template <class T>
void add(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void add_padded(std::string& out, std::string_view bytes) {
    out.append(bytes);
    out.append((4 - bytes.size() % 4) % 4, '\0');
}

void add_option(std::string& out, uint16_t code, std::string_view value) {
    value = value.substr(0, std::numeric_limits<uint16_t>::max());
    add(out, code);
    add(out, static_cast<uint16_t>(value.size()));
    add_padded(out, value);
}

template <class T>
void add_number(std::string& out, uint16_t code, T value) {
    add_option(out, code, {reinterpret_cast<const char*>(&value), sizeof value});
}

void add_time(std::string& out, int64_t nanoseconds) {
    add(out, static_cast<uint32_t>(static_cast<uint64_t>(nanoseconds) >> 32));
    add(out, static_cast<uint32_t>(nanoseconds));
}

// A block begins and ends with its length.
template <class Fill>
void add_block(std::string& out, uint32_t type, Fill fill) {
    const size_t begin = out.size();
    add(out, type);
    add(out, uint32_t{0});
    fill();
    const auto length = static_cast<uint32_t>(out.size() - begin + sizeof(uint32_t));
    out.replace(begin + sizeof type, sizeof length, reinterpret_cast<const char*>(&length), sizeof length);
    add(out, length);
}

}  // namespace

void add_section(std::string& out, std::string_view application) {
    add_block(out, kSection, [&] {
        add(out, kByteOrder);
        add(out, uint16_t{1});  // version 1.0
        add(out, uint16_t{0});
        add(out, int64_t{-1});  // length unknown
        add_option(out, kApplication, application);
        add_option(out, kEnd, {});
    });
}

void add_interface(std::string& out, std::string_view name, uint32_t snap_length) {
    add_block(out, kInterface, [&] {
        add(out, kEthernet);
        add(out, uint16_t{0});
        add(out, snap_length);
        add_option(out, kName, name);
        add_number(out, kResolution, uint8_t{9});  // 10^-9 s
        add_option(out, kEnd, {});
    });
}

void add_frame(std::string& out, const Frame& frame) {
    add_block(out, kEnhancedPacket, [&] {
        add(out, frame.interface);
        add_time(out, frame.nanoseconds);
        add(out, static_cast<uint32_t>(frame.bytes.size()));
        add(out, frame.length);
        add_padded(out, frame.bytes);
        add_number(out, kFlags, static_cast<uint32_t>(frame.direction));
        if (!frame.comment.empty()) add_option(out, kComment, frame.comment);
        add_option(out, kEnd, {});
    });
}

void add_statistics(std::string& out, int64_t nanoseconds, uint64_t received, uint64_t lost) {
    add_block(out, kStatistics, [&] {
        add(out, uint32_t{0});
        add_time(out, nanoseconds);
        add_number(out, kReceived, received);
        add_number(out, kLost, lost);
        add_option(out, kEnd, {});
    });
}

}  // namespace sluice::explain::pcapng
