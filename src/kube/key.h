// What Kubernetes objects are found by: kind, namespace and name. And the words that several kinds share. Any
// thread; plain values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace sluice::kube {

enum class Kind : uint8_t { kNamespace, kPod, kNetworkPolicy, kService, kEndpoints, kEndpointSlice, kNode };
constexpr auto names(Kind) {
    return std::array{base::Name{Kind::kNamespace, "Namespace"},
                      base::Name{Kind::kPod, "Pod"},
                      base::Name{Kind::kNetworkPolicy, "NetworkPolicy"},
                      base::Name{Kind::kService, "Service"},
                      base::Name{Kind::kEndpoints, "Endpoints"},
                      base::Name{Kind::kEndpointSlice, "EndpointSlice"},
                      base::Name{Kind::kNode, "Node"}};
}

std::optional<Kind> find_kind(std::string_view word);
// Whether objects of this kind are in a namespace.
bool has_namespace(Kind kind);

struct Key {
    Kind kind = Kind::kNamespace;
    std::string name_space;  // empty: the kind has none
    std::string name;

    // "networkpolicy shop/api", "namespace shop"
    std::string text() const;

    auto operator<=>(const Key&) const = default;
};

enum class Protocol : uint8_t { kTcp = 6, kUdp = 17, kSctp = 132 };
constexpr auto names(Protocol) {
    return std::array{base::Name{Protocol::kTcp, "TCP"}, base::Name{Protocol::kUdp, "UDP"},
                      base::Name{Protocol::kSctp, "SCTP"}};
}

}  // namespace sluice::kube
