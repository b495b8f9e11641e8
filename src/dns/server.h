// The DNS responder: a query's bytes in, an answer's bytes out. It knows no packets and no sockets of its askers.
// Answers from our own table are ready at once, and those that were asked before are kept as bytes; the upstreams
// answer for all other names (upstream.h), to askers at ports of this host only.
//
// The protocol thread, which runs the io_context; but set(), counters() and upstreams() may be called by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dns/message.h"
#include "dns/names.h"
#include "dns/upstream.h"
#include "path/ids.h"
#include "sluice/address.h"

namespace sluice::dns {

enum class Transport : uint8_t { kUdp, kTcp };

struct Asker {
    path::NetworkId network;
    path::PortId port;
    IpAddress address;
};

// Of queries. Written by the protocol thread, read by any.
struct Counters {
    std::atomic<uint64_t> answered{0};   // from our own table, negative answers too
    std::atomic<uint64_t> forwarded{0};  // answered by the upstreams
    std::atomic<uint64_t> refused{0};    // outsiders, other networks, zone transfers
    std::atomic<uint64_t> busy{0};       // too many of the asker's questions were outstanding
    std::atomic<uint64_t> failed{0};     // no upstream has answered
    std::atomic<uint64_t> malformed{0};  // and of opcodes and versions that we don't know
    std::atomic<uint64_t> ignored{0};    // no queries at all: they got no answer
    std::atomic<uint64_t> truncated{0};  // of those answered and forwarded
};

class Server {
 public:
    // Called once, at once or later. An empty message: there is no answer. The bytes are valid during the call.
    using Reply = std::function<void(std::span<const uint8_t> message)>;

    explicit Server(boost::asio::io_context& context, UpstreamLimits limits = {});
    Server(const Server&) = delete;
    // Queries that wait for an upstream get no reply any more.
    ~Server();

    void ask(std::span<const uint8_t> query, const Asker& asker, Transport transport, const Reply& reply);

    void set(std::shared_ptr<const Names> names);
    const Counters& counters() const noexcept { return counters_; }
    std::vector<UpstreamState> upstreams() const { return upstreams_.states(); }

 private:
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };
    using Ready = std::unordered_map<std::string, SharedMessage, Hash, std::equal_to<>>;
    // A query that waits: a copy of what its answer repeats.
    struct Waiting;

    void take_names();
    void answer(const Query& query, const Asker& asker, Transport transport, const Reply& reply);
    void keep(std::string_view key, const SharedMessage& message);
    void forward(const Query& query, const Asker& asker, Transport transport, Resolved resolved, Reply reply);
    void finish(const Waiting& waiting, const SharedMessage& answer, uint32_t age);
    Envelope envelope(const Query& query, const Asker& asker, Transport transport);
    void send(const Message& message, const Query& query, const Envelope& envelope, const Reply& reply);
    void send_error(Rcode rcode, const Query& query, const Asker& asker, Transport transport, const Reply& reply,
                    std::atomic<uint64_t>& counter);

    Counters counters_;
    Upstreams upstreams_;
    std::mutex mutex_;
    std::shared_ptr<const Names> next_names_;  // guarded by mutex_: set by set(), taken by the protocol thread
    std::atomic<bool> has_next_names_{false};
    std::shared_ptr<const Names> names_;
    Ready ready_;  // by network, type and name; made from names_
    size_t ready_bytes_ = 0;
    uint32_t rotation_ = 0;
    Buffer buffer_;
};

}  // namespace sluice::dns
