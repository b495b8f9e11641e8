// Reads values that several kinds have: addresses, prefixes, and ports by number or name. A mistake is reported at
// its place, and the value stays as it is. The functions return true if they set it. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "kube/reader.h"
#include "sluice/address.h"

namespace sluice::kube {

bool read_address(Reader& reader, const base::Tree& tree, IpAddress& address);
// An address that traffic can be sent to: no unspecified, loopback, link-local or multicast one.
bool read_host_address(Reader& reader, const base::Tree& tree, IpAddress& address);
// "10.0.0.1/24" is 10.0.0.0/24, as the API server takes it, with a warning.
bool read_prefix(Reader& reader, const base::Tree& tree, IpPrefix& prefix, std::vector<base::Error>& warnings);

// An IntOrString: the number of a port from `low` to 65535, or the name of a container's port. With a low of 0 the
// name may be empty.
void read_port(Fields& fields, std::string_view field, uint16_t low, uint16_t& number, std::string& name);

}  // namespace sluice::kube
