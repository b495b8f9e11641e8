// Makes the lengths and checksums of a frame right, so that what the fuzzer does to the rest of it gets further
// than the first check: IPv4, IPv6, TCP, UDP, ICMP, and the same inside of VXLAN. What is no such packet, or too
// short for one, stays as it is.
#pragma once

#include <optional>

#include "fuzz/target.h"
#include "wire/checksum.h"
#include "wire/headers.h"

namespace sluice::fuzz {

class Repair {
 public:
    // Where the L4 checksum is, and the pseudo-header's sum: for who is to leave it unfinished.
    struct Unfinished {
        size_t begin;
        size_t field;
        wire::be16 pseudo_sum;
    };

    explicit Repair(Bytes& frame) : frame_(frame) { repair(0); }

    // Of the outermost packet, if it is TCP or UDP.
    const std::optional<Unfinished>& unfinished() const { return unfinished_; }

 private:
    template <class Header>
    Header* at(size_t offset) {
        if (offset + sizeof(Header) > frame_.size()) return nullptr;
        return reinterpret_cast<Header*>(frame_.data() + offset);
    }

    void repair(size_t ethernet) {
        size_t ip = ethernet + sizeof(wire::EthernetHeader);
        if (ip > frame_.size()) return;
        const auto type = [&] { return frame_[ip - 2] << 8 | frame_[ip - 1]; };
        while ((type() == 0x8100 || type() == 0x88a8 || type() == 0x9100) && ip + 4 <= frame_.size()) ip += 4;
        if (type() == 0x0800) repair_ipv4(ip);
        if (type() == 0x86dd) repair_ipv6(ip);
    }

    void repair_ipv4(size_t begin) {
        auto* ip = at<wire::Ipv4Header>(begin);
        if (ip == nullptr) return;
        const size_t room = std::min<size_t>(frame_.size() - begin, 65535);
        if (ip->version() != 4 || ip->header_size() < sizeof *ip || ip->header_size() > room) ip->version_size = 0x45;
        const size_t size = ip->total_size.host();
        if (size < ip->header_size() || size > room) ip->total_size = wire::be16(static_cast<uint16_t>(room));
        const size_t end = begin + ip->total_size.host();
        if (!ip->is_fragment()) {
            const size_t l4 = begin + ip->header_size();
            repair_l4(*ip, ip->protocol(), l4, end, wire::Protocol::kIcmp);
        }
        ip->checksum = wire::header_checksum(*ip);
    }

    void repair_ipv6(size_t begin) {
        auto* ip = at<wire::Ipv6Header>(begin);
        if (ip == nullptr) return;
        const size_t room = std::min<size_t>(frame_.size() - begin - sizeof *ip, 65535);
        ip->version_class_label = wire::be32(6U << 28 | (ip->version_class_label.host() & 0x0fff'ffff));
        if (ip->payload_size.host() > room) ip->payload_size = wire::be16(static_cast<uint16_t>(room));
        const size_t end = begin + sizeof *ip + ip->payload_size.host();
        size_t l4 = begin + sizeof *ip;
        auto protocol = ip->protocol();
        while (protocol == wire::Protocol::kHopByHop || protocol == wire::Protocol::kRouting ||
               protocol == wire::Protocol::kDestinationOptions) {
            const auto* extension = at<wire::Ipv6Extension>(l4);
            if (extension == nullptr || l4 + extension->header_size() > end) return;
            l4 += extension->header_size();
            protocol = extension->protocol();
        }
        repair_l4(*ip, protocol, l4, end, wire::Protocol::kIcmpv6);
    }

    template <class Ip>
    void repair_l4(const Ip& ip, wire::Protocol protocol, size_t l4, size_t end, wire::Protocol icmp) {
        const bool outermost = !unfinished_ && !inside_;
        const size_t size = end - l4;
        size_t field = 0;
        if (protocol == wire::Protocol::kTcp && size >= sizeof(wire::TcpHeader)) {
            auto& tcp = *at<wire::TcpHeader>(l4);
            if (tcp.header_size() < sizeof tcp || tcp.header_size() > size) tcp.size_word = 0x50;
            field = l4 + offsetof(wire::TcpHeader, checksum);
        } else if (protocol == wire::Protocol::kUdp && size >= sizeof(wire::UdpHeader)) {
            auto& udp = *at<wire::UdpHeader>(l4);
            udp.size = wire::be16(static_cast<uint16_t>(size));
            const size_t inner = l4 + sizeof udp + sizeof(wire::VxlanHeader);
            const bool vxlan = udp.destination_port.host() == wire::VxlanHeader::kPort;
            if (vxlan && inner + sizeof(wire::EthernetHeader) <= end) {
                inside_ = true;
                // What follows the datagram is not the inner frame's.
                Bytes frame(frame_.begin() + static_cast<ptrdiff_t>(inner), frame_.begin() + static_cast<ptrdiff_t>(end));
                frame_.swap(frame);
                repair(0);
                frame_.swap(frame);
                std::copy(frame.begin(), frame.end(), frame_.begin() + static_cast<ptrdiff_t>(inner));
            }
            // None at all is right in IPv4, and for tunnels.
            if (udp.checksum.raw() == 0 && (vxlan || icmp == wire::Protocol::kIcmp)) return;
            field = l4 + offsetof(wire::UdpHeader, checksum);
        } else if (protocol == icmp && size >= 4) {
            field = l4 + 2;
        } else {
            return;
        }
        const bool has_pseudo_header = protocol != wire::Protocol::kIcmp;
        const wire::Sum pseudo =
            has_pseudo_header ? wire::pseudo_header_sum(ip, protocol, static_cast<uint32_t>(size)) : 0;
        auto& checksum = *reinterpret_cast<wire::be16*>(frame_.data() + field);
        checksum = wire::be16(0);
        checksum = wire::nonzero_checksum_of(wire::sum_of(frame_.data() + l4, size, pseudo));
        if (outermost && (protocol == wire::Protocol::kTcp || protocol == wire::Protocol::kUdp)) {
            unfinished_ = {l4, field, wire::be16::from_raw(wire::fold(pseudo))};
        }
    }

    Bytes& frame_;
    bool inside_ = false;
    std::optional<Unfinished> unfinished_;
};

}  // namespace sluice::fuzz
