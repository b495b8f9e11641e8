#include "engine/move_log.h"

#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "base/log.h"

namespace sluice::engine {
namespace {

using Texts = std::vector<std::string>;

class MoveLogTest : public testing::Test {
 protected:
    MoveLogTest() { base::log::set_level(base::log::Level::kNotice); }

    template <class F>
    static Texts written(F write) {
        testing::internal::CaptureStderr();
        write();
        std::istringstream text(testing::internal::GetCapturedStderr());
        Texts lines;
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        return lines;
    }
    Texts noted(const Move& move, bridge::Seconds now) {
        return written([&] { log_.note(move, now); });
    }
    Texts flushed(bridge::Seconds now) {
        return written([&] { log_.flush(now); });
    }

    const Move move_{"blue", *MacAddress::parse("02:00:00:00:00:0a"), "port web", "tunnel 192.0.2.2"};
    MoveLog log_;
};

TEST_F(MoveLogTest, AMoveIsTold) {
    EXPECT_EQ(noted(move_, 100),
              Texts{"notice mac: network blue: 02:00:00:00:00:0a has moved from port web to tunnel 192.0.2.2"});
    EXPECT_EQ(flushed(100 + MoveLog::kPause), Texts{});
}

TEST_F(MoveLogTest, RepetitionsAreCounted) {
    const Move back{move_.network, move_.mac, move_.to, move_.from};
    EXPECT_EQ(noted(move_, 100).size(), 1u);
    EXPECT_EQ(noted(back, 101).size(), 1u);
    EXPECT_EQ(noted(move_, 102), Texts{});
    EXPECT_EQ(noted(move_, 103), Texts{});
    EXPECT_EQ(flushed(100 + MoveLog::kPause - 1), Texts{});
    EXPECT_EQ(flushed(100 + MoveLog::kPause),
              Texts{"notice mac: network blue: 02:00:00:00:00:0a has moved from port web to tunnel 192.0.2.2 2 more "
                    "times in 60 s"});
    EXPECT_EQ(noted(move_, 200).size(), 1u);
}

TEST_F(MoveLogTest, ManyMovesAreBounded) {
    size_t lines = 0;
    for (uint32_t i = 0; i < 1000; ++i) {
        Move move = move_;
        move.mac = MacAddress::from_uint64(0x0200'0000'0000 + i);
        lines += noted(move, 100).size();
    }
    EXPECT_EQ(lines, MoveLog::kMost);
    EXPECT_EQ(flushed(101), Texts{fmt::format("notice mac: {} more stations have moved", 1000 - MoveLog::kMost)});
}

}  // namespace
}  // namespace sluice::engine
