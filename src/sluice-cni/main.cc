#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "sluice-cni/run.h"

namespace {

using namespace sluice;

// A container is added when its port is up, which waits for the switch's other changes.
constexpr std::chrono::seconds kPatience{100};

tl::expected<nlohmann::json, CallError> call(const std::string& socket, std::string_view method,
                                             const nlohmann::json& params) {
    auto client = Client::connect(socket, kPatience, "`socket` in the network configuration");
    if (!client) return tl::unexpected(client.error());
    return client->call(method, params);
}

}  // namespace

int main() {
    if (std::getenv("CNI_COMMAND") == nullptr) {
        std::cerr << "sluice-cni " << SLUICE_VERSION
                  << ": a CNI plugin, which container runtimes run (README.md, \"Containers by CNI\")\n";
    }
    return cni::run(
        std::getenv, [] { return cni::read_input(STDIN_FILENO); },
        {call, cni::find_plugin, cni::execute, cni::look_inside}, std::cout);
}
