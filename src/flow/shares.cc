#include "flow/shares.h"

#include <algorithm>

#include "flow/record.h"

namespace sluice::flow {
namespace {

}  // namespace

Shares::Shares(uint32_t capacity)
    : capacity_(capacity),
      ports_(std::make_unique<Count[]>(path::kMaxPorts + 1)),
      addresses_(std::make_unique<Count[]>(kAddresses)) {}

uint32_t Shares::address_place(const path::Tuple& original, uint64_t secret) noexcept {
    const uint64_t address = original.key.is_ipv6() ? wire::load64(original.ipv6.source.data())
                                                    : original.key.source().raw();
    const auto domain = static_cast<uint64_t>(original.key.domain());
    const auto product =
        static_cast<unsigned __int128>(address ^ secret) * ((domain << 1 ^ secret << 16) | 1);
    const uint64_t folded = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
    return static_cast<uint32_t>(folded ^ folded >> 32 ^ folded >> 16) % kAddresses;
}

void Shares::add(const Owner& owner) noexcept {
    if (ports_[place(owner.port)].fetch_add(1, kRelaxed) == 0) active_.fetch_add(1, kRelaxed);
    const uint32_t before = addresses_[owner.address].fetch_add(1, kRelaxed);
    if (before == 0) active_addresses_.fetch_add(1, kRelaxed);
    if (before == address_share()) rich_addresses_.fetch_add(1, kRelaxed);
}

void Shares::remove(const Owner& owner) noexcept {
    if (ports_[place(owner.port)].fetch_sub(1, kRelaxed) == 1) active_.fetch_sub(1, kRelaxed);
    const uint32_t before = addresses_[owner.address].fetch_sub(1, kRelaxed);
    if (before == 1) active_addresses_.fetch_sub(1, kRelaxed);
    if (before == address_share() + 1) rich_addresses_.fetch_sub(1, kRelaxed);
}

Shares::Claim::Claim(const Shares& shares, const Owner& owner) noexcept : shares_(shares), owner_(owner) {
    const uint32_t own = shares.of(owner.port);
    // One who has none yet is to have a share like the others.
    const uint32_t active = shares.active_.load(kRelaxed) + (own == 0 ? 1 : 0);
    share_ = shares.capacity_ / std::max(active, 1U);
    has_share_ = active > 1 && own >= share_;
    const uint32_t of_address = shares.of_address(owner.address);
    has_address_share_ =
        of_address >= shares.address_share() && shares.active_addresses_.load(kRelaxed) > 1;
    has_less_ = (active > 1 && own < share_) ||
                (of_address < shares.address_share() && shares.rich_addresses_.load(kRelaxed) != 0);
}

bool Shares::Claim::may_take_from(const Owner& other, bool all_are_open) const noexcept {
    if (other.port != owner_.port) return !has_share_ && shares_.of(other.port) > share_;
    return all_are_open && shares_.of_address(owner_.address) < shares_.address_share() &&
           shares_.of_address(other.address) > shares_.address_share();
}

bool Shares::Claim::must_spare(const Owner& other) const noexcept {
    return has_share_ && other.port != owner_.port && shares_.of(other.port) < share_;
}

}  // namespace sluice::flow
