#include "punt/line.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <system_error>

namespace sluice::punt {

Bell::Bell() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!descriptor_) throw std::system_error(errno, std::generic_category(), "eventfd");
}

void Bell::ring() noexcept {
    // What was pushed is seen by the thread, or its sleep is seen here.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!is_asleep_.load(std::memory_order_relaxed)) return;
    if (!is_asleep_.exchange(false, std::memory_order_relaxed)) return;
    const uint64_t one = 1;
    (void)!write(descriptor_.get(), &one, sizeof one);
}

void Bell::set_asleep() noexcept {
    is_asleep_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

void Bell::set_awake() noexcept {
    is_asleep_.store(false, std::memory_order_relaxed);
    uint64_t ignored;
    (void)!read(descriptor_.get(), &ignored, sizeof ignored);
}

Line::Line(Bell& bell) : bell_(bell), waiting_(new std::atomic<uint16_t>[path::kMaxPorts]()) {}

Message* Line::begin_question(path::PortId port) noexcept {
    if (waiting_[path::index(port)].load(std::memory_order_relaxed) >= kMostOfAPort) return nullptr;
    return questions_.free_slot();
}

void Line::ask(path::PortId port) noexcept {
    waiting_[path::index(port)].fetch_add(1, std::memory_order_relaxed);
    questions_.push();
    bell_.ring();
}

void Line::end_question() noexcept {
    waiting_[path::index(questions_.front()->head.port)].fetch_sub(1, std::memory_order_relaxed);
    questions_.pop();
}

void Line::answer() noexcept {
    answers_.push();
    std::atomic_thread_fence(std::memory_order_seq_cst);
    has_answers_.store(true, std::memory_order_release);
}

}  // namespace sluice::punt
