#include "port/vhost.h"

#include <fcntl.h>
#include <grp.h>
#include <rte_vhost.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "path/batch.h"
#include "port/dpdk_log.h"
#include "port/guest_memory.h"
#include "wire/virtio.h"

namespace sluice::port {
namespace {

namespace virtio = wire::virtio;

// UDP fragmentation by the device: Linux removed it in 4.14, and we cannot cut such packets.
constexpr uint64_t kNever = virtio::kHostUfo | virtio::kGuestUfo;
constexpr uint64_t kGuestTso = virtio::kGuestTso4 | virtio::kGuestTso6;
constexpr uint64_t kHostTso = virtio::kHostTso4 | virtio::kHostTso6;
constexpr uint64_t kGuestOffloads = virtio::kChecksum | kHostTso | virtio::kHostEcn |
                               virtio::kGuestChecksum | kGuestTso | virtio::kGuestEcn;

// The port of each socket: rte_vhost's callbacks know only the path.
std::mutex ports_mutex;
std::map<std::string, VhostUser*> ports;

template <class Function>
int with_port(int guest, Function&& function) {
    std::array<char, PATH_MAX> path{};
    if (rte_vhost_get_ifname(guest, path.data(), path.size()) != 0) return -1;
    VhostUser* port = nullptr;
    {
        std::lock_guard lock(ports_mutex);
        auto found = ports.find(path.data());
        if (found == ports.end()) return -1;
        port = found->second;
    }
    function(*port);
    return 0;
}

// A message of the vhost-user protocol, as far as we answer some ourselves (QEMU, docs/interop/vhost-user.rst,
// "Message Specification").
struct [[gnu::packed]] Message {
    uint32_t request;
    uint32_t flags;
    uint32_t size;  // bytes that follow
    uint64_t number;
};
constexpr uint32_t kSetFeatures = 2;      // VHOST_USER_SET_FEATURES
constexpr uint32_t kSetMemoryTable = 5;   // VHOST_USER_SET_MEM_TABLE
constexpr uint32_t kGetQueueNumber = 17;  // VHOST_USER_GET_QUEUE_NUM
constexpr uint32_t kSendRarp = 19;        // VHOST_USER_SEND_RARP
constexpr uint64_t kRarpFeature = uint64_t{1} << 2;  // VHOST_USER_PROTOCOL_F_RARP

// Called before rte_vhost handles a message. rte_vhost would grant every guest 128 queue pairs, most of which no
// worker would read. It also adds a RARP frame to a burst in a way that writes past the end of a burst of one.
// (Guests announce themselves after a migration.)
rte_vhost_msg_result before_message(int guest, void* context) {
    auto* message = static_cast<Message*>(context);
    if (message->request == kSendRarp) return RTE_VHOST_MSG_RESULT_OK;
    if (message->request != kGetQueueNumber) return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
    uint16_t most = 1;
    with_port(guest, [&](VhostUser& port) { most = port.most_queues(); });
    message->number = most;
    message->size = sizeof message->number;
    return RTE_VHOST_MSG_RESULT_REPLY;
}

rte_vhost_msg_result after_message(int guest, void* context) {
    const uint32_t request = static_cast<const Message*>(context)->request;
    if (request == kSetFeatures) with_port(guest, [&](VhostUser& port) { port.on_features(guest); });
    if (request == kSetMemoryTable) with_port(guest, [&](VhostUser& port) { port.on_memory(guest); });
    return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

const rte_vhost_user_extern_ops kMessages{.pre_msg_handle = before_message,
                                          .post_msg_handle = after_message};

const rte_vhost_device_ops kEvents{
    .new_device = [](int guest) { return with_port(guest, [&](auto& p) { p.on_running(guest); }); },
    .destroy_device = [](int guest) { with_port(guest, [&](auto& p) { p.on_stopped(guest); }); },
    .vring_state_changed =
        [](int guest, uint16_t ring, int enabled) {
            return with_port(guest, [&](auto& p) { p.on_ring(guest, ring, enabled != 0); });
        },
    .features_changed = nullptr,
    .new_connection =
        [](int guest) {
            rte_vhost_extern_callback_register(guest, &kMessages, nullptr);
            bool accepted = false;
            const int known = with_port(guest, [&](auto& p) { accepted = p.on_connected(guest); });
            return known == 0 && accepted ? 0 : -1;
        },
    .destroy_connection = [](int guest) { with_port(guest, [&](auto& p) { p.on_disconnected(guest); }); },
    .guest_notified = nullptr,
    .reserved = {},
};

std::vector<GuestRegion> memory_of(int guest) {
    rte_vhost_memory* table = nullptr;
    std::vector<GuestRegion> regions;
    if (rte_vhost_get_mem_table(guest, &table) != 0) return regions;
    for (uint32_t i = 0; i < table->nregions; ++i) {
        const rte_vhost_mem_region& region = table->regions[i];
        regions.push_back({region.guest_phys_addr, region.host_user_addr, region.size});
    }
    free(table);
    return regions;
}

// Whether some of the guest's memory is mapped privately.
bool is_private(int guest, const std::string& socket_path) {
    const auto process = peer_process(socket_path);
    rte_vhost_memory* table = nullptr;
    if (!process || rte_vhost_get_mem_table(guest, &table) != 0) return false;
    bool found = false;
    for (uint32_t i = 0; i < table->nregions; ++i) found |= is_mapped_privately(*process, table->regions[i].fd);
    free(table);
    return found;
}

Capabilities capabilities_of(uint64_t features) {
    const bool checksums = (features & virtio::kGuestChecksum) != 0;
    return {.checksums = checksums,
            .tcp_segments = checksums && (features & kGuestTso) == kGuestTso,
            .chained = true};
}

uint64_t inode_of(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

VhostUser::VhostUser(path::PortId id, PortConfig config, const Context& context)
    : Port(id, std::move(config)),
      pools_(context.pools),
      workers_(context.workers),
      attention_(context.attention),
      wait_for_workers_(context.wait_for_workers),
      name_(config_.name),
      path_(config_.vhost_user->path),
      most_queues_(config_.vhost_user->queues) {
    appetite_.fill(path::kBatchSize);
}

// --- control thread ---

base::Result<void> VhostUser::open() {
    take_dpdk_words();
    if (auto done = make_folder(); !done) return done;
    if (config_.vhost_user->mode == VhostMode::kServer) {
        if (auto done = take_path(); !done) return done;
    }
    {
        std::lock_guard lock(ports_mutex);
        ports[config_.vhost_user->path] = this;
    }
    auto done = register_socket();
    if (!done) close();
    return done;
}

// Removes a socket file that no program serves any more: a killed switch left it.
base::Result<void> VhostUser::take_path() const {
    const std::string& path = config_.vhost_user->path;
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return {};
    if (!S_ISSOCK(status.st_mode)) {
        return base::fail("{} exists and is not a socket: remove it, or give another path", path);
    }
    const base::Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (connect(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ||
        errno != ECONNREFUSED) {
        return base::fail("{} is served by another process already: end it, or give another path",
                          path);
    }
    if (unlink(path.c_str()) != 0) return base::fail_errno("cannot remove the stale socket " + path);
    return {};
}

base::Result<void> VhostUser::register_socket() {
    const VhostUserConfig& config = *config_.vhost_user;
    const char* path = config.path.c_str();
    uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS;
    if (config.mode == VhostMode::kClient) flags |= RTE_VHOST_USER_CLIENT;
    auto failed = [&] {
        return base::fail("cannot {} {}{}",
                          config.mode == VhostMode::kServer ? "listen at" : "connect to", path,
                          take_dpdk_words());
    };
    if (rte_vhost_driver_register(path, flags) != 0) return failed();
    registered_ = true;
    const uint64_t unwanted = kNever | (config.offloads ? 0 : kGuestOffloads);
    uint64_t protocol = 0;
    if (rte_vhost_driver_disable_features(path, unwanted) != 0 ||
        rte_vhost_driver_get_protocol_features(path, &protocol) != 0 ||
        rte_vhost_driver_set_protocol_features(path, protocol & ~kRarpFeature) != 0 ||
        rte_vhost_driver_callback_register(path, &kEvents) != 0 || rte_vhost_driver_start(path) != 0) {
        return failed();
    }
    if (config.mode == VhostMode::kServer) {
        if (auto done = let_group_connect(); !done) return done;
        socket_inode_ = inode_of(config.path);
    }
    refresh();
    return {};
}

// A process that may connect is in the network. By default only root may connect.
base::Result<void> VhostUser::let_group_connect() const {
    const std::string& path = config_.vhost_user->path;
    const std::string& name = config_.vhost_user->group;
    gid_t owner = 0;
    if (!name.empty()) {
        const group* found = getgrnam(name.c_str());
        if (found == nullptr) return base::fail("there is no group {}: addgroup it, or name another", name);
        owner = found->gr_gid;
    }
    if (chown(path.c_str(), 0, owner) != 0 || chmod(path.c_str(), name.empty() ? 0600 : 0660) != 0) {
        return base::fail_errno("cannot give " + path + " to its group");
    }
    return {};
}

std::optional<std::filesystem::path> VhostUser::own_folder() const {
    if (!config_.container) return std::nullopt;
    const auto folder = std::filesystem::path(config_.vhost_user->path).parent_path();
    if (folder.filename() != config_.container->id) return std::nullopt;
    return folder;
}

// Everybody may pass, whatever the umask says: the socket itself says who may connect.
base::Result<void> VhostUser::make_folder() const {
    const auto folder = own_folder();
    if (!folder) return {};
    std::filesystem::path path;
    for (const auto& part : *folder) {
        path /= part;
        if (mkdir(path.c_str(), 0755) == 0 && chmod(path.c_str(), 0755) == 0) continue;
        if (errno != EEXIST) return base::fail_errno("cannot make the folder " + path.string());
    }
    return {};
}

void VhostUser::destroy() noexcept {
    close();
    const auto folder = own_folder();
    if (!folder) return;
    // The socket of a server that was killed; and the folder, unless something else is in it.
    if (config_.vhost_user->mode == VhostMode::kServer) unlink(config_.vhost_user->path.c_str());
    rmdir(folder->c_str());
}

void VhostUser::close() noexcept {
    // Ends connections: on_stopped() and on_disconnected() run during this call.
    if (registered_) rte_vhost_driver_unregister(config_.vhost_user->path.c_str());
    registered_ = false;
    {
        std::lock_guard lock(ports_mutex);
        auto found = ports.find(config_.vhost_user->path);
        if (found != ports.end() && found->second == this) ports.erase(found);
    }
    guest_.store(kNoGuest, std::memory_order_release);
    {
        std::lock_guard lock(mutex_);
        connection_ = kNoGuest;
        running_ = false;
    }
    kicks_.clear();
    no_link_ = "closed";
}

base::Result<void> VhostUser::configure(const PortConfig& next) {
    config_ = next;
    set_max_frame();
    return {};
}

base::Result<void> VhostUser::check() {
    if (socket_inode_ != 0 && inode_of(config_.vhost_user->path) != socket_inode_) {
        return base::fail("the socket {} was removed", config_.vhost_user->path);
    }
    look_for_memory();
    inspect_rings();
    return {};
}

void VhostUser::look_for_memory() {
    std::lock_guard lock(mutex_);
    const bool lacks = connection_ != kNoGuest && negotiated_ && memory_.empty();
    without_memory_ = lacks ? without_memory_ + 1 : 0;
    if (without_memory_ == kLooksForMemory) changed_.store(true, std::memory_order_relaxed);
}

void VhostUser::refresh() {
    changed_.store(false, std::memory_order_relaxed);
    std::lock_guard lock(mutex_);
    const bool was_private = no_link_ == kNotShared;
    no_link_ = why_not_running();
    if (no_link_ == kNotShared && !was_private) base::log::warning("port", "{}: {}", config_.name, no_link_);
    kicks_.clear();
    if (!running_) return;
    for (uint16_t queue = 0; queue < path::kMaxQueues && enabled_[2U * queue + 1]; ++queue) {
        rte_vhost_vring ring{};
        base::Fd kick;
        if (rte_vhost_get_vhost_vring(connection_, static_cast<uint16_t>(2 * queue + 1), &ring) == 0 &&
            ring.kickfd >= 0) {
            kick = base::Fd(fcntl(ring.kickfd, F_DUPFD_CLOEXEC, 0));
        }
        kicks_.push_back(std::move(kick));
    }
}

// A driver sends its features together with the location of its memory. If a guest does not share its memory,
// QEMU either sends neither and drives the device itself, or it sends a file that the guest does not use.
std::string_view VhostUser::why_not_running() const {
    if (running_) return "";
    if (connection_ == kNoGuest) {
        return config_.vhost_user->mode == VhostMode::kClient ? "no virtual machine serves the socket"
                                                              : "no virtual machine has connected";
    }
    return without_memory_ >= kLooksForMemory || is_private_ ? kNotShared : "the guest's driver has not started";
}

std::string VhostUser::no_link() const { return no_link_; }

VringView VhostUser::view(uint16_t number) const {
    rte_vhost_vring ring{};
    uint16_t available = 0;
    uint16_t used = 0;
    VringView view;
    if (rte_vhost_get_vhost_vring(connection_, number, &ring) != 0 ||
        rte_vhost_get_vring_base(connection_, number, &available, &used) != 0) {
        return view;
    }
    view.packed = (features_ & virtio::kRingPacked) != 0;
    view.size = ring.size;
    view.descriptors =
        view.packed ? static_cast<const void*>(ring.desc_packed) : static_cast<const void*>(ring.desc);
    view.available = ring.avail;
    view.next = view.packed ? available & 0x7fff : available;
    view.wrap = (available & 0x8000) != 0;
    return view;
}

// If a ring stands at the same faulty descriptor at two looks, rte_vhost has refused that descriptor.
void VhostUser::inspect_rings() {
    for (uint16_t number = 0; number < kRings; ++number) {
        // Lock for one ring at a time: rte_vhost's thread may be waiting with rings locked.
        std::lock_guard lock(mutex_);
        if (!running_) return;
        Stuck& stuck = stuck_[number];
        if (!enabled_[number]) {
            stuck = {};
            continue;
        }
        const VringView ring = view(number);
        auto fault = find_fault(ring, memory_);
        const bool again = fault && stuck.fault && stuck.next == ring.next;
        if (again && !stuck.told) {
            base::log::warning("port", "{}: ring {} is refused: {}", config_.name, number, *fault);
        }
        stuck = {ring.next, std::move(fault), again};
    }
}

nlohmann::json VhostUser::describe() const {
    const VhostUserConfig& config = *config_.vhost_user;
    std::lock_guard lock(mutex_);
    nlohmann::json answer{{"socket", config.path},
                          {"mode", config.mode == VhostMode::kClient ? "client" : "server"},
                          {"connections", connections_}};
    if (!running_) return answer;

    const Capabilities can = capabilities();
    nlohmann::json to_guest = nlohmann::json::array();
    if (can.checksums) to_guest.push_back("checksum");
    if (can.tcp_segments) to_guest.push_back("tcp-segmentation");
    nlohmann::json from_guest = nlohmann::json::array();
    if ((features_ & virtio::kChecksum) != 0) from_guest.push_back("checksum");
    if ((features_ & kHostTso) == kHostTso) from_guest.push_back("tcp-segmentation");
    answer["offloads"] = {{"to-guest", to_guest}, {"from-guest", from_guest}};
    answer["ring-format"] = (features_ & virtio::kRingPacked) != 0 ? "packed" : "split";
    answer["mergeable-buffers"] = (features_ & virtio::kMergeableBuffers) != 0;
    uint16_t mtu = 0;
    if ((features_ & virtio::kMtu) != 0 && rte_vhost_get_mtu(connection_, &mtu) == 0 && mtu != 0)
        answer["guest-mtu"] = mtu;
    nlohmann::json rings = nlohmann::json::array();
    for (uint16_t number = 0; number < kRings; ++number) {
        const VringView ring = view(number);
        if (ring.size == 0) continue;
        nlohmann::json row{{"ring", number},
                           {"direction", number % 2 == 0 ? "to-guest" : "from-guest"},
                           {"size", ring.size},
                           {"state", enabled_[number] ? "enabled" : "disabled"}};
        if (stuck_[number].told) {
            row["state"] = "refused";
            row["fault"] = *stuck_[number].fault;
        }
        rings.push_back(std::move(row));
    }
    answer["rings"] = rings;
    return answer;
}

// --- rte_vhost's thread. It calls on_ring() with rings locked that a worker may be waiting for, so on_ring()
// must not wait for workers. ---

// One guest at a time: if another one connects to our socket, it is refused.
bool VhostUser::on_connected(int guest) {
    {
        std::lock_guard lock(mutex_);
        if (connection_ != kNoGuest) {
            base::log::warning("port", "{}: refused a second connection to its socket", name_);
            return false;
        }
        connection_ = guest;
        enabled_ = {};
        positioned_ = {};
        negotiated_ = false;
        is_private_ = false;
        memory_.clear();
        ++connections_;
    }
    note_change();
    return true;
}

void VhostUser::note_change() noexcept {
    changed_.store(true, std::memory_order_release);
    attention_();
}

void VhostUser::on_disconnected(int guest) {
    {
        std::lock_guard lock(mutex_);
        if (guest != connection_) return;
        connection_ = kNoGuest;
        enabled_ = {};
    }
    note_change();
}

void VhostUser::on_features(int guest) {
    std::lock_guard lock(mutex_);
    if (guest == connection_) negotiated_ = true;
}

void VhostUser::on_memory(int guest) {
    {
        std::lock_guard lock(mutex_);
        if (guest != connection_) return;
        is_private_ = is_private(guest, path_);
        memory_ = memory_of(guest);
        if (!is_private_) return;
    }
    note_change();
}

void VhostUser::on_running(int guest) {
    {
        std::lock_guard lock(mutex_);
        if (is_private_) return;
        rte_vhost_get_negotiated_features(guest, &features_);
        memory_ = memory_of(guest);
        running_ = true;
        stuck_ = {};
        capabilities_ = capabilities_of(features_);
        choose_transmit_rings();
    }
    // Packets in transmit buffers were prepared for the previous capabilities.
    wait_for_workers_();
    guest_.store(guest, std::memory_order_release);
    note_change();
}

void VhostUser::on_stopped(int guest) {
    if (guest_.load(std::memory_order_relaxed) != guest) return;
    guest_.store(kNoGuest, std::memory_order_release);
    wait_for_workers_();
    {
        std::lock_guard lock(mutex_);
        running_ = false;
    }
    note_change();
}

void VhostUser::on_ring(int guest, uint16_t ring, bool enabled) {
    if (ring >= kRings) return;
    {
        std::lock_guard lock(mutex_);
        if (guest != connection_ || enabled_[ring] == enabled) return;
        enabled_[ring] = enabled;
        if (enabled && !std::exchange(positioned_[ring], true)) restore_position(ring);
        choose_transmit_rings();
    }
    note_change();
}

// Called once per connection, for a ring that the front end starts at the beginning, before any worker uses it.
// (A device that uses descriptors in order marks one for many, which gives no position.)
void VhostUser::restore_position(uint16_t number) {
    rte_vhost_get_negotiated_features(connection_, &features_);
    if ((features_ & (virtio::kRingPacked | virtio::kInOrder)) != virtio::kRingPacked) return;
    const VringView ring = view(number);
    if (ring.next != 0 || !ring.wrap) return;
    const auto position = find_packed_position(ring);
    if (!position || *position == PackedPosition{ring.next, ring.wrap}) return;
    const auto base = static_cast<uint16_t>(position->next | (position->wrap ? 0x8000 : 0));
    rte_vhost_set_vring_base(connection_, number, base, base);
}

// Distributes the rings that the guest has enabled among the workers.
void VhostUser::choose_transmit_rings() noexcept {
    std::array<uint16_t, path::kMaxQueues> usable{};
    uint16_t count = 0;
    for (uint16_t ring = 0; ring < kRings; ring += 2) {
        if (enabled_[ring]) usable[count++] = ring;
    }
    for (uint16_t worker = 0; worker < workers_; ++worker) {
        transmit_ring_[worker].store(count == 0 ? uint16_t{0} : usable[worker % count],
                                     std::memory_order_relaxed);
    }
}

}  // namespace sluice::port
