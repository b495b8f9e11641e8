// Clients of the control socket, as streams of bytes: requests that come in any pieces, several at once, too long,
// with NUL bytes or half a line at the end, and clients that read late or never. The server is the daemon's, on a
// socket of its own; the commands are the target's.
//
// An input is one step after the other (Step), each by one of a few clients. What a client reads must be the
// answers to the lines of what it sent, in their order, however it was cut; and a client that goes is let go.
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <map>
#include <optional>

#include "control/server.h"
#include "fuzz/folder.h"
#include "fuzz/target.h"

namespace sluice::fuzz {
namespace {

using control::Caller;
using control::Command;
using nlohmann::json;

constexpr size_t kClients = 3;
constexpr size_t kMostSteps = 200;
constexpr uint64_t kMaxRequest = 1000;
constexpr size_t kLarge = 30'000;     // several of them are more than a socket buffers
constexpr size_t kMostSent = 10'000;  // by one client: some 200 requests, whose answers are more than may wait

enum Step : uint8_t {
    kSend,      // bytes, and the server has its turn
    kPush,      // bytes, and it hasn't
    kTurn,      // the server's
    kRead,      // some of the answers
    kHangUp,    // sends no more
    kLeave,     // closes, whatever is on its way
    kRepeat,    // the last bytes again, many times
    kSteps
};

std::vector<Caller>& callers() {
    static std::vector<Caller> callers;
    return callers;
}

std::vector<Command> commands() {
    return {
        {{"ping", protocol::Effect::kReads}, [](const json&) { return json("pong"); }},
        {{"large", protocol::Effect::kReads}, [](const json&) { return json(std::string(kLarge, 'x')); }},
        {{"change", protocol::Effect::kChanges}, [](const json&) { return json("done"); }},
        {{"fail", protocol::Effect::kReads},
         [](const json&) -> tl::expected<json, control::RpcError> { throw std::runtime_error("as it should"); }},
        {{"keep", protocol::Effect::kReads}, nullptr,
         [](const json&, const Caller& caller) {
             callers().push_back(caller);
             return json("kept");
         }},
    };
}

// What a client that sent these bytes and no more is answered.
std::string answers_to(std::string_view sent) {
    static const std::vector<Command> list = commands();
    const auto caller = std::make_shared<int>();
    std::map<std::string_view, std::string> known;  // large ones take long to make
    std::string answers;
    for (bool whole = true; whole;) {
        const size_t end = sent.find('\n');
        whole = end != sent.npos;
        const std::string_view line = sent.substr(0, end);
        if (line.size() > kMaxRequest) {
            const std::string why = fmt::format("the request exceeds {} bytes", kMaxRequest);
            return answers + control::error_answer(protocol::kInvalidRequest, why) + "\n";
        }
        if (!whole) break;  // half a line is no request
        sent.remove_prefix(end + 1);
        if (line.find_first_not_of(" \t\r") == line.npos) continue;
        const auto [at, is_new] = known.try_emplace(line);
        if (is_new) {
            const control::Requester requester{.peer = {.access = control::Access::kWrite}, .caller = caller};
            at->second = control::answer(list, requester, line);
        }
        if (!at->second.empty()) answers += at->second + "\n";
    }
    return answers;
}

class Daemon {
 public:
    Daemon() : path_(folder_ / "control.sock"), server_(context_, config(), commands()) {
        const auto listening = server_.listen();
        must(listening.has_value(), "{}", listening ? "" : listening.error().text());
    }

    const std::string& path() const { return path_; }

    // Until nothing is left to do.
    void turn() {
        constexpr int kMost = 100'000;
        for (int i = 0; context_.poll() != 0; ++i) must(i < kMost, "the server is never done");
        context_.restart();
    }

 private:
    control::ServerConfig config() const {
        control::ServerConfig config;
        config.socket = path_;
        config.max_request = kMaxRequest;
        return config;
    }

    Folder folder_;
    const std::string path_;
    boost::asio::io_context context_;
    control::Server server_;
};

class Client {
 public:
    explicit Client(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        const int done = connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
        must(done == 0, "cannot connect: {}", std::strerror(errno));
    }

    // As much as goes without waiting.
    void push(std::string_view bytes) {
        if (has_hung_up_ || sent_.size() > kMostSent) return;
        const ssize_t count = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) sent_ += bytes.substr(0, static_cast<size_t>(count));
    }

    void hang_up() {
        shutdown(socket_.get(), SHUT_WR);
        has_hung_up_ = true;
    }

    // True while there is more, or may be later.
    bool read(size_t most) {
        static char buffer[1 << 16];
        const ssize_t count = recv(socket_.get(), buffer, std::min(most, sizeof buffer), MSG_DONTWAIT);
        if (count > 0) got_.append(buffer, static_cast<size_t>(count));
        // A server that ends before it has read all that came resets the connection.
        return count > 0 || (count < 0 && errno != ECONNRESET);
    }

    size_t got() const { return got_.size(); }

    void check_beginning() const {
        must(std::string_view(answers_to(sent_)).starts_with(got_), "other answers than to its requests: {}", got_);
    }
    void check_all() const {
        const std::string expected = answers_to(sent_);
        must(got_ == expected, "{} bytes of answers, and not {}", got_.size(), expected.size());
    }

 private:
    base::Fd socket_;
    std::string sent_;
    std::string got_;
    bool has_hung_up_ = false;
};

void finish(Daemon& daemon, Client& client) {
    constexpr int kMost = 10;  // turns in which nothing comes
    client.hang_up();
    int idle = 0;
    for (size_t before = client.got(); client.read(SIZE_MAX); before = client.got()) {
        daemon.turn();
        idle = client.got() == before ? idle + 1 : 0;
        must(idle < kMost, "a client that sends no more is neither answered nor let go");
    }
    client.check_all();
}

void play(Daemon& daemon, Input& input) {
    std::array<std::optional<Client>, kClients> clients;
    std::string bytes;
    for (size_t i = 0; i < kMostSteps && !input.at_end(); ++i) {
        const uint8_t first = input.byte();
        std::optional<Client>& client = clients[first / kSteps % kClients];
        if (!client) client.emplace(daemon.path());
        const auto step = static_cast<Step>(first % kSteps);
        switch (step) {
            case kSend:
            case kPush:
                bytes = text_of(input.take(input.word() % 2048));
                client->push(bytes);
                break;
            case kTurn: break;
            case kRead: (void)client->read(1 + size_t{input.byte()} * 256); break;
            case kHangUp: client->hang_up(); break;
            case kLeave:
                client->check_beginning();
                client.reset();
                break;
            case kRepeat:
                for (uint32_t count = input.below(64); count > 0; --count) client->push(bytes);
                break;
            case kSteps: break;
        }
        if (step != kPush) daemon.turn();
    }
    for (auto& client : clients) {
        if (client) finish(daemon, *client);
        client.reset();
    }
    daemon.turn();
    for (const Caller& caller : callers()) must(caller.expired(), "a client that has gone is kept");
    callers().clear();
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    static Daemon daemon;
    Input input(bytes);
    play(daemon, input);
}

std::vector<Bytes> seeds() {
    const auto request = [](std::string_view method) {
        return fmt::format(R"({{"jsonrpc":"2.0","id":1,"method":"{}"}})", method);
    };
    const auto send = [](Output& seed, std::string_view bytes, Step step = kSend) {
        seed.byte(step).word(static_cast<uint32_t>(bytes.size())).add(bytes_of(bytes));
    };
    std::vector<Bytes> seeds;
    for (const char* method : {"ping", "large", "change", "fail", "keep", "nosuch"}) {
        const std::string line = request(method) + "\n";
        Output whole, cut, many;
        send(whole, line);
        send(cut, line.substr(0, 20));
        send(cut, line.substr(20) + line.substr(0, 5));
        send(many, line + " \r\n" + line + "[" + request(method) + ",1]\n" + line, kPush);
        many.byte(kRepeat).byte(3).byte(kRead).byte(3);
        for (const Output& seed : {whole, cut, many}) seeds.push_back(seed);
    }
    Output left, too_long, odd, late;
    send(left, request("large") + "\n");
    left.byte(kRead).byte(1).byte(kLeave);
    send(left, request("ping") + "\n");
    send(too_long, request("ping") + "\n" + std::string(kMaxRequest, ' ') + "x\n" + request("ping") + "\n");
    using namespace std::string_view_literals;
    send(odd, "\0\n{\"a\":\"\xff\xfe\"}\n\n{\n"sv);
    send(late, request("large") + "\n" + request("large") + "\n");
    late.byte(kRepeat).byte(63).byte(kSteps + kSend).word(3).add(bytes_of("[]\n")).byte(kHangUp).byte(kTurn);
    for (const Output& seed : {left, too_long, odd, late}) seeds.push_back(seed);
    return seeds;
}

std::vector<std::string> words() {
    return {"\n", R"("jsonrpc":"2.0")", R"("id":)", R"("method":)", R"("ping")", R"("large")", R"("keep")", "[", "{"};
}

}  // namespace sluice::fuzz
