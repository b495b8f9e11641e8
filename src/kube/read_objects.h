// The specs of the kinds: each reads its fields of an object's mapping, with defaults and validation as in
// Kubernetes' pkg/apis/core/validation and pkg/apis/networking/validation. Any thread.
#pragma once

#include <vector>

#include "kube/object.h"
#include "kube/reader.h"

namespace sluice::kube {

Pod read_pod(Reader& reader, Fields& object);
NetworkPolicy read_policy(Reader& reader, Fields& object, std::vector<base::Error>& warnings);

}  // namespace sluice::kube
