// The memory of forwarding tables: an array whose pages cost memory only once they are written, and pools of
// nodes that never move. One thread writes; readers follow indices that it has published with release order.
//
// Both begin with 4 KiB pages, since most domains have few routes, and change to huge pages where they fill up: a
// random look-up in 64 MiB of small pages always misses the TLB.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace sluice::route {

constexpr size_t kPageSize = 4096;
constexpr size_t kHugePageSize = 2 << 20;

// Zeroed address space in whole huge pages, which becomes memory when it is written. Throws std::bad_alloc.
class Reserved {
 public:
    explicit Reserved(size_t size);
    Reserved(Reserved&& other) noexcept;
    Reserved& operator=(Reserved&&) = delete;
    ~Reserved();

    std::byte* data() const noexcept { return data_; }

 private:
    void* mapping_;
    size_t mapped_;
    std::byte* data_;
};

// advise_huge() asks for huge pages where memory will first be written. make_huge() also replaces small pages
// that are in use; true if that is done at once (Linux 6.1).
void advise_huge(std::byte* memory, size_t size) noexcept;
bool make_huge(std::byte* memory, size_t size) noexcept;

// 2^24 words, the first level of a table.
class Root {
 public:
    static constexpr size_t kCount = size_t{1} << 24;

    Root();

    const std::atomic<uint32_t>& operator[](size_t i) const noexcept { return words_[i]; }
    // A word that the caller is about to write.
    std::atomic<uint32_t>& writable(size_t i) noexcept {
        const size_t page = i * sizeof(uint32_t) / kPageSize;
        if (!touched_[page]) touch(page);
        return words_[i];
    }
    // Call it before writing the words from `begin` to `end` by operator[].
    void make_writable(size_t begin, size_t end) noexcept {
        constexpr size_t kWords = kPageSize / sizeof(uint32_t);
        for (size_t page = begin / kWords; page * kWords < end; ++page) {
            if (!touched_[page]) touch(page);
        }
    }
    // A word that may be written if it is nonzero or was made writable.
    std::atomic<uint32_t>& operator[](size_t i) noexcept { return words_[i]; }

    size_t memory() const noexcept;  // bytes, an estimate

 private:
    static constexpr size_t kPages = kCount * sizeof(uint32_t) / kPageSize;
    static constexpr size_t kBlockPages = kHugePageSize / kPageSize;

    struct Block {
        uint16_t touched = 0;
        bool huge = false;
    };

    void touch(size_t page) noexcept;

    Reserved memory_;
    std::atomic<uint32_t>* words_;
    std::vector<bool> touched_;
    std::vector<Block> blocks_;
};

// Up to 2^24 nodes of one type, by index. Nodes consist of atomics, and of plain members that do not change while
// the node is reachable. A new or recycled node has undefined content, and its user fills it.
template <class Node>
class Pool {
 public:
    Pool() : chunk_list_(kMaxChunks * sizeof(Node*)),
             chunks_(reinterpret_cast<Node**>(chunk_list_.data())) {}

    Node& operator[](uint32_t index) const noexcept {
        return chunks_[index / kPerChunk][index % kPerChunk];
    }

    uint32_t allocate() {
        if (!free_.empty()) {
            const uint32_t index = free_.back();
            free_.pop_back();
            return index;
        }
        if (used_ == kMaxNodes) throw std::bad_alloc();
        if (used_ == kept_.size() * kPerChunk) add_chunk();
        return used_++;
    }

    // The node is no longer reachable, but a reader may be in it. It is kept until reclaim(), which is called
    // after all those readers have left.
    void retire(uint32_t index) { retired_.push_back(index); }
    void reclaim() {
        free_.insert(free_.end(), retired_.begin(), retired_.end());
        retired_.clear();
    }

    size_t count() const noexcept { return used_ - free_.size() - retired_.size(); }
    size_t retired() const noexcept { return retired_.size(); }
    size_t memory() const noexcept {  // bytes
        const size_t page = used_ <= kPerChunk ? kPageSize : kHugePageSize;
        return (used_ * sizeof(Node) + page - 1) / page * page +
               (free_.capacity() + retired_.capacity()) * sizeof(uint32_t);
    }

 private:
    static constexpr uint32_t kMaxNodes = 1 << 24;

    static constexpr uint32_t per_chunk() noexcept {
        uint32_t count = 1;
        while (count * sizeof(Node) < kHugePageSize) count *= 2;
        return count;
    }
    static constexpr uint32_t kPerChunk = per_chunk();
    static constexpr uint32_t kMaxChunks = kMaxNodes / kPerChunk;

    void add_chunk() {
        const Reserved& chunk = kept_.emplace_back(kPerChunk * sizeof(Node));
        if (kept_.size() > 1) advise_huge(chunk.data(), kPerChunk * sizeof(Node));
        // Readers come here by an index that is published later.
        chunks_[kept_.size() - 1] = reinterpret_cast<Node*>(chunk.data());
    }

    Reserved chunk_list_;
    Node** chunks_;
    std::vector<Reserved> kept_;
    uint32_t used_ = 0;  // nodes ever given out
    std::vector<uint32_t> free_, retired_;
};

}  // namespace sluice::route
