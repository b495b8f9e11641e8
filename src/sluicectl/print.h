// Turns a verb's result into text for people. If a result lacks a key that a printer needs, the printer throws
// nlohmann's exception, which run() turns into a message.
#pragma once

#include "base/error.h"
#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

// A value as a part of a line.
std::string word(const nlohmann::json& value);

std::string print_status(const nlohmann::json& result, const Arguments& arguments);
std::string print_ports(const nlohmann::json& result, const Arguments& arguments);
std::string print_port(const nlohmann::json& result, const Arguments& arguments);
std::string print_added(const nlohmann::json& result, const Arguments& arguments);
std::string print_port_set(const nlohmann::json& result, const Arguments& arguments);
std::string print_deleted(const nlohmann::json& result, const Arguments& arguments);
// A line for each object: "network blue added".
std::string print_done(const nlohmann::json& result, const Arguments& arguments);
std::string print_address_sets(const nlohmann::json& result, const Arguments& arguments);
std::string print_mirrors(const nlohmann::json& result, const Arguments& arguments);
std::string print_devices(const nlohmann::json& result, const Arguments& arguments);
std::string print_bound(const nlohmann::json& result, const Arguments& arguments);
std::string print_unbound(const nlohmann::json& result, const Arguments& arguments);
std::string print_networks(const nlohmann::json& result, const Arguments& arguments);
std::string print_macs(const nlohmann::json& result, const Arguments& arguments);
std::string print_stats(const nlohmann::json& result, const Arguments& arguments);
std::string print_drops(const nlohmann::json& result, const Arguments& arguments);
// The place that an object has as "file", "line" and "column"; no place if it lacks them.
base::Place place_of(const nlohmann::json& object);
// The objects that decided a drop ("decided-by"): "port web (host.yaml:12:5)".
std::string deciders(const nlohmann::json& objects);
std::string print_yaml(const nlohmann::json& result, const Arguments& arguments);
std::string print_checked(const nlohmann::json& result, const Arguments& arguments);
std::string print_changes(const nlohmann::json& result, const Arguments& arguments);
std::string print_reloaded(const nlohmann::json& result, const Arguments& arguments);

// Routing (print_routing.cc).
std::string print_routes(const nlohmann::json& result, const Arguments& arguments);
std::string print_lookup(const nlohmann::json& result, const Arguments& arguments);
std::string print_route_added(const nlohmann::json& result, const Arguments& arguments);
std::string print_route_deleted(const nlohmann::json& result, const Arguments& arguments);
std::string print_loaded(const nlohmann::json& result, const Arguments& arguments);
std::string print_neighbors(const nlohmann::json& result, const Arguments& arguments);
std::string print_tunnels(const nlohmann::json& result, const Arguments& arguments);

// NetworkPolicies of pods (print_pods.cc).
std::string print_pod_policies(const nlohmann::json& result, const Arguments& arguments);
std::string print_pod_rules(const nlohmann::json& result, const Arguments& arguments);
std::string print_pod_reasons(const nlohmann::json& result, const Arguments& arguments);

// Services and NAT (print_translation.cc).
std::string print_services(const nlohmann::json& result, const Arguments& arguments);
std::string print_service(const nlohmann::json& result, const Arguments& arguments);
std::string print_drained(const nlohmann::json& result, const Arguments& arguments);
std::string print_variables(const nlohmann::json& result, const Arguments& arguments);
std::string print_containers(const nlohmann::json& result, const Arguments& arguments);
std::string print_ipam(const nlohmann::json& result, const Arguments& arguments);
std::string print_dns_lookup(const nlohmann::json& result, const Arguments& arguments);
std::string print_dns(const nlohmann::json& result, const Arguments& arguments);
std::string print_leases(const nlohmann::json& result, const Arguments& arguments);
std::string print_nat(const nlohmann::json& result, const Arguments& arguments);

// Policies and connections (print_policy.cc).
// "acl-rule api rule 1 (sluice.yaml:12)"
std::string object_text(const nlohmann::json& object);
std::string print_acls(const nlohmann::json& result, const Arguments& arguments);
std::string print_flows(const nlohmann::json& result, const Arguments& arguments);
std::string print_flow_count(const nlohmann::json& result, const Arguments& arguments);
std::string print_flushed(const nlohmann::json& result, const Arguments& arguments);
std::string print_trace(const nlohmann::json& result, const Arguments& arguments);

}  // namespace sluice::sluicectl
