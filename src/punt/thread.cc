#include "punt/thread.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstring>

namespace sluice::punt {
namespace {

// Questions of a worker that are answered before another worker's, and before other events are looked at.
constexpr int kAtOnce = 32;

}  // namespace

Thread::Thread(std::vector<Wake> wake)
    : io_(1), bell_descriptor_(io_, dup(bell_.descriptor())), wake_(std::move(wake)), has_answered_(wake_.size()) {
    for (size_t i = 0; i < wake_.size(); ++i) lines_.push_back(std::make_unique<Line>(bell_));
}

Thread::~Thread() {
    stop();
}

void Thread::start(Serve serve) {
    serve_ = std::move(serve);
    boost::asio::post(io_, [this] { listen(); });
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), "protocols");
}

void Thread::stop() {
    if (!thread_.joinable()) return;
    io_.stop();
    thread_.join();
}

void Thread::run() {
    const auto work = boost::asio::make_work_guard(io_);
    while (!io_.stopped()) {
        io_.run_one();
        // Answers that came from elsewhere.
        wake_workers();
    }
}

void Thread::await_bell() {
    bell_descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                [this](const boost::system::error_code& error) {
                                    if (error) return;
                                    bell_.set_awake();
                                    listen();
                                });
}

// Takes what there is, as one event among others; then waits for the bell.
void Thread::listen() {
    if (!take_questions()) {
        bell_.set_asleep();
        if (!take_questions()) return await_bell();
        bell_.set_awake();
    }
    boost::asio::post(io_, [this] { listen(); });
}

bool Thread::take_questions() {
    bool has_any = false;
    for (const auto& line : lines_) {
        for (int i = 0; i < kAtOnce; ++i) {
            const Message* question = line->question();
            if (question == nullptr) break;
            serve_(*question);
            line->end_question();
            has_any = true;
        }
    }
    return has_any;
}

bool Thread::send(const Head& to, std::span<const std::byte> payload) {
    const size_t worker = path::index(to.worker);
    Message* answer = payload.size() <= kMostBytes ? lines_[worker]->begin_answer() : nullptr;
    if (answer == nullptr) {
        lost_answers_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    answer->head = to;
    answer->size = static_cast<uint16_t>(payload.size());
    if (!payload.empty()) std::memcpy(answer->bytes.data(), payload.data(), payload.size());
    lines_[worker]->answer();
    has_answered_[worker] = true;
    return true;
}

void Thread::wake_workers() {
    for (size_t i = 0; i < wake_.size(); ++i) {
        if (!has_answered_[i]) continue;
        has_answered_[i] = false;
        wake_[i]();
    }
}

}  // namespace sluice::punt
