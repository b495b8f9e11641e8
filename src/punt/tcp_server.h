// A TCP server for the switch's own addresses: messages that have their length before them, as DNS over TCP has
// them (RFC 1035, 4.2.2; RFC 7766). It knows segments, and neither packets nor clocks. The protocol thread.
//
// Stations are strangers. So a connection takes segments in their order only and drops others, which the station
// sends again; what it holds is bounded in both directions; and there are so many connections in all and from one
// port, of which a new one ends the one that was silent longest.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "path/ids.h"
#include "sluice/address.h"

namespace sluice::punt {

// One end of a connection, and where it is.
struct TcpPeer {
    path::NetworkId network;
    path::PortId port;
    uint64_t serial;  // the port's
    IpAddress station;
    IpAddress own;
    uint16_t station_port;
    uint16_t own_port;

    auto operator<=>(const TcpPeer&) const = default;
};

// By which way segments come and go: the station's latest one is taken.
struct TcpWay {
    path::WorkerId worker;
    uint64_t mac;  // the station's, path::mac_key()
};

// The rest of a segment (RFC 9293, 3.1).
struct TcpPart {
    uint32_t sequence;
    uint32_t acknowledgement;
    uint8_t flags;
    uint16_t window;
    std::span<const std::byte> payload;
};

class TcpServer {
 public:
    using Clock = std::chrono::steady_clock;
    // Of one connection, which may be gone when it is used.
    using Id = uint64_t;

    static constexpr size_t kMostConnections = 1024;
    static constexpr size_t kMostOfAPort = 64;
    static constexpr size_t kMostRequest = 4096;       // bytes of a message from a station
    static constexpr size_t kMostUnsent = 132 * 1024;  // bytes that a station has not acknowledged: two messages
    static constexpr size_t kMostInReply = 64;         // messages of a connection that are not answered yet
    // Bytes in a segment of ours: they fit the smallest MTU of IPv6 links, whatever the station told.
    static constexpr size_t kSegmentSize = 1220;
    static constexpr uint16_t kWindow = 1220;  // what a station may send before it hears of us
    static constexpr std::chrono::seconds kIdle{10};
    static constexpr std::chrono::milliseconds kFirstRetry{250};
    static constexpr int kMostRetries = 5;

    struct Calls {
        // Sends a segment to the station.
        std::function<void(const TcpPeer&, const TcpWay&, const TcpPart&)> send;
        // A whole message has come. It is answered by reply(), at once or later; an empty reply says that there
        // is none.
        std::function<void(const TcpPeer&, Id, std::span<const std::byte>)> receive;
        // A number that nobody can guess, to begin a connection with.
        std::function<uint32_t()> random;
    };

    explicit TcpServer(Calls calls) : calls_(std::move(calls)) {}

    void take(const TcpPeer& peer, const TcpWay& way, const TcpPart& segment, Clock::time_point now);
    void reply(Id id, std::span<const std::byte> message, Clock::time_point now);
    // Sends again what was not acknowledged, and ends silent connections. To be called every 50 ms or so while
    // there are any.
    void tick(Clock::time_point now);

    size_t connections() const noexcept { return connections_.size(); }

 private:
    struct Connection {
        Id id;
        TcpWay way;
        Clock::time_point heard;
        bool is_open = false;         // the station has acknowledged our SYN
        bool has_ended = false;       // the station sends no more
        bool sent_end = false;        // nor do we
        uint32_t next_in = 0;         // the sequence number that is awaited
        uint32_t unacknowledged = 0;  // the first one of ours
        uint32_t next_out = 0;
        uint32_t window = 0;  // the station's
        size_t in_reply = 0;
        std::string in;   // the beginning of a message
        std::string out;  // from `unacknowledged` on, without SYN and FIN
        Clock::time_point retry_at{};
        int retries = 0;

        size_t unsent_from() const noexcept { return next_out - unacknowledged - (sent_end ? 1 : 0); }
        bool has_unacknowledged() const noexcept { return next_out != unacknowledged; }
    };
    using Connections = std::map<TcpPeer, Connection>;

    void open(const TcpPeer& peer, const TcpWay& way, const TcpPart& segment, Clock::time_point now);
    void make_room(path::PortId port);
    // False: the connection is gone.
    bool take_acknowledgement(Connections::iterator at, const TcpPart& segment, Clock::time_point now);
    bool take_payload(Connections::iterator at, std::span<const std::byte> payload);
    bool take_messages(Connections::iterator at);
    void push(Connections::iterator at, Clock::time_point now);
    void end_if_done(Connections::iterator at, Clock::time_point now);
    void send_again(Connections::iterator at, Clock::time_point now);
    void acknowledge(const TcpPeer& peer, const Connection& connection);
    void send(const TcpPeer& peer, const Connection& connection, uint32_t sequence, uint8_t flags,
              std::span<const std::byte> payload);
    void refuse(const TcpPeer& peer, const TcpWay& way, const TcpPart& segment);
    void reset(Connections::iterator at);
    void erase(Connections::iterator at);

    Calls calls_;
    Connections connections_;
    std::map<Id, TcpPeer> by_id_;
    std::map<path::PortId, size_t> of_port_;
    Id next_id_ = 1;
};

}  // namespace sluice::punt
