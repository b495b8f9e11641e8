#include "path/events.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace sluice::path {
namespace {

class EventsTest : public testing::Test {
 protected:
    static Event vni(uint32_t number) {
        return {.kind = Event::Kind::kUnknownVni, .number = number, .address = IpAddress::from_v4(0xc0000202)};
    }
    // How often each VNI is new.
    std::map<uint32_t, uint64_t> read() {
        std::map<uint32_t, uint64_t> found;
        events_->read(seen_, [&](const Event& event, uint64_t count) {
            EXPECT_EQ(event, vni(event.number));
            found[event.number] += count;
        });
        return found;
    }

    std::unique_ptr<Events> events_ = std::make_unique<Events>();
    Events::AllSeen seen_;
};

using Found = std::map<uint32_t, uint64_t>;

TEST_F(EventsTest, AreToldOnceWithTheirCount) {
    EXPECT_EQ(read(), Found{});
    events_->note(vni(7));
    events_->note(vni(7));
    EXPECT_EQ(read(), (Found{{7, 2}}));
    EXPECT_EQ(read(), Found{});
    for (int i = 0; i < 5; ++i) events_->note(vni(7));
    events_->note(vni(8));
    EXPECT_EQ(read(), (Found{{7, 5}, {8, 1}}));
}

// However many there are, of each place the latest is told.
TEST_F(EventsTest, AreBounded) {
    for (uint32_t i = 0; i < 10'000; ++i) events_->note(vni(i));
    const Found found = read();
    EXPECT_LE(found.size(), Events::kPlaces);
    EXPECT_TRUE(found.contains(9'999));
    EXPECT_EQ(read(), Found{});
}

// The place was another's meanwhile: all of it is new.
TEST_F(EventsTest, AnEventThatComesBackIsCountedFromOne) {
    events_->note(vni(0));
    events_->note(vni(0));
    read();
    for (uint32_t i = 1; i < 1'000; ++i) events_->note(vni(i));
    events_->note(vni(0));
    EXPECT_EQ(read().at(0), 1u);
}

}  // namespace
}  // namespace sluice::path
