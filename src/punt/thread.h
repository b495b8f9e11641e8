// The protocol thread: it answers what stations ask the switch itself and what may take time, so that no packet
// waits for it. It has an io_context, on which its services wait for others (upstream servers, timers, the control
// thread), and a line to each worker. It sleeps while there is nothing to do.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "punt/line.h"
#include "punt/message.h"

namespace sluice::punt {

class Thread {
 public:
    using Serve = std::function<void(const Message&)>;
    using Wake = std::function<void()>;

    // `wake` has one for each worker, by WorkerId: it makes the worker look at its answers.
    explicit Thread(std::vector<Wake> wake);
    Thread(const Thread&) = delete;
    ~Thread();  // after stop(), or where it was never started

    // --- the control thread ---

    // The worker's end. It lasts as long as this object.
    Line& line(size_t worker) { return *lines_[worker]; }
    // `serve` is called on the thread, with one message after another.
    void start(Serve serve);
    void stop();

    // --- the thread itself, beginning with `serve` ---

    boost::asio::io_context& io() noexcept { return io_; }
    // To the station that `to` is about. False: its worker doesn't keep up, or the payload is too long.
    bool send(const Head& to, std::span<const std::byte> payload);
    uint64_t lost_answers() const noexcept { return lost_answers_.load(std::memory_order_relaxed); }

 private:
    void run();
    void await_bell();
    void listen();
    bool take_questions();
    void wake_workers();

    boost::asio::io_context io_;
    Bell bell_;
    boost::asio::posix::stream_descriptor bell_descriptor_;
    std::vector<std::unique_ptr<Line>> lines_;
    std::vector<Wake> wake_;
    std::vector<bool> has_answered_;  // by WorkerId: since it was woken
    Serve serve_;
    std::atomic<uint64_t> lost_answers_{0};
    std::thread thread_;
};

}  // namespace sluice::punt
