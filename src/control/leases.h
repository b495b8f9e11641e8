// DHCP and router advertisements of the running daemon: questions come from the protocol thread by a bounded
// queue, and are answered on the control thread (guests.h), since a lease changes the switch. A lease is in its
// file, and the address belongs to the guest's port, before the guest hears of it. What isn't answered in time is
// asked again by the guest.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "control/answer.h"
#include "path/ids.h"
#include "punt/message.h"

namespace sluice::control {

struct Running;

class GuestQueue {
 public:
    static constexpr size_t kMost = 256;
    static constexpr ptrdiff_t kMostOfPort = 16;  // so that no guest keeps the others from being heard

    // The protocol thread. True: it was empty, so the control thread is to be told. What doesn't fit is dropped.
    bool push(const punt::Message& message);
    // The control thread.
    std::vector<punt::Message> take();

 private:
    std::mutex mutex_;
    std::vector<punt::Message> messages_;
};

// When routers were advertised, and what the leases were last compared with. Control thread.
struct LeaseWatch {
    uint64_t generation = 0;                                                // of the switch
    std::map<std::pair<path::NetworkId, path::PortId>, int64_t> advertise;  // when next, in seconds
};

// Reads the leases, and lends the addresses to the ports that will be there. To be called before the switch
// starts.
void load_leases(Running& daemon);
// Answers what is in the queue.
void answer_guests(Running& daemon);
// Ends leases, and advertises routers. To be called a few times a second.
void tick_leases(Running& daemon);

Answer lease_list(const Running& daemon, const nlohmann::json& params);

}  // namespace sluice::control
