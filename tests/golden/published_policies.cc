#include "golden/published_policies.h"

namespace sluice::golden {

namespace {

std::string policy(const std::string& name, const std::string& spec, const std::string& space = "x") {
    return "---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: " + name +
           ", namespace: " + space + "}, spec: " + spec + "}\n";
}

// A policy about x/a.
std::string on_a(const std::string& rest, const std::string& name = "p") {
    return policy(name, "{podSelector: {matchLabels: {pod: a}}, " + rest + "}");
}

}  // namespace

std::vector<PolicyExample> api_examples() {
    return {
        {"an empty podSelector selects the pods of the policy's namespace, and no others",
         {{policy("p", "{podSelector: {}, ingress: []}"), {{"TCP 80", R"(to xa X.. ... ... .
                          to xb .X. ... ... .
                          to xc ..X ... ... .)"}}}}},
        {"a pod that no policy selects takes everything",
         {{policy("p", "{podSelector: {matchLabels: {pod: nosuch}}, ingress: []}"),
           {{"TCP 80", ""}, {"ICMP", ""}}}}},
        {"without ingress rules nothing comes in, absent or empty",
         {{on_a(""), {{"TCP 80", "to xa X.. ... ... ."}, {"ICMP", "to xa X.. ... ... ."}}},
          {on_a("ingress: []"), {{"UDP 80", "to xa X.. ... ... ."}}},
          {on_a("ingress: null"), {{"SCTP 80", "to xa X.. ... ... ."}}}}},
        {"one empty rule takes everything, the outside too",
         {{on_a("ingress: [{}]"), {{"TCP 80", ""}, {"SCTP 5", ""}, {"ICMP", ""}}}}},
        {"from absent, null or empty is everyone",
         {{on_a("ingress: [{ports: [{port: 80}]}]"), {{"TCP 80", ""}, {"TCP 81", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{from: [], ports: [{port: 80}]}]"),
           {{"TCP 80", ""}, {"TCP 81", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{from: null, ports: [{port: 80}]}]"),
           {{"TCP 80", ""}, {"TCP 81", "to xa X.. ... ... ."}}}}},
        {"ports absent or empty is every port of every protocol",
         {{on_a("ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]"),
           {{"TCP 80", "to xa XX. ... ... ."}, {"UDP 7", "to xa XX. ... ... ."}, {"ICMP", "to xa XX. ... ... ."}}},
          {on_a("ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: []}]"),
           {{"SCTP 80", "to xa XX. ... ... ."}, {"ICMP", "to xa XX. ... ... ."}}}}},
        {"an empty port is every port of TCP, as a port's protocol is TCP",
         {{on_a("ingress: [{ports: [{}]}]"),
           {{"TCP 80", ""},
            {"TCP 9999", ""},
            {"UDP 80", "to xa X.. ... ... ."},
            {"SCTP 80", "to xa X.. ... ... ."},
            {"ICMP", "to xa X.. ... ... ."}}}}},
        {"ports of UDP or SCTP alone isolate from TCP as well",
         {{on_a("ingress: [{ports: [{protocol: UDP}]}]"), {{"UDP 80", ""}, {"TCP 80", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{ports: [{protocol: SCTP, port: 80}]}]"),
           {{"SCTP 80", ""}, {"SCTP 81", "to xa X.. ... ... ."}, {"TCP 80", "to xa X.. ... ... ."}}}}},
        {"endPort is the last port of the range",
         {{on_a("ingress: [{ports: [{port: 80, endPort: 82}]}]"),
           {{"TCP 79", "to xa X.. ... ... ."},
            {"TCP 80", ""},
            {"TCP 82", ""},
            {"TCP 83", "to xa X.. ... ... ."},
            {"UDP 81", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{ports: [{port: 81, endPort: 81, protocol: UDP}]}]"),
           {{"UDP 81", ""}, {"UDP 80", "to xa X.. ... ... ."}, {"UDP 82", "to xa X.. ... ... ."}}}}},
        {"a port's name is what the destination calls so, with the protocol",
         {{on_a("ingress: [{ports: [{port: serve-81-tcp}]}]"),
           {{"TCP 81", ""}, {"TCP 80", "to xa X.. ... ... ."}, {"UDP 81", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{ports: [{port: serve-81-tcp, protocol: UDP}]}]"),
           {{"TCP 81", "to xa X.. ... ... ."}, {"UDP 81", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{ports: [{port: nosuch}]}]"),
           {{"TCP 80", "to xa X.. ... ... ."}, {"TCP 81", "to xa X.. ... ... ."}}}}},
        {"policyTypes absent: egress rules isolate both directions",
         {{on_a("egress: [{to: [{podSelector: {matchLabels: {pod: b}}}]}]"), {{"TCP 80", R"(to xa   X.. ... ... .
                          from xa XX. ... ... .)"}}}}},
        {"policyTypes absent: an empty list of egress rules isolates ingress alone",
         {{on_a("egress: []"), {{"TCP 80", "to xa X.. ... ... ."}}},
          {on_a("policyTypes: [], egress: []"), {{"TCP 80", "to xa X.. ... ... ."}}}}},
        {"policyTypes Egress: ingress rules mean nothing, nor does their absence",
         {{on_a("policyTypes: [Egress], ingress: []"), {{"TCP 80", "from xa X.. ... ... ."}}},
          {on_a("policyTypes: [Egress], ingress: [{ports: [{port: 80}]}], egress: [{}]"), {{"TCP 81", ""}}}}},
        {"policyTypes Ingress: egress rules mean nothing",
         {{on_a("policyTypes: [Ingress], ingress: [{}], egress: [{ports: [{port: 80}]}]"), {{"TCP 81", ""}}}}},
        {"a podSelector alone means the policy's own namespace",
         {{on_a("ingress: [{from: [{podSelector: {}}]}]"), {{"TCP 80", "to xa XXX ... ... ."}}}}},
        {"a namespaceSelector alone means all pods of those namespaces",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: z}}}]}]"),
           {{"TCP 80", "to xa X.. ... XXX ."}}}}},
        {"an empty namespaceSelector means all pods, and nobody outside",
         {{on_a("ingress: [{from: [{namespaceSelector: {}}]}]"), {{"TCP 80", "to xa XXX XXX XXX ."}}}}},
        {"two selectors of one peer must both match, of two peers either",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}},"
                " podSelector: {matchLabels: {pod: b}}}]}]"),
           {{"TCP 80", "to xa X.. .X. ... ."}}},
          {on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}},"
                " {podSelector: {matchLabels: {pod: b}}}]}]"),
           {{"TCP 80", "to xa XX. XXX ... ."}}}}},
        {"peers and ports of one rule belong together, those of two rules don't mix",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}], ports: [{port: 80}]},"
                " {from: [{namespaceSelector: {matchLabels: {ns: z}}}], ports: [{port: 81}]}]"),
           {{"TCP 80", "to xa X.. XXX ... ."}, {"TCP 81", "to xa X.. ... XXX ."}}}}},
        {"what several policies permit is their union, and their parts don't mix",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}], ports: [{port: 80}]}]") +
               on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: z}}}], ports: [{port: 81}]}]", "q"),
           {{"TCP 80", "to xa X.. XXX ... ."}, {"TCP 81", "to xa X.. ... XXX ."}}}}},
        {"matchLabels and matchExpressions must all match",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchExpressions: ["
                "{key: ns, operator: In, values: [y, z]}, {key: ns, operator: NotIn, values: [z]}]},"
                " podSelector: {matchLabels: {pod: c}}}]}]"),
           {{"TCP 80", "to xa X.. ..X ... ."}}}}},
        {"NotIn and DoesNotExist match what lacks the key, In and Exists don't",
         {{on_a("ingress: [{from: [{podSelector: {matchExpressions: ["
                "{key: tier, operator: NotIn, values: [db]}]}}]}]"),
           {{"TCP 80", "to xa XXX ... ... ."}}},
          {on_a("ingress: [{from: [{podSelector: {matchExpressions: ["
                "{key: tier, operator: DoesNotExist}]}}]}]"),
           {{"TCP 80", "to xa XXX ... ... ."}}},
          {on_a("ingress: [{from: [{podSelector: {matchExpressions: ["
                "{key: tier, operator: Exists}]}}]}]"),
           {{"TCP 80", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{from: [{podSelector: {matchExpressions: ["
                "{key: tier, operator: In, values: ['']}]}}]}]"),
           {{"TCP 80", "to xa X.. ... ... ."}}}}},
        {"every namespace has its name as a label",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}}]}]"),
           {{"TCP 80", "to xa X.. ... XXX ."}}}}},
        {"a policy without a namespace is of the namespace default",
         {{"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, spec: {podSelector: {}}}",
           {{"TCP 80", ""}}}}},
        {"except takes away from its own block, and denies nothing that another peer permits",
         {{on_a("policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/24,"
                " except: [10.0.0.20/30, 10.0.0.33/32]}}]}]"),
           {{"TCP 80", "from xa XXX ... XX. ."}}},
          {on_a("policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/24,"
                " except: [10.0.0.20/30, 10.0.0.33/32]}}, {ipBlock: {cidr: 10.0.0.22/32}}]}]"),
           {{"TCP 80", "from xa XXX .X. XX. ."}}}},
         true},
        {"of a block with host bits the network counts",
         {{on_a("ingress: [{from: [{ipBlock: {cidr: 10.0.0.21/28}}]}]"), {{"TCP 80", "to xa X.. XXX X.. ."}}}},
         true},
        {"a block may be everyone of a family, and the outside is in it",
         {{on_a("ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]"), {{"TCP 80", ""}}},
          {on_a("ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]"), {{"TCP 80", "to xa X.. ... ... ."}}}},
         true},
        {"sidecars expose ports by name, other init containers don't",
         {{R"({apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x, labels: {pod: a}}, spec: {
              initContainers: [
                {name: side, restartPolicy: Always, ports: [{name: side, containerPort: 90}]},
                {name: init, ports: [{name: init, containerPort: 91}]}],
              containers: [{name: c, ports: [{name: main, containerPort: 92}]}]}, status: {podIP: ADDRESS_OF_XA}}
)" + on_a("ingress: [{ports: [{port: side}, {port: init}, {port: main}]}]"),
           {{"TCP 90", ""}, {"TCP 91", "to xa X.. ... ... ."}, {"TCP 92", ""}}}}},
    };
}

std::vector<PolicyExample> recipes() {
    return {
        {"deny all traffic to an application",
         {{on_a("ingress: []", "web-deny-all"), {{"TCP 80", "to xa X.. ... ... ."}}}}},
        {"limit traffic to an application",
         {{on_a("ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]", "api-allow"),
           {{"TCP 80", "to xa XX. ... ... ."}}}}},
        {"allow all traffic to an application, whatever else denies it",
         {{on_a("ingress: []", "web-deny-all") + on_a("ingress: [{}]", "web-allow-all"), {{"TCP 80", ""}}}}},
        {"deny all traffic in a namespace that isn't permitted otherwise",
         {{policy("default-deny-all", "{podSelector: {}, ingress: []}") +
               on_a("ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}]}]", "allow"),
           {{"TCP 80", R"(to xa X.X ... ... .
                          to xb .X. ... ... .
                          to xc ..X ... ... .)"}}}}},
        {"deny all traffic from other namespaces",
         {{policy("deny-from-other-namespaces",
                  "{podSelector: {matchLabels: {}}, ingress: [{from: [{podSelector: {}}]}]}"),
           {{"TCP 80", R"(to xa XXX ... ... .
                          to xb XXX ... ... .
                          to xc XXX ... ... .)"}}}}},
        {"allow traffic from all namespaces",
         {{on_a("ingress: [{from: [{namespaceSelector: {}}]}]", "web-allow-all-namespaces"),
           {{"TCP 80", "to xa XXX XXX XXX ."}}}}},
        {"allow all traffic from a namespace",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]", "web-allow-prod"),
           {{"TCP 80", "to xa X.. XXX ... ."}}}}},
        {"allow traffic from some pods in another namespace",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: z}},"
                " podSelector: {matchLabels: {pod: b}}}]}]",
                "web-allow-monitoring"),
           {{"TCP 80", "to xa X.. ... .X. ."}}}}},
        {"allow external clients",
         {{policy("default-deny-all", "{podSelector: {}, ingress: []}") +
               on_a("ingress: [{from: []}]", "web-allow-external"),
           {{"TCP 80", R"(to xb .X. ... ... .
                          to xc ..X ... ... .)"}}},
          {on_a("ingress: [{ports: [{port: 80}]}]", "web-allow-external"),
           {{"TCP 80", R"(to xb .X. ... ... .
                          to xc ..X ... ... .)"},
            {"TCP 81", R"(to xa X.. ... ... .
                          to xb .X. ... ... .
                          to xc ..X ... ... .)"}}}}},
        {"allow traffic to a port alone",
         {{on_a("ingress: [{ports: [{port: 5000}],"
                " from: [{podSelector: {matchLabels: {pod: b}}}]}]",
                "api-allow-5000"),
           {{"TCP 5000", "to xa XX. ... ... ."}, {"TCP 8000", "to xa X.. ... ... ."}}}}},
        {"allow traffic by several selectors",
         {{on_a("ingress: [{from: [{podSelector: {matchLabels: {pod: b}}},"
                " {podSelector: {matchLabels: {pod: c}}},"
                " {namespaceSelector: {}, podSelector: {matchExpressions: ["
                "{key: pod, operator: In, values: [b]}]}}]}]",
                "redis-allow-services"),
           {{"TCP 80", "to xa XXX .X. .X. ."}}}}},
        {"deny egress from an application",
         {{on_a("policyTypes: [Egress], egress: []", "foo-deny-egress"),
           {{"TCP 80", "from xa X.. ... ... ."}, {"UDP 53", "from xa X.. ... ... ."}}}}},
        {"deny egress but of names",
         {{on_a("policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP},"
                " {port: 53, protocol: TCP}]}]",
                "foo-deny-egress"),
           {{"UDP 53", ""},
            {"TCP 53", ""},
            {"TCP 80", "from xa X.. ... ... ."},
            {"SCTP 53", "from xa X.. ... ... ."}}}}},
        {"deny egress from a namespace that isn't permitted otherwise",
         {{policy("default-deny-all-egress", "{podSelector: {}, policyTypes: [Egress], egress: []}"),
           {{"TCP 80", R"(from xa X.. ... ... .
                          from xb .X. ... ... .
                          from xc ..X ... ... .)"}}}}},
        {"deny egress to the outside",
         {{on_a(
               "policyTypes: [Egress], egress: ["
               "{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}, {to: [{namespaceSelector: {}}]}]",
               "foo-deny-external-egress"),
           {{"TCP 80", "from xa XXX XXX XXX ."}, {"UDP 53", ""}}}}},
        {"a whole three-tier application: web from everywhere, api from web, db from api",
         {{policy("deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}") +
               on_a("policyTypes: [Ingress, Egress], ingress: [{ports: [{port: 80}]}],"
                    " egress: [{to: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 8080}]}]",
                    "web") +
               policy("api",
                      "{podSelector: {matchLabels: {pod: b}}, policyTypes: [Ingress, Egress],"
                      " ingress: [{from: [{podSelector: {matchLabels: {pod: a}}}], ports: [{port: 8080}]}],"
                      " egress: [{to: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 5432}]}]}") +
               policy("db",
                      "{podSelector: {matchLabels: {pod: c}}, policyTypes: [Ingress],"
                      " ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 5432}]}]}"),
           {{"TCP 80", R"(to xb   .X. ... ... .
                          to xc   ..X ... ... .
                          from xa X.. ... ... .
                          from xb .X. ... ... .
                          from xc ..X ... ... .)"},
            {"TCP 8080", R"(to xa   X.. ... ... .
                            to xb   XX. ... ... .
                            to xc   ..X ... ... .
                            from xa XX. ... ... .
                            from xb .X. ... ... .
                            from xc ..X ... ... .)"},
            {"TCP 5432", R"(to xa   X.. ... ... .
                            to xb   .X. ... ... .
                            to xc   .XX ... ... .
                            from xa X.. ... ... .
                            from xb .XX ... ... .
                            from xc ..X ... ... .)"}}}}},
    };
}

std::vector<PolicyExample> end_to_end_matrix() {
    return {
        {"default-deny-ingress",
         {{policy("deny", "{podSelector: {}, policyTypes: [Ingress]}"),
           {{"TCP 80", R"(to xa X.. ... ... .
                                                  to xb .X. ... ... .
                                                  to xc ..X ... ... .)"},
            {"UDP 80", R"(to xa X.. ... ... .
                                                  to xb .X. ... ... .
                                                  to xc ..X ... ... .)"},
            {"SCTP 80", R"(to xa X.. ... ... .
                                                   to xb .X. ... ... .
                                                   to xc ..X ... ... .)"}}}}},
        {"default-deny-all",
         {{policy("deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}"),
           {{"TCP 80", R"(to xa   X.. ... ... .
                                              to xb   .X. ... ... .
                                              to xc   ..X ... ... .
                                              from xa X.. ... ... .
                                              from xb .X. ... ... .
                                              from xc ..X ... ... .)"}}}}},
        {"ingress from pods of all namespaces by label",
         {{on_a("ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {pod: b}}}]}]"),
           {{"TCP 80", "to xa XX. .X. .X. ."}}}}},
        {"ingress from namespaces by label",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]"),
           {{"TCP 80", "to xa X.. XXX ... ."}, {"UDP 81", "to xa X.. XXX ... ."}}}}},
        {"ingress by expressions about namespaces",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchExpressions: ["
                "{key: ns, operator: NotIn, values: [x]}]}}]}]"),
           {{"TCP 80", "to xa X.. XXX XXX ."}}}}},
        {"ingress by expressions about both",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchExpressions: ["
                "{key: ns, operator: NotIn, values: [x]}]}, podSelector: {matchExpressions: ["
                "{key: pod, operator: In, values: [b, c]}]}}]}]"),
           {{"TCP 80", "to xa X.. .XX .XX ."}}}}},
        {"ingress by expressions about pods",
         {{policy(
               "p",
               "{podSelector: {matchExpressions: [{key: pod, operator: In, values: [a, b]}]}, ingress: [{from: ["
               "{podSelector: {matchExpressions: [{key: pod, operator: In, values: [a, c]}]}}]}]}"),
           {{"TCP 80", R"(to xa X.X ... ... .
                          to xb XXX ... ... .)"}}}}},
        {"ingress by port and namespace",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}], ports: [{port: 81}]}]"),
           {{"TCP 81", "to xa X.. XXX ... ."}, {"TCP 80", "to xa X.. ... ... ."}}}}},
        {"stacked policies with overlapping namespaces and ports",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}], ports: [{port: 81}]}]"),
           {{"TCP 81", "to xa X.. XXX ... ."}, {"TCP 80", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{from: [{namespaceSelector: {matchExpressions: ["
                "{key: ns, operator: In, values: [y, z]}]}}], ports: [{port: 80}]}]",
                "q"),
           {{"TCP 81", "to xa X.. XXX ... ."}, {"TCP 80", "to xa X.. XXX XXX ."}}}}},
        {"allow-all beside a deny-all",
         {{policy("deny", "{podSelector: {}, policyTypes: [Ingress]}") +
               policy("allow", "{podSelector: {}, ingress: [{}]}"),
           {{"TCP 80", ""}, {"TCP 81", ""}}}}},
        {"ports by name, of ingress",
         {{policy("p", "{podSelector: {}, ingress: [{ports: [{port: serve-80-tcp}]}]}"),
           {{"TCP 80", ""}, {"TCP 81", R"(to xa X.. ... ... .
                                          to xb .X. ... ... .
                                          to xc ..X ... ... .)"}}}}},
        {"ports by name, of egress: each destination has its own number, and the outside none",
         {{R"({apiVersion: v1, kind: Pod, metadata: {name: b, namespace: y, labels: {pod: b}}, spec: {
              containers: [{name: c, ports: [{name: serve-80-tcp, containerPort: 81}]}]}, status: {podIP: ADDRESS_OF_YB}}
)" + on_a("policyTypes: [Egress], egress: [{ports: [{port: serve-80-tcp}]}]"),
           {{"TCP 80", "from xa XXX X.X XXX ."}, {"TCP 81", "from xa X.. .X. ... ."}}}}},
        {"egress to a namespace by label, with a port",
         {{on_a("policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {ns: y}}}],"
                " ports: [{port: 80}]}]"),
           {{"TCP 80", "from xa X.. XXX ... ."}, {"TCP 81", "from xa X.. ... ... ."}}}}},
        {"egress to pods by both selectors",
         {{on_a("policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {ns: y}},"
                " podSelector: {matchLabels: {pod: a}}}]}]"),
           {{"TCP 80", "from xa X.. X.. ... ."}}}}},
        {"ingress and egress of one policy",
         {{on_a("policyTypes: [Ingress, Egress], ingress: [{from: [{namespaceSelector: {matchLabels:"
                " {ns: y}}}]}], egress: [{to: [{namespaceSelector: {matchLabels: {ns: z}}}]}]"),
           {{"TCP 80", R"(to xa   X.. XXX ... .
                          from xa X.. ... XXX .)"}}}}},
        {"egress at the source and ingress at the destination must both permit",
         {{on_a("policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {ns: y}}}]}]") +
               policy("q",
                      "{podSelector: {matchLabels: {pod: b}}, ingress: [{from: [{namespaceSelector: {matchLabels:"
                      " {ns: x}}, podSelector: {matchLabels: {pod: c}}}]}]}",
                      "y"),
           {{"TCP 80", R"(from xa X.. XXX ... .
                          to yb   ..X .X. ... .)"}}}}},
        {"egress blocks with overlapping cidr and except",
         {{on_a("policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/24,"
                " except: [10.0.0.12/32]}}]}]"),
           {{"TCP 80", "from xa X.X XXX XXX ."}}},
          {on_a("policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.12/32}}]}]", "q"),
           {{"TCP 80", "from xa XXX XXX XXX ."}}}},
         true},
        {"ingress blocks",
         {{on_a("ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}},"
                " {ipBlock: {cidr: 10.0.0.21/32}}]}]"),
           {{"TCP 80", "to xa X.. X.. ... X"}}},
          {on_a("ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.8/29]}}]}]"),
           {{"TCP 80", "to xa X.. ... ... ."}}}},
         true},
        {"an updated policy is in force, and a deleted one isn't",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]"),
           {{"TCP 80", "to xa X.. XXX ... ."}}},
          {on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: z}}}]}]"),
           {{"TCP 80", "to xa X.. ... XXX ."}}},
          {policy("p", "{podSelector: {matchLabels: {pod: b}}, ingress: []}"),
           {{"TCP 80", "to xb .X. ... ... ."}}},
          {"", {{"TCP 80", ""}}, "x/p"}}},
        {"updated labels of a pod, as a peer and as the one that is selected",
         {{on_a("ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {role: client}}}]}]"),
           {{"TCP 80", "to xa X.. ... ... ."}}},
          {R"({apiVersion: v1, kind: Pod, metadata: {name: c, namespace: y, labels: {pod: c, role: client}},
               spec: {containers: [{name: c}]}, status: {podIP: ADDRESS_OF_YC}})",
           {{"TCP 80", "to xa X.. ..X ... ."}}},
          {R"({apiVersion: v1, kind: Pod, metadata: {name: b, namespace: x, labels: {pod: a}},
               spec: {containers: [{name: c}]}, status: {podIP: ADDRESS_OF_XB}})",
           {{"TCP 80", R"(to xa X.. ..X ... .
                          to xb .X. ..X ... .)"}}},
          {R"({apiVersion: v1, kind: Pod, metadata: {name: c, namespace: y, labels: {pod: c}},
               spec: {containers: [{name: c}]}, status: {podIP: ADDRESS_OF_YC}})",
           {{"TCP 80", R"(to xa X.. ... ... .
                          to xb .X. ... ... .)"}}}}},
        {"updated labels of a namespace",
         {{on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]"),
           {{"TCP 80", "to xa X.. ... ... ."}}},
          {"{apiVersion: v1, kind: Namespace, metadata: {name: y, labels: {ns: y, team: blue}}}",
           {{"TCP 80", "to xa X.. XXX ... ."}}},
          {"{apiVersion: v1, kind: Namespace, metadata: {name: y, labels: {ns: y}}}",
           {{"TCP 80", "to xa X.. ... ... ."}}}}},
        {"a pod of another host is known by its address, until it has completed",
         {{R"({apiVersion: v1, kind: Pod, metadata: {name: far, namespace: y, labels: {pod: far}},
               spec: {containers: [{name: c}]}, status: {phase: Running, podIP: ADDRESS_OF_OUT}}
)" + on_a("ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]"),
           {{"TCP 80", "to xa X.. XXX ... X"}}},
          {R"({apiVersion: v1, kind: Pod, metadata: {name: far, namespace: y, labels: {pod: far}},
               spec: {containers: [{name: c}]}, status: {phase: Succeeded, podIP: ADDRESS_OF_OUT}})",
           {{"TCP 80", "to xa X.. XXX ... ."}}}}},
        {"SCTP by number and by name, and what is about TCP is not about SCTP",
         {{on_a("ingress: [{ports: [{protocol: SCTP, port: 80}]}]"),
           {{"SCTP 80", ""}, {"SCTP 81", "to xa X.. ... ... ."}, {"TCP 80", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{ports: [{protocol: SCTP, port: serve-81-sctp}]}]"),
           {{"SCTP 81", ""}, {"SCTP 80", "to xa X.. ... ... ."}}},
          {on_a("ingress: [{ports: [{protocol: TCP, port: 80}]}]"),
           {{"TCP 80", ""}, {"SCTP 80", "to xa X.. ... ... ."}, {"UDP 80", "to xa X.. ... ... ."}}}}},
        {"a policy of UDP alone",
         {{on_a("ingress: [{ports: [{protocol: UDP, port: 80}]}]"),
           {{"UDP 80", ""}, {"UDP 81", "to xa X.. ... ... ."}, {"TCP 80", "to xa X.. ... ... ."}}}}},
        {"multiple ports of one rule",
         {{on_a("ingress: [{ports: [{port: 80}, {port: 81, protocol: UDP}]}]"),
           {{"TCP 80", ""},
            {"UDP 81", ""},
            {"TCP 81", "to xa X.. ... ... ."},
            {"UDP 80", "to xa X.. ... ... ."}}}}},
    };
}

}  // namespace sluice::golden
