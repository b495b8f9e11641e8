// Published example sets of NetworkPolicies as rows: what the API's types say of each field, the recipes that
// people pass around, and the matrix of three pods in three namespaces of Kubernetes' own end-to-end tests. The
// facts are theirs, the words are ours.
//
// The world: pods a, b and c in each of the namespaces x, y and z, and a station outside. Pod x/b is called "xb".
// A pod has the label `pod: b`, and its namespace the label `ns: x`. Each pod calls its ports 80 and 81 of TCP,
// UDP and SCTP "serve-80-tcp" and so on. The addresses are 10.0.0.11 for xa to 10.0.0.33 for zc, and 192.0.2.9
// outside; of IPv6 fd00::11 to fd00::33, and 2001:db8::9.
#pragma once

#include <string>
#include <vector>

namespace sluice::golden {

// Which connections of one kind are permitted. `what`: "TCP 80", "UDP 53", "SCTP 80", "ICMP". A line of
// `permitted` is one of
//
//     to xa    XXX ... ..X .     who reaches x/a, in the order  xa xb xc  ya yb yc  za zb zc  outside
//     from xa  XXX ... ..X .     whom x/a reaches
//
// Both ends' lines must have an X. What has no line is permitted.
struct Probe {
    std::string what;
    std::string permitted;
};

struct Step {
    std::string objects;  // are applied
    std::vector<Probe> probes;
    std::string removed = {};  // before that, the NetworkPolicy of this name ("x/all")
};

struct PolicyExample {
    std::string name;
    std::vector<Step> steps;  // one after the other, on one switch
    bool is_ipv4 = false;     // it names IPv4 addresses; others are tried with IPv6 too
};

std::vector<PolicyExample> api_examples();
std::vector<PolicyExample> recipes();
std::vector<PolicyExample> end_to_end_matrix();

}  // namespace sluice::golden
