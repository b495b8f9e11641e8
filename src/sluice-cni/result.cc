#include "sluice-cni/result.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::cni {
namespace {

using base::Tree;
using nlohmann::json;

tl::unexpected<std::string> wrong(std::string_view path, std::string_view what) {
    return tl::unexpected(path.empty() ? std::string(what) : fmt::format("{}: {}", path, what));
}

const std::string* string_of(const Tree& tree) {
    return tree.kind == Tree::Kind::kScalar && !tree.is_no_string ? &tree.text : nullptr;
}

using Checked = tl::expected<void, std::string>;

// A string that parses as a T. An absent key, null and an empty string are one: plugins write all three.
template <class T>
Checked check_text(const Tree& entry, std::string_view list, size_t index, std::string_view key, bool required) {
    const std::string path = fmt::format("{}[{}].{}", list, index, key);
    const Tree* value = entry.find(key);
    const bool is_absent = value == nullptr || value->kind == Tree::Kind::kNull;
    const std::string* text = is_absent ? nullptr : string_of(*value);
    if (!is_absent && text == nullptr)
        return wrong(path, fmt::format("expected a string, found {}", found(*value)));
    if (is_absent || text->empty()) return required ? wrong(path, "is missing") : Checked();
    const auto parsed = T::parse(*text);
    return parsed ? Checked() : wrong(path, parsed.error());
}

Checked check_interface(const Tree& entry, size_t index) {
    for (const char* key : {"name", "mac", "sandbox"}) {
        const Tree* value = entry.find(key);
        if (value == nullptr || value->kind == Tree::Kind::kNull || string_of(*value) != nullptr) continue;
        return wrong(fmt::format("interfaces[{}].{}", index, key),
                     fmt::format("expected a string, found {}", found(*value)));
    }
    return {};
}

Checked check_ip(const Tree& entry, size_t index, size_t interfaces) {
    const Tree* interface = entry.find("interface");
    if (interface != nullptr && interface->kind != Tree::Kind::kNull) {
        const auto number =
            interface->is_no_string ? base::parse_number(interface->text, 1'000'000) : std::nullopt;
        if (!number || *number >= interfaces) {
            return wrong(
                fmt::format("ips[{}].interface", index),
                fmt::format("{} is no index of the {} interfaces", base::shown(interface->text), interfaces));
        }
    }
    return check_text<InterfaceAddress>(entry, "ips", index, "address", true)
        .and_then([&] { return check_text<IpAddress>(entry, "ips", index, "gateway", false); })
        .and_then([&]() -> Checked {
            const auto address = InterfaceAddress::parse(entry.find("address")->text);
            if (address->has_length()) return {};
            return wrong(fmt::format("ips[{}].address", index),
                         fmt::format("{} has no prefix length", base::shown(address->text())));
        });
}

Checked check_route(const Tree& entry, size_t index) {
    return check_text<InterfaceAddress>(entry, "routes", index, "dst", true).and_then([&] {
        return check_text<IpAddress>(entry, "routes", index, "gw", false);
    });
}

// A list of objects, which `check` accepts.
template <class Check>
Checked read_list(const Tree& tree, const char* key, json& list, Check check) {
    const Tree* value = tree.find(key);
    if (value == nullptr || value->kind == Tree::Kind::kNull) return {};
    if (value->kind != Tree::Kind::kList)
        return wrong(key, fmt::format("expected a list, found {}", found(*value)));
    for (size_t i = 0; i < value->items.size(); ++i) {
        const Tree& entry = value->items[i];
        if (entry.kind != Tree::Kind::kMap) {
            return wrong(fmt::format("{}[{}]", key, i), fmt::format("expected a mapping, found {}", found(entry)));
        }
        if (auto checked = check(entry, i); !checked) return checked;
        list.push_back(base::to_json(entry));
    }
    return {};
}

Checked read_dns(const Tree& tree, json& dns) {
    const Tree* value = tree.find("dns");
    if (value == nullptr || value->kind == Tree::Kind::kNull) return {};
    if (value->kind != Tree::Kind::kMap)
        return wrong("dns", fmt::format("expected a mapping, found {}", found(*value)));
    for (const char* key : {"nameservers", "search", "options"}) {
        const Tree* list = value->find(key);
        if (list == nullptr || list->kind == Tree::Kind::kNull || list->kind == Tree::Kind::kList) continue;
        return wrong(fmt::format("dns.{}", key), fmt::format("expected a list, found {}", found(*list)));
    }
    dns = base::to_json(*value);
    return {};
}

}  // namespace

tl::expected<Result, std::string> read_result(const Tree& tree) {
    if (tree.kind != Tree::Kind::kMap) return wrong("", fmt::format("expected a mapping, found {}", found(tree)));
    Result result;
    auto read = read_list(tree, "interfaces", result.interfaces, check_interface)
                    .and_then([&] {
                        return read_list(tree, "ips", result.ips, [&](const Tree& entry, size_t index) {
                            return check_ip(entry, index, result.interfaces.size());
                        });
                    })
                    .and_then([&] { return read_list(tree, "routes", result.routes, check_route); })
                    .and_then([&] { return read_dns(tree, result.dns); });
    if (!read) return tl::unexpected(std::move(read.error()));
    return result;
}

std::string text_at(const json& object, const char* key) {
    const auto value = object.is_object() ? object.find(key) : object.end();
    return value != object.end() && value->is_string() ? value->get<std::string>() : "";
}

void append(Result& result, const Added& added, std::string_view version) {
    const size_t index = result.interfaces.size();
    json interface {
        {"name", added.interface.name}, { "sandbox", added.interface.sandbox }
    };
    if (!added.interface.mac.empty()) interface["mac"] = added.interface.mac;
    if (version >= "1.1.0") {
        interface["mtu"] = added.interface.mtu;
        if (!added.interface.socket.empty()) interface["socketPath"] = added.interface.socket;
    }
    result.interfaces.push_back(std::move(interface));
    for (const Ip& ip : added.ips) {
        json entry{{"address", ip.address.text()}, {"interface", index}};
        if (ip.gateway) entry["gateway"] = ip.gateway->text();
        if (version < "1.0.0") entry["version"] = ip.address.address.is_v4() ? "4" : "6";
        result.ips.push_back(std::move(entry));
    }
    for (const Route& route : added.routes) {
        json entry{{"dst", route.to.text()}};
        if (route.via) entry["gw"] = route.via->text();
        result.routes.push_back(std::move(entry));
    }
}

void append_dns(json& dns, const json& more) {
    for (const auto& [key, value] : more.items()) {
        if (!value.is_array()) {
            if (text_at(dns, key.c_str()).empty()) dns[key] = value;
            continue;
        }
        json& list = dns[key];
        if (!list.is_array()) list = json::array();
        for (const json& item : value) {
            if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
        }
    }
}

void complete_dns(json& dns, const json& defaults) {
    if (dns.contains("nameservers") && !dns.at("nameservers").empty()) return;
    for (const auto& [key, value] : defaults.items()) {
        if (!dns.contains(key) || dns.at(key).empty()) dns[key] = value;
    }
}

json to_json(const Result& result, std::string_view version) {
    json object{{"cniVersion", version}, {"interfaces", result.interfaces}, {"ips", result.ips}};
    if (!result.routes.empty()) object["routes"] = result.routes;
    if (!result.dns.empty()) object["dns"] = result.dns;
    return object;
}

json to_json(const Failure& failure, std::string_view version) {
    json object{{"cniVersion", version}, {"code", failure.code}, {"msg", failure.message}};
    if (!failure.details.empty()) object["details"] = failure.details;
    return object;
}

json supported_versions(std::string_view version) {
    return {{"cniVersion", version}, {"supportedVersions", kVersions}};
}

}  // namespace sluice::cni
