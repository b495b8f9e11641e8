#include "nat/secret.h"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace sluice::nat {

Secret::Secret() {
    std::array<uint64_t, 2> drawn{};
    auto* at = reinterpret_cast<char*>(drawn.data());
    for (size_t got = 0; got < sizeof drawn;) {
        const ssize_t n = getrandom(at + got, sizeof drawn - got, 0);
        if (n > 0) got += static_cast<size_t>(n);
        if (n < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
    }
    low_ = drawn[0];
    high_ = drawn[1];
}

}  // namespace sluice::nat
