// Answers to the probes of health checks: any frame is read as a TCP segment, and any segments in any order are
// told to a probe's connection. An input is a frame, or a conversation: what the switch has sent, and the segments
// that come. Whatever comes, the switch sends at most one segment for each, a request once, and ends after that.
#include <algorithm>

#include "fuzz/frames.h"
#include "fuzz/target.h"
#include "service/probes.h"
#include "support/eal.h"
#include "support/packet.h"
#include "wire/tcp_segment.h"
#include "wire/udp_datagram.h"

namespace sluice::fuzz {
namespace {

using service::Phase;
using service::ProbeReply;
using test::Bytes;
using test::Packet;

constexpr size_t kMostSegments = 16;

void check_frame(Input& input) {
    const auto chain = take_chain(input);
    const Bytes bytes = copy_of(input.rest());
    if (bytes.size() > 65535) return;
    const Frame frame(test::to_guarded_mbuf(test::test_pool(), bytes, chain));
    if (const auto datagram = wire::read_udp_datagram(frame.get())) {
        must(datagram->payload + uint64_t{datagram->payload_size} <= frame->pkt_len, "a payload beyond the frame");
    }
    const auto segment = wire::read_tcp_segment(frame.get());
    if (!segment) return;
    must(segment->payload + uint64_t{segment->payload_size} <= frame->pkt_len, "a payload beyond the frame");
    std::string payload(segment->payload_size, 0);
    const void* read =
        payload.empty() ? payload.data()
                        : rte_pktmbuf_read(frame.get(), segment->payload, segment->payload_size, payload.data());
    must(read != nullptr, "a payload that can't be read");
    if (read != payload.data()) std::copy_n(static_cast<const char*>(read), payload.size(), payload.data());
    // Made again it says the same.
    rte_mbuf* made = wire::build_tcp_segment(test::test_pool(), *segment, payload);
    if (made == nullptr) return;
    const Frame again(made);
    const auto other = wire::read_tcp_segment(again.get());
    must(other.has_value(), "what was made can't be read");
    must(other->source == segment->source && other->destination == segment->destination &&
             other->sequence == segment->sequence && other->acknowledgement == segment->acknowledgement &&
             other->flags == segment->flags && other->payload_size == segment->payload_size,
         "what was made says something else");
}

uint32_t long_word(Input& input) {
    const uint32_t high = input.word();
    return high << 16 | input.word();
}

void check_conversation(Input& input) {
    service::ProbeState probe{.sequence = long_word(input), .request_size = input.byte()};
    uint32_t requests = 0;
    for (size_t i = 0; i < kMostSegments && !input.at_end(); ++i) {
        service::ProbeSegment segment{.flags = input.byte()};
        // Near what is expected, or anything.
        const bool is_near = input.flag();
        segment.sequence = is_near ? probe.next + input.byte() : long_word(input);
        segment.acknowledgement = is_near ? probe.sequence + input.byte() : long_word(input);
        const auto payload = input.take(input.byte());
        segment.size = static_cast<uint32_t>(payload.size());
        std::copy_n(payload.begin(), std::min(payload.size(), segment.begin.size()), segment.begin.begin());
        const service::ProbeStep done = service::step(probe, segment);
        if (done.phase == probe.phase) {
            must(done.reply.kind == ProbeReply::Kind::kNone, "a segment that doesn't count is answered");
            continue;
        }
        requests += done.reply.kind == ProbeReply::Kind::kRequest;
        must(requests <= 1, "a second request");
        const uint32_t own_next = probe.sequence + 1;
        must(segment.acknowledgement == own_next || segment.acknowledgement == own_next + probe.request_size ||
                 (probe.phase == Phase::kRequested && segment.sequence == probe.next),
             "a segment counts that acknowledges nothing of ours");
        if (done.phase == Phase::kOver) {
            must(!text(done.outcome).empty(), "an outcome without words");
            return;
        }
        must(done.phase == Phase::kRequested && probe.phase == Phase::kSynSent && probe.request_size != 0,
             "another phase than the next one");
        probe.phase = done.phase;
        probe.next = done.next;
    }
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    return input.flag() ? check_conversation(input) : check_frame(input);
}

std::vector<Bytes> seeds() {
    constexpr uint8_t kSynAck = 0x12, kAck = 0x10, kRstAck = 0x14;
    const std::string response = "HTTP/1.1 200 OK\r\n\r\n";
    const Bytes body(response.begin(), response.end());
    std::vector<Bytes> seeds;
    for (const bool ipv6 : {false, true}) {
        for (const uint8_t flags : {kSynAck, kAck, kRstAck}) {
            Packet packet = Packet().eth();
            packet = ipv6 ? packet.ipv6("fd00::2", "fd00::fe") : packet.ipv4("10.0.0.2", "10.0.0.254");
            packet.tcp(80, 40000, flags).options(4);
            if (flags == kAck) packet.payload(body);
            seeds.push_back(Output().byte(0).byte(0).add(Bytes(packet)));
            seeds.push_back(Output().byte(0).byte(2).byte(20).byte(30).add(Bytes(packet)));
        }
    }
    seeds.push_back(Output().byte(1).word(1).word(2).byte(0).byte(kSynAck).byte(1).byte(9).byte(1).byte(0));
    seeds.push_back(Output().byte(1).word(1).word(2).byte(0).byte(kRstAck).byte(1).byte(0).byte(1).byte(0));
    seeds.push_back(Output()
                        .byte(1)
                        .word(1)
                        .word(2)
                        .byte(40)
                        .byte(kSynAck)
                        .byte(1)
                        .byte(9)
                        .byte(1)
                        .byte(0)
                        .byte(kAck)
                        .byte(1)
                        .byte(0)
                        .byte(41)
                        .byte(static_cast<uint32_t>(body.size()))
                        .add(body));
    return seeds;
}

std::vector<std::string> words() {
    return {"HTTP/1.1 ", "HTTP/1.0 503 "};
}

}  // namespace sluice::fuzz
