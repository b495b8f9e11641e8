// The line between one worker and the protocol thread: a ring of questions and a ring of answers. A port has a
// share of the questions that wait, so that no station keeps the others from being heard. Nothing here waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/fd.h"
#include "path/ids.h"
#include "punt/message.h"
#include "punt/ring.h"

namespace sluice::punt {

// Wakes the protocol thread: an eventfd that it sleeps on, and whether it does.
class Bell {
 public:
    Bell();
    Bell(const Bell&) = delete;

    // --- workers, after something was pushed ---
    void ring() noexcept;

    // --- the protocol thread ---
    int descriptor() const noexcept { return descriptor_.get(); }
    // Before it looks whether there is anything, for the last time before it sleeps.
    void set_asleep() noexcept;
    void set_awake() noexcept;

 private:
    base::Fd descriptor_;
    std::atomic<bool> is_asleep_{false};
};

class Line {
 public:
    static constexpr size_t kSlots = 512;
    static constexpr uint16_t kMostOfAPort = 192;

    // `bell` outlives the line.
    explicit Line(Bell& bell);

    // --- the worker ---

    // Null: the ring is full, or the port has its share of it. The caller fills in the message, and asks it.
    Message* begin_question(path::PortId port) noexcept;
    void ask(path::PortId port) noexcept;
    bool has_answers() const noexcept { return has_answers_.load(std::memory_order_acquire); }
    // handle(const Message&), for at most so many.
    template <class Handle>
    void take_answers(size_t most, Handle handle) noexcept {
        has_answers_.store(false, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        for (; most != 0; --most) {
            const Message* answer = answers_.front();
            if (answer == nullptr) return;
            handle(*answer);
            answers_.pop();
        }
        has_answers_.store(true, std::memory_order_release);
    }

    // --- the protocol thread ---

    const Message* question() const noexcept { return questions_.front(); }
    void end_question() noexcept;
    // Null: the worker doesn't keep up.
    Message* begin_answer() noexcept { return answers_.free_slot(); }
    // The worker has to be woken then, once for several answers.
    void answer() noexcept;

 private:
    Bell& bell_;
    Ring<Message> questions_{kSlots};
    Ring<Message> answers_{kSlots};
    std::unique_ptr<std::atomic<uint16_t>[]> waiting_;  // by PortId: questions in the ring
    alignas(64) std::atomic<bool> has_answers_{false};
};

}  // namespace sluice::punt
