#include "route/fib6.h"

#include <algorithm>

namespace sluice::route {
namespace {

// Stores a pointer so that a reader that sees it sees a complete node.
void publish(Word& word, uint32_t entry) { word.store(entry, std::memory_order_release); }

uint32_t byte_of(Number address, uint32_t byte) {
    return static_cast<uint32_t>(address >> (120 - 8 * byte)) & 255;
}

// The first `length` bits (1 to 128), followed by zeros.
Number masked(Number address, uint32_t length) {
    return address >> (128 - length) << (128 - length);
}

// The number of leading bits that two addresses share.
uint32_t common_bits(Number a, Number b) {
    const Number differ = a ^ b;
    const auto high = static_cast<uint64_t>(differ >> 64);
    const auto low = static_cast<uint64_t>(differ);
    return static_cast<uint32_t>(high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(low));
}

}  // namespace

void Fib6::set(Number prefix, uint8_t length, uint32_t next_hop) {
    if (length == 0) return write(default_, next_hop);
    const Route route{prefix, length, route_entry(next_hop, length)};
    const auto first = static_cast<uint32_t>(prefix >> (128 - kRootBits));
    if (length > kRootBits) return place(root_.writable(first), route);
    const uint32_t end = first + (1U << (kRootBits - length));
    root_.make_writable(first, end);
    for (uint32_t i = first; i < end; ++i) cover(root_[i], route.entry);
}

void Fib6::remove(Number prefix, uint8_t length, Covering covering) {
    if (length == 0) return write(default_, kNone);
    const uint32_t entry = covering_entry(covering);
    const auto first = static_cast<uint32_t>(prefix >> (128 - kRootBits));
    if (length > kRootBits) return remove_below(root_[first], kRootBits, prefix, length, entry);
    const uint32_t end = first + (1U << (kRootBits - length));
    for (uint32_t i = first; i < end; ++i) uncover(root_[i], length, entry);
}

uint32_t Fib6::find_outside(uint32_t first, const uint8_t* address) const noexcept {
    const Number number = number_of(address);
    uint32_t entry = first;
    do {
        const uint32_t byte = kind_of(entry);
        if (byte == kLeaf) {
            const Leaf& leaf = leaves_[index_of(entry)];
            return read(share(number, leaf.prefix, leaf.length) ? leaf.route : leaf.outside);
        }
        const Branch& branch = branches_[index_of(entry)];
        if (!share(number, branch.prefix, 8 * byte)) return read(branch.outside);
        entry = branch.entries[address[byte]].load(std::memory_order_acquire);
    } while (is_pointer(entry));
    return entry;
}

void Fib6::reclaim() {
    leaves_.reclaim();
    branches_.reclaim();
}

// Sets a route for all addresses that lead to a word, except where a longer prefix is set.
void Fib6::cover(Word& word, uint32_t route) {
    const uint32_t entry = read(word);
    if (!is_pointer(entry)) {
        if (length_of(entry) <= length_of(route)) write(word, route);
        return;
    }
    // Entries inside a node are at least as long as the one outside.
    Word& outside = outside_of(entry);
    if (length_of(read(outside)) > length_of(route)) return;
    write(outside, route);
    if (kind_of(entry) == kLeaf) return;
    for (Word& below : branches_[index_of(entry)].entries) cover(below, route);
}

// The inverse: the covering route replaces only the entries of the removed route.
void Fib6::uncover(Word& word, uint8_t length, uint32_t covering) {
    const uint32_t entry = read(word);
    if (!is_pointer(entry)) {
        if (length_of(entry) == length) write(word, covering);
        return;
    }
    Word& outside = outside_of(entry);
    if (length_of(read(outside)) > length) return;
    if (length_of(read(outside)) == length) write(outside, covering);
    if (kind_of(entry) == kLeaf) return;
    for (Word& below : branches_[index_of(entry)].entries) uncover(below, length, covering);
}

// Sets a route for a part of the addresses that lead to a word.
void Fib6::place(Word& word, const Route& route) {
    const uint32_t entry = read(word);
    if (!is_pointer(entry)) return publish(word, new_leaf(route, entry));

    const bool is_leaf = kind_of(entry) == kLeaf;
    const uint32_t index = index_of(entry);
    const Number prefix = is_leaf ? leaves_[index].prefix : branches_[index].prefix;
    const uint32_t length = is_leaf ? leaves_[index].length : 8 * kind_of(entry);
    const uint32_t common = std::min({common_bits(prefix, route.prefix), length, uint32_t{route.length}});
    if (common == length) {
        if (!is_leaf) return place_in(branches_[index], route);
        if (route.length == length) return write(leaves_[index].route, route.entry);
    }
    // A branch replaces the node, on the byte where the two diverge or one of them ends. The branch's entry for
    // the old node is a copy, which now answers for fewer addresses outside of it.
    const uint32_t byte = common / 8;
    const uint32_t outside = read(outside_of(entry));
    const uint32_t pointer = new_branch(masked(prefix, 8 * byte), byte, outside);
    Branch& branch = branches_[index_of(pointer)];
    if (is_leaf) {
        place_in(branch, {prefix, static_cast<uint8_t>(length), read(leaves_[index].route)});
    } else {
        publish(branch.entries[byte_of(prefix, byte)], copy_branch(branches_[index]));
    }
    place_in(branch, route);
    publish(word, pointer);
    retire(entry);
}

// Sets a route for some or all of the addresses inside a branch.
void Fib6::place_in(Branch& branch, const Route& route) {
    const uint32_t first = byte_of(route.prefix, branch.byte);
    const uint32_t bits = route.length - 8 * branch.byte;
    if (bits > 8) return place(branch.entries[first], route);
    const uint32_t end = first + (1U << (8 - bits));
    for (uint32_t i = first; i < end; ++i) cover(branch.entries[i], route.entry);
}

// All addresses that lead to the word share `bits` bits.
void Fib6::remove_below(Word& word, uint32_t bits, Number prefix, uint8_t length, uint32_t covering) {
    const uint32_t entry = read(word);
    if (!is_pointer(entry)) return;
    if (kind_of(entry) == kLeaf) {
        const Leaf& leaf = leaves_[index_of(entry)];
        if (leaf.length != length || leaf.prefix != prefix) return;
        write(word, read(leaf.outside));
        return retire(entry);
    }
    Branch& branch = branches_[index_of(entry)];
    const uint32_t begin_bits = 8 * branch.byte, end_bits = begin_bits + 8;
    if (length < begin_bits || !share(prefix, branch.prefix, begin_bits)) return;
    const uint32_t first = byte_of(prefix, branch.byte);
    if (length > end_bits) {
        remove_below(branch.entries[first], end_bits, prefix, length, covering);
    } else {
        const uint32_t end = first + (1U << (end_bits - length));
        for (uint32_t i = first; i < end; ++i) uncover(branch.entries[i], length, covering);
    }
    simplify(word, bits);
}

// A branch with a single prefix or node is replaced by that.
void Fib6::simplify(Word& word, uint32_t bits) {
    const uint32_t pointer = read(word);
    const Branch& branch = branches_[index_of(pointer)];
    const uint32_t outside = read(branch.outside);
    const auto differs = [outside](const Word& entry) { return read(entry) != outside; };
    const Word* const end = std::end(branch.entries);
    const Word* const first = std::find_if(std::begin(branch.entries), end, differs);
    if (first == end) {
        write(word, outside);
        return retire(pointer);
    }
    const uint32_t entry = read(*first);
    if (is_pointer(entry)) {
        if (read(outside_of(entry)) != outside || std::any_of(first + 1, end, differs)) return;
        publish(word, entry);
        return retire(pointer);
    }
    // A single prefix: check that all of its words, and no others, are set.
    const uint32_t length = length_of(entry);
    const Word* const past = first + (1U << (8 * (branch.byte + 1) - length));
    if (past > end || std::any_of(past, end, differs)) return;
    if (std::any_of(first, past, [entry](const Word& e) { return read(e) != entry; })) return;
    if (length <= bits) {
        write(word, entry);
    } else {
        const auto byte = static_cast<Number>(first - branch.entries);
        const Number prefix = branch.prefix | byte << (120 - 8 * branch.byte);
        publish(word, new_leaf({prefix, static_cast<uint8_t>(length), entry}, outside));
    }
    retire(pointer);
}

uint32_t Fib6::new_leaf(const Route& route, uint32_t outside) {
    const uint32_t index = leaves_.allocate();
    Leaf& leaf = leaves_[index];
    leaf.prefix = route.prefix;
    leaf.length = route.length;
    write(leaf.route, route.entry);
    write(leaf.outside, outside);
    return pointer_entry(index, kLeaf);
}

uint32_t Fib6::new_branch(Number prefix, uint32_t byte, uint32_t outside) {
    const uint32_t index = branches_.allocate();
    Branch& branch = branches_[index];
    branch.prefix = prefix;
    branch.byte = byte;
    write(branch.outside, outside);
    for (Word& entry : branch.entries) write(entry, outside);
    return pointer_entry(index, byte);
}

uint32_t Fib6::copy_branch(const Branch& branch) {
    const uint32_t pointer = new_branch(branch.prefix, branch.byte, read(branch.outside));
    Branch& copy = branches_[index_of(pointer)];
    // Release order, for the pointers among them.
    for (size_t i = 0; i < std::size(copy.entries); ++i) publish(copy.entries[i], read(branch.entries[i]));
    return pointer;
}

void Fib6::retire(uint32_t pointer) {
    if (kind_of(pointer) == kLeaf) {
        leaves_.retire(index_of(pointer));
    } else {
        branches_.retire(index_of(pointer));
    }
}

std::atomic<uint32_t>& Fib6::outside_of(uint32_t pointer) const {
    return kind_of(pointer) == kLeaf ? leaves_[index_of(pointer)].outside
                                     : branches_[index_of(pointer)].outside;
}

}  // namespace sluice::route
