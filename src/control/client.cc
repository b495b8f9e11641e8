#include "sluice/client.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace sluice {
namespace {

tl::unexpected<CallError> not_reached(std::string message) {
    return tl::unexpected(CallError{CallError::Kind::kNotReached, std::move(message)});
}

tl::unexpected<CallError> no_protocol(const std::string& socket, const char* what) {
    return tl::unexpected(CallError{CallError::Kind::kProtocol, what + (" from " + socket) +
                                                                    ": is it sluiced's socket, and "
                                                                    "of the same version?"});
}

std::string hint(int error, const std::string& socket, std::string_view chosen_by) {
    switch (error) {
        case ENOENT:
            return "there is no socket " + socket +
                   ": is sluiced running (systemctl status sluiced), and is this its socket (" +
                   std::string(chosen_by) + ")?";
        case ECONNREFUSED:
            if (struct stat status{};
                stat(socket.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
                return socket + " is not a socket; give the path of sluiced's control socket (" +
                       std::string(chosen_by) + ")";
            }
            return "nobody listens on " + socket +
                   ": sluiced isn't running (systemctl status sluiced)";
        case EACCES:
        case EPERM:
            return "you may not connect to " + socket +
                   ": become root, or join the group that owns it (ls -l) and log in again";
        case EAGAIN:
            return "sluiced at " + socket + " doesn't answer";
        default:
            return "connecting to " + socket + ": " + strerror(error);
    }
}

// Reads a JSON-RPC answer. Its id must be that of our request, or null if the daemon couldn't read the request.
tl::expected<nlohmann::json, CallError> open(std::string_view line, int id,
                                             const std::string& socket) {
    auto answer = nlohmann::json::parse(line, nullptr, false);
    if (answer.is_discarded() || !answer.is_object() || !answer.contains("id"))
        return no_protocol(socket, "an answer that isn't JSON-RPC came");
    if (auto error = answer.find("error"); error != answer.end()) {
        if (!error->is_object() || !error->contains("message") ||
            !(*error)["message"].is_string() || !error->contains("code") ||
            !(*error)["code"].is_number_integer())
            return no_protocol(socket, "an error without code and message came");
        return tl::unexpected(CallError{CallError::Kind::kDaemon, (*error)["message"],
                                        (*error)["code"], error->value("data", nlohmann::json())});
    }
    if (answer["id"] != id || !answer.contains("result"))
        return no_protocol(socket, "an answer to something else came");
    return std::move(answer["result"]);
}

}  // namespace

Client::Client(int descriptor, std::string socket, std::chrono::milliseconds limit)
    : descriptor_(descriptor), socket_(std::move(socket)), limit_(limit) {}

std::string Client::silent() const {
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%g", static_cast<double>(limit_.count()) / 1000);
    return "sluiced at " + socket_ + " doesn't answer within " + seconds +
           " s: it may be busy with what another client wants, or hang (journalctl -u sluiced)";
}

Client::Client(Client&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      socket_(std::move(other.socket_)),
      limit_(other.limit_),
      input_(std::move(other.input_)),
      id_(other.id_) {}

Client& Client::operator=(Client&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(socket_, other.socket_);
    std::swap(limit_, other.limit_);
    std::swap(input_, other.input_);
    std::swap(id_, other.id_);
    return *this;
}

Client::~Client() {
    if (descriptor_ >= 0) close(descriptor_);
}

tl::expected<Client, CallError> Client::connect(const std::string& socket, std::chrono::milliseconds limit,
                                                std::string_view chosen_by) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (socket.empty() || socket.size() >= sizeof(address.sun_path))
        return not_reached("\"" + socket + "\" is no path of a socket (1 to " +
                           std::to_string(sizeof(address.sun_path) - 1) + " characters)");
    socket.copy(address.sun_path, socket.size());
    int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return not_reached(std::string("opening a socket: ") + strerror(errno));
    Client client(descriptor, socket, limit);
    if (limit.count() > 0) {
        const timeval time{.tv_sec = limit.count() / 1000, .tv_usec = limit.count() % 1000 * 1000};
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    }
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
        if (errno == EAGAIN && limit.count() > 0) return not_reached(client.silent());
        return not_reached(hint(errno, socket, chosen_by));
    }
    return client;
}

tl::expected<nlohmann::json, CallError> Client::call(std::string_view method,
                                                     const nlohmann::json& params) {
    const nlohmann::json request = {
        {"jsonrpc", "2.0"}, {"id", ++id_}, {"method", method}, {"params", params}};
    const std::string line =
        request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    for (size_t sent = 0; sent < line.size();) {
        const ssize_t n = send(descriptor_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        // A daemon that disconnects us sends the reason first, so go on and read it.
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) break;
        if (n < 0 && errno == EAGAIN) return not_reached(silent());
        if (n < 0) return not_reached("sending to " + socket_ + ": " + strerror(errno));
        sent += static_cast<size_t>(n);
    }
    for (size_t seen = 0;;) {
        if (const size_t end = input_.find('\n', seen); end != std::string::npos) {
            auto result = open(std::string_view(input_).substr(0, end), id_, socket_);
            input_.erase(0, end + 1);
            return result;
        }
        seen = input_.size();
        char buffer[65536];
        const ssize_t n = recv(descriptor_, buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return not_reached(
                "sluiced hung up before it answered: its log says why "
                "(journalctl -u sluiced)");
        if (n < 0 && errno == EAGAIN) return not_reached(silent());
        if (n < 0) return not_reached("receiving from " + socket_ + ": " + strerror(errno));
        input_.append(buffer, static_cast<size_t>(n));
    }
}

}  // namespace sluice
