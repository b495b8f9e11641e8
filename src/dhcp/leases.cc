#include "dhcp/leases.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/fields.h"
#include "base/file.h"
#include "base/object_name.h"

namespace sluice::dhcp {
namespace {

constexpr int kVersion = 1;

// A line of the file.
struct Row {
    std::string network;
    std::string port;
    MacAddress mac;
    IpAddress address;
    std::string host;
    uint32_t time = 3600;
    bool free = false;
    bool declared = false;
};

template <class V>
void fields(V& v, Row& r) {
    v.required("network", r.network);
    v.check("network", base::is_object_name(r.network), base::kObjectNameRule);
    v.required("port", r.port);
    v.check("port", base::is_object_name(r.port), base::kObjectNameRule);
    v.required("mac", r.mac);
    v.required("address", r.address);
    v.optional("host", r.host);
    v.optional("time", r.time);
    v.optional("free", r.free);
    v.optional("declared", r.declared);
}

std::string text_of(const Leases::Key& key, const Lease& lease) {
    nlohmann::json row{{"network", key.first.network},
                       {"port", key.first.port},
                       {"mac", key.first.mac.text()},
                       {"address", lease.address.text()},
                       {"time", lease.time}};
    if (!lease.host_name.empty()) row["host"] = lease.host_name;
    if (lease.state != LeaseState::kBound) row["free"] = true;
    if (lease.is_declared) row["declared"] = true;
    return row.dump();
}

bool is_used(const Lease& lease) {
    return lease.state != LeaseState::kFree;
}

}  // namespace

base::Errors Leases::load(int64_t now) {
    if (file_.empty() || (access(file_.c_str(), F_OK) != 0 && errno == ENOENT)) return {};
    const auto failed = [&](base::Errors errors) {
        has_faults_ = true;
        return errors;
    };
    auto text = base::read_file(file_, base::Reading::kState);
    if (!text) return failed(text.error());
    auto document = base::parse_json(*text, file_);
    if (!document) return failed(document.error());
    const base::Tree* list = document->root.find("leases");
    if (list == nullptr || list->kind != base::Tree::Kind::kList)
        return failed({{"expected a list of leases", "leases", document->place(document->root)}});
    base::Errors faults;
    for (size_t i = 0; i < list->items.size() && entries_.size() < kMost && !base::is_full(faults); ++i) {
        Row row;
        const base::Tree& item = list->items[i];
        base::Errors errors = base::read({file_, item}, row);
        if (errors.empty() && !row.declared && holder(row.network, row.address) != nullptr)
            errors.push_back(
                {fmt::format("{} is another guest's", row.address.text()), "address", document->place(item)});
        for (base::Error& error : errors) {
            error.path = fmt::format("leases[{}].{}", i, error.path);
            faults.push_back(std::move(error));
        }
        if (!errors.empty()) continue;
        const LeaseState state = row.free ? LeaseState::kFree : LeaseState::kBound;
        Lease lease{row.address,
                    state,
                    row.declared,
                    true,
                    std::move(row.host),
                    row.time,
                    row.free ? now : now + row.time};
        const Key key{{row.network, row.port, row.mac}, row.address.is_v4()};
        if (!entries_.emplace(key, std::move(lease)).second || row.declared) continue;
        by_address_[{row.network, row.address}] = key;
    }
    has_faults_ = !faults.empty();
    return faults;
}

const Lease* Leases::find(const Guest& guest, bool v4) const {
    const auto entry = entries_.find({guest, v4});
    return entry == entries_.end() ? nullptr : &entry->second;
}

const Guest* Leases::holder(const std::string& network, const IpAddress& address) const {
    const auto entry = by_address_.find({network, address});
    return entry == by_address_.end() ? nullptr : &entry->second.first;
}

size_t Leases::guests_of(const std::string& network, const std::string& port, bool v4) const {
    size_t count = 0;
    const Guest first{network, port, {}};
    for (auto it = entries_.lower_bound({first, false}); it != entries_.end(); ++it) {
        const auto& [guest, is_v4] = it->first;
        if (guest.network != network || guest.port != port) break;
        count += is_v4 == v4 && is_used(it->second);
    }
    return count;
}

void Leases::erase(Entries::iterator entry) {
    const auto named = by_address_.find({entry->first.first.network, entry->second.address});
    if (named != by_address_.end() && named->second == entry->first) by_address_.erase(named);
    if (entry->second.was_bound) is_saved_ = false;
    entries_.erase(entry);
}

// The guest's entry with this address. Another guest that had it forgets it.
Lease& Leases::put(const Guest& guest, const IpAddress& address) {
    const Key key{guest, address.is_v4()};
    if (const auto own = entries_.find(key); own != entries_.end()) {
        if (own->second.address == address) return own->second;
        erase(own);
    }
    if (const Guest* other = holder(guest.network, address)) erase(entries_.find({*other, address.is_v4()}));
    forget_free_of(guest);
    if (entries_.size() >= kMost) forget_oldest();
    Lease& lease = entries_[key];
    lease.address = address;
    return lease;
}

void Leases::offer(const Guest& guest, const IpAddress& address, bool is_declared, int64_t now) {
    Lease& lease = put(guest, address);
    lease.is_declared = is_declared;
    if (!is_declared) by_address_[{guest.network, address}] = {guest, address.is_v4()};
    if (lease.state == LeaseState::kBound) return;
    lease.state = LeaseState::kOffered;
    lease.until = now + kOfferTime;
}

void Leases::bind(const Guest& guest, const IpAddress& address, bool is_declared, std::string host_name,
                  uint32_t time, int64_t now) {
    Lease& lease = put(guest, address);
    if (!is_declared) by_address_[{guest.network, address}] = {guest, address.is_v4()};
    // Names alone are not worth a file.
    const bool is_new =
        lease.state != LeaseState::kBound || lease.time != time || lease.is_declared != is_declared;
    lease = {address, LeaseState::kBound, is_declared, true, std::move(host_name), time, now + time};
    if (is_new) is_saved_ = false;
}

void Leases::release(const Guest& guest, bool v4, int64_t now) {
    const auto entry = entries_.find({guest, v4});
    if (entry == entries_.end()) return;
    if (!entry->second.was_bound) return erase(entry);
    if (entry->second.state == LeaseState::kBound) is_saved_ = false;
    entry->second.state = LeaseState::kFree;
    entry->second.until = now;
}

// A port's guests come back, but not hundreds of them.
void Leases::forget_free_of(const Guest& guest) {
    const Guest first{guest.network, guest.port, {}};
    auto oldest = entries_.end();
    size_t count = 0;
    for (auto it = entries_.lower_bound({first, false}); it != entries_.end(); ++it) {
        if (it->first.first.network != guest.network || it->first.first.port != guest.port) break;
        if (is_used(it->second)) continue;
        ++count;
        if (oldest == entries_.end() || it->second.until < oldest->second.until) oldest = it;
    }
    if (count >= kMostFreeOfPort) erase(oldest);
}

void Leases::decline(const Guest& guest, bool v4, int64_t now) {
    const auto entry = entries_.find({guest, v4});
    if (entry == entries_.end()) return;
    // Of an offer nothing is known yet.
    const bool is_known = entry->second.state == LeaseState::kBound && !entry->second.is_declared;
    if (is_known && declined_.size() < kMost) {
        const Declined declined{guest.network, entry->second.address};
        declined_[declined] = now + kDeclinedTime;
        declined_by_[declined] = guest.port;
    }
    erase(entry);
}

void Leases::remove(const Guest& guest, bool v4) {
    if (const auto entry = entries_.find({guest, v4}); entry != entries_.end()) erase(entry);
}

bool Leases::forget_free(const std::string& network, bool v4) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
        const auto& [guest, is_v4] = it->first;
        if (is_used(it->second) || guest.network != network || is_v4 != v4) continue;
        if (oldest == entries_.end() || it->second.until < oldest->second.until) oldest = it;
    }
    if (oldest == entries_.end()) return false;
    erase(oldest);
    return true;
}

size_t Leases::declined_of(const std::string& network, const std::string& port) const {
    return static_cast<size_t>(std::ranges::count_if(
        declined_by_, [&](const auto& entry) { return entry.first.network == network && entry.second == port; }));
}

// One that a guest uses is never forgotten: ports have limits of their own.
void Leases::forget_oldest() {
    const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
        return std::pair(is_used(a.second), a.second.until) < std::pair(is_used(b.second), b.second.until);
    });
    if (oldest != entries_.end() && !is_used(oldest->second)) erase(oldest);
}

bool Leases::expire(int64_t now) {
    std::erase_if(declined_, [&](const auto& entry) { return entry.second <= now; });
    std::erase_if(declined_by_, [&](const auto& entry) { return !declined_.contains(entry.first); });
    bool has_ended = false;
    for (auto it = entries_.begin(); it != entries_.end();) {
        const auto entry = it++;
        Lease& lease = entry->second;
        if (!is_used(lease) || lease.until > now) continue;
        if (!lease.was_bound) {
            erase(entry);
            continue;
        }
        if (lease.state == LeaseState::kBound) {
            is_saved_ = false;
            has_ended = true;
        }
        lease.state = LeaseState::kFree;
    }
    return has_ended;
}

base::Result<void> Leases::save() {
    if (is_saved_ || file_.empty()) return {};
    if (has_faults_) {
        if (auto kept = base::put_aside(file_); !kept) return tl::unexpected(kept.error());
        has_faults_ = false;
    }
    std::string rows;
    for (const auto& [key, lease] : entries_) {
        if (!lease.was_bound) continue;
        rows += fmt::format("{}    {}", rows.empty() ? "\n" : ",\n", text_of(key, lease));
    }
    auto done = base::replace_file(file_, fmt::format("{{\n  \"leases\": [{}{}],\n  \"version\": {}\n}}\n", rows,
                                                      rows.empty() ? "" : "\n  ", kVersion));
    if (!done) return tl::unexpected(done.error().within("the leases' file"));
    is_saved_ = true;
    return {};
}

}  // namespace sluice::dhcp
