// The switch's TCP server (punt/tcp_server.h), with segments that a stranger sends in any order. What it holds is
// bounded, and all that it sends belongs to a connection that somebody has begun.
#include "fuzz/target.h"
#include "punt/tcp_server.h"
#include "wire/headers.h"

namespace sluice::fuzz {
namespace {

using punt::TcpPart;
using punt::TcpPeer;
using punt::TcpServer;

constexpr uint8_t kPause = 0;
constexpr uint8_t kReply = 1;
constexpr uint8_t kSegment = 2;

class Stations {
 public:
    void run(Input input) {
        while (!input.at_end()) {
            switch (input.byte() % 3) {
                case kPause:
                    now_ += std::chrono::milliseconds(input.byte() * 10);
                    server_.tick(now_);
                    break;
                case kReply: {
                    const uint8_t which = input.byte();
                    const std::string text(input.byte(), 'x');
                    server_.reply(which, std::as_bytes(std::span(text)), now_);
                    break;
                }
                default:
                    take(input);
            }
            must(server_.connections() <= 4, "{} connections of 4 stations", server_.connections());
        }
        // Whatever was said, silence ends it.
        now_ += TcpServer::kIdle;
        server_.tick(now_);
        must(server_.connections() == 0, "a connection outlives its station");
    }

 private:
    void take(Input& input) {
        const TcpPeer peer{.network = path::NetworkId{1},
                           .port = path::PortId{2},
                           .serial = 0,
                           .station = IpAddress::from_v4(0x0a000002),
                           .own = IpAddress::from_v4(0x0a000001),
                           .station_port = static_cast<uint16_t>(1000 + input.byte() % 4),
                           .own_port = 53};
        // Near enough to be meant.
        const auto sequence = static_cast<uint32_t>(static_cast<int8_t>(input.byte()));
        const auto acknowledged = static_cast<uint32_t>(static_cast<int8_t>(input.byte()));
        const uint8_t flags = input.byte();
        const uint16_t window = input.word();
        std::string payload;
        for (size_t left = input.byte(); left != 0; --left) payload += static_cast<char>(input.byte());
        server_.take(peer, {path::WorkerId{0}, 1},
                     {.sequence = sequence,
                      .acknowledgement = kOurs + acknowledged,
                      .flags = flags,
                      .window = window,
                      .payload = std::as_bytes(std::span(payload))},
                     now_);
    }

    static constexpr uint32_t kOurs = 0xffff'fff0;

    TcpServer::Clock::time_point now_{};
    int received_ = 0;
    TcpServer server_{{
        .send =
            [](const TcpPeer&, const punt::TcpWay&, const TcpPart& part) {
                must(part.payload.size() <= TcpServer::kSegmentSize, "a segment of {} bytes", part.payload.size());
                must((part.flags & (wire::TcpHeader::kRst | wire::TcpHeader::kAck)) != 0, "flags {}", part.flags);
            },
        .receive =
            [this](const TcpPeer&, TcpServer::Id id, std::span<const std::byte> message) {
                must(!message.empty() && message.size() <= TcpServer::kMostRequest, "a message of {} bytes",
                     message.size());
                // Each second one is answered at once.
                if (++received_ % 2 == 0) server_.reply(id, message, now_);
            },
        .random = [] { return kOurs; },
    }};
};

// A segment of the first station, as take() reads it.
Bytes segment(uint8_t sequence, uint8_t acknowledged, uint8_t flags, std::string_view payload = {}) {
    Bytes bytes{kSegment, 0, sequence, acknowledged, flags, 0x40, 0, static_cast<uint8_t>(payload.size())};
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}

}  // namespace

void run(std::span<const uint8_t> input) {
    Stations().run(Input(input));
}

std::vector<Bytes> seeds() {
    using wire::TcpHeader;
    const std::string question{"\0\x03who", 5};
    Bytes conversation;
    for (const Bytes& part :
         {segment(0, 0, TcpHeader::kSyn), segment(1, 1, TcpHeader::kAck), segment(1, 1, TcpHeader::kAck, question),
          segment(6, 1, TcpHeader::kAck | TcpHeader::kFin), Bytes{kReply, 1, 7}, Bytes{kPause, 30},
          segment(7, 11, TcpHeader::kAck)}) {
        conversation.insert(conversation.end(), part.begin(), part.end());
    }
    return {conversation, segment(0, 0, TcpHeader::kSyn), segment(0, 0, TcpHeader::kAck)};
}

std::vector<std::string> words() {
    return {};
}

}  // namespace sluice::fuzz
