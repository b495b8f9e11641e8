#include "vxlan/vxlan_config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/subnets.h"

namespace sluice::vxlan {

void check(const UnderlayConfig& underlay, base::Mistakes& mistakes) {
    std::array<bool, 2> has_family{};
    for (size_t a = 0; a < underlay.address.size(); ++a) {
        const InterfaceAddress& address = underlay.address[a];
        if (!address.has_length()) {
            mistakes.report({"underlay", "address", a}, underlay.place,
                             "{} has no prefix length: write {}/24, say", address.text(),
                             address.text());
        } else if (const std::string why = base::why_unusable(address.address, {address.prefix()}); !why.empty()) {
            mistakes.report({"underlay", "address", a}, underlay.place, "{} {}", address.address.text(),
                             why);
        }
        if (std::exchange(has_family[address.address.is_v4() ? 1 : 0], true)) {
            mistakes.report({"underlay", "address", a}, underlay.place,
                             "is a second address of its family: give one for IPv4, one for IPv6");
            // Nothing is to be held against so many.
            return;
        }
    }
    for (size_t g = 0; g < underlay.gateway.size(); ++g) {
        const IpAddress& gateway = underlay.gateway[g];
        const bool on_link = std::any_of(
            underlay.address.begin(), underlay.address.end(),
            [&](const InterfaceAddress& address) { return address.prefix().contains(gateway); });
        if (!on_link && !mistakes.is_unknown({"underlay", "address"})) {
            mistakes.report({"underlay", "gateway", g}, underlay.place,
                             "{} is not on the link of the underlay's addresses", gateway.text());
        }
    }
}

void OverlayChecks::check(size_t i, const std::string& name, const OverlayConfig& overlay,
                          const base::Place& place) {
    if (!underlay_) {
        mistakes_.report({"networks", i, "vxlan"}, place,
                         "needs an `underlay` (a network, or a port and address) to send its packets by");
        return;
    }
    if (auto [first, fresh] = vnis_.emplace(overlay.vni, name); !fresh) {
        mistakes_.report({"networks", i, "vxlan", "vni"}, place,
                         "VNI {} is network {}'s already", overlay.vni, first->second);
    }
    const bool knows_own =
        underlay_->network.empty() ? !mistakes_.is_unknown({"underlay", "address"}) : !own_.empty();
    const bool knows_remotes = !mistakes_.is_unknown({"networks", i, "vxlan", "remotes"});
    std::set<IpAddress> remotes;
    for (size_t r = 0; r < overlay.remotes.size(); ++r) {
        const IpAddress& remote = overlay.remotes[r];
        auto report = [&](const std::string& message) {
            mistakes_.report({"networks", i, "vxlan", "remotes", r}, place, "{} {}",
                             remote.text(), message);
        };
        if (mistakes_.is_full()) return;
        if (!remotes.insert(remote).second) report("is named already");
        if (remote.is_multicast()) report("is a group address: name each end point");
        if (!knows_own) continue;
        const auto same_family = [&](const IpAddress& address) { return address.is_v4() == remote.is_v4(); };
        const auto local = std::find_if(own_.begin(), own_.end(), same_family);
        if (local == own_.end()) {
            report("is of a family that the underlay has no address of");
        } else if (*local == remote) {
            report("is this host's own address");
        }
    }
    for (size_t s = 0; s < overlay.statics.size(); ++s) {
        const auto& entry = overlay.statics[s];
        if (remotes.contains(entry.remote) || !knows_remotes) continue;
        mistakes_.report({"networks", i, "vxlan", "static", s, "remote"}, entry.place,
                         "{} is not among the network's `remotes`", entry.remote.text());
    }
}

}  // namespace sluice::vxlan
