#include "dhcp/v4.h"

#include <array>
#include <map>

#include "dhcp/domain_name.h"

namespace sluice::dhcp {
namespace {

constexpr uint32_t kMagic = 0x6382'5363;
constexpr size_t kNameSize = 64;    // of the field `sname`
constexpr size_t kFileSize = 128;   // of the field `file`
constexpr size_t kFixedSize = 240;  // of a message without its options
constexpr size_t kLeastBytes =
    300;  // of a message: shorter ones are lost by old relays and clients (RFC 1542, 2.1)
constexpr size_t kMostInOption = 255;
constexpr uint16_t kLeastDatagram = 576;
constexpr uint16_t kMostDatagram = 1500;
constexpr uint16_t kIpAndUdp = 28;

namespace option4 {
enum Code : uint8_t {
    kPad = 0,
    kNetmask = 1,
    kRouter = 3,
    kNameServer = 6,
    kHostName = 12,
    kDomain = 15,
    kMtu = 26,
    kTimeServer = 42,
    kRequested = 50,
    kLeaseTime = 51,
    kOverload = 52,
    kType = 53,
    kServer = 54,
    kWanted = 55,
    kText = 56,
    kMostBytes = 57,
    kRenewal = 58,
    kRebinding = 59,
    kClientId = 61,
    kSearch = 119,
    kRoutes = 121,
    kEnd = 255,
};
}  // namespace option4

using Options = std::map<uint8_t, Bytes>;

// The parts of an option that is given several times are one (RFC 3396).
bool read_options(std::span<const uint8_t> field, Options& options) {
    ByteReader reader(field);
    while (!reader.empty()) {
        const auto code = static_cast<uint8_t>(reader.number(1));
        if (code == option4::kPad) continue;
        if (code == option4::kEnd) return true;
        const auto value = reader.take(reader.number(1));
        if (!reader.is_good()) return false;
        Bytes& option = options[code];
        option.insert(option.end(), value.begin(), value.end());
    }
    return true;
}

// Values of known options.
class Values {
 public:
    explicit Values(const Options& options) : options_(options) {}

    bool is_good() const noexcept { return is_good_; }
    const Bytes& bytes(uint8_t code) const {
        static const Bytes kNothing;
        const auto option = options_.find(code);
        return option == options_.end() ? kNothing : option->second;
    }
    std::optional<uint32_t> number(uint8_t code, size_t size) {
        const auto option = options_.find(code);
        if (option == options_.end()) return std::nullopt;
        is_good_ &= option->second.size() == size;
        return ByteReader(option->second).number(size);
    }
    std::optional<IpAddress> address(uint8_t code) {
        const auto value = number(code, 4);
        return value ? std::optional(IpAddress::from_v4(*value)) : std::nullopt;
    }

 private:
    const Options& options_;
    bool is_good_ = true;
};

bool is_clients(uint32_t type) noexcept {
    switch (static_cast<Type4>(type)) {
        case Type4::kDiscover:
        case Type4::kRequest:
        case Type4::kDecline:
        case Type4::kRelease:
        case Type4::kInform:
            return true;
        default:
            return false;
    }
}

// One option, in parts if it is long.
Bytes encode(uint8_t code, std::span<const uint8_t> value) {
    ByteWriter writer;
    do {
        const auto part = value.first(std::min(value.size(), kMostInOption));
        writer.number(code, 1).number(static_cast<uint32_t>(part.size()), 1).add(part);
        value = value.subspan(part.size());
    } while (!value.empty());
    return writer.take();
}

// The options of an answer, each whole in the first field that has room for it: its own field, and if that isn't
// enough, those of the names. What fits nowhere is left out; what a guest can't do without comes first.
class OptionFields {
 public:
    explicit OptionFields(size_t most) : most_(most) {}

    void add(uint8_t code, std::span<const uint8_t> value) { options_.push_back(encode(code, value)); }
    void add_number(uint8_t code, uint32_t value, size_t size) {
        add(code, ByteWriter().number(value, size).bytes());
    }
    void add_addresses(uint8_t code, const std::vector<IpAddress>& addresses) {
        ByteWriter writer;
        for (const IpAddress& address : addresses) {
            if (address.is_v4()) writer.add(address);
        }
        if (writer.size() != 0) add(code, writer.bytes());
    }

    struct Fields {
        Bytes name;
        Bytes file;
        Bytes options;
    };
    Fields arrange() const {
        Fields fields;
        size_t size = 1;  // of the end
        for (const Bytes& option : options_) size += option.size();
        if (size <= most_) {
            for (const Bytes& option : options_) append(fields.options, option);
        } else {
            const size_t overload = 3;
            for (const Bytes& option : options_) {
                place(
                    option,
                    {{{&fields.options, most_ - overload}, {&fields.file, kFileSize}, {&fields.name, kNameSize}}});
            }
            // 1: `file` has options. 2: `sname` has.
            const int used = (fields.file.empty() ? 0 : 1) + (fields.name.empty() ? 0 : 2);
            if (used != 0) {
                append(fields.options, encode(option4::kOverload, std::array{static_cast<uint8_t>(used)}));
            }
        }
        for (Bytes* field : {&fields.options, &fields.file, &fields.name}) {
            if (field == &fields.options || !field->empty()) field->push_back(option4::kEnd);
        }
        fields.file.resize(kFileSize);
        fields.name.resize(kNameSize);
        return fields;
    }

 private:
    static void append(Bytes& to, const Bytes& bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
    static void place(const Bytes& option, const std::array<std::pair<Bytes*, size_t>, 3>& fields) {
        for (const auto& [field, size] : fields) {
            if (field->size() + option.size() + 1 <= size) return append(*field, option);
        }
    }

    size_t most_;  // bytes of the message's last field
    std::vector<Bytes> options_;
};

// Destination descriptors: the prefix's length and its significant bytes (RFC 3442). A guest that understands this
// option ignores the router's, so the default route is among them.
Bytes encode_routes(const Facts& facts) {
    ByteWriter writer;
    const auto add = [&](const IpPrefix& to, const IpAddress& via) {
        const Bytes address = ByteWriter().add(to.address).take();
        writer.number(to.length, 1).add(std::span(address).first((to.length + 7) / 8)).add(via);
    };
    const IpAddress on_link = IpAddress::from_v4(0);
    const auto server = facts.server();
    // A gateway beyond the guest's own prefix has to be on the link.
    if (server && facts.address && !facts.address->prefix().contains(*server)) add({*server, 32}, on_link);
    for (const Route& route : facts.routes) {
        if (route.to.address.is_v4()) add(route.to, route.via.value_or(on_link));
    }
    if (writer.size() != 0 && server) add({IpAddress::from_v4(0), 0}, *server);
    return writer.take();
}

void add_wanted(OptionFields& fields, uint8_t code, const Facts& facts) {
    switch (code) {
        case option4::kRouter:
            if (const auto server = facts.server()) fields.add_addresses(option4::kRouter, {*server});
            return;
        case option4::kNameServer:
            return fields.add_addresses(option4::kNameServer, facts.name_servers);
        case option4::kHostName:
            if (!facts.host_name.empty())
                fields.add(option4::kHostName, ByteWriter().add(facts.host_name).bytes());
            return;
        case option4::kDomain:
            if (!facts.domain.empty()) fields.add(option4::kDomain, ByteWriter().add(facts.domain).bytes());
            return;
        case option4::kMtu:
            return fields.add_number(option4::kMtu, facts.mtu, 2);
        case option4::kTimeServer:
            return fields.add_addresses(option4::kTimeServer, facts.time_servers);
        case option4::kSearch:
            if (!facts.search.empty()) fields.add(option4::kSearch, encode_names(facts.search));
            return;
        case option4::kRoutes:
            if (const Bytes routes = encode_routes(facts); !routes.empty()) fields.add(option4::kRoutes, routes);
            return;
        default:
            return;  // the switch has no such option
    }
}

// In the order of the guest's wishes (RFC 2132, 9.8), each once.
void add_wishes(OptionFields& fields, const Message4& message, const Facts& facts) {
    static constexpr std::array<uint8_t, 8> kAll{option4::kRoutes,     option4::kRouter, option4::kNameServer,
                                                 option4::kHostName,   option4::kDomain, option4::kMtu,
                                                 option4::kTimeServer, option4::kSearch};
    std::array<bool, 256> done{};
    const auto& wanted = message.wanted;
    for (const uint8_t code : wanted.empty() ? std::span<const uint8_t>(kAll) : std::span(wanted)) {
        if (!std::exchange(done[code], true)) add_wanted(fields, code, facts);
    }
}

class Answering {
 public:
    Answering(const Message4& message, const Facts& facts, IpAddress server)
        : message_(message), facts_(facts), server_(server) {}

    Answer4 answer() const {
        switch (message_.type) {
            case Type4::kDiscover:
                return facts_.address ? give(Type4::kOffer, Outcome::kOffered) : Answer4{};
            case Type4::kRequest:
                return answer_request();
            case Type4::kInform:
                return inform();
            case Type4::kDecline:
                return is_own(message_.requested) && is_ours() ? Answer4{Outcome::kDeclined} : Answer4{};
            case Type4::kRelease:
                return is_own(message_.own) && is_ours() ? Answer4{Outcome::kReleased} : Answer4{};
            default:
                return {};
        }
    }

 private:
    bool is_own(const std::optional<IpAddress>& address) const {
        return address && facts_.address && *address == facts_.address->address;
    }
    bool is_ours() const { return message_.server == server_; }

    // SELECTING names a server, INIT-REBOOT only the address, RENEWING and REBINDING use it already (RFC 2131,
    // 4.3.2, table 4). Whoever asks for another address than the guest's own is told so at once, also if it is a
    // stranger: no other server answers in this network.
    Answer4 answer_request() const {
        const bool has_chosen = message_.server.has_value();
        if (has_chosen && !is_ours()) return {};  // it has taken another server's offer
        const auto asked = message_.own.is_unspecified() ? message_.requested : std::optional(message_.own);
        if (!asked) return {};
        return is_own(asked) ? give(Type4::kAck, Outcome::kBound) : refuse();
    }

    // RFC 2131, 4.3.5: to the address that the guest has by itself, without a lease.
    Answer4 inform() const {
        if (message_.own.is_unspecified()) return {};
        OptionFields fields = begin(Type4::kAck);
        if (facts_.address) add_netmask(fields);
        add_wishes(fields, message_, facts_);
        return {Outcome::kNone, finish(fields, IpAddress::from_v4(0)), message_.own, message_.mac};
    }

    Answer4 give(Type4 type, Outcome outcome) const {
        OptionFields fields = begin(type);
        fields.add_number(option4::kLeaseTime, facts_.lease, 4);
        fields.add_number(option4::kRenewal, facts_.lease / 2, 4);
        fields.add_number(option4::kRebinding, facts_.lease - facts_.lease / 8, 4);
        add_netmask(fields);
        add_wishes(fields, message_, facts_);
        const IpAddress& address = facts_.address->address;
        Answer4 answer{outcome, finish(fields, address)};
        if (!message_.own.is_unspecified()) {
            answer.to = message_.own;
            answer.to_mac = message_.mac;
        } else if (!message_.wants_broadcast) {
            answer.to = address;
            answer.to_mac = message_.mac;
        }
        return answer;
    }

    // To everybody: the guest may have no address (RFC 2131, 4.1).
    Answer4 refuse() const {
        OptionFields fields = begin(Type4::kNak);
        fields.add(option4::kText, ByteWriter().add(std::string_view("the address is not this guest's")).bytes());
        return {Outcome::kNone, finish(fields, IpAddress::from_v4(0))};
    }

    OptionFields begin(Type4 type) const {
        const uint16_t mtu = std::min(facts_.mtu, kMostDatagram);
        const size_t datagram = std::min(std::max(message_.most_bytes, kLeastDatagram), mtu);
        OptionFields fields(std::max<size_t>(datagram, kLeastDatagram) - kIpAndUdp - kFixedSize);
        fields.add_number(option4::kType, static_cast<uint32_t>(type), 1);
        fields.add_addresses(option4::kServer, {server_});
        if (!message_.client_id.empty()) fields.add(option4::kClientId, message_.client_id);  // RFC 6842
        return fields;
    }

    void add_netmask(OptionFields& fields) const {
        const uint32_t length = facts_.address->prefix().length;
        fields.add_number(option4::kNetmask, length == 0 ? 0 : ~uint32_t{0} << (32 - length), 4);
    }

    Bytes finish(const OptionFields& options, const IpAddress& yours) const {
        const OptionFields::Fields fields = options.arrange();
        constexpr uint32_t kReply = 2;
        constexpr uint32_t kEthernet = 1;
        constexpr uint32_t kBroadcast = 0x8000;
        ByteWriter writer;
        writer.number(kReply, 1).number(kEthernet, 1).number(6, 1).number(0, 1);
        writer.number(message_.transaction, 4).number(0, 2).number(message_.wants_broadcast ? kBroadcast : 0, 2);
        writer.add(message_.own).add(yours).zeros(8).add(message_.mac).zeros(10);
        writer.add(fields.name).add(fields.file).number(kMagic, 4).add(fields.options);
        if (writer.size() < kLeastBytes) writer.zeros(kLeastBytes - writer.size());
        return writer.take();
    }

    const Message4& message_;
    const Facts& facts_;
    const IpAddress server_;
};

}  // namespace

tl::expected<Message4, std::string_view> read_v4(std::span<const uint8_t> bytes) {
    const auto refused = [](std::string_view why) { return tl::unexpected(why); };
    if (bytes.size() > kMostBytes) return refused("is too long");
    ByteReader reader(bytes);
    const uint32_t operation = reader.number(1);
    const uint32_t hardware = reader.number(1);
    const uint32_t size = reader.number(1);
    reader.take(1);  // hops
    Message4 message;
    message.transaction = reader.number(4);
    reader.take(2);  // seconds
    message.wants_broadcast = (reader.number(2) & 0x8000) != 0;
    message.own = reader.ipv4();
    reader.take(8);  // yiaddr, siaddr
    const uint32_t relay = reader.number(4);
    const auto mac = reader.take(message.mac.bytes.size());
    reader.take(10);
    const auto name = reader.take(kNameSize);
    const auto file = reader.take(kFileSize);
    const uint32_t magic = reader.number(4);
    if (!reader.is_good()) return refused("is cut off");
    if (operation != 1) return refused("is a server's");
    if (hardware != 1 || size != 6) return refused("is not of an Ethernet address");
    if (magic != kMagic) return refused("is of BOOTP, without options");
    if (relay != 0)
        return refused("came by a relay agent, and only guests of the switch's own ports are answered");
    std::copy(mac.begin(), mac.end(), message.mac.bytes.begin());
    if (message.mac.is_multicast() || message.mac.is_zero()) return refused("is of a group or zero address");

    Options options;
    if (!read_options(reader.rest(), options)) return refused("has an option that is cut off");
    Values values(options);
    const uint32_t overload = values.number(option4::kOverload, 1).value_or(0);
    if (overload > 3) return refused("has options in unknown fields");
    const bool are_good = ((overload & 1) == 0 || read_options(file, options)) &&
                          ((overload & 2) == 0 || read_options(name, options));
    if (!are_good) return refused("has an option that is cut off");
    const uint32_t type = values.number(option4::kType, 1).value_or(0);
    if (type == 0) return refused("is of BOOTP, without a type");
    if (!is_clients(type)) return refused("has a type that no guest sends");
    message.type = static_cast<Type4>(type);
    message.requested = values.address(option4::kRequested);
    message.server = values.address(option4::kServer);
    message.most_bytes = static_cast<uint16_t>(values.number(option4::kMostBytes, 2).value_or(kLeastDatagram));
    if (!values.is_good()) return refused("has an option of a wrong size");
    message.client_id = values.bytes(option4::kClientId);
    if (message.client_id.size() > kMostInOption) return refused("has a client identifier of more than 255 bytes");
    message.wanted = values.bytes(option4::kWanted);
    const Bytes& host = values.bytes(option4::kHostName);
    message.host_name = host_label({reinterpret_cast<const char*>(host.data()), host.size()});
    return message;
}

Answer4 answer_v4(const Message4& message, const Facts& facts) {
    const auto server = facts.server();
    return server ? Answering(message, facts, *server).answer() : Answer4{};
}

}  // namespace sluice::dhcp
