// The socket of the plug-in: HTTP over a Unix socket, POST /CALL with a JSON body. The connections are served by a
// thread of the server's own, which begins with the first socket and ends with the server. Only root can connect
// (the socket's mode is 0600). A request has kMaxHeader and kMaxBody bytes at most. Docker keeps its connections:
// one that is silent for kPatience is closed, and of kMaxConnections the oldest is closed for a new one.
//
// The control thread calls set() and tick(). A socket that can't be made is tried again each kRetry, and trouble()
// says why there is none.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace sluice::docker {

inline constexpr size_t kMaxHeader = 16 << 10;
inline constexpr size_t kMaxBody = 256 << 10;
inline constexpr size_t kMaxConnections = 64;
inline constexpr std::chrono::minutes kPatience{10};
inline constexpr std::chrono::seconds kRetry{2};

class Server {
 public:
    // To be called once, from any thread, also after the server's end.
    using Reply = std::function<void(std::string body)>;
    // Called on the server's thread, which it must not hold up.
    using Handler = std::function<void(std::string call, std::string body, Reply reply)>;

    explicit Server(Handler handler);
    Server(const Server&) = delete;
    ~Server();

    // Serves at this path and at no other. Empty: nowhere.
    void set(const std::string& path);
    // Logs when the socket can't be made, and when it can be by now. To be called about once a second.
    void tick();
    // Why nobody can connect; empty: it is served, or there is to be no socket.
    std::string trouble() const;

 private:
    class Loop;

    const Handler handler_;
    std::string path_;
    std::string told_;            // trouble in the log
    std::unique_ptr<Loop> loop_;  // null: there has been no socket
};

}  // namespace sluice::docker
