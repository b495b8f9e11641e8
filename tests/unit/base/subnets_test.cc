#include "base/subnets.h"

#include <gtest/gtest.h>

#include <random>

namespace sluice::base {
namespace {

// The overlaps that a comparison of all with all finds.
TEST(Subnets, OverlapsAreThoseOfEachWithEach) {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        std::vector<IpPrefix> prefixes;
        for (int i = 0; i < 20; ++i) {
            const auto length = static_cast<uint8_t>(random() % 33);
            IpAddress address = IpAddress::from_v4(static_cast<uint32_t>(random()) & 0xc000'00c0);
            if (random() % 4 == 0) address.bytes[0] = static_cast<uint8_t>(random());
            prefixes.push_back(IpPrefix::around(address, length));
        }
        const std::vector<size_t> overlaps = earlier_overlaps(prefixes);
        for (size_t a = 0; a < prefixes.size(); ++a) {
            size_t first = 0;
            while (first < a && !prefixes[first].contains(prefixes[a].address) &&
                   !prefixes[a].contains(prefixes[first].address)) {
                ++first;
            }
            ASSERT_EQ(overlaps[a], first) << prefixes[a].text() << " in round " << round;
        }
    }
}

}  // namespace
}  // namespace sluice::base
