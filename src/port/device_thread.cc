#include "port/device_thread.h"

#include <fmt/ranges.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
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

// From DPDK's header for drivers, which Debian's DPDK does not ship: the entry of a name in the table of Ethernet
// devices, even if its driver has not completed it.
extern "C" rte_eth_dev* rte_eth_dev_allocated(const char* name);
extern "C" int rte_eth_dev_release_port(rte_eth_dev* device);

namespace sluice::port {
namespace {

using ThreadClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kMoment{50};

// Lives as long as the process: its thread may be inside DPDK when the process ends.
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

    // Waits until `is_over` returns true. It is called with the lock held.
    template <class IsOver>
    bool wait(IsOver is_over, ThreadClock::duration patience) {
        std::unique_lock locked(mutex_);
        return is_over() || changed_.wait_for(locked, patience, is_over);
    }
    // The same, for at most the rest of kDevicePatience. A wait that is over within kMoment uses none of it; a
    // tenth of the time that passes is added to it again.
    template <class IsOver>
    bool wait_with_patience(IsOver is_over) {
        const ThreadClock::time_point begin = ThreadClock::now();
        patience_ = std::min<ThreadClock::duration>(kDevicePatience, patience_ + (begin - waited_) / 10);
        const bool done = wait(is_over, patience_);
        waited_ = ThreadClock::now();
        const ThreadClock::duration took = waited_ - begin;
        waited_in_all_ += took;
        if (!done || took > kMoment) patience_ -= std::min(patience_, took);
        return done;
    }
    ThreadClock::duration waited_in_all() const noexcept { return waited_in_all_; }
    bool is_idle() const noexcept { return jobs_.empty() && !is_busy_; }  // with the lock held

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

    // Used by the control thread only.
    ThreadClock::duration patience_ = kDevicePatience;
    ThreadClock::time_point waited_{};
    ThreadClock::duration waited_in_all_{};
    // Used with the lock held.
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> jobs_;
    bool is_started_ = false;
    bool is_busy_ = false;
};

// The reason why DPDK cannot have a PCI function. Checked first, since DPDK itself would only report "no driver".
base::Result<void> check_function(const std::string& address) {
    const auto device = pci::find(pci::this_host(), address);
    if (!device) return tl::unexpected(device.error());
    if (!pci::is_for_programs(device->driver) && !pci::shares_kernel_driver(*device)) {
        return base::fail("{} is {}: `sluicectl device bind {}` gives it to the switch", address,
                          device->driver.empty() ? "bound to no driver"
                                                 : fmt::format("bound to the kernel's {}", device->driver),
                          address);
    }
    if (!device->group_held_by.empty()) {
        return base::fail("the kernel still drives {} of {}'s IOMMU group {}: bind it as well, or unbind "
                          "it from its driver",
                          fmt::join(device->group_held_by, ", "), address, device->iommu_group);
    }
    return {};
}

// Whether a bus takes the arguments. The bus of virtual devices does if it has the driver that they begin with.
bool is_driver_known(const std::string& arguments) {
    rte_devargs parsed{};
    const bool is_known = rte_devargs_parse(&parsed, arguments.c_str()) == 0;
    rte_devargs_reset(&parsed);
    return is_known;
}

std::string why_not_made(bool is_pci, int status) {
    std::string reasons = take_dpdk_reasons();
    if (is_pci && status == -ENOTSUP) {
        return fmt::format("is the driver for it installed (librte-net-*)?{}",
                           reasons.empty() ? "" : fmt::format(" ({})", reasons));
    }
    if (!reasons.empty()) return reasons;
    // Drivers return -1 for any error.
    return fmt::format("its driver doesn't say why{}: are all of its arguments there, and right?",
                       status == -EPERM ? "" : fmt::format(" ({})", rte_strerror(-status)));
}

// On the device thread, as everything up to DeviceMaking.
base::Result<MadeDevice> find_or_make(const std::string& arguments) {
    const std::string name = device_name(arguments);
    MadeDevice device{.port = RTE_MAX_ETHPORTS, .is_ours = false};
    if (rte_eth_dev_get_port_by_name(name.c_str(), &device.port) == 0) return device;
    if (rte_eth_dev_count_total() >= kMostDevices) {
        return base::fail("DPDK opens no more than {} devices (RTE_MAX_ETHPORTS; a bond is one beside its "
                          "members), and has opened them: delete another device port, or use net_af_packet, "
                          "which needs none of them",
                          kMostDevices);
    }
    const bool is_pci = pci::address_of(arguments).has_value();
    if (is_pci) {
        if (auto done = check_function(name); !done) return tl::unexpected(done.error());
        // DPDK looks for vfio only when it starts; the module may have been loaded later.
        if (rte_vfio_is_enabled("vfio") == 0) rte_vfio_enable("vfio");
    }
    if (!is_driver_known(arguments)) {
        return base::fail("DPDK can't make a device of \"{}\": is the driver's name right, and its package "
                          "installed (librte-net-*)?",
                          arguments);
    }
    take_dpdk_reasons();  // discard reasons of earlier errors
    if (const int status = rte_dev_probe(arguments.c_str()); status != 0) {
        // If net_memif cannot have its socket, it leaves its entry in the table and would then find its name
        // taken.
        rte_eth_dev* left = name.starts_with("net_memif") ? rte_eth_dev_allocated(name.c_str()) : nullptr;
        if (left != nullptr) rte_eth_dev_release_port(left);
        return base::fail("DPDK can't make a device of \"{}\": {}", arguments, why_not_made(is_pci, status));
    }
    device.is_ours = true;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &device.port) == 0) return device;
    rte_eal_hotplug_remove(is_pci ? "pci" : "vdev", name.c_str());
    return base::fail("\"{}\" is not an Ethernet device", arguments);
}

void remove_untaken(const base::Result<MadeDevice>& made) {
    rte_eth_dev_info info{};
    if (!made || !made->is_ours || rte_eth_dev_info_get(made->port, &info) != 0) return;
    rte_eth_dev_close(made->port);
    if (info.device != nullptr) rte_dev_remove(info.device);
}

}  // namespace

// The thread writes it before the job is over, and not afterwards.
struct DeviceJob::State {
    bool is_over = false;  // with the thread's lock held
    ThreadClock::duration took{};
};

DeviceJob::DeviceJob(std::function<void()> job) : state_(std::make_shared<State>()) {
    DeviceThread::get().add([state = state_, job = std::move(job)] {
        const ThreadClock::time_point begin = ThreadClock::now();
        job();
        state->took = ThreadClock::now() - begin;
        {
            std::lock_guard locked(DeviceThread::get().mutex());
            state->is_over = true;
        }
        DeviceThread::get().tell();
    });
}

bool DeviceJob::is_over() {
    if (std::exchange(has_waited_, true)) return is_over_by_now();
    return DeviceThread::get().wait_with_patience([&] { return state_->is_over; });
}

bool DeviceJob::is_over_by_now() const {
    return DeviceThread::get().wait([&] { return state_->is_over; }, ThreadClock::duration{});
}

ThreadClock::duration DeviceJob::took() const { return state_->took; }

struct DeviceMaking::State {
    std::string arguments;
    // With the thread's lock held.
    bool is_over = false;
    bool is_unwanted = false;
    // The thread's until the making is over, then the control thread's.
    base::Result<MadeDevice> made = tl::unexpected(base::Error{});
    ThreadClock::duration took{};
};

DeviceMaking::DeviceMaking(const std::string& arguments) : state_(std::make_shared<State>()) {
    state_->arguments = arguments;
    DeviceThread::get().add([state = state_] {
        {
            std::lock_guard locked(DeviceThread::get().mutex());
            if (state->is_unwanted) return;
        }
        const ThreadClock::time_point begin = ThreadClock::now();
        state->made = find_or_make(state->arguments);
        state->took = ThreadClock::now() - begin;
        bool is_unwanted = false;
        {
            std::lock_guard locked(DeviceThread::get().mutex());
            state->is_over = true;
            is_unwanted = state->is_unwanted;
        }
        DeviceThread::get().tell();
        if (is_unwanted) remove_untaken(state->made);
    });
}

DeviceMaking::~DeviceMaking() {
    {
        std::lock_guard locked(DeviceThread::get().mutex());
        state_->is_unwanted = !state_->is_over;
    }
    if (state_->is_unwanted || !state_->made || !state_->made->is_ours) return;
    DeviceThread::get().add([state = state_] { remove_untaken(state->made); });
}

bool DeviceMaking::is_over() {
    if (std::exchange(has_waited_, true)) return is_over_by_now();
    return DeviceThread::get().wait_with_patience([&] { return state_->is_over; });
}

bool DeviceMaking::is_over_by_now() const {
    return DeviceThread::get().wait([&] { return state_->is_over; }, ThreadClock::duration{});
}

base::Result<MadeDevice> DeviceMaking::take() {
    base::Result<MadeDevice> made = state_->made;
    if (made) state_->made->is_ours = false;
    return made;
}

ThreadClock::duration DeviceMaking::took() const { return state_->took; }

ThreadClock::duration waited_for_devices() { return DeviceThread::get().waited_in_all(); }

bool devices_are_idle(std::chrono::milliseconds patience) {
    DeviceThread& thread = DeviceThread::get();
    return thread.wait([&] { return thread.is_idle(); }, patience);
}

void run_on_device_thread(std::function<void()> job) { DeviceThread::get().add(std::move(job)); }

}  // namespace sluice::port
