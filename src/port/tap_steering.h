// Which queue of a container's interface a packet comes by. Left alone the kernel lets a connection's packets
// come by the queue that its answers were last written to. When two workers write to one interface, the requests
// and the answers then change places again and again: a worker takes over while the other one still holds
// packets of the connection, TCP sees them out of order, and sends a twentieth of what it could.
//
// Instead a program in the kernel chooses by the packet's addresses and ports, the same for both directions of a
// connection and for all interfaces with as many queues, so one worker has all of a connection between them.
//
// Control thread.
#pragma once

#include "base/error.h"

namespace sluice::port {

// Has it do so from now on, on all queues of the interface behind `queue`.
base::Result<void> steer_by_connection(int queue);

}  // namespace sluice::port
