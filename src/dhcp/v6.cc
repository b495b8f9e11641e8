#include "dhcp/v6.h"

#include <algorithm>
#include <array>

#include "dhcp/domain_name.h"

namespace sluice::dhcp {
namespace {

constexpr size_t kMostAssociations = 8;
constexpr size_t kMostAddresses = 16;  // that a guest names in an association
constexpr size_t kLeastDuid = 3;
constexpr size_t kMostDuid = 130;

namespace option6 {
enum Code : uint16_t {
    kClientId = 1,
    kServerId = 2,
    kAddresses = 3,  // IA_NA
    kAddress = 5,    // IAADDR
    kWanted = 6,     // ORO
    kStatus = 13,
    kRapidCommit = 14,
    kNameServers = 23,
    kSearch = 24,
    kPrefixes = 25,  // IA_PD
    kRefreshTime = 32,
    kHostName = 39,     // Client FQDN (RFC 4704)
    kTimeServers = 56,  // RFC 5908
};
}  // namespace option6

enum class Status6 : uint16_t {
    kSuccess = 0,
    kNoAddresses = 2,
    kNoBinding = 3,
    kNotOnLink = 4,
    kNoPrefixes = 6,
};

// Calls take(code, value) for each option, until it returns false. False: it did, or an option is cut off.
template <class Take>
bool each_option(std::span<const uint8_t> bytes, Take take) {
    ByteReader reader(bytes);
    while (!reader.empty()) {
        const auto code = static_cast<uint16_t>(reader.number(2));
        const auto value = reader.take(reader.number(2));
        if (!reader.is_good() || !take(code, value)) return false;
    }
    return true;
}

bool read_association(uint16_t code, std::span<const uint8_t> value, std::vector<Association>& associations) {
    if (associations.size() == kMostAssociations) return false;
    ByteReader reader(value);
    Association association{.id = reader.number(4), .is_of_prefixes = code == option6::kPrefixes};
    reader.take(8);  // T1 and T2, which are the server's choice
    const bool is_good = reader.is_good() && each_option(reader.rest(), [&](uint16_t inner, auto address) {
                             if (inner != option6::kAddress || association.is_of_prefixes) return true;
                             ByteReader fields(address);
                             association.addresses.push_back(fields.ipv6());
                             fields.take(8);  // lifetimes
                             return fields.is_good() && association.addresses.size() <= kMostAddresses;
                         });
    associations.push_back(std::move(association));
    return is_good;
}

// A flag byte, then labels; it need not be fully qualified.
std::string read_host_name(std::span<const uint8_t> value) {
    ByteReader reader(value);
    reader.take(1);
    const auto label = reader.take(reader.number(1));
    return host_label({reinterpret_cast<const char*>(label.data()), label.size()});
}

bool is_duid(std::span<const uint8_t> value) {
    return value.size() >= kLeastDuid && value.size() <= kMostDuid;
}

// Each of these options may be given once (RFC 8415, 21.2, 21.3).
bool take_duid(std::span<const uint8_t> value, Bytes& duid) {
    if (!duid.empty() || !is_duid(value)) return false;
    duid.assign(value.begin(), value.end());
    return true;
}

bool take_option(uint16_t code, std::span<const uint8_t> value, Message6& message) {
    switch (code) {
        case option6::kClientId:
            return take_duid(value, message.client);
        case option6::kServerId:
            return take_duid(value, message.server);
        case option6::kAddresses:
        case option6::kPrefixes:
            return read_association(code, value, message.associations);
        case option6::kWanted:
            if (value.size() % 2 != 0) return false;
            for (ByteReader reader(value); !reader.empty();)
                message.wanted.push_back(static_cast<uint16_t>(reader.number(2)));
            return true;
        case option6::kRapidCommit:
            message.wants_rapid_commit = true;
            return value.empty();
        case option6::kHostName:
            message.host_name = read_host_name(value);
            return true;
        default:
            return true;
    }
}

enum class WantedServer { kNone, kOurs, kAny };
// What messages of a type say of the server (RFC 8415, 16.2 to 16.12). Nothing: no guest sends the type.
std::optional<WantedServer> server_id_of(Type6 type) {
    switch (type) {
        case Type6::kSolicit:
        case Type6::kConfirm:
        case Type6::kRebind:
            return WantedServer::kNone;
        case Type6::kRequest:
        case Type6::kRenew:
        case Type6::kRelease:
        case Type6::kDecline:
            return WantedServer::kOurs;
        case Type6::kInformationRequest:
            return WantedServer::kAny;
        default:
            return std::nullopt;
    }
}

void add_option6(ByteWriter& writer, uint16_t code, std::span<const uint8_t> value) {
    writer.number(code, 2).number(static_cast<uint32_t>(value.size()), 2).add(value);
}

void add_status(ByteWriter& writer, Status6 status, std::string_view text) {
    const Bytes value = ByteWriter().number(static_cast<uint32_t>(status), 2).add(text).take();
    add_option6(writer, option6::kStatus, value);
}

void add_address(ByteWriter& writer, const IpAddress& address, uint32_t lifetime) {
    const Bytes value = ByteWriter().add(address).number(lifetime, 4).number(lifetime, 4).take();
    add_option6(writer, option6::kAddress, value);
}

class Answering6 {
 public:
    Answering6(const Message6& message, const Facts& facts) : message_(message), facts_(facts) {}

    Answer6 answer() {
        switch (message_.type) {
            case Type6::kSolicit:
                return message_.wants_rapid_commit ? give(Type6::kReply, Outcome::kBound)
                                                   : give(Type6::kAdvertise, Outcome::kOffered);
            case Type6::kRequest:
            case Type6::kRenew:
            case Type6::kRebind:
                return give(Type6::kReply, Outcome::kBound);
            case Type6::kConfirm:
                return confirm();
            case Type6::kRelease:
                return give_up(Outcome::kReleased);
            case Type6::kDecline:
                return give_up(Outcome::kDeclined);
            case Type6::kInformationRequest:
                begin(Type6::kReply);
                add_wishes();
                return finish(Outcome::kNone);
            default:
                return {};
        }
    }

 private:
    bool is_own(const IpAddress& address) const {
        return std::find(facts_.addresses6.begin(), facts_.addresses6.end(), address) != facts_.addresses6.end();
    }

    // The first association gets the guest's addresses, the others get none. Addresses that the guest names and
    // hasn't are given no more time (RFC 8415, 18.3.4).
    Answer6 give(Type6 type, Outcome outcome) {
        begin(type);
        if (type == Type6::kReply && message_.type == Type6::kSolicit)
            add_option6(writer_, option6::kRapidCommit, {});
        bool is_given = facts_.addresses6.empty();
        bool has_given = false;
        for (const Association& association : message_.associations) {
            if (association.is_of_prefixes) {
                add_association(association, false, Status6::kNoPrefixes, "prefixes are not delegated here");
            } else if (std::exchange(is_given, true)) {
                add_association(association, false, Status6::kNoAddresses, "there is no address for it");
            } else {
                add_association(association, true, Status6::kSuccess, {});
                has_given = true;
            }
        }
        add_wishes();
        return finish(has_given ? outcome : Outcome::kNone);
    }

    void add_association(const Association& association, bool has_addresses, Status6 status,
                         std::string_view text) {
        const bool renews = message_.type == Type6::kRenew || message_.type == Type6::kRebind;
        ByteWriter inner;
        if (has_addresses) {
            for (const IpAddress& address : facts_.addresses6) add_address(inner, address, facts_.lease);
        }
        for (const IpAddress& address : association.addresses) {
            if (renews && !(has_addresses && is_own(address))) add_address(inner, address, 0);
        }
        if (status != Status6::kSuccess) add_status(inner, status, text);
        const uint32_t renewal = has_addresses ? facts_.lease / 2 : 0;
        const uint32_t rebinding = has_addresses ? facts_.lease - facts_.lease / 5 : 0;
        const Bytes value = ByteWriter()
                                .number(association.id, 4)
                                .number(renewal, 4)
                                .number(rebinding, 4)
                                .add(inner.bytes())
                                .take();
        add_option6(writer_, association.is_of_prefixes ? option6::kPrefixes : option6::kAddresses, value);
    }

    // Whether the guest may go on with its addresses after it has moved. An address of this link that is not the
    // guest's is refused too, so that it asks for its own at once.
    Answer6 confirm() {
        size_t count = 0;
        bool are_own = true;
        for (const Association& association : message_.associations) {
            for (const IpAddress& address : association.addresses) {
                ++count;
                are_own &= is_own(address);
            }
        }
        if (count == 0) return {};
        begin(Type6::kReply);
        if (are_own) {
            add_status(writer_, Status6::kSuccess, "the addresses are this guest's");
        } else {
            add_status(writer_, Status6::kNotOnLink, "an address is not this guest's");
        }
        return finish(Outcome::kNone);
    }

    // RFC 8415, 18.3.7 and 18.3.8.
    Answer6 give_up(Outcome outcome) {
        begin(Type6::kReply);
        add_status(writer_, Status6::kSuccess, {});
        bool has_given_up = false;
        for (const Association& association : message_.associations) {
            const auto& addresses = association.addresses;
            const bool are_own =
                std::any_of(addresses.begin(), addresses.end(), [&](const auto& each) { return is_own(each); });
            has_given_up |= are_own;
            if (!are_own) add_association(association, false, Status6::kNoBinding, "it has none of these");
        }
        return finish(has_given_up ? outcome : Outcome::kNone);
    }

    bool wants(uint16_t code) const {
        return std::find(message_.wanted.begin(), message_.wanted.end(), code) != message_.wanted.end();
    }

    void add_wishes() {
        ByteWriter names;
        ByteWriter times;
        for (const IpAddress& server : facts_.name_servers) {
            if (!server.is_v4()) names.add(server);
        }
        for (const IpAddress& server : facts_.time_servers) {
            constexpr uint16_t kServerAddress = 1;
            if (!server.is_v4()) add_option6(times, kServerAddress, server.bytes);
        }
        if (names.size() != 0) add_wish(option6::kNameServers, names.bytes());
        if (!facts_.search.empty()) add_wish(option6::kSearch, encode_names(facts_.search));
        if (times.size() != 0) add_wish(option6::kTimeServers, times.bytes());
        if (message_.type == Type6::kInformationRequest) {
            constexpr uint32_t kLeast = 600;  // RFC 8415, 7.6
            add_wish(option6::kRefreshTime, ByteWriter().number(std::max(kLeast, facts_.lease), 4).take());
        }
    }

    // What doesn't fit is left out.
    void add_wish(uint16_t code, const Bytes& value) {
        if (wants(code) && writer_.size() + 4 + value.size() <= most()) add_option6(writer_, code, value);
    }

    // Bytes of a message that isn't fragmented.
    size_t most() const {
        constexpr size_t kLeastMtu = 1280;
        constexpr size_t kIpAndUdp = 48;
        return std::clamp<size_t>(facts_.mtu, kLeastMtu, kMostBytes) - kIpAndUdp;
    }

    void begin(Type6 type) {
        writer_.number(static_cast<uint32_t>(type), 1).number(message_.transaction, 3);
        add_option6(writer_, option6::kServerId, server_id(facts_));
        if (!message_.client.empty()) add_option6(writer_, option6::kClientId, message_.client);
    }
    // A guest that names so many addresses that their refusal doesn't fit gets no answer.
    Answer6 finish(Outcome outcome) {
        if (writer_.size() > most()) return {};
        return {outcome, writer_.take()};
    }

    const Message6& message_;
    const Facts& facts_;
    ByteWriter writer_;
};

}  // namespace

Bytes server_id(const Facts& facts) {
    constexpr uint32_t kLinkLayer = 3;
    constexpr uint32_t kEthernet = 1;
    return ByteWriter().number(kLinkLayer, 2).number(kEthernet, 2).add(facts.router_mac).take();
}

tl::expected<Message6, std::string_view> read_v6(std::span<const uint8_t> bytes) {
    const auto refused = [](std::string_view why) { return tl::unexpected(why); };
    if (bytes.size() > kMostBytes) return refused("is too long");
    ByteReader reader(bytes);
    Message6 message;
    message.type = static_cast<Type6>(reader.number(1));
    message.transaction = reader.number(3);
    if (!reader.is_good()) return refused("is cut off");
    if (message.type == Type6::kRelayForward)
        return refused("came by a relay agent, and only guests of the switch's own ports are answered");
    const auto server = server_id_of(message.type);
    if (!server) return refused("has a type that no guest sends");
    const bool are_good = each_option(reader.rest(), [&](uint16_t code, std::span<const uint8_t> value) {
        return take_option(code, value, message);
    });
    if (!are_good) return refused("has an option that is cut off, given twice or too long");
    const bool needs_client = message.type != Type6::kInformationRequest;
    if (needs_client && message.client.empty()) return refused("has no client identifier");
    if (message.server.empty() ? *server == WantedServer::kOurs : *server == WantedServer::kNone)
        return refused("has a server identifier, or has none, against its type");
    return message;
}

Answer6 answer_v6(const Message6& message, const Facts& facts) {
    if (!message.server.empty() && message.server != server_id(facts)) return {};
    return Answering6(message, facts).answer();
}

}  // namespace sluice::dhcp
