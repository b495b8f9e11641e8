#include "control/capture.h"

#include "base/base64.h"

namespace sluice::control {

using explain::Captures;
using nlohmann::json;

Answer capture_start(Running& daemon, const json& params, const Caller& caller) {
    auto port = text_param(params, "port");
    if (!port) return tl::unexpected(port.error());
    auto filter = text_param(params, "filter");
    if (!filter) return tl::unexpected(filter.error());
    auto drops = flag_param(params, "drops");
    if (!drops) return tl::unexpected(drops.error());
    if (*drops != port->empty()) return invalid("give either a \"port\" or \"drops\"");
    auto number = daemon.captures.start(*port, *filter, caller);
    if (!number) return refused({number.error()});
    return json{{"capture", *number}};
}

Answer capture_read(Running& daemon, const json& params, const Caller& caller) {
    auto number = own_number_param(params, "capture");
    if (!number) return tl::unexpected(number.error());
    auto pcapng = flag_param(params, "pcapng");
    if (!pcapng) return tl::unexpected(pcapng.error());
    auto most = number_param(params, "most", protocol::kMaxCaptureRead, 1, protocol::kMaxCaptureRead);
    if (!most) return tl::unexpected(most.error());
    const auto form = *pcapng ? Captures::Form::kPcapng : Captures::Form::kPackets;
    auto portion = daemon.captures.read(*number, caller, form, *most);
    if (!portion) return not_yours("capture", *number);
    json answer{{"count", portion->count},
                {"more", portion->more},
                {"lost", portion->lost},
                {"ended", std::move(portion->ended)}};
    if (*pcapng) {
        answer["pcapng"] = base::to_base64(portion->pcapng);
    } else {
        answer["packets"] = std::move(portion->packets);
    }
    return answer;
}

Answer capture_stop(Running& daemon, const json& params, const Caller& caller) {
    auto number = own_number_param(params, "capture");
    if (!number) return tl::unexpected(number.error());
    if (!daemon.captures.stop(*number, caller)) return not_yours("capture", *number);
    return json::object();
}

}  // namespace sluice::control
