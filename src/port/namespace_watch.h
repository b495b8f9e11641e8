// The kernel's notifications of one network namespace: news of the interfaces that listeners watch, and the
// marked interfaces there. The ports of a namespace share one NamespaceWatch, so a thousand of them need one
// socket, and each message is read once. Control thread.
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

// A watched interface, and the destinations of its routes. Changes of other routes are ignored: a host may have a
// million of them.
struct Listener {
    int index = 0;
    std::vector<IpPrefix> destinations;
    bool has_news = false;  // the NamespaceWatch sets it, the listener resets it
};

class NamespaceWatch {
 public:
    // The watch of the calling thread's namespace.
    static base::Result<std::shared_ptr<NamespaceWatch>> here();
    NamespaceWatch(const NamespaceWatch&) = delete;
    ~NamespaceWatch();

    // The listener must outlive its registration. Call it in the namespace.
    base::Result<void> add(Listener& listener);
    void remove(Listener& listener);

    // Reads a bounded number of the kernel's messages and notifies the listeners.
    void take();
    // How many times the kernel had more messages than the socket could keep, so that any news may be lost.
    uint64_t losses() const noexcept { return losses_; }
    // Notifies the listeners of the messages in a received piece, and of one message.
    void read(std::span<const char> piece);
    void tell(const nlmsghdr* header);

    // The interface with this alias, or none. Call it in the namespace. The kernel does not report that an
    // interface gets an alias while it is down; such an interface is found after it was set up or renamed.
    base::Result<std::optional<int>> find_alias(const std::string& alias);

 private:
    struct Close {
        void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
    };

    NamespaceWatch() = default;
    base::Result<void> open();
    base::Result<void> join(unsigned group);
    bool take_one();  // false: no message is left
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
    // The aliases of all interfaces that have one, as of the last message that was read. Invalid before the first
    // list and after a loss.
    std::unordered_map<int, std::string> aliases_;
    std::unordered_map<std::string, int> indices_;
    std::optional<uint64_t> listed_;  // losses_ at the time of the last list
};

}  // namespace sluice::port
