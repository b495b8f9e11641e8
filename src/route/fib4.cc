#include "route/fib4.h"

namespace sluice::route {
namespace {


// A route replaces entries of shorter or equal prefixes.
void cover(Word& word, uint32_t route) {
    if (length_of(read(word)) <= length_of(route)) write(word, route);
}

// The covering route replaces only the entries of the removed route.
void uncover(Word& word, uint8_t length, uint32_t covering) {
    if (length_of(read(word)) == length) write(word, covering);
}

}  // namespace

void Fib4::set(uint32_t prefix, uint8_t length, uint32_t next_hop) {
    if (length == 0) return write(default_, next_hop);
    const uint32_t route = route_entry(next_hop, length);
    const uint32_t first = prefix >> 8;
    if (length <= 24) {
        const uint32_t end = first + (1U << (24 - length));
        root_.make_writable(first, end);
        for (uint32_t i = first; i < end; ++i) {
            Word& word = root_[i];
            if (!is_pointer(read(word))) {
                cover(word, route);
            } else {
                for (Word& entry : groups_[index_of(read(word))].entries) cover(entry, route);
            }
        }
        return;
    }
    Word& word = root_.writable(first);
    const uint32_t before = read(word);
    const bool fresh = !is_pointer(before);
    const uint32_t index = fresh ? groups_.allocate() : index_of(before);
    Group& group = groups_[index];
    if (fresh) {
        for (Word& entry : group.entries) write(entry, before);
    }
    const uint32_t begin = prefix & 255;
    const uint32_t end = begin + (1U << (32 - length));
    for (uint32_t i = begin; i < end; ++i) cover(group.entries[i], route);
    // Stored last, so that a reader that sees the pointer sees a complete group.
    if (fresh) word.store(pointer_entry(index, 0), std::memory_order_release);
}

void Fib4::remove(uint32_t prefix, uint8_t length, Covering covering) {
    if (length == 0) return write(default_, kNone);
    const uint32_t entry = covering_entry(covering);
    const uint32_t first = prefix >> 8;
    if (length <= 24) {
        const uint32_t end = first + (1U << (24 - length));
        for (uint32_t i = first; i < end; ++i) {
            Word& word = root_[i];
            if (!is_pointer(read(word))) {
                uncover(word, length, entry);
            } else {
                for (Word& e : groups_[index_of(read(word))].entries) uncover(e, length, entry);
            }
        }
        return;
    }
    if (!is_pointer(read(root_[first]))) return;
    Group& group = groups_[index_of(read(root_[first]))];
    const uint32_t begin = prefix & 255;
    const uint32_t end = begin + (1U << (32 - length));
    for (uint32_t i = begin; i < end; ++i) uncover(group.entries[i], length, entry);
    fold(first);
}

// Retires a group without prefixes longer than 24 bits, whose words are then all equal.
void Fib4::fold(uint32_t root_index) {
    Word& word = root_[root_index];
    const uint32_t index = index_of(read(word));
    for (const Word& entry : groups_[index].entries) {
        if (length_of(read(entry)) > 24) return;
    }
    write(word, read(groups_[index].entries[0]));
    groups_.retire(index);
}

}  // namespace sluice::route
