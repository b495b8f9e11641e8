// The specs of the kinds: each reads its fields of an object's mapping, with defaults and validation as in
// Kubernetes' pkg/apis/core, networking and discovery (their folders `validation`). Any thread.
#pragma once

#include <vector>

#include "kube/object.h"
#include "kube/reader.h"

namespace sluice::kube {

Pod read_pod(Reader& reader, Fields& object);
NetworkPolicy read_policy(Reader& reader, Fields& object, std::vector<base::Error>& warnings);
Service read_service(Reader& reader, Fields& object, std::vector<base::Error>& warnings);
Endpoints read_endpoints(Reader& reader, Fields& object, const Key& key, std::vector<base::Error>& warnings);
// `read` has its key, its labels and its place already.
EndpointSlice read_endpoint_slice(Reader& reader, Fields& object, const Object& read,
                                  std::vector<base::Error>& warnings);
Node read_node(Reader& reader, Fields& object, std::vector<base::Error>& warnings);

}  // namespace sluice::kube
