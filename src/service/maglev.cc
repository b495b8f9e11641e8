#include "service/maglev.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace sluice::service {
namespace {

constexpr uint16_t kFree = UINT16_MAX;

struct Size {
    size_t backends;  // up to so many
    uint32_t slots;   // prime: then every stride is a permutation
};
// When one of n back ends goes, slots of others change too: about sqrt(n / slots of each) / 2 for each slot that
// must change. The sizes keep this below 0.5 up to 550 back ends (0.9 for 1000). Beyond, the time to fill the
// table counts more: 50 ms for a million slots. For 10 back ends it takes 40 us.
constexpr Size kSizes[] = {
    {1, 1},         {10, 2039},     {24, 4093},          {48, 16'381},        {120, 65'521},
    {250, 262'139}, {350, 524'287}, {10'000, 1'048'573}, {40'000, 4'194'301}, {Maglev::kMaxBackends, 8'388'593},
};

// splitmix64
uint64_t mixed(uint64_t word) {
    word += 0x9e37'79b9'7f4a'7c15ULL;
    word = (word ^ word >> 30) * 0xbf58'476d'1ce4'e5b9ULL;
    word = (word ^ word >> 27) * 0x94d0'49bb'1331'11ebULL;
    return word ^ word >> 31;
}

uint32_t slot_of(uint64_t word, uint32_t size) {
    return static_cast<uint32_t>((mixed(word) >> 32) * size >> 32);
}

struct Racer {
    uint64_t id;                          // mixed: it looks random
    uint64_t credit = uint64_t{1} << 63;  // an overflow is a turn; begins half way to the first
    uint64_t step = 0;                    // of credit in one round; in proportion to the weight
    uint32_t weight;
    uint32_t at = 0;  // the slot that it probes in its next turn
    uint32_t stride = 0;
    uint32_t probes = 0;
    uint32_t left = 0;  // slots that it has yet to get
    uint16_t index;
};

// Divides `size` slots by weight. Each racer gets its share, rounded up or down, but at least one slot.
void divide(std::vector<Racer>& racers, uint32_t size) {
    uint64_t slots = size;
    uint64_t weights = 0;
    for (const Racer& racer : racers) weights += racer.weight;
    // Those with less than a slot get one, and the others share what remains, which may leave another one below.
    for (bool again = true; again;) {
        again = false;
        for (Racer& racer : racers) {
            if (racer.left != 0 || slots * racer.weight >= weights) continue;
            racer.left = 1;
            --slots;
            weights -= racer.weight;
            again = true;
        }
    }
    // Which shares are rounded up depends on their fractions, and on a fixed number of each racer's own: else
    // a change of the sum of weights would change all roundings at once.
    struct Rounding {
        uint64_t up;
        Racer* racer;
    };
    std::vector<Rounding> roundings;
    roundings.reserve(racers.size());
    uint64_t given = 0;
    for (Racer& racer : racers) {
        if (racer.left != 0) continue;
        const uint64_t product = slots * racer.weight;
        racer.left = static_cast<uint32_t>(product / weights);
        given += racer.left;
        const uint64_t fraction = (product % weights << 16) / weights;
        if (fraction != 0) roundings.push_back({fraction + (mixed(racer.id) & UINT16_MAX), &racer});
    }
    const auto end = roundings.begin() + static_cast<ptrdiff_t>(roundings.empty() ? 0 : slots - given);
    std::partial_sort(roundings.begin(), end, roundings.end(), [](const Rounding& a, const Rounding& b) {
        return a.up != b.up ? a.up > b.up : a.racer->id < b.racer->id;
    });
    for (auto rounding = roundings.begin(); rounding != end; ++rounding) ++rounding->racer->left;
}

// A turn in each round for the heaviest, and turns in proportion for the others.
void set_steps(std::vector<Racer>& racers) {
    uint32_t most = 0;
    for (const Racer& racer : racers) most = std::max(most, racer.weight);
    // A power of two: when the heaviest goes, the turns of the others keep their order.
    const int bits = std::bit_width(most - 1);
    for (Racer& racer : racers) {
        const bool is_full = std::has_single_bit(most) && racer.weight == most;
        racer.step = is_full ? UINT64_MAX : uint64_t{racer.weight} << (64 - bits);
    }
}

// The racers that are left have their turns more often, in the same order.
void speed_up(std::vector<Racer>& racers) {
    uint64_t most = 1;
    for (const Racer& racer : racers) most = std::max(most, racer.step);
    const int shift = std::countl_zero(most);
    for (Racer& racer : racers) racer.step <<= shift;
}

// To the slot of its next turn. Two racers of related strides meet again and again, and then the one that goes
// leaves its slots to the other. So a racer jumps after each kRun probes. It stops jumping after many probes,
// because jumps may leave out slots for ever.
void move(Racer& racer, uint32_t size) {
    constexpr uint32_t kRun = 8;
    racer.at += racer.stride;
    if (racer.at >= size) racer.at -= size;
    if (++racer.probes % kRun == 0 && racer.probes < size / 2) racer.at = slot_of(racer.id + racer.probes, size);
}

void race(std::vector<Racer>& racers, std::vector<uint16_t>& slots) {
    const auto size = static_cast<uint32_t>(slots.size());
    while (!racers.empty()) {
        bool has_finished = false;
        for (Racer& racer : racers) {
            racer.credit += racer.step;
            if (racer.credit >= racer.step) continue;
            uint16_t& slot = slots[racer.at];
            move(racer, size);
            if (slot != kFree) continue;
            slot = racer.index;
            has_finished |= --racer.left == 0;
        }
        if (!has_finished) continue;
        std::erase_if(racers, [](const Racer& racer) { return racer.left == 0; });
        speed_up(racers);
    }
}

}  // namespace

Maglev::Maglev(std::span<const Entry> entries) {
    std::vector<Racer> racers;
    racers.reserve(entries.size());
    for (size_t i = 0; i < entries.size(); ++i) {
        if (entries[i].weight == 0) continue;
        racers.push_back(
            {.id = mixed(entries[i].id), .weight = entries[i].weight, .index = static_cast<uint16_t>(i)});
    }
    if (racers.empty()) return;
    std::sort(racers.begin(), racers.end(), [](const Racer& a, const Racer& b) { return a.id < b.id; });
    const uint32_t size = std::find_if(std::begin(kSizes), std::end(kSizes) - 1, [&](const Size& each) {
                              return racers.size() <= each.backends;
                          })->slots;
    for (Racer& racer : racers) {
        racer.at = slot_of(racer.id, size);
        racer.stride = size == 1 ? 0 : 1 + slot_of(~racer.id, size - 1);
    }
    divide(racers, size);
    set_steps(racers);
    slots_.assign(size, kFree);
    race(racers, slots_);
}

}  // namespace sluice::service
