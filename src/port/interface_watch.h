// What the kernel tells by itself of one of its interfaces: that it was set down or given another MTU, that an
// address or a route of it came or went. Control thread.
//
// An open one pins its namespace (namespace_watch.h): close it when the port is closed. Nobody is woken: read() is
// asked a few times a second, and takes a bounded share of what has come; the rest comes with the next one.
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
    // Closed.
    InterfaceWatch() = default;
    InterfaceWatch(InterfaceWatch&&) = default;
    InterfaceWatch& operator=(InterfaceWatch&& other) noexcept;
    ~InterfaceWatch() { close(); }
    // In the interface's namespace.
    static base::Result<InterfaceWatch> open(int index, std::vector<IpPrefix> destinations);

    // Whether something was told since the last call; also where the kernel had more to tell than it could keep.
    bool read();

 private:
    void close() noexcept;

    std::shared_ptr<NamespaceWatch> namespace_;
    std::unique_ptr<Listener> listener_;  // registered there; null: closed
    uint64_t losses_ = 0;  // of the namespace, that were told
    int rest_ = 0;  // calls of read() until what was lost may make another look worthwhile
};

}  // namespace sluice::port
