// The commands about traces. `trace` is a dry run: it tells what the switch would do with a packet. A live trace
// tells what it does with packets that arrive: a client starts it, fetches its packets until it has enough, and
// stops it. A live trace ends with its client's connection at the latest. Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"
#include "wire/headers.h"

namespace sluice::control {

// What a question says of the connection's protocol: kIcmp stands for ICMPv6 too. policy.why asks the same.
wire::Protocol protocol_of(const nlohmann::json& params);
// If the protocol has no ports and the question names one.
std::optional<tl::unexpected<RpcError>> fault_of_ports(const nlohmann::json& params);
// The name that is given instead of the destination port's number; empty: it is a number, or left out.
std::string port_name_of(const nlohmann::json& params);

// Answers one question, or a list of them ("questions") by a list of answers ("traces"). Between the steps of a
// long list other clients are served.
Steps trace(Running& daemon, const nlohmann::json& params);

Answer trace_start(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer trace_read(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer trace_stop(Running& daemon, const nlohmann::json& params, const Caller& caller);

}  // namespace sluice::control
