#include "responder/responder.h"

#include <algorithm>
#include <optional>

#include "responder/answers.h"
#include "wire/address.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"
#include "wire/mbuf.h"
#include "wire/offload.h"
#include "wire/tcp_reset.h"
#include "wire/vlan.h"

namespace sluice::responder {
namespace {

using link::bytes_of;
using link::kEthernet;
using path::Drop;

bool is_neighbor_message(const rte_mbuf* packet) noexcept {
    const wire::EtherType type = wire::ether_type(packet);
    if (type == wire::EtherType::kArp) return true;
    if (type != wire::EtherType::kIpv6 || packet->data_len < kEthernet + sizeof(wire::Ipv6Header) + 1) {
        return false;
    }
    const auto* ip = rte_pktmbuf_mtod_offset(packet, const wire::Ipv6Header*, kEthernet);
    if (ip->protocol() != wire::Protocol::kIcmpv6) return false;
    const uint8_t icmp_type = *reinterpret_cast<const uint8_t*>(ip + 1);
    return icmp_type == wire::IcmpHeader::kV6NeighborSolicitation ||
           icmp_type == wire::IcmpHeader::kV6NeighborAdvertisement;
}

bool has(const std::vector<IpAddress>& addresses, const IpAddress& address) noexcept {
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

std::optional<wire::IcmpErrorKind> error_for(Drop reason) noexcept {
    switch (reason) {
        case Drop::kTtlExceeded: return wire::IcmpErrorKind::kTimeExceeded;
        case Drop::kNoRoute: return wire::IcmpErrorKind::kNoRoute;
        case Drop::kUnreachableRoute:
        case Drop::kHostUnreachable: return wire::IcmpErrorKind::kHostUnreachable;
        case Drop::kFragmentationNeeded: return wire::IcmpErrorKind::kTooBig;
        case Drop::kNoListener: return wire::IcmpErrorKind::kPortUnreachable;
        case Drop::kRejected: return wire::IcmpErrorKind::kProhibited;
        case Drop::kNoEndpoint:
        case Drop::kNoServicePort:
            return wire::IcmpErrorKind::kPortUnreachable;
        default: return std::nullopt;
    }
}

}  // namespace

std::optional<IpAddress> Responder::own_address(const view::Network& network, const IpAddress& peer) noexcept {
    std::optional<IpAddress> best;
    for (const IpAddress& address : network.addresses) {
        if (address.is_v4() != peer.is_v4()) continue;
        if (!best) best = address;
        for (const IpPrefix& subnet : network.subnets) {
            if (subnet.contains(address) && subnet.contains(peer)) return address;
        }
    }
    return best;
}

// --- neighbors ---

void Responder::solicit(const neighbor::Entry& neighbor, const view::Tables& tables) noexcept {
    if (path::index(neighbor.network) >= tables.snapshot.networks.size()) return;
    const view::Network& network = tables.network(neighbor.network);
    const auto from = own_address(network, neighbor.address);
    if (network.mac == 0 || !from) return;
    std::optional<wire::MacBytes> to;
    if (neighbor.state.load(std::memory_order_relaxed) == neighbor::State::kProbe) {
        to = bytes_of(neighbor.mac.load(std::memory_order_relaxed));
    }
    const wire::MacBytes mac = bytes_of(network.mac);
    rte_mbuf* packet =
        neighbor.address.is_v4()
            ? wire::build_arp_request(pools_.buffers, mac, *from, neighbor.address, to)
            : wire::build_neighbor_solicitation(pools_.buffers, mac, *from, neighbor.address, to);
    if (packet == nullptr) return;
    tables.counters.totals.made.add(1);
    output_.send_in(neighbor.network, packet, tables);
}

void Responder::take_note(const path::Meta& meta, const wire::NeighborMessage& message,
                        const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (message.probe) return;
    if (has(network.addresses, message.sender)) return;
    neighbor::Held waiting;
    if (!message.has_sender_mac) {
        // The answer to a unicast solicitation may lack a MAC. It then only confirms the known one (RFC 4861,
        // 7.2.5).
        auto* known = tables.neighbors.find(meta.network, message.sender);
        const bool confirms = message.answers && !message.gratuitous && known != nullptr &&
                              known->mac.load(std::memory_order_relaxed) == meta.source_mac;
        if (confirms) tables.neighbors.learn(*known, meta.source_mac, false, tables.now, waiting);
        return;
    }
    const bool link_local = !message.sender.is_v4() && message.sender.bytes[0] == 0xfe;
    const bool on_link = std::any_of(network.subnets.begin(), network.subnets.end(),
                                     [&](const IpPrefix& s) { return s.contains(message.sender); });
    if (!on_link && !link_local && !network.subnets.empty()) return;
    uint64_t mac = 0;
    std::memcpy(&mac, message.sender_mac.data(), message.sender_mac.size());
    // A station that claims the router's MAC address would make two hosts of an overlay pass packets back and
    // forth.
    if (path::is_group(mac) || mac == 0 || mac == network.mac) return;
    neighbor::Entry* entry = tables.neighbors.find(meta.network, message.sender);
    // A station that asks for the router will send to it. In overlays every station is worth learning.
    const bool wanted = network.vni != 0 || (message.solicits && has(network.addresses, message.target));
    if (entry == nullptr && wanted && link_.may_answer(meta.ingress)) {
        entry = tables.neighbors.add(meta.network, message.sender, tables.now);
    }
    if (entry == nullptr) return;
    const uint64_t before = entry->mac.load(std::memory_order_relaxed);
    const bool has_changed =
        tables.neighbors.learn(*entry, mac, message.overrides || message.solicits, tables.now, waiting);
    if (unlikely(before != 0 && before != mac)) note_rival(meta, *entry, mac, before, has_changed, tables);
    link_.resume(waiting, *entry, tables);
    // Other stations may still use the previous MAC, since not all of them hear this message. Announce only a
    // message from the station's own MAC, because the announcement is sent from there.
    const bool is_news = has_changed && before != 0 && mac == meta.source_mac && !network.flat;
    if (is_news && link_.may_answer(meta.ingress)) {
        const Chore news{.kind = Chore::Kind::kAnnounce, .address = message.sender, .mac = mac};
        spread(meta.network, meta.ingress, build_announcement(news), tables);
    }
}

// Answers a solicitation; false if the switch has no answer.
bool Responder::answer(const path::Meta& meta, const wire::NeighborMessage& message,
                     const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    const bool is_own_address = has(network.addresses, message.target);
    uint64_t mac = 0;
    if (is_own_address || (network.flat && !message.probe && message.target != message.sender)) {
        mac = network.mac;
    } else if (network.vni != 0 && !message.probe && message.target != message.sender &&
               tables.slot(meta.ingress).tunnel == nullptr) {
        neighbor::Entry* known = tables.neighbors.find(meta.network, message.target);
        if (known != nullptr) {
            mac = known->mac.load(std::memory_order_acquire);
            // Mark as used, so that ageing keeps probing neighbors that we proxy for.
            known->used.store(tables.now, std::memory_order_relaxed);
        }
    }
    if (mac == 0) return false;
    send_answer(meta, message, mac, is_own_address, tables);
    return true;
}

// Answers the sender of the solicitation: `mac` has the requested address.
void Responder::send_answer(const path::Meta& meta, const wire::NeighborMessage& message, uint64_t mac,
                            bool overrides, const view::Tables& tables) noexcept {
    const wire::MacBytes from = bytes_of(mac);
    const wire::MacBytes to = bytes_of(meta.source_mac);
    const bool router = mac == tables.network(meta.network).mac;
    rte_mbuf* packet =
        message.target.is_v4()
            ? wire::build_arp_reply(pools_.buffers, from, message.target, to, message.sender)
            : wire::build_neighbor_advertisement(
                  pools_.buffers, from, message.target, to, message.sender,
                  {.router = router, .solicited = !message.probe, .overrides = overrides});
    if (packet == nullptr) return;
    tables.counters.totals.made.add(1);
    output_.send(meta.network, meta.ingress, packet, tables);
}

// The owner does not see the probe: if it had just probed for its address itself, it would take this probe for a
// duplicate and give the address up (RFC 4862, 5.4.3; RFC 5227, 2.1.1). But the prober must learn that the
// address is taken.
void Responder::answer_probe(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (!network.answers) return;
    const auto message = wire::read_neighbor_message(packet);
    if (!message || !message->probe || !may_be_answered(meta, packet, network, Asked::kAsOneOfMany)) return;
    const guard::Owners& owners = tables.snapshot.owners;
    if (owners.may_probe_for(meta.network, message->target, meta.ingress)) return;
    // The MAC address of a station behind a device is not known.
    const uint64_t known = owners.find(meta.network, message->target)->mac;
    const uint64_t mac = known != 0 ? known : network.mac;
    if (mac == 0 || !link_.may_answer(meta.ingress)) return;
    send_answer(meta, *message, mac, false, tables);
}

// True if it took the packet.
bool Responder::converse(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const auto message = wire::read_neighbor_message(packet);
    if (!message) {
        if (message.error() == wire::NoNeighborMessage::kOther) return false;
        link_.drop(meta, Drop::kMalformedNeighbor, packet, tables);
        return true;
    }
    if (!may_be_answered(meta, packet, tables.network(meta.network), Asked::kAsOneOfMany)) return false;
    take_note(meta, *message, tables);
    if (!message->solicits || !answer(meta, *message, tables)) return false;
    link_.consume(packet, tables);
    return true;
}

// --- for the switch ---

bool Responder::take_flooded(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (network.answers && is_neighbor_message(packet) && converse(meta, packet, tables)) return true;
    if (network.serves_dhcp && punt_group_message(meta, packet, tables)) return true;
    if (network.flat) {
        link_.drop(meta, Drop::kFlatNetwork, packet, tables);
        return true;
    }
    // ARP and Neighbor Discovery between other stations of the underlay's link are background.
    if (network.is_underlay && network.members.size() <= 1 && is_neighbor_message(packet)) {
        tables.counters.drop_background(meta.ingress, packet, {.ingress = meta.ingress, .network = meta.network});
        rte_pktmbuf_free(packet);
        return true;
    }
    if (path::is_group(meta.destination_mac)) return false;
    if (meta.destination_mac == network.asker) {
        link_.consume(packet, tables);
        return true;
    }
    seek_departed(meta, packet, tables);
    return false;
}

void Responder::receive(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (is_neighbor_message(packet)) {
        // The bridge has already checked this for bridged packets.
        const Drop reason = tables.judge_claim(meta, packet);
        if (reason != Drop::kCount) return link_.drop(meta, reason, packet, tables);
        if (converse(meta, packet, tables)) return;
        // All hosts of an overlay have the same router, so any of them may have sent the request.
        if (network.vni != 0 && tables.slot(meta.ingress).tunnel == nullptr && link_.may_answer(meta.ingress)) {
            output_.send_to_tunnels(meta.network, nullptr, packet, tables);
        }
        return link_.consume(packet, tables);
    }
    if (meta.layer3 == path::Layer3::kOther) return link_.drop(meta, Drop::kNotForRouter, packet, tables);
    if (network.is_underlay && tunnel::Output::hear(packet, tables)) return link_.consume(packet, tables);
    switch (wire::classify_local(packet, kEthernet)) {
        case wire::LocalPacket::kEchoRequest: {
            if (!may_be_answered(meta, packet, network, Asked::kAlone)) break;
            if (!wire::is_own(packet)) {
                rte_mbuf* own = rte_pktmbuf_copy(packet, pools_.holding(packet->pkt_len), 0, UINT32_MAX);
                if (own == nullptr) return link_.drop(meta, Drop::kNoBuffer, packet, tables);
                rte_pktmbuf_free(packet);
                packet = own;
            }
            if (!wire::make_echo_reply(packet, kEthernet)) break;
            link::write_macs(packet, meta.source_mac, meta.destination_mac);
            return output_.send(meta.network, meta.ingress, packet, tables);
        }
        case wire::LocalPacket::kTcp:
            if (take_answer(meta, packet, tables) || pass_answer_on(meta, packet, tables) ||
                punt_segment(meta, packet, tables)) {
                return;
            }
            return link_.drop(meta, Drop::kNoListener, packet, tables);
        case wire::LocalPacket::kUdp:
            if (punt_datagram(meta, packet, tables)) return;
            [[fallthrough]];
        case wire::LocalPacket::kOther: return link_.drop(meta, Drop::kNoListener, packet, tables);
        case wire::LocalPacket::kMalformed: return link_.drop(meta, Drop::kMalformedIp, packet, tables);
        case wire::LocalPacket::kFragment:
        case wire::LocalPacket::kNoAnswer: break;
    }
    tables.counters.drop(meta.ingress, Drop::kNoListener, packet, path::drop_site(meta, Drop::kNoListener));
    rte_pktmbuf_free(packet);
}

void Responder::answer_with_error(const path::Meta& meta, Drop reason, uint16_t mtu, const rte_mbuf* packet,
                                const view::Tables& tables) noexcept {
    auto kind = error_for(reason);
    // The packet may have waited for a neighbor until its own network was gone.
    if (path::index(meta.network) >= tables.snapshot.networks.size()) return;
    if (reason == Drop::kForeignAddress) return answer_probe(meta, packet, tables);
    if (!kind || !tables.carries(meta.ingress, meta.network) || meta.layer3 == path::Layer3::kOther) return;
    const wire::EtherType type = wire::ether_type(packet);
    if (type != wire::EtherType::kIpv4 && type != wire::EtherType::kIpv6) return;
    if (reason == Drop::kNoListener && wire::classify_local(packet, kEthernet) == wire::LocalPacket::kOther) {
        kind = wire::IcmpErrorKind::kProtocolUnreachable;
    }
    // For packets to groups, the router reports only "too big" (RFC 4443, 2.4 (e.3)).
    const Asked asked = *kind == wire::IcmpErrorKind::kTooBig ? Asked::kAsOneOfMany : Asked::kAlone;
    if (!may_be_answered(meta, packet, tables.network(meta.network), asked)) return;
    const uint64_t own_mac =
        path::is_group(meta.destination_mac) ? tables.network(meta.network).mac : meta.destination_mac;
    if (own_mac == 0) return;
    const bool may_reset =
        reason == Drop::kRejected || reason == Drop::kNoEndpoint || reason == Drop::kNoServicePort;
    if (may_reset && reset(meta, packet, tables)) return;
    const bool valid = type == wire::EtherType::kIpv4
                           ? wire::check_ipv4(packet, kEthernet) == wire::IpCheck::kValid
                           : wire::check_ipv6(packet, kEthernet) == wire::IpCheck::kValid;
    if (!valid || !wire::may_answer_with_error(packet, kEthernet, *kind) || !link_.may_answer(meta.ingress))
        return;
    IpAddress source;
    IpAddress destination;
    if (type == wire::EtherType::kIpv4) {
        const auto* ip = rte_pktmbuf_mtod_offset(packet, const wire::Ipv4Header*, kEthernet);
        source = wire::address_of(ip->source);
        destination = wire::address_of(ip->destination);
    } else {
        const auto* ip = rte_pktmbuf_mtod_offset(packet, const wire::Ipv6Header*, kEthernet);
        source = wire::address_of(ip->source);
        destination = wire::address_of(ip->destination);
    }
    const view::Network& network = tables.network(meta.network);
    // A bridge has no address of its own, so it sends from the destination's address. A router sends from its own
    // address and MAC address: another host of an overlay would not accept that address from any other MAC.
    const auto own = own_address(network, source);
    const IpAddress from = own.value_or(destination);
    const uint64_t from_mac = own && network.mac != 0 ? network.mac : own_mac;
    wire::IcmpError about{.kind = *kind, .mtu = mtu};
    if (const port::Port* back = tables.slot(meta.ingress).port; back != nullptr) {
        about.most = back->max_frame() - kEthernet;
    }
    rte_mbuf* error = wire::build_icmp_error(pools_.buffers, packet, kEthernet, about, from);
    if (error == nullptr) return;
    tables.counters.totals.made.add(1);
    link::write_macs(error, meta.source_mac, from_mac);
    output_.send(meta.network, meta.ingress, error, tables);
}

// Answers a rejected TCP segment by a reset. True if the sender was told, or the rate limit forbids telling it.
bool Responder::reset(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    if (meta.connection.protocol() != wire::Protocol::kTcp) return false;
    if (!link_.may_answer(meta.ingress)) return true;
    rte_mbuf* answer = wire::build_tcp_reset(pools_.buffers, packet, kEthernet);
    if (answer == nullptr) return true;
    tables.counters.totals.made.add(1);
    link::write_macs(answer, meta.source_mac, meta.destination_mac);
    output_.send(meta.network, meta.ingress, answer, tables);
    return true;
}

// --- chores ---

void Responder::ask(std::vector<Chore> chores) {
    std::lock_guard locked(mutex_);
    chores_.insert(chores_.end(), chores.begin(), chores.end());
    has_chores_.store(true, std::memory_order_release);
}

void Responder::do_chores(const view::Tables& tables) noexcept {
    if (line_ != nullptr && line_->has_answers())
        line_->take_answers(kAnswersAtOnce, [&](const punt::Message& answer) noexcept { say(answer, tables); });
    if (!has_chores_.load(std::memory_order_acquire)) return;
    if (done_ == doing_.size()) {
        // The control thread may be preempted with the lock; then the next turn does the chores.
        std::unique_lock locked(mutex_, std::try_to_lock);
        if (!locked) return;
        doing_.clear();
        done_ = 0;
        doing_.swap(chores_);
    }
    const size_t end = std::min(doing_.size(), done_ + kChoresAtOnce);
    for (; done_ < end; ++done_) {
        const Chore& chore = doing_[done_];
        switch (chore.kind) {
            case Chore::Kind::kSolicit: solicit(*chore.neighbor, tables); break;
            case Chore::Kind::kRelease: release(*chore.neighbor, tables); break;
            case Chore::Kind::kAnnounce: announce(chore, tables); break;
            case Chore::Kind::kTell: tell(chore, tables); break;
            case Chore::Kind::kPing: output_.ping(chore.port, tables); break;
            case Chore::Kind::kVerify: verify(chore, tables); break;
            case Chore::Kind::kProbe:
                probe(chore, tables);
                break;
        }
    }
    if (done_ < doing_.size()) return;
    std::unique_lock locked(mutex_, std::try_to_lock);
    if (locked && chores_.empty()) has_chores_.store(false, std::memory_order_release);
}

// Sends the held packets of a neighbor if it has been resolved meanwhile, otherwise drops them.
void Responder::release(neighbor::Entry& neighbor, const view::Tables& tables) noexcept {
    neighbor::Held waiting;
    tables.neighbors.release(neighbor, waiting);
    if (neighbor.resolved()) return link_.resume(waiting, neighbor, tables);
    const guard::Owners::Entry* absent = tables.snapshot.find_absent(neighbor.network, neighbor.address);
    for (uint16_t i = 0; i < waiting.count; ++i) {
        path::Meta meta = link::meta_of(waiting.packets[i], tables);
        if (absent != nullptr) {
            link_.drop_absent(meta, absent->port, waiting.packets[i].packet, tables);
            continue;
        }
        link_.drop(meta, Drop::kHostUnreachable, waiting.packets[i].packet, tables);
    }
}

}  // namespace sluice::responder
