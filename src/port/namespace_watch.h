// What the kernel tells of one network namespace: the interfaces that are marked there, and news of those that
// somebody listens to. The ports in a namespace share one NamespaceWatch, so that a thousand of them cost one
// socket and one look at each message. Control thread.
//
// The socket pins the namespace, as an open TAP does. A NamespaceWatch lives as long as one of its holders.
#pragma once

#include <libmnl/libmnl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "port/netns.h"
#include "sluice/address.h"

namespace sluice::port {

// An interface that is listened to, and the destinations of its routes. A host may have a million routes to other
// destinations, which are none of our business.
struct Listener {
    int index = 0;
    std::vector<IpPrefix> destinations;
    bool has_news = false;  // set by the NamespaceWatch, reset by the listener
};

class NamespaceWatch {
 public:
    // The one of the namespace that the calling thread is in.
    static base::Result<std::shared_ptr<NamespaceWatch>> here();
    NamespaceWatch(const NamespaceWatch&) = delete;
    ~NamespaceWatch();

    // The listener must outlive its registration. To be called in the namespace.
    base::Result<void> add(Listener& listener);
    void remove(Listener& listener);

    // Takes a bounded share of the kernel's messages and tells the listeners.
    void take();
    // How often the kernel had more to tell than the socket could keep: any news may have been lost.
    uint64_t losses() const noexcept { return losses_; }
    // Tells the listeners of the messages in a piece that was received, and of one.
    void read(std::span<const char> piece);
    void tell(const nlmsghdr* header);

    // The interface with this alias; none: there is none. To be called in the namespace.
    // The kernel does not tell that an interface gets an alias while it is down: such an interface is found when
    // it has been set up or renamed.
    base::Result<std::optional<int>> find_alias(const std::string& alias);

 private:
    struct Close {
        void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
    };

    NamespaceWatch() = default;
    base::Result<void> open();
    base::Result<void> join(unsigned group);
    bool take_one();  // false: there is none
    void tell_interface(int index);
    void tell_of_route(const nlmsghdr* header);
    void note_alias(const nlmsghdr* header);
    base::Result<void> list_aliases();

    NetnsId id_;
    std::unique_ptr<mnl_socket, Close> socket_;
    bool hears_ipv4_routes_ = false;
    uint64_t losses_ = 0;
    std::unordered_multimap<int, Listener*> by_index_;
    std::multimap<IpPrefix, Listener*> by_destination_;
    // Of all interfaces that have one, as of the last message that was taken. Not valid before the first list, nor
    // after a loss.
    std::unordered_map<int, std::string> aliases_;
    std::unordered_map<std::string, int> indices_;
    std::optional<uint64_t> listed_;  // losses_ at that time
};

}  // namespace sluice::port
