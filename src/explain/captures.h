// The captures that are going on, as the control thread has them: who asked for each, what workers have
// put into its rings (path/capture.h), and its telling as pcapng or as lines. A capture ends when its
// owner says so or is gone, or when its port is deleted. Reading takes no more than a bounded portion, so
// that nobody waits long for it; what an owner doesn't fetch stays in the rings, and when those are full
// the workers' copies are lost and counted. Control thread.
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
    static constexpr size_t kPortion = 1 << 20;  // bytes of frames in a portion, but for the last one's

    explicit Captures(engine::Switch& running) : running_(running) {}

    // Of what passes a port (a name), or of drops (empty). Answers the capture's number.
    base::Result<uint32_t> start(const std::string& port, const std::string& filter, Owner owner);

    struct Portion {
        std::string pcapng;                                // or
        nlohmann::json packets = nlohmann::json::array();  // one an object
        size_t count = 0;    // packets in this portion
        bool more = false;   // there are more: ask again at once
        uint64_t lost = 0;   // since the start
        std::string ended;   // why no more will come, told once, with the last portion; empty: they may
    };
    enum class Form { kPcapng, kPackets };
    // At most so many packets. Nothing where this owner has no such capture.
    std::optional<Portion> read(uint32_t number, const Owner& owner, Form form, size_t most);
    // Workers add no more to it; what is there can be read still. False where this owner has no such capture.
    bool stop(uint32_t number, const Owner& owner);

    // Ends those whose owner or port is gone. To be called a few times a second.
    void tick();

    size_t count() const noexcept { return captures_.size(); }

 private:
    struct Held {
        std::shared_ptr<path::Capture> capture;
        std::string ended;                           // why; empty: it goes on
        bool begun = false;                          // the pcapng section's header was told
        std::map<std::string, uint32_t> interfaces;  // of the pcapng section, by name
        uint64_t told = 0;                           // packets
    };
    struct Frame;

    void look_for_ports();
    void publish();
    // The oldest of all workers' copies.
    static std::optional<Frame> next(path::Capture& capture);
    void tell_pcapng(Held& held, const Frame& frame, const WallClock& clock,
                     std::string& out) const;
    nlohmann::json tell_packet(const Held& held, const Frame& frame, const WallClock& clock) const;

    engine::Switch& running_;
    Owned<Held> captures_;
};

}  // namespace sluice::explain
