// What workers see that an operator should read of in the log, and that may come with every packet. A worker
// notes it here, and the control thread writes the lines (engine/event_log.h): a worker neither logs nor waits.
//
// A fixed table of events with a count each. An event that was noted before and stands there still is counted
// there. Another one with the same place takes it, and what the control thread hasn't seen yet of the older one is
// lost. One writer, the worker; the control thread reads, by versions as in drop_log.h.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "path/ids.h"
#include "sluice/address.h"

namespace sluice::path {

struct Event {
    enum class Kind : uint16_t {
        kNone,
        kUnknownVni,     // from `address` came a tunnel packet with `number` as its VNI
        kUnknownRemote,  // the same, and `network` doesn't have it among its remotes
        kMoved,          // `address` of `network` is at `mac` now; it was at `other`
        kClaimed,        // the station at `mac`, behind `port`, says that it has `address`, which is at `other`
    };
    Kind kind = Kind::kNone;
    NetworkId network = kNoNetworkId;
    uint32_t number = 0;
    IpAddress address{};
    uint64_t mac = 0;  // path::mac_key(), and so is the other
    uint64_t other = 0;
    uint64_t port = index(kNoPort);

    bool operator==(const Event&) const = default;
};
static_assert(sizeof(Event) == 48 && std::is_trivially_copyable_v<Event>);

class Events {
 public:
    static constexpr size_t kPlaces = 32;  // a power of two

    // --- the worker ---
    void note(const Event& event) noexcept {
        Words words;
        std::memcpy(words.data(), &event, sizeof event);
        uint64_t hash = 0;
        for (const uint64_t word : words) hash = (hash ^ word) * 0x9e37'79b9'7f4a'7c15ULL;
        Place& place = places_[hash >> 59];
        bool is_known = true;
        for (size_t i = 0; i < kWords; ++i) is_known &= place.words[i].load(std::memory_order_relaxed) == words[i];
        if (is_known) {
            place.count.store(place.count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
            return;
        }
        const uint64_t version = place.version.load(std::memory_order_relaxed);
        place.version.store(version + 1, std::memory_order_relaxed);
        for (size_t i = 0; i < kWords; ++i) place.words[i].store(words[i], std::memory_order_release);
        place.count.store(1, std::memory_order_release);
        place.version.store(version + 2, std::memory_order_release);
    }

    // --- the control thread ---
    struct Seen {
        uint64_t version = 0;
        uint64_t count = 0;
    };
    using AllSeen = std::array<Seen, kPlaces>;
    // visit(event, count) for what is new since `seen` was made.
    template <class Visit>
    void read(AllSeen& seen, Visit visit) const {
        for (size_t i = 0; i < kPlaces; ++i) {
            const Place& place = places_[i];
            const uint64_t version = place.version.load(std::memory_order_acquire);
            if (version == 0 || version % 2 != 0) continue;
            Words words;
            for (size_t w = 0; w < kWords; ++w) words[w] = place.words[w].load(std::memory_order_acquire);
            const uint64_t count = place.count.load(std::memory_order_acquire);
            // Another event has come meanwhile: the next look finds it.
            if (place.version.load(std::memory_order_relaxed) != version) continue;
            const uint64_t before = seen[i].version == version ? seen[i].count : 0;
            seen[i] = {version, count};
            if (count == before) continue;
            Event event;
            std::memcpy(static_cast<void*>(&event), words.data(), sizeof event);
            visit(event, count - before);
        }
    }

 private:
    static constexpr size_t kWords = sizeof(Event) / sizeof(uint64_t);
    using Words = std::array<uint64_t, kWords>;
    static_assert(kPlaces == uint64_t{1} << (64 - 59));

    struct alignas(64) Place {
        std::atomic<uint64_t> version{0};  // odd while it is written; 0: none yet
        std::atomic<uint64_t> count{0};
        std::array<std::atomic<uint64_t>, kWords> words{};
    };
    static_assert(sizeof(Place) == 64);

    std::array<Place, kPlaces> places_;
};

}  // namespace sluice::path
