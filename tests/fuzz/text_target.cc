// Small texts and messages that others write: addresses, base64, what the kernel says of a process' memory and
// answers on netlink. The first byte chooses.
#include <linux/netlink.h>

#include <cstring>
#include <sstream>

#include "base/base64.h"
#include "base/text.h"
#include "engine/machine.h"
#include "fuzz/target.h"
#include "port/guest_memory.h"
#include "port/netlink_reply.h"
#include "port/port_config.h"
#include "sluice/address.h"

namespace sluice::fuzz {
namespace {

constexpr uint32_t kSequence = 7;

// What is read is written as a text that is read as the same.
template <class T>
void check_value(std::string_view text) {
    const auto value = T::parse(text);
    if (!value) {
        must(!value.error().empty(), "refused without a word");
        return;
    }
    const auto again = T::parse(value->text());
    must(again.has_value() && *again == *value, "'{}' is written as '{}', which is another", text, value->text());
}

void check_text(std::string_view text) {
    check_value<MacAddress>(text);
    check_value<IpAddress>(text);
    check_value<IpPrefix>(text);
    check_value<InterfaceAddress>(text);
    (void)engine::parse_cores(text);
    (void)port::is_netns(text);
    (void)port::is_interface_name(text);
    const std::string shown = base::escaped(text);
    must(base::escaped(shown) == shown, "escaped twice is another text");
    for (std::string_view left = shown; !left.empty();) {
        const auto character = base::take_character(left);
        must(character && !base::is_control(*character), "a terminal could obey an escaped text");
    }
    if (const auto bytes = base::from_base64(text)) must(base::to_base64(*bytes) == text, "another base64");
    must(base::from_base64(base::to_base64(text)) == text, "base64 loses bytes");
}

void check_netlink(Input& input) {
    nlmsghdr request{};
    request.nlmsg_seq = kSequence;
    request.nlmsg_flags = input.flag() ? NLM_F_ACK : 0;
    port::NetlinkReply reply(&request);
    using State = port::NetlinkReply::State;
    State state = State::kMore;
    while (state == State::kMore && !input.at_end()) {
        const size_t size = input.word();
        const auto piece = input.take(size);
        // Netlink messages lie aligned, as in the buffer that a socket's bytes are received into.
        std::vector<uint32_t> buffer((piece.size() + 3) / 4);
        if (!piece.empty()) std::memcpy(buffer.data(), piece.data(), piece.size());
        state = reply.take({reinterpret_cast<const char*>(buffer.data()), piece.size()}, [](const nlmsghdr* header) {
            must(header->nlmsg_seq == kSequence, "an answer to another request");
        });
    }
    must((state == State::kFailed) == (reply.error() != 0), "failed without an error, or an error without failing");
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    switch (input.below(3)) {
        case 0: return check_text(text_of(input.rest()));
        case 1: return check_netlink(input);
        case 2: {
            std::istringstream maps{std::string(text_of(input.rest()))};
            (void)port::is_mapped_privately(maps, 0x103, 1234);
        }
    }
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    for (const char* text : {"02:00:00:00:00:0a", "10.0.0.1", "fd00::1", "::ffff:10.0.0.1", "10.0.0.0/8", "fd00::/64",
                             "10.0.0.2/24", "0-3,8", "pid:12", "/run/netns/web", "c2x1aWNl", "c2x1aQ=="}) {
        seeds.push_back(Output().byte(0).add(bytes_of(text)));
    }
    for (const uint16_t type : {uint16_t{NLMSG_DONE}, uint16_t{NLMSG_ERROR}, uint16_t{16}}) {
        struct {
            nlmsghdr header;
            int status;
        } message{{sizeof message, type, NLM_F_MULTI, kSequence, 0}, -4};
        Bytes copy(sizeof message);
        std::memcpy(copy.data(), &message, sizeof message);
        seeds.push_back(Output().byte(1).byte(0).word(sizeof message).add(copy));
    }
    seeds.push_back(Output().byte(2).add(bytes_of("7f0000000000-7f0000200000 rw-p 00000000 01:03 1234 /dev/shm/a\n")));
    return seeds;
}

std::vector<std::string> words() { return {"::", "/128", "ffff", "-", "rw-s ", "01:03 "}; }

}  // namespace sluice::fuzz
