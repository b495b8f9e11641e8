#include "kube/read_values.h"

#include <fmt/format.h>

namespace sluice::kube {
namespace {

using base::Tree;

// Empty: traffic can be sent to it. Else what the address is.
std::string_view why_no_host(const IpAddress& address) {
    const auto& bytes = address.bytes;
    if (address.is_unspecified()) return "is the unspecified address";
    if (address.is_multicast()) return "is a multicast address";
    if (address.is_v4()) {
        const uint32_t v4 = address.v4();
        if (v4 >> 24 == 127) return "is a loopback address";
        if (v4 >> 16 == 0xa9fe) return "is a link-local address";
        if (v4 == 0xffffffff) return "is the broadcast address";
        return {};
    }
    IpAddress loopback;
    loopback.bytes[15] = 1;
    if (address == loopback) return "is the loopback address";
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return "is a link-local address";
    return {};
}

}  // namespace

bool read_address(Reader& reader, const Tree& tree, IpAddress& address) {
    const std::string* text = reader.string(tree);
    if (text == nullptr) return false;
    const auto parsed = IpAddress::parse(*text);
    if (!parsed) {
        reader.report(tree, parsed.error());
        return false;
    }
    address = *parsed;
    return true;
}

bool read_host_address(Reader& reader, const Tree& tree, IpAddress& address) {
    IpAddress any;
    if (!read_address(reader, tree, any)) return false;
    if (const auto why = why_no_host(any); !why.empty()) {
        reader.report(tree, fmt::format("{} {}: nothing can be sent to it", any.text(), why));
        return false;
    }
    address = any;
    return true;
}

bool read_prefix(Reader& reader, const Tree& tree, IpPrefix& prefix, std::vector<base::Error>& warnings) {
    const std::string* text = reader.string(tree);
    if (text == nullptr) return false;
    const auto parsed = InterfaceAddress::parse(*text);
    if (!parsed) {
        reader.report(tree, parsed.error());
        return false;
    }
    if (!parsed->has_length()) {
        reader.report(tree,
                      fmt::format("{} has no length: write {}", base::shown(*text), parsed->prefix().text()));
        return false;
    }
    prefix = parsed->prefix();
    if (prefix.address != parsed->address) {
        warnings.push_back(
            {fmt::format("{} has bits beyond its length: {} is meant", base::shown(*text), prefix.text()),
             {},
             reader.place(tree)});
    }
    return true;
}

void read_port(Fields& fields, std::string_view field, uint16_t low, uint16_t& number, std::string& name) {
    const Tree* tree = fields.find(field);
    if (tree == nullptr) return;
    // Text that YAML takes for a string is a name, with quotes or without.
    const bool is_name =
        tree->kind == Tree::Kind::kScalar && (tree->quoted || base::resolve(tree->text) == base::Scalar::kString);
    if (!is_name) {
        int64_t value = 0;
        if (fields.integer(field, value, low, 65535)) number = static_cast<uint16_t>(value);
        return;
    }
    if (!fields.string(field, name) || (name.empty() && low == 0)) return;
    if (const auto why = why_no_port_name(name); !why.empty()) {
        fields.report(field, fmt::format("{} {}", base::shown(name), why));
    }
}

}  // namespace sluice::kube
