#include "port/vring.h"

#include <gtest/gtest.h>

#include <array>

#include "wire/virtio.h"

namespace sluice::port {
namespace {

using namespace wire::virtio;

constexpr uint16_t kSize = 8;
constexpr uint64_t kGuest = 0x1000;  // where the guest's memory begins, by its own count

uint64_t address_of(const void* at) { return reinterpret_cast<uintptr_t>(at); }

class VringTest : public testing::Test {
 protected:
    VringTest() {
        memory_ = {{kGuest, address_of(buffers_.data()), buffers_.size()}};
        split_.descriptors = table_.data();
        split_.available = &available_;
        split_.size = kSize;
        packed_.packed = true;
        packed_.descriptors = packed_table_.data();
        packed_.size = kSize;
    }

    std::string split_fault() const { return find_fault(split_, memory_).value_or(""); }
    std::string packed_fault() const { return find_fault(packed_, memory_).value_or(""); }
    void offer(uint16_t head) { available_.ring[available_.idx++ % kSize] = head; }

    struct {
        uint16_t flags = 0;
        uint16_t idx = 0;
        uint16_t ring[kSize]{};
    } available_;
    std::array<Descriptor, kSize> table_{};
    std::array<PackedDescriptor, kSize> packed_table_{};
    std::array<uint8_t, 4096> buffers_{};
    std::vector<GuestRegion> memory_;
    VringView split_;
    VringView packed_;
};

TEST_F(VringTest, EmptyAndSoundRingsHaveNone) {
    EXPECT_EQ(split_fault(), "");
    table_[3] = {kGuest, 100, kNext, 5};
    table_[5] = {kGuest + 100, 3996, 0, 0};
    offer(3);
    EXPECT_EQ(split_fault(), "");
    EXPECT_EQ(find_fault(VringView{}, {}), std::nullopt);
}

TEST_F(VringTest, DescriptorOutsideOfTheRing) {
    offer(kSize);
    EXPECT_EQ(split_fault(), "descriptor index 8 is outside of a ring of 8");
}

TEST_F(VringTest, NextOutsideOfTheTable) {
    table_[0] = {kGuest, 1, kNext, 99};
    offer(0);
    EXPECT_EQ(split_fault(), "descriptor index 99 is outside of a table of 8");
}

TEST_F(VringTest, ALoop) {
    table_[1] = {kGuest, 1, kNext, 2};
    table_[2] = {kGuest, 1, kNext, 1};
    offer(1);
    EXPECT_EQ(split_fault(), "the descriptor chain that begins at 1 never ends: it is a loop");
}

TEST_F(VringTest, AChainAsLongAsTheRingIsSound) {
    for (uint16_t i = 0; i < kSize; ++i) {
        const bool last = i + 1 == kSize;
        table_[i] = {kGuest, 1, static_cast<uint16_t>(last ? 0 : kNext),
                     static_cast<uint16_t>(last ? 0 : i + 1)};
    }
    offer(0);
    EXPECT_EQ(split_fault(), "");
}

TEST_F(VringTest, MemoryThatIsNotTheGuests) {
    table_[0] = {kGuest + 4000, 97, 0, 0};
    offer(0);
    EXPECT_EQ(split_fault(),
              "descriptor 0 points outside of the guest's memory (97 bytes at 0x1fa0)");
    table_[0] = {~uint64_t{0} - 5, 100, 0, 0};
    EXPECT_NE(split_fault(), "");
    table_[0] = {kGuest - 1, 2, 0, 0};
    EXPECT_NE(split_fault(), "");
}

TEST_F(VringTest, ABufferMayReachOverTwoRegions) {
    memory_ = {{kGuest, address_of(buffers_.data()), 2048},
               {kGuest + 2048, address_of(buffers_.data()) + 2048, 2048}};
    table_[0] = {kGuest + 2000, 100, 0, 0};
    offer(0);
    EXPECT_EQ(split_fault(), "");
}

TEST_F(VringTest, AnIndexTooFarAhead) {
    available_.idx = kSize + 1;
    EXPECT_EQ(split_fault(), "the available index is 9 entries ahead in a ring of 8");
}

TEST_F(VringTest, IndirectTables) {
    auto* inner = reinterpret_cast<Descriptor*>(buffers_.data());
    inner[0] = {kGuest + 512, 10, kNext, 1};
    inner[1] = {kGuest + 512, 10, 0, 0};
    table_[0] = {kGuest, 2 * sizeof(Descriptor), kIndirect, 0};
    offer(0);
    EXPECT_EQ(split_fault(), "");
    inner[1] = {kGuest + 512, 10, kNext, 0};
    EXPECT_EQ(split_fault(), "the descriptor chain that begins at 0 never ends: it is a loop");
    table_[0].length = 9 * sizeof(Descriptor);
    EXPECT_EQ(split_fault(), "the indirect table of descriptor 0 has 9 entries in a ring of 8");
}

TEST_F(VringTest, ARingThatIsNotMapped) {
    offer(0);
    split_.descriptors = reinterpret_cast<const void*>(uintptr_t{64});
    EXPECT_EQ(split_fault(), "the descriptor table is not mapped");
    split_.available = reinterpret_cast<const void*>(uintptr_t{64});
    EXPECT_EQ(split_fault(), "the available ring is not mapped");
}

TEST_F(VringTest, PackedRings) {
    EXPECT_EQ(packed_fault(), "");
    packed_table_[0] = {kGuest, 10, 0, kPackedAvailable};
    EXPECT_EQ(packed_fault(), "");
    packed_table_[0] = {kGuest + 4090, 10, 0, kPackedAvailable};
    EXPECT_NE(packed_fault().find("outside of the guest's memory"), std::string::npos);
    // Used already: not the device's to look at.
    packed_table_[0].flags = kPackedAvailable | kPackedUsed;
    EXPECT_EQ(packed_fault(), "");
    // Across the end of the ring, where the wrap counter turns.
    packed_.next = 7;
    packed_table_[7] = {kGuest, 10, 0, kPackedAvailable | kNext};
    packed_table_[0] = {kGuest, 10, 0, kPackedUsed};
    EXPECT_EQ(packed_fault(), "");
    packed_table_.fill({kGuest, 10, 0, kPackedAvailable | kNext});
    EXPECT_EQ(packed_fault(), "the descriptor chain that begins at 7 is longer than 8");
}

TEST_F(VringTest, APackedRingTellsWhereItsDeviceStands) {
    // Fresh: all zero.
    EXPECT_EQ(find_packed_position(packed_), (PackedPosition{0, true}));
    // The first lap's first three are used, two more are available.
    for (size_t i = 0; i < 3; ++i) packed_table_[i].flags = kPackedAvailable | kPackedUsed;
    for (size_t i = 3; i < 5; ++i) packed_table_[i].flags = kPackedAvailable;
    EXPECT_EQ(find_packed_position(packed_), (PackedPosition{3, true}));
    // The first lap is over.
    for (auto& descriptor : packed_table_) descriptor.flags = kPackedAvailable | kPackedUsed;
    EXPECT_EQ(find_packed_position(packed_), (PackedPosition{0, false}));
    // In the second one, where flags are the other way round, the driver is a lap ahead already.
    for (size_t i = 0; i < 5; ++i) packed_table_[i].flags = 0;
    packed_table_[0].flags = kPackedAvailable;
    for (size_t i = 5; i < kSize; ++i) packed_table_[i].flags = kPackedUsed;
    EXPECT_EQ(find_packed_position(packed_), (PackedPosition{5, false}));
    // A chain of two, of which only the first is marked.
    packed_table_[2].flags = kPackedUsed;
    EXPECT_EQ(find_packed_position(packed_), std::nullopt);
}

}  // namespace
}  // namespace sluice::port
