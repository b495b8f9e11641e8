// The leases: which guest has which address, and for how long. A guest is a MAC address behind a port in a
// network, and has at most one address of each family.
//
// The file (STATE.leases) keeps the addresses that guests have or had, so that a guest gets the same one again,
// and nobody else gets it while its lease lasts, also after a crash. It has no times: a renewal doesn't write it,
// and after a start each lease lasts for its whole time again. Offers and declined addresses are not kept. The
// file is written by save(), before the answers to the guests are sent.
//
// All of it is bounded: a port has a limit of guests, and the file a limit of entries, of which the oldest that no
// guest uses are forgotten first. Control thread. Times are seconds of a clock that never goes back.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sluice/address.h"

namespace sluice::dhcp {

struct Guest {
    std::string network;
    std::string port;
    MacAddress mac;

    auto operator<=>(const Guest&) const = default;
};

enum class LeaseState {
    kOffered,  // the guest may ask for it within a minute
    kBound,    // the guest has it
    kFree,     // the guest had it, and gets it again
};

struct Lease {
    IpAddress address;
    LeaseState state = LeaseState::kOffered;
    bool is_declared = false;  // the port's own, and not of the pool
    bool was_bound = false;    // the guest has it or had it: the file has the entry
    std::string host_name;     // as the guest says; empty: it doesn't
    uint32_t time = 0;         // seconds from a renewal on
    int64_t until = 0;         // of an offer or a lease; when it ended, if it is free
};

class Leases {
 public:
    static constexpr size_t kMost = 65536;
    static constexpr size_t kMostFreeOfPort = 256;  // that no guest uses
    static constexpr int64_t kOfferTime = 60;      // seconds
    static constexpr int64_t kDeclinedTime = 600;  // seconds for which nobody gets a declined address

    using Key = std::pair<Guest, bool>;  // and whether IPv4
    using Entries = std::map<Key, Lease>;
    struct Declined {
        std::string network;
        IpAddress address;

        auto operator<=>(const Declined&) const = default;
    };

    // Reads the file; a missing one is empty. Parts that can't be read are told in `faults`, the others count. A
    // file with faults is kept under another name before save() replaces it.
    explicit Leases(std::string file = {}) : file_(std::move(file)) {}
    base::Errors load(int64_t now);

    const Entries& entries() const noexcept { return entries_; }
    const std::map<Declined, int64_t>& declined() const noexcept { return declined_; }
    // Null: the guest never had one.
    const Lease* find(const Guest& guest, bool v4) const;
    // The guest that has, is offered or had this address of the pool; null: there is none.
    const Guest* holder(const std::string& network, const IpAddress& address) const;
    // The number of guests behind a port that are offered an address or have one.
    size_t guests_of(const std::string& network, const std::string& port, bool v4) const;

    // The number of addresses that guests behind a port have declined, and that are kept from all for that.
    size_t declined_of(const std::string& network, const std::string& port) const;

    // The address must not be another guest's that has it or is offered it.
    void offer(const Guest& guest, const IpAddress& address, bool is_declared, int64_t now);
    void bind(const Guest& guest, const IpAddress& address, bool is_declared, std::string host_name, uint32_t time,
              int64_t now);
    // The guest has it no more.
    void release(const Guest& guest, bool v4, int64_t now);
    void decline(const Guest& guest, bool v4, int64_t now);
    void remove(const Guest& guest, bool v4);
    // Forgets the address of the network and family that has been free for longest. False: none is free.
    bool forget_free(const std::string& network, bool v4);

    // Ends what has lasted its time. True if a lease was among it.
    bool expire(int64_t now);
    // Writes the file if guests have got other addresses since. After an error it has the older state.
    base::Result<void> save();
    bool is_saved() const noexcept { return is_saved_; }

 private:
    Lease& put(const Guest& guest, const IpAddress& address);
    void erase(Entries::iterator entry);
    void forget_oldest();
    void forget_free_of(const Guest& guest);

    std::string file_;  // empty: nothing is kept
    Entries entries_;
    std::map<std::pair<std::string, IpAddress>, Key> by_address_;  // of the pools' addresses, by network
    std::map<Declined, int64_t> declined_;                         // until when
    std::map<Declined, std::string> declined_by_;                  // of these: the port
    bool is_saved_ = true;
    bool has_faults_ = false;  // the file has, until it is put aside
};

}  // namespace sluice::dhcp
