// A connection to sluiced for programs that ask one thing after the other: connect, call, read the
// answer. Every function blocks; one thread at a time. The protocol itself: protocol.h.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace sluice {

struct CallError {
    enum class Kind {
        kNotReached,  // no daemon there, no right to connect, or it hung up before it answered
        kDaemon,      // the daemon answered with an error: code and data are its own
        kProtocol,    // what answered doesn't speak the protocol
    };
    Kind kind;
    std::string message;  // a sentence for the operator
    int code = 0;
    nlohmann::json data = {};
};

class Client {
 public:
    // `limit`: how long connecting, and each answer, may take; 0: as long as it likes.
    static tl::expected<Client, CallError> connect(const std::string& socket,
                                                   std::chrono::milliseconds limit = {});

    Client(Client&& other) noexcept;
    Client& operator=(Client&& other) noexcept;
    ~Client();

    // The result of one request. After kNotReached and kProtocol the connection is of no more use.
    tl::expected<nlohmann::json, CallError> call(std::string_view method,
                                                 const nlohmann::json& params);

 private:
    Client(int descriptor, std::string socket, std::chrono::milliseconds limit);
    std::string silent() const;

    int descriptor_;
    std::string socket_;  // its path, for error sentences
    std::chrono::milliseconds limit_;
    std::string input_;   // received and not yet used
    int id_ = 0;
};

}  // namespace sluice
