#include "control/capture.h"

#include "base/base64.h"

namespace sluice::control {

using explain::Captures;
using nlohmann::json;

Answer capture_start(Running& daemon, const json& params, const Caller& caller) {
    const std::string port = text_of(params, "port");  // empty: capture dropped packets
    const std::string filter = text_of(params, "filter");
    if (auto waiting = if_waiting(daemon, port)) return *waiting;
    auto number = daemon.captures.start(port, filter, caller);
    if (!number) return refused({number.error()});
    return json{{"capture", *number}};
}

Answer capture_read(Running& daemon, const json& params, const Caller& caller) {
    const uint32_t number = own_number_of(params, "capture");
    const bool pcapng = flag_of(params, "pcapng");
    const uint64_t most = number_of(params, "most", protocol::kMaxCaptureRead);
    const auto form = pcapng ? Captures::Form::kPcapng : Captures::Form::kPackets;
    auto portion = daemon.captures.read(number, caller, form, most);
    if (!portion) return not_yours("capture", number);
    json answer{{"count", portion->count},
                {"more", portion->more},
                {"lost", portion->lost},
                {"ended", base::or_none(portion->ended)}};
    if (pcapng) {
        answer["pcapng"] = base::to_base64(portion->pcapng);
    } else {
        answer["packets"] = std::move(portion->packets);
    }
    return answer;
}

Answer capture_stop(Running& daemon, const json& params, const Caller& caller) {
    const uint32_t number = own_number_of(params, "capture");
    if (!daemon.captures.stop(number, caller)) return not_yours("capture", number);
    return json::object();
}

}  // namespace sluice::control
