// Events at workers that an operator should find in the log and that may happen with every packet. A worker notes
// an event here, and the control thread writes the lines (engine/event_log.h): a worker neither logs nor waits.
//
// A fixed table of events with a count each. If an event is in the table already, its count rises. Another event
// with the same place replaces it; counts that the control thread has not read yet are then lost. One writer, the
// worker; the control thread reads, with versions as in drop_log.h.
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
        kUnknownVni,     // a tunnel packet came from `address` with the unknown VNI `number`
        kUnknownRemote,  // a tunnel packet came from `address`, which is not a remote of `network`
        kMoved,          // `address` of `network` has moved from `other` to `mac`
        kClaimed,        // the station at `mac`, behind `port`, claims `address`, which belongs to `other`
    };
    Kind kind = Kind::kNone;
    NetworkId network = kNoNetworkId;
    uint32_t number = 0;
    IpAddress address{};
    uint64_t mac = 0;  // path::mac_key(), as is `other`
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
    // Calls visit(event, count) for events since the last call with `seen`.
    template <class Visit>
    void read(AllSeen& seen, Visit visit) const {
        for (size_t i = 0; i < kPlaces; ++i) {
            const Place& place = places_[i];
            const uint64_t version = place.version.load(std::memory_order_acquire);
            if (version == 0 || version % 2 != 0) continue;
            Words words;
            for (size_t w = 0; w < kWords; ++w) words[w] = place.words[w].load(std::memory_order_acquire);
            const uint64_t count = place.count.load(std::memory_order_acquire);
            // Another event took the place meanwhile: the next call reads it.
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
        std::atomic<uint64_t> version{0};  // odd while the event is written; 0: no event yet
        std::atomic<uint64_t> count{0};
        std::array<std::atomic<uint64_t>, kWords> words{};
    };
    static_assert(sizeof(Place) == 64);

    std::array<Place, kPlaces> places_;
};

}  // namespace sluice::path
