#include "port/guest_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "base/fd.h"
#include "support/directory.h"

namespace sluice::port {
namespace {

bool is_private(const std::string& maps) {
    std::istringstream stream(maps);
    return is_mapped_privately(stream, makedev(0, 1), 7);
}

constexpr const char* kPrivate = "7f0000000000-7f0000200000 rw-p 00000000 00:01 7   /memfd:memory (deleted)\n";
constexpr const char* kShared = "7f0000400000-7f0000600000 rw-s 00000000 00:01 7   /memfd:memory (deleted)\n";
constexpr const char* kOthers =
    "55d000000000-55d000001000 r--p 00000000 08:01 7   /usr/bin/qemu\n"
    "7f0000800000-7f0000a00000 rw-p 00000000 00:01 8   /memfd:other (deleted)\n"
    "7f0000c00000-7f0000e00000 rw-p 00000000 00:00 0 \n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]\n";

TEST(GuestMemory, IsPrivateWhereItIsMappedAndNowhereShared) {
    EXPECT_TRUE(is_private(kPrivate));
    EXPECT_TRUE(is_private(std::string(kOthers) + kPrivate));
    EXPECT_FALSE(is_private(kShared));
    EXPECT_FALSE(is_private(std::string(kPrivate) + kShared));
    EXPECT_FALSE(is_private(kOthers));  // nobody knows
    EXPECT_FALSE(is_private("no mapping\n\n"));
    EXPECT_FALSE(is_private(""));
}

TEST(GuestMemory, IsToldByTheProcessThatHasIt) {
    constexpr size_t kSize = 4096;
    const base::Fd file(memfd_create("guest", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(file.get(), kSize), 0);
    EXPECT_FALSE(is_mapped_privately(getpid(), file.get()));
    void* own = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.get(), 0);
    EXPECT_TRUE(is_mapped_privately(getpid(), file.get()));
    void* shared = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    EXPECT_FALSE(is_mapped_privately(getpid(), file.get()));
    munmap(own, kSize);
    munmap(shared, kSize);
}

TEST(GuestMemory, ThePeerIsFoundByTheSocketsPath) {
    const test::Directory directory;
    sockaddr_un address{.sun_family = AF_UNIX};
    const std::string path = directory / "s";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    const base::Fd listener(socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(bind(listener.get(), name, sizeof address), 0);
    ASSERT_EQ(listen(listener.get(), 1), 0);
    EXPECT_FALSE(peer_process(path));
    const base::Fd client(socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(connect(client.get(), name, sizeof address), 0);
    EXPECT_EQ(peer_process(path), getpid());
    EXPECT_FALSE(peer_process(directory / "t"));
}

}  // namespace
}  // namespace sluice::port
