#include "engine/worker.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "engine/watch.h"

namespace sluice::engine {
namespace {

// How long a worker spins without a packet before it sleeps: three times the average gap of late,
// between these bounds, if that gap is one worth spinning for. A wake from sleep costs 30 to 50 us on a
// virtual machine, so a conversation with a packet a millisecond is polled for; a lone packet now and
// then is not, and leaves the switch asleep more than 99 % of the time.
constexpr uint64_t kShortestSpin = 60;    // us
constexpr uint64_t kLongestSpin = 3000;   // us
constexpr uint64_t kGapWorthSpinning = 1500;  // us
constexpr uint64_t kLongestGap = 20'000;  // us; what a longer silence counts for in the average

// A queue that can't wake its worker is looked at this often on an idle switch. A look with the two
// context switches and the timer around it takes 20 us here: 2 % of a core at 1 ms, 1 % at 2 ms.
constexpr uint64_t kShortestNap = 20'000;    // ns
constexpr uint64_t kLongestNap = 2'000'000;  // ns

// Turns for which a queue that has run empty is still read, unless the worker goes to sleep before: a
// read that finds nothing costs less than epoll's answer and the read that follows it, on both sides. A
// ping a millisecond takes 21 us so, and 30 by way of epoll (bench/run containers). Of a busy switch
// this is some 10 ms, after which a silent queue costs it nothing.
constexpr uint32_t kHotTurns = 4096;
// Queues kept so at most; with more of them epoll is the cheaper way to ask.
constexpr size_t kHotQueues = 8;

// While there are queues to read the descriptors of the others are asked for every so many turns.
constexpr uint32_t kTurnsBetweenPolls = 8;

// The first turns after a silence take one packet each: a request, and the answer to it. A read that finds a TAP
// device empty takes half a microsecond, three times as long as epoll_wait, and the packet would wait for that
// before it goes to its port (bench/run latency).
constexpr uint32_t kLoneTurns = 2;

// Vector receive functions of DPDK's drivers give nothing where there is room for less.
constexpr uint16_t kLeastRoom = 8;

// While later fragments wait for a first one, which another worker may get.
constexpr long kLookForFirst = 10'000'000;  // ns

constexpr int kEvents = 64;
constexpr uint64_t kWakeUp = ~uint64_t{0};  // epoll's datum for the eventfd

// A queue as epoll's datum, with how it wakes above its number.
constexpr uint64_t kWakeShift = 32;
constexpr uint64_t datum(path::PortId port, uint16_t queue) {
    return uint64_t{path::index(port)} * path::kMaxQueues + queue;
}

base::Fd checked(int fd, const char* what) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
    return base::Fd(fd);
}

}  // namespace

path::Seconds clock_seconds() noexcept {
    return static_cast<path::Seconds>(rte_get_tsc_cycles() / rte_get_tsc_hz());
}

Worker::Worker(path::WorkerId id, port::Pools pools, const Shared& shared)
    : id_(id),
      shared_(shared),
      egress_(id, pools, counters_),
      features_(pools),
      epoll_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_(checked(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
      second_cycles_(rte_get_tsc_hz()),
      gap_(kLongestGap * second_cycles_ / 1'000'000) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeUp}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
    ready_.reserve(is_ready_.size());
}

void Worker::run() noexcept {
    shared_.grace.online(id_);
    while (!stopped_.load(std::memory_order_relaxed)) {
        const bool busy = turn();
        shared_.grace.quiescent(id_);
        keep_hot_ = busy || idle_ == view::Idle::kPoll || !spun_enough(rte_get_tsc_cycles());
        // Asleep only with every queue that has a descriptor out of ready_: their edges are epoll's
        // again, so none can be slept through.
        if (!keep_hot_ && ready_.size() == polled_ && !features_.responder.has_chores()) sleep();
    }
    shared_.grace.offline(id_);
}

bool Worker::turn() noexcept {
    const uint64_t start = rte_get_tsc_cycles();
    counters_.log.set_time(start);
    // The generations first, then the tables: they are told after the tables that they are about. A flow that is
    // decided by newer tables than its generation says is decided once more.
    const flow::Generations& told = *shared_.flow_generations.get();
    const view::Snapshot& snapshot = *shared_.snapshots.get();
    const flow::Generations& own = snapshot.flow_generations;
    const flow::Generations& generations = told.serial >= own.serial ? told : own;
    flow_generations_ = &generations;
    if (unlikely(snapshot.generation != generation_)) adopt(snapshot);
    if (unlikely(start >= next_second_)) {
        tell_time(start);
        if (on_demand_ != 0) look_again(snapshot);
    }

    const uint32_t come = gather();
    const uint16_t count = batch_.count;
    const bool has_chores = features_.responder.has_chores();
    if (unlikely(has_chores)) {
        const PathTables seen = tables(snapshot, generations);
        features_.responder.do_chores(seen);
        finish(seen);
    }
    if (count != 0) {
        if (likely(snapshot.witnesses.empty())) {
            run_path(batch_, tables(snapshot, generations));
            drops_.free();
        } else {
            run_watched(batch_, tables(snapshot, generations));
        }
    }
    if (count != 0 || has_chores) egress_.flush();
    if (wants_poll(come)) poll_descriptors();
    const bool resumed = unlikely(features_.tracker.held_fragments() != 0) && resume_fragments(now_);

    const uint64_t end = rte_get_tsc_cycles();
    path::WorkerTotals& totals = counters_.totals;
    busy_turns_ = come == 0 ? 0 : busy_turns_ + 1;
    if (come == 0) {
        totals.idle_cycles.add(end - start);
        return resumed;
    }
    totals.busy_cycles.add(end - start);
    totals.batches.add(1);
    const uint64_t gap = std::min(start - std::min(start, last_packet_),
                                  kLongestGap * second_cycles_ / 1'000'000);
    gap_ = (gap_ * 7 + gap) / 8;
    last_packet_ = end;
    spin_since_ = end;
    nap_ = kShortestNap;
    return true;
}

bool Worker::resume_fragments(path::Seconds now) noexcept {
    const view::Snapshot& snapshot = *shared_.snapshots.get();
    PathTables late = tables(snapshot, snapshot.flow_generations);
    late.now = now;
    const uint32_t resumed = engine::resume_fragments(late);
    if (resumed != 0) egress_.flush();
    return resumed != 0;
}

PathTables Worker::tables(const view::Snapshot& snapshot, const flow::Generations& generations) noexcept {
    return {{snapshot.slots.data(), snapshot.macs.data(), snapshot.networks.data(), now_, egress_,
             counters_, drops_, snapshot, shared_.hops.data(), shared_.neighbors, shared_.flows,
             shared_.fragments, &generations, id_},
            features_};
}

void Worker::adopt(const view::Snapshot& snapshot) noexcept {
    generation_ = snapshot.generation;
    idle_ = snapshot.idle;
    counters_.log.capture_to(snapshot.drop_captures, id_);
    counters_.background.capture_to(snapshot.drop_captures, id_);
    is_ready_.reset();
    // Every queue is looked at once, whether or not its descriptor has spoken already.
    ready_.clear();
    polled_ = 0;
    watched_ = 0;
    on_demand_ = 0;
    for (const view::QueueRef& queue : snapshot.queues[path::index(id_)]) {
        ready_.push_back({queue, kHotTurns, false});
        is_ready_.set(datum(queue.port->id(), queue.queue));
        ++(queue.polled() ? polled_ : watched_);
        on_demand_ += queue.wake == port::Wake::kOnDemand ? 1 : 0;
    }
    next_ = 0;
}

// Epoll is asked once in a while, when no queue is ready, and after the first packet that follows a silence: a
// container's kernel answers a ping while the worker writes it, so the answer is there already.
bool Worker::wants_poll(uint32_t count) noexcept {
    const size_t ready = ready_.size() - polled_;
    if (ready == watched_) return false;  // every queue is read in each turn already
    const bool is_first = count != 0 && busy_turns_ == 0;
    return is_first || (count == 0 && ready == 0) || ++turns_ % kTurnsBetweenPolls == 0;
}

void Worker::poll_descriptors() noexcept {
    std::array<epoll_event, kEvents> events;
    mark_ready(events.data(), epoll_wait(epoll_.get(), events.data(), kEvents, 0));
}

void Worker::mark_ready(const epoll_event* events, int count) noexcept {
    const view::Snapshot& snapshot = *shared_.snapshots.get();
    for (int i = 0; i < count; ++i) {
        const uint64_t which = events[i].data.u64 & ~(~uint64_t{0} << kWakeShift);
        if (events[i].data.u64 == kWakeUp) {
            uint64_t ignored;
            (void)!read(wake_.get(), &ignored, sizeof ignored);
            continue;
        }
        // Under a new snapshot adopt() looks at every queue anyway.
        const view::PortSlot& slot = snapshot.slots[which / path::kMaxQueues];
        if (slot.port == nullptr || snapshot.generation != generation_ || is_ready_.test(which)) continue;
        is_ready_.set(which);
        const auto queue = static_cast<uint16_t>(which % path::kMaxQueues);
        const auto wake = static_cast<port::Wake>(events[i].data.u64 >> kWakeShift);
        ready_.push_back({slot.queue(queue, wake), 0, wake == port::Wake::kOnDemand});
    }
}

// Drops what its port's limit doesn't let pass. Returns the number of the others.
uint16_t Worker::police(const view::QueueRef& queue, port::RateLimit& limit, rte_mbuf** packets,
                        uint16_t count) noexcept {
    constexpr auto kReason = path::Drop::kEgressRateLimit;
    const view::Snapshot& snapshot = *shared_.snapshots.get();
    const path::PortId port = queue.port->id();
    return limit.police(packets, count, rte_get_tsc_cycles(), [&](rte_mbuf* packet) {
        if (likely(snapshot.witnesses.empty())) {
            counters_.drop(port, kReason, packet, {.ingress = port, .network = queue.network});
        } else {
            drop_watched(packet, queue, kReason, tables(snapshot, *flow_generations_));
        }
        rte_pktmbuf_free(packet);
    });
}

// Returns the number of packets that came: those of the batch, and what the limits of ports have dropped.
uint32_t Worker::gather() noexcept {
    uint32_t come = 0;
    // The first packets after a silence go their way at once: no look at the rest of their queue or at
    // other queues stands between them and their port.
    const bool is_lone = busy_turns_ < kLoneTurns && watched_ != 0;
    const uint32_t most = is_lone ? 0 : path::kBatchSize - kLeastRoom;
    for (size_t left = ready_.size(); left != 0 && batch_.count <= most; --left) {
        if (next_ >= ready_.size()) next_ = 0;
        ReadyQueue& ready = ready_[next_];
        const view::QueueRef queue = ready.ref;
        const port::Received received = queue.port->receive(
            queue.queue, batch_.packets + batch_.count,
            is_lone && queue.wake == port::Wake::kAlways ? uint16_t{1} : batch_.room(), counters_);
        const path::PortId ingress = queue.port->id();
        const uint64_t admission =
            flow::Decided::admission(flow_generations_->of(queue.network), queue.network, ingress);
        uint16_t count = received.count;
        if (port::RateLimit* limit = queue.port->egress_limit(); unlikely(limit != nullptr) && count != 0) {
            count = police(queue, *limit, batch_.packets + batch_.count, count);
        }
        path::arrive(&batch_.meta(batch_.count), count,
                     {admission, ingress, queue.network, queue.unusual, queue.guarded});
        batch_.count += count;
        come += received.count;
        ready.empty_turns = received.count != 0 ? 0 : ready.empty_turns + 1;
        if (ready.listening && received.count != 0) {
            ready.listening = false;
            queue.port->listen(queue.queue, false);
        }
        const bool hot = keep_hot_ && ready.empty_turns < kHotTurns &&
                         ready_.size() - polled_ <= kHotQueues;
        if (received.more || queue.polled() || hot) {
            ++next_;
        } else if (queue.wake == port::Wake::kOnDemand && !ready.listening) {
            ready.listening = true;
            queue.port->listen(queue.queue, true);
            ++next_;  // what came before it was asked to speak is found in the next turn
        } else {
            // It has just been seen empty: whatever comes from now on, its descriptor will tell.
            is_ready_.reset(datum(queue.port->id(), queue.queue));
            ready = ready_.back();
            ready_.pop_back();
        }
    }
    return come;
}

bool Worker::spun_enough(uint64_t tsc) const noexcept {
    const uint64_t microsecond = second_cycles_ / 1'000'000;
    const uint64_t spin = gap_ < kGapWorthSpinning * microsecond
                              ? std::clamp(gap_ * 3, kShortestSpin * microsecond,
                                           kLongestSpin * microsecond)
                              : kShortestSpin * microsecond;
    return tsc - spin_since_ > spin;
}

void Worker::sleep() noexcept {
    const uint64_t start = rte_get_tsc_cycles();
    // Where a queue must be asked to speak, the next second is not slept through: see look_again().
    const bool holds = features_.tracker.held_fragments() != 0;
    const bool bounded = polled_ != 0 || on_demand_ != 0 || holds;
    const timespec nap = polled_ != 0 ? timespec{0, static_cast<long>(nap_)}
                         : holds      ? timespec{0, kLookForFirst}
                                      : timespec{1, 0};
    // Asleep a worker holds nothing, so no change of the configuration waits for it.
    shared_.grace.offline(id_);
    std::array<epoll_event, kEvents> events;
    const int count =
        epoll_pwait2(epoll_.get(), events.data(), kEvents, bounded ? &nap : nullptr, nullptr);
    shared_.grace.online(id_);
    mark_ready(events.data(), count);
    nap_ = std::clamp(nap_ * 2, kShortestNap, kLongestNap);
    counters_.totals.sleep_cycles.add(rte_get_tsc_cycles() - start);
    // A descriptor that spoke deserves a spin; a nap that found nothing is followed by the next.
    if (count > 0) spin_since_ = rte_get_tsc_cycles();
}

void Worker::tell_time(uint64_t tsc) noexcept {
    now_ = static_cast<path::Seconds>(tsc / second_cycles_);
    next_second_ = (uint64_t{now_} + 1) * second_cycles_;
}

// A read that finds nothing may have failed for want of a buffer or of a lock, and a guest that has
// rung once doesn't ring again: once a second every such queue is read without having spoken.
void Worker::look_again(const view::Snapshot& snapshot) noexcept {
    for (const view::QueueRef& queue : snapshot.queues[path::index(id_)]) {
        const uint64_t which = datum(queue.port->id(), queue.queue);
        if (queue.wake != port::Wake::kOnDemand || is_ready_.test(which)) continue;
        is_ready_.set(which);
        ready_.push_back({queue, kHotTurns, false});
    }
}

void Worker::stop() noexcept {
    stopped_.store(true, std::memory_order_relaxed);
    wake();
}

void Worker::ask(std::vector<responder::Chore> chores) {
    features_.responder.ask(std::move(chores));
    wake();
}

void Worker::wake() noexcept {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);
}

void Worker::unwatch(int descriptor) noexcept {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
}

void Worker::watch(const view::QueueRef& queue) noexcept {
    epoll_event event{.events = EPOLLIN | EPOLLET,
                      .data = {.u64 = datum(queue.port->id(), queue.queue) |
                                      static_cast<uint64_t>(queue.wake) << kWakeShift}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, queue.port->descriptor(queue.queue), &event);
}

}  // namespace sluice::engine
