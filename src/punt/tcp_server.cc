#include "punt/tcp_server.h"

#include <algorithm>

#include "wire/headers.h"

namespace sluice::punt {
namespace {

using wire::TcpHeader;

constexpr size_t kLengthSize = 2;
// What may be under way at once (RFC 6928), so that an answer is no burst that its way can't take.
constexpr uint32_t kMostInFlight = 10 * TcpServer::kSegmentSize;

// Sequence numbers wrap around (RFC 9293, 3.4).
bool is_before(uint32_t a, uint32_t b) noexcept {
    return static_cast<int32_t>(a - b) < 0;
}

std::span<const std::byte> bytes_of(std::string_view text) noexcept {
    return std::as_bytes(std::span(text));
}

std::string_view text_of(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// How many sequence numbers a segment takes up.
uint32_t length_of(const TcpPart& segment) noexcept {
    return static_cast<uint32_t>(segment.payload.size()) + ((segment.flags & TcpHeader::kSyn) != 0 ? 1 : 0) +
           ((segment.flags & TcpHeader::kFin) != 0 ? 1 : 0);
}

}  // namespace

// --- segments from stations ---

void TcpServer::take(const TcpPeer& peer, const TcpWay& way, const TcpPart& segment, Clock::time_point now) {
    const bool resets = (segment.flags & TcpHeader::kRst) != 0;
    const bool opens = (segment.flags & TcpHeader::kSyn) != 0;
    const bool acknowledges = (segment.flags & TcpHeader::kAck) != 0;
    const auto at = connections_.find(peer);
    if (at == connections_.end()) {
        if (resets) return;
        return opens && !acknowledges ? open(peer, way, segment, now) : refuse(peer, way, segment);
    }
    Connection& connection = at->second;
    if (resets) {
        // Any other one is a guess (RFC 5961, 3.2).
        if (segment.sequence == connection.next_in) erase(at);
        return;
    }
    if (opens) {
        const bool is_repeated = !connection.is_open && segment.sequence + 1 == connection.next_in;
        return is_repeated ? send_again(at, now) : acknowledge(peer, connection);
    }
    if (!acknowledges || !take_acknowledgement(at, segment, now)) return;
    connection.heard = now;
    connection.way = way;
    const Id id = connection.id;
    const uint32_t sent_before = connection.next_out;
    const bool is_next = !is_before(connection.next_in, segment.sequence);
    const uint32_t known = connection.next_in - segment.sequence;
    if (is_next && known <= segment.payload.size()) {
        if (!take_payload(at, segment.payload.subspan(known))) return;
        const bool ends = (segment.flags & TcpHeader::kFin) != 0 && !connection.has_ended;
        if (ends) {
            connection.has_ended = true;
            ++connection.next_in;
        }
    }
    push(at, now);
    const bool is_gone = !by_id_.contains(id);
    // What was sent acknowledges as well.
    if (!is_gone && length_of(segment) != 0 && connection.next_out == sent_before) acknowledge(peer, connection);
}

void TcpServer::open(const TcpPeer& peer, const TcpWay& way, const TcpPart& segment, Clock::time_point now) {
    make_room(peer.port);
    Connection connection{.id = next_id_++, .way = way, .heard = now};
    connection.next_in = segment.sequence + 1;
    connection.unacknowledged = calls_.random();
    connection.next_out = connection.unacknowledged + 1;
    connection.window = segment.window;
    connection.retry_at = now + kFirstRetry;
    by_id_.emplace(connection.id, peer);
    ++of_port_[peer.port];
    const auto at = connections_.emplace(peer, std::move(connection)).first;
    send(peer, at->second, at->second.unacknowledged, TcpHeader::kSyn | TcpHeader::kAck, {});
}

// Ends the connection that was silent longest, where there are as many as may be.
void TcpServer::make_room(path::PortId port) {
    const bool port_is_full = of_port_[port] >= kMostOfAPort;
    if (!port_is_full && connections_.size() < kMostConnections) return;
    auto oldest = connections_.end();
    for (auto at = connections_.begin(); at != connections_.end(); ++at) {
        if (port_is_full && at->first.port != port) continue;
        if (oldest == connections_.end() || at->second.heard < oldest->second.heard) oldest = at;
    }
    reset(oldest);
}

bool TcpServer::take_acknowledgement(Connections::iterator at, const TcpPart& segment, Clock::time_point now) {
    Connection& connection = at->second;
    const uint32_t acknowledged = segment.acknowledgement - connection.unacknowledged;
    const uint32_t outstanding = connection.next_out - connection.unacknowledged;
    if (acknowledged > outstanding) {
        const bool is_old = is_before(segment.acknowledgement, connection.unacknowledged);
        if (!connection.is_open) {
            refuse(at->first, connection.way, segment);
        } else if (!is_old) {
            acknowledge(at->first, connection);
        }
        return connection.is_open && is_old;
    }
    if (!connection.is_open) {
        if (acknowledged == 0) return false;
        connection.is_open = true;
    }
    connection.window = segment.window;
    if (acknowledged == 0) return true;
    connection.out.erase(0, acknowledged);
    connection.unacknowledged = segment.acknowledgement;
    connection.retries = 0;
    connection.retry_at = now + kFirstRetry;
    if (!connection.sent_end || connection.has_unacknowledged()) return true;
    erase(at);
    return false;
}

// False: the connection is gone.
bool TcpServer::take_payload(Connections::iterator at, std::span<const std::byte> payload) {
    Connection& connection = at->second;
    if (payload.empty() || connection.has_ended) return true;
    connection.next_in += static_cast<uint32_t>(payload.size());
    connection.in += text_of(payload);
    return take_messages(at);
}

bool TcpServer::take_messages(Connections::iterator at) {
    const TcpPeer peer = at->first;
    const Id id = at->second.id;
    std::string in = std::exchange(at->second.in, {});
    size_t begin = 0;
    while (in.size() - begin >= kLengthSize) {
        const auto high = static_cast<uint8_t>(in[begin]);
        const auto low = static_cast<uint8_t>(in[begin + 1]);
        const size_t size = size_t{high} << 8 | low;
        const bool is_excessive = size == 0 || size > kMostRequest || at->second.in_reply >= kMostInReply;
        if (is_excessive) {
            reset(at);
            return false;
        }
        if (in.size() - begin - kLengthSize < size) break;
        ++at->second.in_reply;
        calls_.receive(peer, id, bytes_of(std::string_view(in).substr(begin + kLengthSize, size)));
        if (!by_id_.contains(id)) return false;
        begin += kLengthSize + size;
    }
    at->second.in = in.substr(begin);
    return true;
}

// --- what is sent ---

void TcpServer::reply(Id id, std::span<const std::byte> message, Clock::time_point now) {
    const auto peer = by_id_.find(id);
    if (peer == by_id_.end()) return;
    const auto at = connections_.find(peer->second);
    Connection& connection = at->second;
    if (connection.in_reply != 0) --connection.in_reply;
    if (!message.empty()) {
        if (message.size() > UINT16_MAX || connection.out.size() + message.size() > kMostUnsent) return reset(at);
        connection.out += static_cast<char>(message.size() >> 8);
        connection.out += static_cast<char>(message.size() & 0xff);
        connection.out += text_of(message);
    }
    push(at, now);
}

// Sends what the station's window has room for, and our end when all has been said.
void TcpServer::push(Connections::iterator at, Clock::time_point now) {
    Connection& connection = at->second;
    if (!connection.is_open || connection.sent_end) return;
    const bool was_idle = !connection.has_unacknowledged();
    const uint32_t room = std::min(connection.window, kMostInFlight);
    while (true) {
        const size_t sent = connection.unsent_from();
        if (sent >= connection.out.size() || sent >= room) break;
        const size_t size = std::min({connection.out.size() - sent, kSegmentSize, room - sent});
        send(at->first, connection, connection.next_out, TcpHeader::kAck | TcpHeader::kPsh,
             bytes_of(std::string_view(connection.out).substr(sent, size)));
        connection.next_out += static_cast<uint32_t>(size);
    }
    const bool is_all_sent = connection.unsent_from() == connection.out.size();
    if (is_all_sent && connection.has_ended && connection.in_reply == 0) {
        send(at->first, connection, connection.next_out, TcpHeader::kFin | TcpHeader::kAck, {});
        ++connection.next_out;
        connection.sent_end = true;
    }
    if (was_idle) {
        connection.retries = 0;
        connection.retry_at = now + kFirstRetry;
    }
}

void TcpServer::send_again(Connections::iterator at, Clock::time_point now) {
    Connection& connection = at->second;
    connection.retry_at = now + kFirstRetry * (1 << std::min(connection.retries, kMostRetries));
    if (!connection.is_open) {
        return send(at->first, connection, connection.unacknowledged, TcpHeader::kSyn | TcpHeader::kAck, {});
    }
    if (connection.out.empty()) {
        if (connection.sent_end)
            send(at->first, connection, connection.unacknowledged, TcpHeader::kFin | TcpHeader::kAck, {});
        return;
    }
    // One byte is sent into a window of 0, to learn whether it has opened (RFC 9293, 3.8.6.1).
    const size_t size = std::min({connection.out.size(), kSegmentSize, size_t{std::max(connection.window, 1U)}});
    send(at->first, connection, connection.unacknowledged, TcpHeader::kAck | TcpHeader::kPsh,
         bytes_of(std::string_view(connection.out).substr(0, size)));
    const uint32_t end = connection.unacknowledged + static_cast<uint32_t>(size);
    if (is_before(connection.next_out, end)) connection.next_out = end;
}

void TcpServer::tick(Clock::time_point now) {
    std::vector<Id> ids;
    for (const auto& [id, peer] : by_id_) ids.push_back(id);
    for (const Id id : ids) {
        const auto at = connections_.find(by_id_.at(id));
        Connection& connection = at->second;
        if (now - connection.heard >= kIdle) {
            reset(at);
            continue;
        }
        const bool waits = connection.has_unacknowledged() || !connection.out.empty();
        if (!waits || now < connection.retry_at) continue;
        if (++connection.retries > kMostRetries) {
            reset(at);
            continue;
        }
        send_again(at, now);
    }
}

void TcpServer::acknowledge(const TcpPeer& peer, const Connection& connection) {
    send(peer, connection, connection.next_out, TcpHeader::kAck, {});
}

void TcpServer::send(const TcpPeer& peer, const Connection& connection, uint32_t sequence, uint8_t flags,
                     std::span<const std::byte> payload) {
    calls_.send(peer, connection.way,
                {.sequence = sequence,
                 .acknowledgement = connection.next_in,
                 .flags = flags,
                 .window = kWindow,
                 .payload = payload});
}

// To a segment that belongs to no connection (RFC 9293, 3.10.7.1).
void TcpServer::refuse(const TcpPeer& peer, const TcpWay& way, const TcpPart& segment) {
    const bool acknowledges = (segment.flags & TcpHeader::kAck) != 0;
    calls_.send(peer, way,
                {.sequence = acknowledges ? segment.acknowledgement : 0,
                 .acknowledgement = acknowledges ? 0 : segment.sequence + length_of(segment),
                 .flags = acknowledges ? TcpHeader::kRst : uint8_t{TcpHeader::kRst | TcpHeader::kAck},
                 .window = 0,
                 .payload = {}});
}

void TcpServer::reset(Connections::iterator at) {
    send(at->first, at->second, at->second.next_out, TcpHeader::kRst | TcpHeader::kAck, {});
    erase(at);
}

void TcpServer::erase(Connections::iterator at) {
    const auto of_port = of_port_.find(at->first.port);
    if (--of_port->second == 0) of_port_.erase(of_port);
    by_id_.erase(at->second.id);
    connections_.erase(at);
}

}  // namespace sluice::punt
