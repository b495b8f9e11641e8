// Watches the kernel's notifications about one of its interfaces: it was set down or got another MTU, or an
// address or a route of it was added or removed. Control thread.
//
// An open watch pins its namespace (namespace_watch.h): close it when the port is closed. It wakes no thread:
// call read() a few times a second. Each call takes a bounded number of messages; the rest comes with the next
// call.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "port/namespace_watch.h"
#include "sluice/address.h"

namespace sluice::port {

class InterfaceWatch {
 public:
    // A closed watch.
    InterfaceWatch() = default;
    InterfaceWatch(InterfaceWatch&&) = default;
    InterfaceWatch& operator=(InterfaceWatch&& other) noexcept;
    ~InterfaceWatch() { close(); }
    // Call it in the interface's namespace.
    static base::Result<InterfaceWatch> open(int index, std::vector<IpPrefix> destinations);

    // Whether there was news since the last call. Also true if the kernel had more messages than the socket could
    // keep.
    bool read();

 private:
    void close() noexcept;

    std::shared_ptr<NamespaceWatch> namespace_;
    std::unique_ptr<Listener> listener_;  // registered with the NamespaceWatch; null: closed
    uint64_t losses_ = 0;  // losses of the namespace, as of the last read()
    int rest_ = 0;  // calls of read() to wait before a loss counts as news again
};

}  // namespace sluice::port
