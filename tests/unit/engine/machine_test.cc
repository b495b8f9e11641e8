#include "engine/machine.h"

#include <gtest/gtest.h>

namespace sluice::engine {
namespace {

using Cores = std::set<uint16_t>;

TEST(Machine, ReadsTheKernelsListsOfCores) {
    EXPECT_EQ(parse_cores("0"), Cores{0});
    EXPECT_EQ(parse_cores("0-3"), (Cores{0, 1, 2, 3}));
    EXPECT_EQ(parse_cores("0-1,4,7-8"), (Cores{0, 1, 4, 7, 8}));
    EXPECT_EQ(parse_cores(""), Cores{});
    for (const char* text : {"x", "1-", "-1", "3-1", "1,,2", "0-3x", "70000"}) EXPECT_FALSE(parse_cores(text)) << text;
}

TEST(Machine, TellsItsCoresAsTheKernelDoes) {
    for (const char* text : {"", "0", "0-3", "0-1,4,7-8"}) {
        EXPECT_EQ(Machine{.cores = *parse_cores(text)}.cores_text(), text);
    }
}

TEST(Machine, ThisOneHasTheCoreThatWeRunOn) { EXPECT_FALSE(this_machine().cores.empty()); }

}  // namespace
}  // namespace sluice::engine
