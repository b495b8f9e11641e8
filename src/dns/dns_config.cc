#include "dns/dns_config.h"

#include <fmt/format.h>

#include <cctype>

#include "base/text.h"
#include "dns/name.h"

namespace sluice::dns {

std::string UpstreamConfig::text() const {
    if (port == 53) return address.text();
    return fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"), address.text(), port);
}

tl::expected<UpstreamConfig, std::string> parse_value(std::string_view text, UpstreamConfig*) {
    UpstreamConfig upstream;
    std::string_view address = text;
    const size_t colon = text.rfind(':');
    const bool is_bracketed = text.starts_with('[');
    const bool has_port =
        is_bracketed ? text.find("]:") != text.npos : colon != text.npos && text.find(':') == colon;
    if (has_port) {
        const auto port = base::parse_number(text.substr(colon + 1), 65535);
        if (!port || *port == 0)
            return tl::unexpected(fmt::format("{} has no port from 1 to 65535 behind its ':'", base::shown(text)));
        upstream.port = static_cast<uint16_t>(*port);
        address = text.substr(0, colon);
    }
    if (is_bracketed && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    const auto parsed = IpAddress::parse(address);
    if (!parsed) return tl::unexpected(parsed.error());
    if (parsed->is_multicast() || parsed->is_unspecified())
        return tl::unexpected(fmt::format("{} is no address of a host", parsed->text()));
    upstream.address = *parsed;
    return upstream;
}

bool is_domain(std::string_view text) {
    if (wire_name(text).size() <= 1) return false;
    return std::ranges::all_of(
        text, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; });
}

bool is_option(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == ':' || c == '.';
    });
}

}  // namespace sluice::dns
