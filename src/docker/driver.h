// Docker's plug-in protocol: calls by name, each with a JSON body and a JSON answer. An error is {"Err": "..."}.
// Control thread.
#pragma once

#include <string>
#include <string_view>

#include "docker/networks.h"
#include "docker/pools.h"

namespace sluice::docker {

class Driver {
 public:
    // Both outlive it. What an earlier run left half-done is removed.
    Driver(Switch& fabric, Book& book) : networks_(fabric, book), pools_(fabric, book) {
        networks_.remove_unconfirmed();
    }

    // A call ("NetworkDriver.Join") as docker sends it. An empty body is an empty object.
    std::string answer(std::string_view call, std::string_view body);

 private:
    Answer<nlohmann::json> carry_out(std::string_view call, const nlohmann::json& body);

    Networks networks_;
    Pools pools_;
};

}  // namespace sluice::docker
