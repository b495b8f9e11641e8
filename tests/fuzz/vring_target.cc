// A guest's virtqueue, as the switch looks into it to say what is wrong with it: the ring, its descriptors and
// the map of the guest's memory are the guest's to write, all of them.
#include <cstring>

#include "fuzz/target.h"
#include "port/vring.h"
#include "wire/virtio.h"

namespace sluice::fuzz {
namespace {

using port::GuestRegion;
using port::VringView;

uint64_t take_number(Input& input) {
    const auto bytes = input.take(sizeof(uint64_t));
    uint64_t number = 0;
    std::memcpy(&number, bytes.data(), bytes.size());
    return number;
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    VringView ring;
    ring.packed = input.flag();
    ring.wrap = input.flag();
    ring.size = input.word();
    ring.next = input.word();
    std::vector<GuestRegion> memory(input.below(4));
    for (GuestRegion& region : memory) region.guest = take_number(input);
    const size_t available = input.word();

    // The guest's memory is what is left, in a block of its own.
    const auto rest = input.rest();
    const Bytes block(rest.begin(), rest.end());
    const auto host = reinterpret_cast<uintptr_t>(block.data());
    for (size_t i = 0; i < memory.size(); ++i) {
        const size_t begin = block.size() / memory.size() * i;
        memory[i].host = host + begin;
        memory[i].size = i + 1 == memory.size() ? block.size() - begin : block.size() / memory.size();
    }
    ring.descriptors = block.data();
    ring.available = block.data() + std::min(available, block.size());

    const auto fault = port::find_fault(ring, memory);
    must(!fault || !fault->empty(), "a fault without a word");
    if (!ring.packed) return;
    // Where its device stands is read from the flags of all its descriptors.
    const auto position = port::find_packed_position(ring);
    must(!position || position->next < ring.size, "a position outside of the ring");
}

std::vector<Bytes> seeds() {
    using namespace wire::virtio;
    constexpr uint64_t kGuest = 0x1000;
    const auto bytes_of_all = [](const auto& table) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(table.data());
        return Bytes(bytes, bytes + table.size() * sizeof table[0]);
    };
    const auto begin = [&](bool packed, uint16_t size, uint16_t available) {
        Output seed;
        seed.byte(packed).byte(1).word(size).word(0).byte(1);
        const std::vector<uint64_t> guest{kGuest};
        seed.add(bytes_of_all(guest)).word(available);
        return seed;
    };
    std::vector<Descriptor> split(8);
    split[3] = {kGuest, 20, kNext, 5};
    split[5] = {kGuest + 20, 30, 0, 0};
    const std::vector<uint16_t> available{0, 1, 3, 0, 0, 0, 0, 0, 0, 0};  // flags, index, ring
    std::vector<Descriptor> indirect = split;
    indirect[3] = {kGuest, 2 * sizeof(Descriptor), kIndirect, 0};
    std::vector<PackedDescriptor> packed(8);
    packed[0] = {kGuest, 10, 0, kPackedAvailable | kNext};
    packed[1] = {kGuest + 10, 10, 0, kPackedAvailable};
    return {
        begin(false, 8, 128).add(bytes_of_all(split)).add(bytes_of_all(available)),
        begin(false, 8, 128).add(bytes_of_all(indirect)).add(bytes_of_all(available)),
        begin(true, 8, 0).add(bytes_of_all(packed)),
    };
}

std::vector<std::string> words() { return {}; }

}  // namespace sluice::fuzz
