#include "fuzz/target.h"

#include <netdb.h>
#include <rte_cycles.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/log.h"

namespace sluice::fuzz {
namespace {

constexpr uint64_t kStart = uint64_t{1} << 40;

void write(const std::filesystem::path& file, std::string_view text) {
    std::ofstream stream(file, std::ios::binary);
    stream << text;
    if (!stream.flush()) fail("cannot write " + file.string());
}

// A dictionary as libFuzzer reads it.
std::string dictionary() {
    std::string text;
    for (const std::string& word : words()) {
        text += '"';
        for (const char c : word) text += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
        text += "\"\n";
    }
    return text;
}

// DIRECTORY/corpus/N and DIRECTORY/dictionary.
void write_seeds(const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory / "corpus");
    size_t number = 0;
    for (const Bytes& seed : seeds()) {
        write(directory / "corpus" / fmt::format("seed-{:04}", number++), text_of(seed));
    }
    write(directory / "dictionary", dictionary());
}

}  // namespace

void pass(uint32_t seconds) { cycles += seconds * rte_get_tsc_hz(); }

void fail(std::string_view what) {
    std::fprintf(stderr, "\nfault: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
    constexpr std::string_view kSeeds = "--seeds=";
    // Of what the switch tells an operator nothing is written.
    base::log::set_level(base::log::Level::kError);
    for (int i = 1; i < *count; ++i) {
        const std::string_view argument = (*arguments)[i];
        if (!argument.starts_with(kSeeds)) continue;
        write_seeds(argument.substr(kSeeds.size()));
        std::exit(0);
    }
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    cycles = kStart;
    run({data, size});
    return 0;
}

}  // namespace sluice::fuzz

// A filter may name hosts. Nobody is asked who they are: an input means the same everywhere.
extern "C" int getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**) { return EAI_NONAME; }
