#include "sluice-cni/run.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ostream>

#include "base/log.h"
#include "sluice-cni/configuration.h"

namespace sluice::cni {
namespace {

using nlohmann::json;

void write(const json& value, std::ostream& out) {
    out << value.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
}

// `text`: as much of standard input as has been read.
tl::expected<json, Failure> answer(const Variables& variables, const Input& input, const Outside& outside,
                                   std::string& text) {
    auto environment = read_environment(variables);
    if (!environment) return tl::unexpected(std::move(environment.error()));
    auto read = input();
    const bool is_version = environment->command == Command::kVersion;
    if (!read && !is_version) return tl::unexpected(std::move(read.error()));
    if (read) text = *read;
    Request request{.environment = std::move(*environment), .text = text};
    if (!is_version) {
        auto configuration = read_configuration(text, request.environment.command);
        if (!configuration) return tl::unexpected(std::move(configuration.error()));
        for (const std::string& mistake : configuration->ignored) {
            base::log::warning("cni", "network configuration: {}: passed over, as this is no ADD", mistake);
        }
        request.configuration = std::move(*configuration);
    }
    return carry_out(request, outside);
}

}  // namespace

tl::expected<std::string, Failure> read_input(int descriptor) {
    std::string text;
    // A person at a terminal who asks for the VERSION has nothing to type.
    if (isatty(descriptor) != 0) return text;
    std::array<char, 65536> buffer;
    while (text.size() <= kMaxInput) {
        const ssize_t size = ::read(descriptor, buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return tl::unexpected(failure(kIoFailure, "standard input: {}", std::strerror(errno)));
        if (size == 0) break;
        text.append(buffer.data(), static_cast<size_t>(size));
    }
    return text;
}

int run(const Variables& variables, const Input& input, const Outside& outside, std::ostream& out) {
    std::string text;
    const auto result = answer(variables, input, outside, text);
    if (!result) {
        write(to_json(result.error(), version_of_answer(text)), out);
    } else if (!result->is_null()) {
        write(*result, out);
    }
    out.flush();
    return result && out ? 0 : 1;
}

}  // namespace sluice::cni
