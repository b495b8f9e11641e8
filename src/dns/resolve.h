// Decides what a question is answered with: the records of our own table, a negative answer of a zone of ours, or
// what the upstreams say. A pure function of table, network and question. Any thread.
//
//   NAME             of a container in the asker's own network: its port's name, its pod's, and its aliases
//   NAME.NETWORK     of a container in any network of the asker's routing domain
//   *.DOMAIN         the cluster's: Services and pods by Kubernetes' DNS schema 1.1.0; never asked elsewhere
//   reverse names    of addresses in the routing domain's subnets and of its Services; never asked elsewhere
//   other names      without a dot there is no such name, as resolvers don't send them out either; with a dot the
//                    upstreams are asked
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dns/names.h"
#include "dns/query.h"
#include "path/ids.h"

namespace sluice::dns {

struct Answered {
    std::string name;
    const Record* record;  // of the table
};

struct Resolved {
    enum class Kind : uint8_t {
        kAnswer,   // with the records, or without any
        kMinimal,  // to a question for all types (RFC 8482)
        kForward,  // the upstreams know `forward`; the records lead to it (CNAME)
        kRefuse,
    };
    // Why, for people.
    enum class Reason : uint8_t {
        kRecords,
        kNoSuchType,
        kNoNameInZone,
        kNoNameOfAddress,
        kNoSingleLabel,
        kNotOurs,
        kNoNetwork,
        kTransfer,
        kLoop,
    };

    Kind kind = Kind::kAnswer;
    Reason reason = Reason::kRecords;
    Rcode rcode = Rcode::kNoError;
    std::vector<Answered> answers;
    std::vector<Answered> additional;
    std::string zone;     // whose SOA stands in a negative answer
    std::string forward;  // the name to ask the upstreams for
};
std::string_view text(Resolved::Reason reason);

// The records are valid as long as the table.
Resolved resolve(const Names& names, path::NetworkId network, std::string_view name, Type type);

}  // namespace sluice::dns
