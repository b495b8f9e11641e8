// sluiced: the switch. See `sluiced --help` and config/sluice.yaml.
#include <boost/program_options.hpp>
#include <csignal>
#include <exception>
#include <iostream>
#include <string>

#include "sluiced/daemon.h"

namespace po = boost::program_options;

int main(int argc, char** argv) {
    po::options_description options("Usage: sluiced --config FILE | --check FILE");
    options.add_options()                                                                    //
        ("config,c", po::value<std::string>()->value_name("FILE"), "run with this configuration")  //
        ("check", po::value<std::string>()->value_name("FILE"),
         "validate this configuration and start nothing")  //
        ("version", "print the version")                   //
        ("help,h", "print this help");
    po::variables_map given;
    try {
        po::store(po::command_line_parser(argc, argv).options(options).positional({}).run(), given);
    } catch (const po::error& error) {
        std::cerr << "sluiced: " << error.what() << "\n\n" << options;
        return 2;
    }
    if (given.contains("help")) {
        std::cout << options;
        return 0;
    }
    if (given.contains("version")) {
        std::cout << "sluiced " SLUICE_VERSION "\n";
        return 0;
    }
    // DPDK's drivers write to the sockets of other programs (net_memif, net_virtio_user). If such a program dies,
    // the switch must not die with it.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        if (given.contains("check")) return sluice::check_config(given["check"].as<std::string>());
        if (given.contains("config")) return sluice::run_daemon(given["config"].as<std::string>());
    } catch (const std::exception& error) {
        std::cerr << "sluiced: " << error.what() << '\n';
        return 1;
    }
    std::cerr << options;
    return 2;
}
