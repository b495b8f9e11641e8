// A network namespace for a test, with a thread that lives in it. Needs root: is_there() tells whether the
// namespace exists.
#pragma once

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <string>
#include <thread>

namespace sluice::test {

class Netns {
 public:
    Netns() {
        std::promise<bool> made;
        thread_ = std::thread([this, &made] {
            id_ = gettid();
            made.set_value(unshare(CLONE_NEWNET) == 0);
            for (;;) {
                auto job = jobs_.get_future().get();
                jobs_ = {};
                if (!job) return;
                job();
            }
        });
        is_there_ = made.get_future().get();
    }
    Netns(const Netns&) = delete;
    ~Netns() {
        jobs_.set_value({});
        thread_.join();
    }

    bool is_there() const { return is_there_; }
    // The path for a port's configuration.
    std::string path() const { return "/proc/" + std::to_string(getpid()) + "/task/" + std::to_string(id_) + "/ns/net"; }

    // Runs on its thread.
    void run(const std::function<void()>& job) {
        std::promise<void> done;
        jobs_.set_value([&] {
            job();
            done.set_value();
        });
        done.get_future().get();
    }
    // Whether a command succeeds in the namespace.
    bool shell(const std::string& command) {
        bool done = false;
        run([&] { done = system(command.c_str()) == 0; });
        return done;
    }

 private:
    std::thread thread_;
    pid_t id_ = 0;
    bool is_there_ = false;
    std::promise<std::function<void()>> jobs_;
};

}  // namespace sluice::test
