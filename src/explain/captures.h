// The active captures on the control thread's side: the owner of each, the packets that workers have put into its
// rings (path/capture.h), and their conversion to pcapng or to lines. A capture ends when its owner stops it or
// is gone, or when its port is deleted. A read takes a bounded portion, so that no other client waits long for
// it. Packets that an owner does not fetch stay in the rings; when these are full, workers' copies are lost and
// counted. Control thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "engine/switch.h"
#include "explain/decider.h"
#include "explain/owned.h"
#include "explain/wall_clock.h"
#include "path/capture.h"

namespace sluice::explain {

class Captures {
 public:
    static constexpr size_t kMost = 8;
    static constexpr size_t kPortion = 1 << 20;  // bytes of frames in a portion; the last frame may exceed it

    explicit Captures(engine::Switch& running) : running_(running) {}

    // Captures the packets that pass a port, or drops if `port` is empty. Returns the capture's number.
    base::Result<uint32_t> start(const std::string& port, const std::string& filter, Owner owner);

    struct Portion {
        std::string pcapng;                                // or
        nlohmann::json packets = nlohmann::json::array();  // one object per packet
        size_t count = 0;    // packets in this portion
        bool more = false;   // there are more: read again at once
        uint64_t lost = 0;   // since the start
        std::string ended;   // why no packets will follow; set once, with the last portion
    };
    enum class Form { kPcapng, kPackets };
    // Reads at most `most` packets. None if this owner has no such capture.
    std::optional<Portion> read(uint32_t number, const Owner& owner, Form form, size_t most);
    // Workers add no more packets; those in the rings can still be read. False if this owner has no such capture.
    bool stop(uint32_t number, const Owner& owner);

    // Ends captures whose owner or port is gone. Call it a few times a second.
    void tick();

    size_t count() const noexcept { return captures_.size(); }

 private:
    struct Held {
        std::shared_ptr<path::Capture> capture;
        std::string ended;                           // why; empty: it is active
        bool begun = false;                          // the header of the pcapng section was written
        std::map<std::string, uint32_t> interfaces;  // of the pcapng section, by name
        uint64_t told = 0;                           // packets read so far
    };
    struct Frame;

    void look_for_ports();
    void publish();
    // Takes the oldest copy of all workers.
    static std::optional<Frame> next(path::Capture& capture);
    void tell_pcapng(Held& held, const Frame& frame, const WallClock& clock,
                     std::string& out) const;
    nlohmann::json tell_packet(const Held& held, const Frame& frame, const WallClock& clock) const;

    engine::Switch& running_;
    Owned<Held> captures_;
};

}  // namespace sluice::explain
