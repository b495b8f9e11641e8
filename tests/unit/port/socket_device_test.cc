#include "port/socket_device.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>

#include "base/fd.h"
#include "support/directory.h"

namespace sluice::port {
namespace {

TEST(ConnectsOnce, ClientsOfSockets) {
    for (const char* device :
         {"net_memif0", "net_memif0,role=client", "net_virtio_user0,path=/run/v.sock"}) {
        EXPECT_TRUE(connects_once(device)) << device;
    }
    for (const char* device :
         {"net_memif0,role=server", "net_memif0,id=1,role=master", "net_virtio_user0,path=/v,server=1",
          "net_virtio_user0,path=/dev/vhost-net", "net_null0", "0000:03:00.1"}) {
        EXPECT_FALSE(connects_once(device)) << device;
    }
}

class MemifSocketTest : public testing::Test {
 protected:
    base::Fd serve() {
        sockaddr_un address{.sun_family = AF_UNIX};
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        base::Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
        EXPECT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(listen(socket.get(), 1), 0);
        return socket;
    }
    bool is_there() const { return std::filesystem::exists(path_); }

    const test::Directory directory_;
    const std::string path_ = directory_ / "memif";
    const std::string server_ = "net_memif0,role=server,socket-abstract=no,socket=" + path_;
};

TEST_F(MemifSocketTest, OneLeftBehindIsRemoved) {
    serve();
    ASSERT_TRUE(is_there());
    remove_stale_memif_socket(server_);
    EXPECT_FALSE(is_there());
    remove_stale_memif_socket(server_);
}

TEST_F(MemifSocketTest, AServerThatAcceptsNobodyIsNotWaitedFor) {
    const base::Fd stuck = serve();
    for (int i = 0; i < 8; ++i) remove_stale_memif_socket(server_);
    EXPECT_TRUE(is_there());
}

TEST_F(MemifSocketTest, AllOthersStay) {
    base::Fd alive = serve();
    remove_stale_memif_socket(server_);
    EXPECT_TRUE(is_there());
    alive.reset();
    remove_stale_memif_socket("net_memif0,role=client,socket-abstract=no,socket=" + path_);
    remove_stale_memif_socket("net_memif0,socket-abstract=no,socket=" + path_);
    remove_stale_memif_socket("net_memif0,role=server,socket=" + path_);  // an abstract one
    remove_stale_memif_socket("net_null0,role=server,socket-abstract=no,socket=" + path_);
    EXPECT_TRUE(is_there());
}

}  // namespace
}  // namespace sluice::port
