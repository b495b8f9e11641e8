#include "sluiced/daemon.h"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <iostream>
#include <set>

#include "base/counted.h"
#include "base/log.h"
#include "control/commands.h"
#include "control/docker.h"
#include "control/server.h"
#include "engine/eal.h"
#include "engine/intent.h"
#include "engine/switch.h"
#include "port/claims.h"
#include "port/device_thread.h"
#include "port/tap.h"

namespace sluice {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kTick{200};
constexpr std::chrono::milliseconds kPause{50};
constexpr std::chrono::milliseconds kCheckTick{20};  // of health checks

int report(const base::Errors& errors) {
    for (const auto& error : errors) std::cerr << error.text() << '\n';
    return 2;
}

int run_worker(void* worker) {
    static_cast<engine::Worker*>(worker)->run();
    return 0;
}

// Each queue of a port is a descriptor. A shell's limit of 1024 would suffice for a few hundred containers only.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

class Daemon {
 public:
    Daemon(engine::Intent intent, engine::Eal eal, port::Pools pools)
        : intent_(std::move(intent)),
          eal_(std::move(eal)),
          switch_(static_cast<uint16_t>(eal_.cores.size()), pools, intent_.config().control.socket,
                  intent_.config().flows),
          running_{switch_, intent_, eal_, engine::Clock::now()},
          server_(loop_, server_config(), control::commands(running_)),
          docker_(loop_, running_),
          signals_(loop_, SIGTERM, SIGINT, SIGHUP),
          timer_(loop_),
          attention_(loop_, dup(switch_.attention())),
          pause_(loop_),
          check_timer_(loop_),
          seen_cycles_(eal_.cores.size()) {}

    int run() {
        // Open the socket first: a second instance must not touch the devices of the first.
        if (auto done = server_.listen(); !done) {
            base::log::error("control", "{}", done.error().text());
            return 1;
        }
        remove_orphans();
        control::load_leases(running_);
        if (auto changes = intent_.start(switch_, engine::Clock::now()); !changes) {
            return report(changes.error());
        }
        running_.protocols.start([this](const punt::Message& message) {
            if (running_.guest_queue.push(message))
                asio::post(loop_, [this] { control::answer_guests(running_); });
        });
        docker_.start();
        for (size_t i = 0; i < eal_.lcores.size(); ++i) {
            rte_eal_remote_launch(run_worker, switch_.workers()[i].get(), eal_.lcores[i]);
        }
        await_signal();
        await_tick();
        await_attention();
        sd_notify(0, "READY=1");
        loop_.run();
        for (const auto& worker : switch_.workers()) worker->stop();
        rte_eal_mp_wait_lcore();
        running_.protocols.stop();
        return 0;
    }

 private:
    // Removes interfaces of an earlier run that no port uses. A waiting port may return and keeps its interface,
    // unless another port has taken that.
    void remove_orphans() const {
        if (intent_.has_lost_state()) return;
        std::vector<port::PortConfig> ports = intent_.config().ports;
        std::set<std::string> claimed;
        for (const auto& port : ports) {
            for (const auto& claim : port::claims(port)) claimed.insert(claim.identity);
        }
        for (const auto& waiting : intent_.waiting()) {
            const auto* port = waiting.object->as_port();
            if (port == nullptr) continue;
            const auto claims = port::claims(*port);
            const bool is_taken = std::any_of(claims.begin(), claims.end(), [&](const port::Claim& claim) {
                return claimed.contains(claim.identity);
            });
            if (!is_taken) ports.push_back(*port);
        }
        port::remove_orphans(intent_.config().control.socket, ports);
    }

    control::ServerConfig server_config() const {
        const engine::ControlConfig& config = intent_.config().control;
        return {config.socket, config.group, config.read_only_group, config.max_request.value};
    }

    void await_signal() {
        signals_.async_wait([this](const boost::system::error_code& error, int signal) {
            if (error) return;
            if (signal != SIGHUP) {
                sd_notify(0, "STOPPING=1");
                server_.close();
                loop_.stop();
                return;
            }
            reload();
            await_signal();
        });
    }

    void reload() {
        sd_notify(0, "RELOADING=1");
        auto changes = intent_.reload(switch_, engine::Clock::now());
        if (changes) {
            base::log::notice("config", "reloaded {} for a SIGHUP: {}", intent_.file(),
                              base::counted(changes->size(), "change"));
        } else {
            base::log::error("config", "{} was not loaded, nothing was changed:", intent_.file());
            for (const auto& error : changes.error()) base::log::error("config", "{}", error.text());
        }
        sd_notify(0, "READY=1");
    }

    void await_tick() {
        timer_.expires_after(kTick);
        timer_.async_wait([this](const boost::system::error_code& error) {
            if (error) return;
            switch_.tick(engine::Clock::now());
            running_.captures.tick();
            running_.traces.tick();
            control::tick_leases(running_);
            check_health();
            docker_.tick();
            feed_watchdog();
            if (switch_.has_checks() && !std::exchange(is_checking_, true)) await_checks();
            await_tick();
        });
    }

    // As long as there are health checks.
    void await_checks() {
        check_timer_.expires_after(kCheckTick);
        check_timer_.async_wait([this](const boost::system::error_code& error) {
            if (error) return;
            switch_.check_services(engine::Clock::now());
            is_checking_ = switch_.has_checks();
            if (is_checking_) await_checks();
        });
    }

    // A device has changed by itself. The pause keeps a guest that does so all the time from monopolizing the
    // control thread.
    void await_attention() {
        attention_.async_wait(asio::posix::stream_descriptor::wait_read,
                              [this](const boost::system::error_code& error) {
                                  if (error) return;
                                  switch_.attend();
                                  pause_.expires_after(kPause);
                                  pause_.async_wait([this](const boost::system::error_code& stopped) {
                                      if (!stopped) await_attention();
                                  });
                              });
    }

    void check_health() {
        std::vector<health::Check> checks;
        for (const auto& [key, check] : switch_.translation().kubernetes().health_checks())
            checks.push_back({check.port, key.name_space, key.name, check.local_endpoints});
        running_.health.set(std::move(checks));
        running_.health.tick();
    }

    // Reports "alive" if the control thread runs and every worker, woken a tick ago, has made a turn since.
    void feed_watchdog() {
        if (!watchdog_) return;
        bool alive = true;
        for (size_t i = 0; i < switch_.workers().size(); ++i) {
            const uint64_t cycles = switch_.workers()[i]->counters().totals.cycles();
            alive &= std::exchange(seen_cycles_[i], cycles) != cycles;
            switch_.workers()[i]->wake();
        }
        if (alive) sd_notify(0, "WATCHDOG=1");
    }

    asio::io_context loop_;
    engine::Intent intent_;
    engine::Eal eal_;
    engine::Switch switch_;
    control::Running running_;
    control::Server server_;
    control::DockerPlugin docker_;
    asio::signal_set signals_;
    asio::steady_timer timer_;
    asio::posix::stream_descriptor attention_;
    asio::steady_timer pause_;
    asio::steady_timer check_timer_;
    bool is_checking_ = false;  // check_timer_ runs
    const bool watchdog_ = sd_watchdog_enabled(0, nullptr) > 0;
    std::vector<uint64_t> seen_cycles_;  // per worker, as of the last tick
};

}  // namespace

int check_config(const std::string& config_file) {
    const auto intent = engine::Intent::load(config_file);
    if (!intent) return report(intent.error());
    for (const std::string& remark : intent->remarks()) std::cerr << base::escaped(remark) << '\n';
    return 0;
}

int run_daemon(const std::string& config_file) {
    raise_descriptor_limit();
    auto intent = engine::Intent::load(config_file);
    if (!intent) return report(intent.error());
    base::log::set_level(intent->config().log.level);
    auto eal = engine::start_eal(intent->config());
    if (!eal) {
        base::log::error("dpdk", "{}", eal.error().text());
        return 1;
    }
    const engine::MemoryConfig& memory = intent->config().memory;
    // The node of the workers: a user who chooses their cores also chooses the memory.
    const unsigned node = rte_lcore_to_socket_id(eal->lcores.front());
    auto pools =
        port::Pools::create(memory.buffers, memory.large_buffers, static_cast<int>(node));
    if (!pools) {
        base::log::error("memory", "{}", pools.error().text());
        return 1;
    }
    int status = 0;
    {
        Daemon daemon(std::move(*intent), std::move(*eal), *pools);
        status = daemon.run();
    }
    // A device that is still being made blocks DPDK for an unlimited time.
    constexpr std::chrono::seconds kPatience{2};
    if (!port::devices_are_idle(kPatience)) _exit(status);
    engine::stop_eal();
    return status;
}

}  // namespace sluice
