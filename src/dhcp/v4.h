// DHCP (RFC 2131, RFC 2132): a guest's message, and the switch's answer. Bytes in, bytes out; sockets, leases and
// clocks are elsewhere. Long options (RFC 3396) and options in the fields of names (option 52) are read and
// written. A message by a relay agent is refused: the switch answers the guests of its own ports. Any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "dhcp/bytes.h"
#include "dhcp/facts.h"

namespace sluice::dhcp {

inline constexpr uint16_t kServerPort = 67;
inline constexpr uint16_t kClientPort = 68;

enum class Type4 : uint8_t { kDiscover = 1, kOffer, kRequest, kDecline, kAck, kNak, kRelease, kInform };

struct Message4 {
    Type4 type{};
    uint32_t transaction = 0;
    bool wants_broadcast = false;           // the guest can't receive unicast before it has an address
    IpAddress own = IpAddress::from_v4(0);  // `ciaddr`: the address that the guest uses; 0.0.0.0: none
    MacAddress mac;
    Bytes client_id;                     // option 61; empty: none
    std::string host_name;               // option 12; empty: none, or no host's name
    std::optional<IpAddress> requested;  // option 50
    std::optional<IpAddress> server;     // option 54
    std::vector<uint8_t> wanted;         // option 55; empty: all
    uint16_t most_bytes = 576;           // option 57: of an IP packet that the guest takes
};

// An error says why the message gets no answer.
tl::expected<Message4, std::string_view> read_v4(std::span<const uint8_t> bytes);

struct Answer4 {
    Outcome outcome = Outcome::kNone;
    Bytes message = {};                             // a UDP payload; empty: nothing is sent
    IpAddress to = IpAddress::from_v4(UINT32_MAX);  // the answer's destination
    MacAddress to_mac = MacAddress::from_uint64(0xffff'ffff'ffff);
};

// The addresses of `facts` are those that the guest has or will have: the caller has chosen them.
Answer4 answer_v4(const Message4& message, const Facts& facts);

}  // namespace sluice::dhcp
