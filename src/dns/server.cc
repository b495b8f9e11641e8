#include "dns/server.h"

#include <algorithm>
#include <array>
#include <utility>

#include "dns/counters.h"

namespace sluice::dns {
namespace {

constexpr size_t kMostReady = 8192;
constexpr size_t kMostReadyBytes = 8 << 20;

// What a ready answer depends on, beside the table.
class ReadyKey {
 public:
    ReadyKey(path::NetworkId network, Type type, std::string_view name) {
        const uint16_t parts[] = {path::index(network), static_cast<uint16_t>(type)};
        for (const uint16_t part : parts) {
            text_[size_++] = static_cast<char>(part >> 8);
            text_[size_++] = static_cast<char>(part & 0xff);
        }
        std::ranges::copy(name, text_.begin() + static_cast<std::ptrdiff_t>(size_));
        size_ += name.size();
    }
    std::string_view text() const { return {text_.data(), size_}; }

 private:
    std::array<char, 4 + kMostNameBytes> text_;
    size_t size_ = 0;
};

}  // namespace

struct Server::Waiting {
    Waiting(const Query& asked, const Asker& from, Transport by, Resolved way, Reply to)
        : query(asked),
          question(asked.question.begin(), asked.question.end()),
          asker(from),
          transport(by),
          resolved(std::move(way)),
          reply(std::move(to)) {
        query.question = question;
    }

    Query query;
    std::vector<uint8_t> question;
    Asker asker;
    Transport transport;
    Resolved resolved;
    std::shared_ptr<const Names> names;  // that `resolved` borrows from
    Reply reply;
};

Server::Server(boost::asio::io_context& context, UpstreamLimits limits) : upstreams_(context, std::move(limits)) {}

Server::~Server() = default;

void Server::set(std::shared_ptr<const Names> names) {
    const std::lock_guard lock(mutex_);
    next_names_ = std::move(names);
    has_next_names_.store(true, std::memory_order_release);
}

void Server::take_names() {
    if (!has_next_names_.load(std::memory_order_acquire)) return;
    {
        const std::lock_guard lock(mutex_);
        names_ = std::move(next_names_);
        has_next_names_.store(false, std::memory_order_relaxed);
    }
    ready_.clear();
    ready_bytes_ = 0;
    if (names_ != nullptr) upstreams_.set(names_->settings().upstreams, names_->settings().own);
}

void Server::ask(std::span<const uint8_t> message, const Asker& asker, Transport transport, const Reply& reply) {
    take_names();
    Query query;
    switch (read_query(message, query)) {
        case Readable::kNotForUs:
            count(counters_.ignored);
            return reply({});
        case Readable::kNotImplemented:
            return send_error(Rcode::kNotImplemented, query, asker, transport, reply, counters_.malformed);
        case Readable::kNo:
            return send_error(Rcode::kFormatError, query, asker, transport, reply, counters_.malformed);
        case Readable::kYes:
            break;
    }
    if (query.edns_version != 0)
        return send_error(Rcode::kBadVersion, query, asker, transport, reply, counters_.malformed);
    if (names_ == nullptr || query.dns_class != kClassIn)
        return send_error(Rcode::kRefused, query, asker, transport, reply, counters_.refused);
    answer(query, asker, transport, reply);
}

void Server::answer(const Query& query, const Asker& asker, Transport transport, const Reply& reply) {
    const ReadyKey key(asker.network, query.type, query.name());
    if (const auto ready = ready_.find(key.text()); ready != ready_.end()) {
        count(counters_.answered);
        return send(*ready->second, query, envelope(query, asker, transport), reply);
    }
    Resolved resolved = resolve(*names_, asker.network, query.name(), query.type);
    if (resolved.kind == Resolved::Kind::kRefuse)
        return send_error(Rcode::kRefused, query, asker, transport, reply, counters_.refused);
    if (resolved.kind == Resolved::Kind::kForward)
        return forward(query, asker, transport, std::move(resolved), reply);
    const SharedMessage message = write_answer(query.name(), query.type, resolved, *names_);
    if (message == nullptr)
        return send_error(Rcode::kServerFailure, query, asker, transport, reply, counters_.failed);
    keep(key.text(), message);
    count(counters_.answered);
    send(*message, query, envelope(query, asker, transport), reply);
}

void Server::keep(std::string_view key, const SharedMessage& message) {
    if (ready_.size() >= kMostReady || ready_bytes_ + message->wire.size() > kMostReadyBytes) {
        ready_.clear();
        ready_bytes_ = 0;
    }
    ready_bytes_ += message->wire.size();
    ready_.emplace(key, message);
}

void Server::forward(const Query& query, const Asker& asker, Transport transport, Resolved resolved, Reply reply) {
    if (!names_->is_insider(asker.port))
        return send_error(Rcode::kRefused, query, asker, transport, reply, counters_.refused);
    // Without RD the asker wants what we know ourselves, which is nothing.
    if (!query.wants_recursion)
        return send_error(Rcode::kRefused, query, asker, transport, reply, counters_.refused);
    const Question question{.name = resolved.forward,
                            .type = query.type,
                            .dnssec_ok = query.dnssec_ok,
                            .checks_disabled = query.checks_disabled};
    auto waiting = std::make_shared<Waiting>(query, asker, transport, std::move(resolved), std::move(reply));
    waiting->names = names_;
    const bool is_asked = upstreams_.ask(
        question, asker.port,
        [this, waiting](const SharedMessage& message, uint32_t age) { finish(*waiting, message, age); });
    if (!is_asked) {
        send_error(Rcode::kServerFailure, waiting->query, asker, transport, waiting->reply, counters_.busy);
    }
}

void Server::finish(const Waiting& waiting, const SharedMessage& answer, uint32_t age) {
    const auto& [query, question, asker, transport, resolved, names, reply] = waiting;
    SharedMessage message = answer;
    if (message != nullptr && !resolved.answers.empty())
        message = write_answer(query.name(), query.type, resolved, *names, *message);
    if (message == nullptr)
        return send_error(Rcode::kServerFailure, query, asker, transport, reply, counters_.failed);
    count(counters_.forwarded);
    Envelope sent = envelope(query, asker, transport);
    sent.age = age;
    send(*message, query, sent, reply);
}

Envelope Server::envelope(const Query& query, const Asker& asker, Transport transport) {
    return {.most_bytes = transport == Transport::kTcp ? kMostBytes : std::min(query.udp_bytes, kUdpBytes),
            .offers_recursion = names_ != nullptr && names_->is_insider(asker.port),
            .rotation = rotation_++};
}

void Server::send(const Message& message, const Query& query, const Envelope& envelope, const Reply& reply) {
    const auto bytes = dns::send(message, query, envelope, buffer_);
    if ((bytes[2] & 0x02) != 0) count(counters_.truncated);
    reply(bytes);
}

void Server::send_error(Rcode rcode, const Query& query, const Asker& asker, Transport transport,
                        const Reply& reply, std::atomic<uint64_t>& counter) {
    count(counter);
    reply(dns::send_error(rcode, query, envelope(query, asker, transport), buffer_));
}

}  // namespace sluice::dns
