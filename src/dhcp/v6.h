// DHCPv6 (RFC 8415): a guest's message, and the switch's answer. It gives addresses (IA_NA), the same ones to
// every association of a guest but to one only, and no prefixes. Bytes in, bytes out; sockets, leases and clocks
// are elsewhere. An answer goes back to the message's source address and MAC address, to port 546. Any thread.
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

inline constexpr uint16_t kServerPort6 = 547;
inline constexpr uint16_t kClientPort6 = 546;

enum class Type6 : uint8_t {
    kSolicit = 1,
    kAdvertise,
    kRequest,
    kConfirm,
    kRenew,
    kRebind,
    kReply,
    kRelease,
    kDecline,
    kReconfigure,
    kInformationRequest,
    kRelayForward,
    kRelayReply,
};

// An identity association for addresses (IA_NA), or for prefixes (IA_PD).
struct Association {
    uint32_t id = 0;
    bool is_of_prefixes = false;
    std::vector<IpAddress> addresses;
};

struct Message6 {
    Type6 type{};
    uint32_t transaction = 0;
    Bytes client;  // the DUID of the guest; empty: none
    Bytes server;  // the DUID of the server that it wants; empty: any
    std::vector<Association> associations;
    std::vector<uint16_t> wanted;  // option 6
    bool wants_rapid_commit = false;
    std::string host_name;  // the first label of option 39; empty: none, or no host's name
};

// An error says why the message gets no answer.
tl::expected<Message6, std::string_view> read_v6(std::span<const uint8_t> bytes);

struct Answer6 {
    Outcome outcome = Outcome::kNone;
    Bytes message = {};  // a UDP payload; empty: nothing is sent
};

// The addresses of `facts` are those that the guest has or will have: the caller has chosen them.
Answer6 answer_v6(const Message6& message, const Facts& facts);

// The DUID of the switch in a network (DUID-LL): it stays the same as long as the router's MAC address does.
Bytes server_id(const Facts& facts);

}  // namespace sluice::dhcp
