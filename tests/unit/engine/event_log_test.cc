#include "engine/event_log.h"

#include <gtest/gtest.h>

#include <sstream>

#include "engine/switch.h"
#include "support/pools.h"

namespace sluice::engine {
namespace {

using Lines = std::vector<std::string>;
using Kind = path::Event::Kind;
using std::chrono::seconds;

constexpr uint64_t kA = 0x0a00'0000'0002;  // 02:00:00:00:00:0a
constexpr uint64_t kB = 0x0b00'0000'0002;

class EventLogTest : public testing::Test {
 protected:
    void note(const path::Event& event) { switch_.workers()[0]->counters().events.note(event); }
    void move(uint64_t from, uint64_t to) {
        note({.kind = Kind::kMoved, .address = IpAddress::from_v4(0x0a000005), .mac = to, .other = from});
    }
    Lines written(int second) {
        testing::internal::CaptureStderr();
        log_.write(switch_, counted_, EventLog::Clock::time_point{} + std::chrono::hours(1) + seconds(second));
        std::istringstream text(testing::internal::GetCapturedStderr());
        Lines lines;
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        return lines;
    }

    Switch switch_{1, test::switch_pools(), "test"};
    base::CountedLog counted_;
    EventLog log_;
};

TEST_F(EventLogTest, ANoteIsALineAndMoreOfItAreNone) {
    note({.kind = Kind::kUnknownVni, .number = 77, .address = *IpAddress::parse("2001:db8::2")});
    EXPECT_EQ(written(0), Lines{"warning tunnel: 2001:db8::2 sends frames of VNI 77, which no network here has"});
    note({.kind = Kind::kUnknownVni, .number = 77, .address = *IpAddress::parse("2001:db8::2")});
    EXPECT_EQ(written(1), Lines{});
    note({.kind = Kind::kClaimed, .address = IpAddress::from_v4(0x0a0000fe), .mac = kA, .other = kB, .port = 9});
    EXPECT_EQ(written(1), Lines{"warning neighbor: 02:00:00:00:00:0a behind a port that is gone claims 10.0.0.254 in "
                                "network , which is at 02:00:00:00:00:0b"});
}

TEST_F(EventLogTest, AStationThatIsReplacedHasMoved) {
    move(kA, kB);
    EXPECT_EQ(written(0), Lines{"notice neighbor: 10.0.0.5 in network  is at 02:00:00:00:00:0b now; it was at "
                                "02:00:00:00:00:0a"});
    // Back after a while: replaced again.
    counted_.tick(EventLog::Clock::time_point{} + std::chrono::hours(2));
    written(100);
    move(kB, kA);
    EXPECT_EQ(written(101), Lines{"notice neighbor: 10.0.0.5 in network  is at 02:00:00:00:00:0a now; it was at "
                                  "02:00:00:00:00:0b"});
}

TEST_F(EventLogTest, ToAndFroAreTwoStations) {
    const Lines conflict{"warning neighbor: 02:00:00:00:00:0a and 02:00:00:00:00:0b both say that they have 10.0.0.5 "
                         "in network "};
    move(kA, kB);
    EXPECT_EQ(written(0).size(), 1u);
    move(kB, kA);
    EXPECT_EQ(written(5), conflict);
    move(kA, kB);
    EXPECT_EQ(written(6), Lines{});
}

}  // namespace
}  // namespace sluice::engine
