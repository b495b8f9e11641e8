#include "port/dpdk_log.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "base/log.h"

namespace sluice::port {
namespace {

// As DPDK loads it with net_af_xdp.
TEST(DpdkLog, TakesWhatLibbpfSays) {
    void* libbpf = dlopen("libbpf.so.1", RTLD_NOW);
    if (libbpf == nullptr) GTEST_SKIP() << "libbpf isn't installed";
    EXPECT_GE(redirect_bpf_logs(), 1);
    auto* open = reinterpret_cast<void* (*)(const char*)>(dlsym(libbpf, "bpf_object__open"));
    ASSERT_NE(open, nullptr);
    base::log::set_level(base::log::Level::kInfo);
    testing::internal::CaptureStderr();
    open("/nosuch/file");
    const std::string log = testing::internal::GetCapturedStderr();
    base::log::set_level(base::log::Level::kNotice);
    EXPECT_TRUE(log.starts_with("info dpdk: libbpf: ")) << log;
    EXPECT_NE(log.find("/nosuch/file"), std::string::npos) << log;
}

}  // namespace
}  // namespace sluice::port
