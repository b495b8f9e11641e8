// The plug-in for docker, as far as it is about this switch: carries out on the control thread what docker asks
// for (docker/driver.h) at a socket that another thread serves (docker/server.h). A container's end of a network
// is a port whose `container` has the id of docker's endpoint. Control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "control/commands.h"
#include "docker/driver.h"
#include "docker/server.h"

namespace sluice::control {

// What docker's driver asks of the switch.
class DockerSwitch final : public docker::Switch {
 public:
    explicit DockerSwitch(Running& daemon) : daemon_(daemon) {}

    std::optional<docker::SwitchNetwork> find_network(const std::string& name) const override;
    std::vector<IpPrefix> subnets() const override;
    std::set<IpAddress> addresses_in_use(const std::string& network) const override;
    std::optional<IpAddress> choose_address(const std::string& network, const IpPrefix& subnet,
                                            const std::optional<IpPrefix>& range) override;
    docker::Done add_network(const nlohmann::json& keys) override;
    docker::Done remove_network(const std::string& name) override;

    docker::Answer<std::string> join(const docker::Attachment& attachment) override;
    bool has_container(const std::string& endpoint) const override;
    docker::Done leave(const std::string& endpoint) override;
    docker::Done publish(const std::string& endpoint, const std::vector<docker::Published>& ports) override;

 private:
    Running& daemon_;
};

class DockerPlugin {
 public:
    // Both outlive it. No handler of the io_context runs once it has ended.
    DockerPlugin(boost::asio::io_context& context, Running& daemon);
    DockerPlugin(const DockerPlugin&) = delete;

    // To be called once, when the configuration is in force.
    void start();
    // Serves the socket that the configuration says. To be called a few times a second.
    void tick();

 private:
    std::string answer(const std::string& call, const std::string& body);

    boost::asio::io_context& context_;
    Running& daemon_;
    DockerSwitch switch_;
    std::optional<docker::Driver> driver_;
    docker::Server server_;
};

}  // namespace sluice::control
