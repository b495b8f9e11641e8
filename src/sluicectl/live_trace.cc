#include "sluicectl/live_trace.h"

#include <fmt/format.h>

#include <ostream>

#include "base/counted.h"
#include "base/text.h"
#include "sluice/protocol.h"
#include "sluicectl/interruptible.h"
#include "sluicectl/print.h"
#include "sluicectl/table.h"

namespace sluice::sluicectl {

using nlohmann::json;

tl::expected<int, CallError> live_trace(Client& client, const json& params, const Arguments& arguments,
                                        Output& output) {
    const uint64_t wanted = params.value("count", UINT64_MAX);
    const Interruptible interruptible;
    const auto started = client.call(protocol::kTraceStart, {{"filter", params.at("filter")}});
    if (!started) return tl::unexpected(started.error());
    const json read{{"trace", started->at("trace")}};
    output.err << "watching what comes; Ctrl-C ends it\n" << std::flush;

    uint64_t count = 0;
    uint64_t lost = 0;
    while (count < wanted && interruptible.count() == 0) {
        const auto portion = client.call(protocol::kTraceRead, read);
        if (!portion) return tl::unexpected(portion.error());
        for (const json& packet : portion->at("packets")) {
            if (count == wanted) break;
            ++count;
            if (output.json) {
                output.out << packet.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
                continue;
            }
            output.out << fmt::format("{} {}\n{}\n", time_of_day(packet.at("time")),
                                      base::escaped(packet.at("packet").get<std::string>()),
                                      print_trace(packet, arguments));
        }
        if (!output.out.flush()) {
            output.err << "sluicectl: the output can't be written\n";
            return kFailed;
        }
        lost = portion->at("lost");
        if (portion->at("packets").empty()) pause_briefly();
    }
    if (const auto stopped = client.call(protocol::kTraceStop, read); !stopped) {
        return tl::unexpected(stopped.error());
    }
    output.err << fmt::format("{} seen, {} lost\n", base::counted(count, "packet"), lost);
    return kDone;
}

}  // namespace sluice::sluicectl
