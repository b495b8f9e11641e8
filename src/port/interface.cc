#include "port/interface.h"

#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <iterator>
#include <map>
#include <utility>

namespace sluice::port {
namespace {

// The features of an interface in the current namespace, by (nearly) the names that `ethtool -k` shows.
class Features {
 public:
    explicit Features(const std::string& interface)
        : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        interface.copy(request_.ifr_name, sizeof request_.ifr_name - 1);
        read_names();
    }

    bool is_on(const std::string& name) {
        const auto found = names_.find(name);
        if (found == names_.end()) return false;
        auto* get = command<ethtool_gfeatures>(ETHTOOL_GFEATURES);
        get->size = (count_ + 31) / 32;
        if (!call()) return false;
        return (get->features[found->second / 32].active >> found->second % 32 & 1) != 0;
    }
    bool set(const std::string& name, bool on) {
        const auto found = names_.find(name);
        if (found == names_.end()) return false;
        auto* set = command<ethtool_sfeatures>(ETHTOOL_SFEATURES);
        set->size = (count_ + 31) / 32;
        auto& block = set->features[found->second / 32];
        block.valid = 1u << found->second % 32;
        block.requested = on ? block.valid : 0;
        return call();
    }

 private:
    static constexpr uint32_t kMaxNames = 256;

    // A command that is empty except for an array at its end.
    template <class Command>
    Command* command(uint32_t number) {
        std::memset(data_, 0, sizeof data_);
        auto* command = reinterpret_cast<Command*>(data_);
        command->cmd = number;
        return command;
    }
    bool call() {
        request_.ifr_data = reinterpret_cast<char*>(data_);
        return ioctl(socket_.get(), SIOCETHTOOL, &request_) >= 0;
    }

    void read_names() {
        auto* size = command<ethtool_sset_info>(ETHTOOL_GSSET_INFO);
        size->sset_mask = 1ull << ETH_SS_FEATURES;
        if (!call() || size->data[0] > kMaxNames) return;
        const uint32_t count = size->data[0];
        auto* strings = command<ethtool_gstrings>(ETHTOOL_GSTRINGS);
        strings->string_set = ETH_SS_FEATURES;
        strings->len = count;
        if (!call()) return;
        count_ = count;
        for (uint32_t i = 0; i < count_; ++i) {
            const char* name = reinterpret_cast<const char*>(strings->data) + i * ETH_GSTRING_LEN;
            names_.emplace(std::string(name, strnlen(name, ETH_GSTRING_LEN)), i);
        }
    }

    alignas(8) uint8_t data_[sizeof(ethtool_gstrings) + kMaxNames * ETH_GSTRING_LEN];
    base::Fd socket_;
    ifreq request_{};
    uint32_t count_ = 0;
    std::map<std::string, uint32_t> names_;
};

int bpf(bpf_cmd command, bpf_attr& attributes) {
    return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

// Attaches an XDP program that passes every frame to the kernel, for as long as the descriptor is open. If the
// kernel supports it, the program takes frames of several fragments; otherwise the kernel would refuse a large
// MTU.
base::Fd pass_all(int interface) {
    const bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT},
    };
    for (const uint32_t flags : {uint32_t{BPF_F_XDP_HAS_FRAGS}, 0u}) {
        bpf_attr load{};
        load.prog_type = BPF_PROG_TYPE_XDP;
        load.expected_attach_type = BPF_XDP;
        load.insns = reinterpret_cast<uint64_t>(code);
        load.insn_cnt = std::size(code);
        load.license = reinterpret_cast<uint64_t>("BSD");
        load.prog_flags = flags;
        const base::Fd program(bpf(BPF_PROG_LOAD, load));
        if (!program) continue;
        bpf_attr link{};
        link.link_create.prog_fd = static_cast<uint32_t>(program.get());
        link.link_create.target_ifindex = static_cast<uint32_t>(interface);
        link.link_create.attach_type = BPF_XDP;
        link.link_create.flags = XDP_FLAGS_DRV_MODE;
        if (base::Fd held(bpf(BPF_LINK_CREATE, link)); held) return held;
    }
    return {};
}

}  // namespace

base::Result<void> BorrowedMtu::set(Netlink& netlink, const Link& link, uint32_t mtu) {
    if (link.mtu == mtu) return {};
    if (auto done = netlink.change_link(link.index, {.mtu = mtu}); !done) return done;
    changed_.push_back({link.index, link.mtu, mtu});
    return {};
}

void BorrowedMtu::restore() noexcept {
    if (changed_.empty()) return;
    const auto changed = std::exchange(changed_, {});
    auto netlink = Netlink::open();
    if (!netlink) return;
    for (const Changed& each : changed) {
        const auto link = netlink->find_link(each.index);
        if (!link || !*link || (*link)->mtu != each.ours) continue;
        (void)netlink->change_link(each.index, {.mtu = each.before});
    }
}

base::Result<Link> take_interface(const std::string& name, uint16_t mtu, BorrowedMtu& borrowed) {
    auto netlink = Netlink::open();
    if (!netlink) return tl::unexpected(netlink.error());
    const auto link = netlink->find_link(name);
    if (!link) return tl::unexpected(link.error());
    if (!*link) return base::fail("there is no interface {}", name);
    if (auto done = borrowed.set(*netlink, **link, mtu); !done) return tl::unexpected(done.error());
    return **link;
}

std::string why_no_link(const std::string& interface) {
    ifreq request{};
    interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
    const base::Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!any) return {};
    if (ioctl(any.get(), SIOCGIFFLAGS, &request) != 0) return fmt::format("there is no interface {}", interface);
    if ((request.ifr_flags & IFF_UP) == 0) {
        return fmt::format("interface {0} is down: ip link set {0} up", interface);
    }
    if ((request.ifr_flags & IFF_RUNNING) != 0) return {};
    return "the device has no link: look at the cable and at the other end";
}

void FeaturesOff::turn_off(const Link& link, const std::vector<std::string>& features) {
    index_ = link.index;
    Features all(link.name);
    for (const std::string& name : features) {
        if (all.is_on(name) && all.set(name, false)) features_.push_back(name);
    }
}

void FeaturesOff::restore() noexcept {
    const auto features = std::exchange(features_, {});
    char name[IF_NAMESIZE];
    if (features.empty() || if_indextoname(static_cast<unsigned>(index_), name) == nullptr) return;
    Features all(name);
    for (const std::string& feature : features) all.set(feature, true);
}

bool FrameLimit::impose(const Link& link) {
    imposed_ = true;
    merging_.turn_off(link, {"rx-gro", "rx-gro-hw", "rx-lro"});
    if (link.kind != "veth") return true;
    program_ = pass_all(link.index);
    return static_cast<bool>(program_);
}

void FrameLimit::lift() noexcept {
    merging_.restore();
    program_.reset();
    imposed_ = false;
}

}  // namespace sluice::port
