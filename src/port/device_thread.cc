#include "port/device_thread.h"

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_vfio.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "port/claims.h"
#include "port/dpdk_log.h"
#include "port/pci.h"

namespace sluice::port {
namespace {

using ThreadClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kMoment{50};

// Lives as long as the process: its thread may be inside of DPDK at the end.
class DeviceThread {
 public:
    static DeviceThread& get() {
        static auto* thread = new DeviceThread;
        return *thread;
    }

    void add(std::function<void()> job) {
        std::lock_guard locked(mutex_);
        if (!is_started_) std::thread([this] { run(); }).detach();
        is_started_ = true;
        jobs_.push_back(std::move(job));
        changed_.notify_all();
    }

    // Until `is_over` says so, which is asked with the lock.
    template <class IsOver>
    bool wait(IsOver is_over, ThreadClock::duration patience) {
        std::unique_lock locked(mutex_);
        return is_over() || changed_.wait_for(locked, patience, is_over);
    }
    // The same, for as long as is left of kDevicePatience: a tenth of the time gives that back. What is over in a
    // moment takes nothing of it.
    template <class IsOver>
    bool wait_with_patience(IsOver is_over) {
        const ThreadClock::time_point begin = ThreadClock::now();
        patience_ = std::min<ThreadClock::duration>(kDevicePatience, patience_ + (begin - waited_) / 10);
        const bool done = wait(is_over, patience_);
        waited_ = ThreadClock::now();
        const ThreadClock::duration took = waited_ - begin;
        if (!done || took > kMoment) patience_ -= std::min(patience_, took);
        return done;
    }
    bool is_idle() const noexcept { return jobs_.empty() && !is_busy_; }  // with the lock

    std::mutex& mutex() noexcept { return mutex_; }
    void tell() { changed_.notify_all(); }

 private:
    [[noreturn]] void run() {
        std::unique_lock locked(mutex_);
        for (;;) {
            changed_.wait(locked, [&] { return !jobs_.empty(); });
            const auto job = std::move(jobs_.front());
            jobs_.pop_front();
            is_busy_ = true;
            locked.unlock();
            job();
            locked.lock();
            is_busy_ = false;
            changed_.notify_all();
        }
    }

    // The control thread's.
    ThreadClock::duration patience_ = kDevicePatience;
    ThreadClock::time_point waited_{};
    // With the lock.
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> jobs_;
    bool is_started_ = false;
    bool is_busy_ = false;
};

void remove_by_name(const std::string& name) {
    uint16_t port = 0;
    rte_eth_dev_info info{};
    if (rte_eth_dev_get_port_by_name(name.c_str(), &port) != 0 || rte_eth_dev_info_get(port, &info) != 0) return;
    rte_eth_dev_close(port);
    if (info.device != nullptr) rte_dev_remove(info.device);
}

}  // namespace

struct DeviceMaking::State {
    std::string arguments;
    // The thread's lock.
    bool is_over = false;
    bool is_unwanted = false;
    int status = 0;
    std::string words;
};

DeviceMaking::DeviceMaking(const std::string& arguments) : state_(std::make_shared<State>()) {
    state_->arguments = arguments;
    DeviceThread::get().add([state = state_] {
        {
            std::lock_guard locked(DeviceThread::get().mutex());
            if (state->is_unwanted) return;
        }
        take_dpdk_words();  // of earlier troubles
        const bool is_pci = pci::address_of(state->arguments).has_value();
        // DPDK looks for vfio when it starts only; the module may have come later.
        if (is_pci && rte_vfio_is_enabled("vfio") == 0) rte_vfio_enable("vfio");
        const int status = rte_dev_probe(state->arguments.c_str());
        std::string words = take_dpdk_words();
        bool is_unwanted = false;
        {
            std::lock_guard locked(DeviceThread::get().mutex());
            state->status = status;
            state->words = std::move(words);
            state->is_over = true;
            is_unwanted = state->is_unwanted;
        }
        DeviceThread::get().tell();
        if (is_unwanted && status == 0) remove_by_name(device_name(state->arguments));
    });
}

DeviceMaking::~DeviceMaking() {
    std::lock_guard locked(DeviceThread::get().mutex());
    state_->is_unwanted = !state_->is_over;
}

bool DeviceMaking::is_over() {
    const auto is_over = [&] { return state_->is_over; };
    if (std::exchange(has_waited_, true)) return DeviceThread::get().wait(is_over, ThreadClock::duration{});
    return DeviceThread::get().wait_with_patience(is_over);
}

int DeviceMaking::status() const { return state_->status; }
std::string DeviceMaking::words() const { return state_->words; }

void remove_device(rte_device* device) {
    auto is_removed = std::make_shared<bool>(false);
    DeviceThread::get().add([is_removed, device] {
        rte_dev_remove(device);
        std::lock_guard locked(DeviceThread::get().mutex());
        *is_removed = true;
    });
    DeviceThread::get().wait_with_patience([&] { return *is_removed; });
}

bool devices_are_idle(std::chrono::milliseconds patience) {
    DeviceThread& thread = DeviceThread::get();
    return thread.wait([&] { return thread.is_idle(); }, patience);
}

void run_on_device_thread(std::function<void()> job) { DeviceThread::get().add(std::move(job)); }

}  // namespace sluice::port
