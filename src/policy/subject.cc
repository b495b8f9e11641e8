#include "policy/subject.h"

#include "wire/headers.h"

namespace sluice::policy {

using path::Connection;

FirstPacket first_packet_of(const Connection& connection) noexcept {
    return {.tcp_flags = connection.tcp_flags,
            .icmp_type = connection.icmp_type,
            .icmp_code = connection.icmp_code,
            .dscp = static_cast<uint8_t>(connection.dscp() & 0x3f),
            .fragment = connection.first_fragment,
            .unused = 0};
}

acl::Subject subject_of(const path::Tuple& tuple, const FirstPacket& first) noexcept {
    acl::Subject subject{};
    subject.ipv6 = tuple.key.is_ipv6();
    if (subject.ipv6) {
        subject.source6 = tuple.ipv6.source;
        subject.destination6 = tuple.ipv6.destination;
    } else {
        subject.source = tuple.key.source();
        subject.destination = tuple.key.destination();
    }
    subject.protocol = static_cast<uint8_t>(tuple.key.protocol());
    subject.has_ports = wire::has_ports(subject.protocol);
    if (subject.has_ports) {
        subject.source_port = tuple.key.source_port().host();
        subject.destination_port = tuple.key.destination_port().host();
    }
    subject.icmp_type = first.icmp_type;
    subject.icmp_code = first.icmp_code;
    subject.tcp_flags = first.tcp_flags;
    subject.dscp = first.dscp;
    subject.fragment = first.fragment != 0;
    return subject;
}

acl::Subject subject_of(const Connection& connection) noexcept {
    if (connection.kind == path::PacketKind::kNotIp) {
        return {.is_ip = false, .ether_type = connection.ether_type};
    }
    acl::Subject subject = subject_of(connection.tuple(), first_packet_of(connection));
    subject.later_fragment = connection.kind == path::PacketKind::kLaterFragment;
    subject.fragment |= subject.later_fragment;
    if (subject.later_fragment) subject.has_ports = false;
    return subject;
}

}  // namespace sluice::policy
