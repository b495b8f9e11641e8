#include "explain/captures.h"

#include <algorithm>

#include "base/none.h"
#include "explain/pcapng.h"
#include "wire/summary.h"

namespace sluice::explain {
namespace {

using nlohmann::json;
using path::Captured;
using path::DropRecord;

std::span<const uint8_t> bytes_of(const std::string& frame) {
    return {reinterpret_cast<const uint8_t*>(frame.data()), frame.size()};
}

// "dropped: spoofed-mac, decided by port web (host.yaml:3:5), from web, network blue"
std::string drop_text(const engine::Switch& running, const DropRecord& drop) {
    std::string line = fmt::format("dropped: {}", path::text(drop.reason).name);
    if (const auto objects = deciders_of(running, drop); !objects.empty()) line += ", decided by " + text(objects);
    const auto add = [&](const char* word, const std::string& name) {
        if (!name.empty()) line += fmt::format(", {} {}", word, name);
    };
    add("from", place_name(running, drop.ingress, drop.time));
    add("to", place_name(running, drop.egress, drop.time));
    add("network", network_name(running, drop.network, drop.time));
    return line;
}

}  // namespace

struct Captures::Frame {
    path::CapturedHeader header;
    std::string bytes;
    DropRecord drop;
};

base::Result<uint32_t> Captures::start(const std::string& port, const std::string& filter, Owner owner) {
    if (captures_.size() >= kMost) {
        return base::fail("{} captures are running already, which is the limit", captures_.size());
    }
    if (!port.empty() && !running_.ports().contains(port)) return base::fail("there is no port \"{}\"", port);
    auto compiled = wire::Filter::compile(filter);
    if (!compiled) return tl::unexpected(compiled.error().within("the filter"));
    Held held{.capture = std::make_shared<path::Capture>(port, std::move(*compiled), running_.workers().size()),
              .ended = {},
              .interfaces = {}};
    const uint32_t number = captures_.add(std::move(owner), std::move(held));
    publish();
    return number;
}

std::optional<Captures::Portion> Captures::read(uint32_t number, const Owner& owner, Form form, size_t most) {
    look_for_ports();
    Held* held = captures_.find(number, owner);
    if (held == nullptr) return std::nullopt;
    const auto clock = WallClock::now();
    Portion portion;
    if (form == Form::kPcapng && !std::exchange(held->begun, true)) {
        pcapng::add_section(portion.pcapng, "sluiced " SLUICE_VERSION);
        const std::string& port = held->capture->port();
        if (!port.empty()) {
            pcapng::add_interface(portion.pcapng, port, path::kMaxCaptured);
            held->interfaces[port] = 0;
        }
    }
    size_t size = 0;
    for (; portion.count < most && size < kPortion; ++portion.count) {
        const auto frame = next(*held->capture);
        if (!frame) break;
        size += frame->bytes.size();
        if (form == Form::kPcapng) {
            tell_pcapng(*held, *frame, clock, portion.pcapng);
        } else {
            portion.packets.push_back(tell_packet(*held, *frame, clock));
        }
    }
    held->told += portion.count;
    portion.more = portion.count == most || size >= kPortion;
    portion.lost = held->capture->lost();
    if (portion.more || held->ended.empty()) return portion;
    portion.ended = held->ended;
    if (form == Form::kPcapng && !held->interfaces.empty()) {
        pcapng::add_statistics(portion.pcapng, clock.nanoseconds(rte_get_tsc_cycles()),
                               held->told + portion.lost, portion.lost);
    }
    captures_.erase(number);
    return portion;
}

bool Captures::stop(uint32_t number, const Owner& owner) {
    Held* held = captures_.find(number, owner);
    if (held == nullptr) return false;
    if (held->ended.empty()) {
        held->ended = "it was stopped";
        publish();
    }
    return true;
}

void Captures::tick() {
    if (captures_.erase_orphans() != 0) publish();
    look_for_ports();
}

void Captures::look_for_ports() {
    bool changed = false;
    captures_.for_each([&](Held& held) {
        const std::string& port = held.capture->port();
        if (port.empty() || !held.ended.empty() || running_.ports().contains(port)) return;
        held.ended = fmt::format("port {} was deleted", port);
        changed = true;
    });
    if (changed) publish();
}

void Captures::publish() {
    engine::ActiveCaptures active;
    captures_.for_each([&](const Held& held) {
        if (held.ended.empty()) active.push_back(held.capture);
    });
    running_.set_captures(std::move(active));
}

std::optional<Captures::Frame> Captures::next(path::Capture& capture) {
    path::CaptureRing* oldest = nullptr;
    Frame frame{};
    for (const auto& ring : capture.rings()) {
        const auto header = ring->front();
        if (!header || (oldest != nullptr && header->time >= frame.header.time)) continue;
        oldest = ring.get();
        frame.header = *header;
    }
    if (oldest == nullptr) return std::nullopt;
    frame.bytes = oldest->pop(frame.drop);
    return frame;
}

void Captures::tell_pcapng(Held& held, const Frame& frame, const WallClock& clock,
                           std::string& out) const {
    using pcapng::Direction;
    std::string name = held.capture->port();
    std::string comment;
    Direction direction = Direction::kInbound;
    switch (frame.header.what) {
        case Captured::kFromPort: comment = "from port " + name; break;
        case Captured::kToPort:
            comment = "to port " + name;
            direction = Direction::kOutbound;
            break;
        case Captured::kDropped:
            name = place_name(running_, frame.drop.port, frame.drop.time);
            if (name.empty()) name = "a port that is gone";
            comment = drop_text(running_, frame.drop);
            if (frame.drop.port != frame.drop.ingress) direction = Direction::kOutbound;
            break;
    }
    const auto [interface, is_new] =
        held.interfaces.emplace(name, static_cast<uint32_t>(held.interfaces.size()));
    if (is_new) pcapng::add_interface(out, name, path::kMaxCaptured);
    pcapng::add_frame(out, {interface->second, clock.nanoseconds(frame.header.time), frame.header.length,
                            frame.bytes, direction, comment});
}

json Captures::tell_packet(const Held& held, const Frame& frame, const WallClock& clock) const {
    json packet{{"time", clock.seconds(frame.header.time)},
                {"length", frame.header.length},
                {"packet", wire::summary(bytes_of(frame.bytes), frame.header.length)}};
    if (frame.header.what != Captured::kDropped) {
        packet["port"] = held.capture->port();
        packet["direction"] = frame.header.what == Captured::kFromPort ? "from" : "to";
        packet["network"] = nullptr;
        packet["reason"] = nullptr;
        packet["decided-by"] = json::array();
        return packet;
    }
    const DropRecord& drop = frame.drop;
    json decided_by = json::array();
    for (const Object& object : deciders_of(running_, drop)) decided_by.push_back(to_json(object));
    packet["port"] = base::or_none(place_name(running_, drop.port, drop.time));
    packet["direction"] = drop.port == drop.ingress ? "from" : "to";
    packet["network"] = base::or_none(network_name(running_, drop.network, drop.time));
    packet["reason"] = path::text(drop.reason).name;
    packet["decided-by"] = std::move(decided_by);
    return packet;
}

}  // namespace sluice::explain
