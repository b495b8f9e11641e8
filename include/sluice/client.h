// A connection to sluiced for programs that send one request at a time: connect, call, read the answer. Every
// function blocks; one thread at a time. The protocol is in protocol.h.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace sluice {

struct CallError {
    enum class Kind {
        kNotReached,  // no daemon, no permission to connect, or it closed the connection before it answered
        kDaemon,      // the daemon answered with an error, with its code and data
        kProtocol,    // the answer does not follow the protocol
    };
    Kind kind;
    std::string message;  // a sentence for the operator
    int code = 0;
    nlohmann::json data = {};
};

class Client {
 public:
    // `limit`: the time that connecting and each answer may take; 0: unlimited.
    // `chosen_by`: how the operator chooses the socket, for error sentences.
    static tl::expected<Client, CallError> connect(const std::string& socket, std::chrono::milliseconds limit = {},
                                                   std::string_view chosen_by = "--socket, SLUICE_SOCKET");

    Client(Client&& other) noexcept;
    Client& operator=(Client&& other) noexcept;
    ~Client();

    // The result of one request. After kNotReached and kProtocol the connection is unusable.
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
