#include "route/route_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

#include "base/text.h"

namespace sluice::route {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::array<std::string_view, 5> kKeywords = {"via", "network", "port", "nexthop", "domain"};

// Reads a line from the left. Columns count from 1.
class Words {
 public:
    explicit Words(std::string_view line) : line_(line.substr(0, line.find('#'))) { skip_blanks(); }

    bool at_end() const { return at_ == line_.size(); }
    std::string_view rest() const { return line_.substr(at_); }
    size_t column() const { return at_ + 1; }

    // Empty at the end of the line.
    std::string_view next() {
        const size_t begin = at_;
        at_ = std::min(line_.find_first_of(kBlanks, at_), line_.size());
        const std::string_view word = line_.substr(begin, at_ - begin);
        skip_blanks();
        return word;
    }

 private:
    void skip_blanks() { at_ = std::min(line_.find_first_not_of(kBlanks, at_), line_.size()); }

    std::string_view line_;
    size_t at_ = 0;
};

// A mistake in a line, and its column.
struct Fault {
    size_t column;
    std::string message;
};

// "default" has the family of its first gateway.
IpPrefix default_route(Words words) {
    while (!words.at_end()) {
        if (words.next() != "via") continue;
        if (words.next().find(':') != std::string_view::npos) return {};
        break;
    }
    return {IpAddress::from_v4(0), 0};
}

tl::expected<IpPrefix, std::string> destination(std::string_view word, const Words& behind) {
    if (word == "default") return default_route(behind);
    if (word.find('/') != std::string_view::npos) return IpPrefix::parse(word);
    const auto address = IpAddress::parse(word);
    if (!address) return tl::unexpected(address.error());
    return IpPrefix{*address, static_cast<uint8_t>(address->bits())};
}

Fault unknown_word(std::string_view word, size_t column) {
    const auto near = base::nearest(word, kKeywords);
    const std::string shown = base::shown(word);
    if (near) return {column, fmt::format("{} is no word of a route; did you mean '{}'?", shown, *near)};
    return {column,
            fmt::format("{} is no word of a route: via, network, port, nexthop and domain are", shown)};
}

// Reads the part after the destination into the route. `base` is its column.
std::optional<Fault> read_way(std::string_view rest, size_t base, RouteConfig& route) {
    Words words(rest);
    std::vector<HopConfig> hops(1);
    bool has_domain = false;
    while (!words.at_end()) {
        const size_t column = base + words.column() - 1;
        const std::string_view keyword = words.next();
        if (keyword == "nexthop") {
            if (hops.back() != HopConfig{}) hops.emplace_back();
            continue;
        }
        if (std::find(kKeywords.begin(), kKeywords.end(), keyword) == kKeywords.end()) {
            return unknown_word(keyword, column);
        }
        const size_t value_column = base + words.column() - 1;
        const std::string_view value = words.next();
        if (value.empty()) return Fault{column, fmt::format("nothing follows '{}'", keyword)};
        if (keyword == "domain") {
            if (has_domain) return Fault{column, "a second domain: give one"};
            has_domain = true;
            route.domain = value;
            continue;
        }
        const bool is_via = keyword == "via";
        const bool taken = is_via ? hops.back().via.has_value()
                                  : !hops.back().network.empty() || !hops.back().port.empty();
        HopConfig& hop = taken ? hops.emplace_back() : hops.back();
        if (is_via) {
            const auto via = IpAddress::parse(value);
            if (!via) return Fault{value_column, via.error()};
            hop.via = *via;
        } else {
            (keyword == "port" ? hop.port : hop.network) = value;
        }
    }
    if (hops.back() == HopConfig{}) hops.pop_back();
    if (hops.size() > kMaxHops) return Fault{base, fmt::format("{} next hops are too many: {} at most",
                                                               hops.size(), kMaxHops)};
    if (route.kind != Kind::kUnicast && !hops.empty()) {
        return Fault{base, "no next hop belongs here: leave it out"};
    }
    if (hops.size() == 1) {
        route.hop = std::move(hops.front());
    } else {
        route.hops = std::move(hops);
    }
    return std::nullopt;
}

class Reader {
 public:
    Reader(const Text& text, Mistakes& mistakes) : text_(text), mistakes_(mistakes) {}

    Changes run() {
        line_ = text_.first_line;
        for (std::string_view lines = text_.lines; !lines.empty(); ++line_) {
            const size_t end = std::min(lines.find('\n'), lines.size());
            if (auto fault = read(lines.substr(0, end))) {
                const auto column = static_cast<int>(fault->column);
                mistakes_.add({std::move(fault->message), {}, {text_.file, static_cast<int>(line_), column}});
            }
            lines.remove_prefix(std::min(end + 1, lines.size()));
        }
        return std::move(read_);
    }

 private:
    std::optional<Fault> read(std::string_view line) {
        Words words(line);
        if (words.at_end()) return std::nullopt;
        size_t column = words.column();
        std::string_view word = words.next();
        Changes::Change change{.line = line_};
        Kind kind = Kind::kUnicast;
        bool first = false;
        if (word == "delete") {
            change.deletes = first = true;
            kind = Kind::kBlackhole;  // it has no next hops
        } else {
            for (const auto& [value, name] : names(Kind{})) {
                if (word == name) kind = value, first = true;
            }
        }
        if (first) {
            column = words.column();
            word = words.next();
            if (word.empty()) return Fault{column, "no destination follows: 10.1.0.0/16, say"};
        }
        const auto to = destination(word, words);
        if (!to) return Fault{column, to.error()};
        change.to = *to;
        auto way = way_of(change, kind, words.rest(), words.column());
        if (!way) return way.error();
        change.way = *way;
        read_.changes.push_back(change);
        return std::nullopt;
    }

    tl::expected<uint32_t, Fault> way_of(const Changes::Change& change, Kind kind, std::string_view rest,
                                         size_t column) {
        key_ = static_cast<char>(static_cast<int>(kind) * 4 + change.deletes * 2 + change.to.address.is_v4());
        key_ += rest;
        if (auto known = known_.find(key_); known != known_.end()) return known->second;
        RouteConfig route;
        route.to = change.to;
        route.kind = kind;
        route.domain = text_.domain;
        route.place = {text_.file, static_cast<int>(line_), 1};
        if (auto fault = read_way(rest, column, route)) return tl::unexpected(std::move(*fault));
        const bool has_hop = route.hop != HopConfig{} || !route.hops.empty();
        if (kind == Kind::kUnicast && !has_hop) {
            return tl::unexpected(Fault{column, "leads nowhere: give `via ADDRESS` or `network NAME`, or "
                                                "write `blackhole` before the destination"});
        }
        const auto way = static_cast<uint32_t>(read_.ways.size());
        read_.ways.push_back(std::move(route));
        known_.emplace(key_, way);
        return way;
    }

    const Text& text_;
    Mistakes& mistakes_;
    Changes read_;
    uint32_t line_ = 1;
    std::unordered_map<std::string, uint32_t> known_;  // ways, by their text
    std::string key_;
};

std::string hop_text(const HopConfig& hop) {
    std::string text;
    if (hop.via) text += " via " + hop.via->text();
    if (!hop.network.empty()) text += " network " + hop.network;
    if (!hop.port.empty()) text += " port " + hop.port;
    return text;
}

}  // namespace

Changes Changes::set(const RouteConfig& route) {
    return {.ways = {route}, .changes = {{.to = route.to}}};
}

Changes Changes::remove(const IpPrefix& to, const std::string& domain) {
    return {.ways = {{.to = to, .kind = Kind::kBlackhole, .domain = domain}},
            .changes = {{.to = to, .deletes = true}}};
}

Changes read_changes(const Text& text, Mistakes& mistakes) {
    return Reader(text, mistakes).run();
}

std::string_view kind_text(Kind kind) {
    switch (kind) {
        case Kind::kBlackhole: return "blackhole ";
        case Kind::kUnreachable: return "unreachable ";
        case Kind::kUnicast: break;
    }
    return "";
}

std::string way_text(const RouteConfig& route) {
    std::string text;
    if (route.hops.empty()) text = hop_text(route.hop);
    for (const HopConfig& hop : route.hops) text += " nexthop" + hop_text(hop);
    if (route.domain != kMainDomain) text += " domain " + route.domain;
    return text;
}

std::string to_line(const RouteConfig& route) {
    return fmt::format("{}{}{}", kind_text(route.kind), route.to.text(), way_text(route));
}

}  // namespace sluice::route
