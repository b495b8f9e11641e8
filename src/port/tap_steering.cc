#include "port/tap_steering.h"

#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "base/fd.h"

namespace sluice::port {
namespace {

// Registers: the packet, which loads want in R6; what they loaded; and what has been gathered.
constexpr uint8_t kPacket = BPF_REG_6;
constexpr uint8_t kLoaded = BPF_REG_0;
constexpr uint8_t kSum = BPF_REG_7;

constexpr bpf_insn instruction(int code, uint8_t to, uint8_t from, int16_t offset, int32_t value) {
    return {.code = static_cast<__u8>(code), .dst_reg = to, .src_reg = from, .off = offset, .imm = value};
}
constexpr bpf_insn copy(uint8_t to, uint8_t from) {
    return instruction(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}
constexpr bpf_insn set(uint8_t to, int32_t value) {
    return instruction(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}
// Into kLoaded, in the host's byte order. Beyond the packet's end the program is over: the first queue.
constexpr bpf_insn load(int size, int32_t at) { return instruction(BPF_LD | BPF_ABS | size, 0, 0, 0, at); }
constexpr bpf_insn mix() { return instruction(BPF_ALU | BPF_XOR | BPF_X, kSum, kLoaded, 0, 0); }
constexpr bpf_insn jump_if(int32_t value, int16_t ahead) {
    return instruction(BPF_JMP | BPF_JEQ | BPF_K, kLoaded, 0, ahead, value);
}
constexpr bpf_insn jump_unless(int32_t value, int16_t ahead) {
    return instruction(BPF_JMP | BPF_JNE | BPF_K, kLoaded, 0, ahead, value);
}
constexpr bpf_insn jump_if_any(int32_t bits, int16_t ahead) {
    return instruction(BPF_JMP | BPF_JSET | BPF_K, kLoaded, 0, ahead, bits);
}

constexpr int32_t kTcp = 6;
constexpr int32_t kUdp = 17;
constexpr int32_t kFragment = 0x3fff;  // more fragments, and the offset

// Frames with a VLAN tag and what is no IP come by the first queue. Fragments, and what has options or extension
// headers, go by the addresses alone, of which IPv6 gives the last four bytes.
constexpr std::array kProgram{
    copy(kPacket, BPF_REG_1),
    set(kSum, 0),
    load(BPF_H, 12),
    jump_if(0x86dd, 14),      // to IPv6
    jump_unless(0x0800, 26),  // to the end
    load(BPF_W, 26),
    mix(),
    load(BPF_W, 30),
    mix(),
    load(BPF_B, 14),
    jump_unless(0x45, 20),
    load(BPF_H, 20),
    jump_if_any(kFragment, 18),
    load(BPF_B, 23),
    jump_if(kTcp, 1),
    jump_unless(kUdp, 15),
    load(BPF_W, 34),
    instruction(BPF_JMP | BPF_JA, 0, 0, 8, 0),  // to both ports
    load(BPF_W, 34),  // IPv6
    mix(),
    load(BPF_W, 50),
    mix(),
    load(BPF_B, 20),
    jump_if(kTcp, 1),
    jump_unless(kUdp, 6),
    load(BPF_W, 54),
    copy(BPF_REG_1, kLoaded),  // both ports: the same whichever comes first
    instruction(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_1, 0, 0, 16),
    instruction(BPF_ALU | BPF_XOR | BPF_X, kLoaded, BPF_REG_1, 0, 0),
    instruction(BPF_ALU | BPF_AND | BPF_K, kLoaded, 0, 0, 0xffff),
    mix(),
    // The end: neighbors in a bit or two get different queues (Knuth's multiplicative hashing).
    instruction(BPF_ALU | BPF_MUL | BPF_K, kSum, 0, 0, static_cast<int32_t>(0x9e3779b1)),
    instruction(BPF_ALU | BPF_RSH | BPF_K, kSum, 0, 0, 16),
    copy(kLoaded, kSum),
    instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
};

}  // namespace

base::Result<void> steer_by_connection(int queue) {
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attributes.insns = reinterpret_cast<__u64>(kProgram.data());
    attributes.insn_cnt = kProgram.size();
    attributes.license = reinterpret_cast<__u64>("");
    const base::Fd program(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes)));
    if (!program) return base::fail_errno("the kernel takes no program that chooses queues");
    const int descriptor = program.get();
    if (ioctl(queue, TUNSETSTEERINGEBPF, &descriptor) != 0) {
        return base::fail_errno("the kernel lets no program choose queues");
    }
    return {};
}

}  // namespace sluice::port
