#include "sluicectl/capture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <ostream>

#include "base/base64.h"
#include "base/counted.h"
#include "base/text.h"
#include "sluice/protocol.h"
#include "sluicectl/interruptible.h"
#include "sluicectl/print.h"
#include "sluicectl/table.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

// "16:04:05.000123 from web  02:… > 02:…, length 60: …"
std::string line_of(const json& packet) {
    const auto text = [&](const char* key) { return word(packet.at(key)); };
    std::string line = fmt::format("{} {} {}  {}", time_of_day(packet.at("time")), text("direction"),
                                   text("port"), text("packet"));
    if (has(packet, "reason")) {
        line += "  dropped: " + text("reason");
        const std::string objects = deciders(packet.at("decided-by"));
        if (!objects.empty()) line += ", decided by " + base::escaped(objects);
    }
    return line + "\n";
}

void write_packets(const json& portion, bool as_json, std::ostream& out) {
    for (const json& packet : portion.at("packets")) {
        if (as_json) {
            out << packet.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
        } else {
            out << line_of(packet);
        }
    }
}

// The types of pcapng blocks that are no packets: interfaces, and the statistics at the end of a file. A block
// begins with its type and its size.
std::string without_packets(std::string_view blocks) {
    constexpr uint32_t kEnhancedPacket = 6;
    std::string others;
    std::array<uint32_t, 2> head;
    while (blocks.size() >= sizeof head) {
        std::memcpy(head.data(), blocks.data(), sizeof head);
        const auto [type, length] = head;
        const size_t size = std::clamp<size_t>(length, sizeof head, blocks.size());
        if (type != kEnhancedPacket) others += blocks.substr(0, size);
        blocks.remove_prefix(size);
    }
    return others;
}

enum class Wanted { kAll, kNoPackets };

// False: the text isn't valid Base64.
bool write_pcapng(const json& portion, Wanted wanted, std::ostream& out) {
    const auto bytes = base::from_base64(portion.at("pcapng").get_ref<const std::string&>());
    if (bytes) out << (wanted == Wanted::kAll ? *bytes : without_packets(*bytes));
    return bytes.has_value();
}

}  // namespace

tl::expected<int, CallError> capture(Client& client, const json& params, const Arguments& arguments,
                                     Output& output) {
    const auto complain = [&](const std::string& message) {
        output.err << "sluicectl: " << base::escaped(message) << "\n";
        return kFailed;
    };
    const auto file = arguments.options.find("-w");
    const bool is_pcapng = file != arguments.options.end();
    json start = params;
    start.erase("count");
    uint64_t wanted = params.value("count", UINT64_MAX);
    const Interruptible interruptible;
    const auto started = client.call(protocol::kCaptureStart, start);
    if (!started) return tl::unexpected(started.error());
    const json number = started->at("capture");
    // Opens the file only when there is something to write, so that a mistaken command doesn't empty a file.
    std::ofstream opened;
    if (is_pcapng && file->second != "-") {
        errno = 0;
        opened.open(file->second, std::ios::binary | std::ios::trunc);
        if (!opened) return complain(fmt::format("{}: {}", file->second, strerror(errno)));
    }
    std::ostream& out = opened.is_open() ? opened : output.out;
    output.err << fmt::format("capturing {}; Ctrl-C ends it\n", base::escaped(arguments.words[0])) << std::flush;

    uint64_t count = 0;
    uint64_t lost = 0;
    bool stopped = false;
    for (bool more = true; more && interruptible.count() < 2;) {
        if (!stopped && (interruptible.count() != 0 || wanted == 0)) {
            stopped = true;
            if (auto done = client.call(protocol::kCaptureStop, {{"capture", number}}); !done) {
                return tl::unexpected(done.error());
            }
        }
        // The end of a pcapng file still has to come. Skip the packets before it.
        const bool is_full = wanted == 0;
        if (is_full && !is_pcapng) break;
        json read{{"capture", number}, {"pcapng", is_pcapng}};
        if (!is_full && wanted < protocol::kMaxCaptureRead) read["most"] = wanted;
        const auto portion = client.call(protocol::kCaptureRead, read);
        if (!portion) return tl::unexpected(portion.error());
        if (!is_pcapng) {
            write_packets(*portion, output.json, out);
        } else if (!write_pcapng(*portion, is_full ? Wanted::kNoPackets : Wanted::kAll, out)) {
            return complain("sluiced's answer is damaged");
        }
        if (!out.flush()) return complain("the output can't be written");
        if (!is_full) {
            count += portion->at("count").get<uint64_t>();
            wanted -= std::min(wanted, portion->at("count").get<uint64_t>());
        }
        lost = portion->at("lost");
        const json& ended = portion->at("ended");
        more = ended.is_null();
        if (!more && !stopped) output.err << "the capture has ended: " << word(ended) << "\n";
        if (more && wanted != 0 && !portion->at("more").get<bool>()) pause_briefly();
    }
    output.err << fmt::format("{} captured, {} lost\n", base::counted(count, "packet"), lost);
    return kDone;
}

}  // namespace sluice::sluicectl
