#include "explain/pcapng.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <cstdio>
#include <memory>

namespace sluice::explain::pcapng {
namespace {

std::string words(std::initializer_list<uint32_t> list) {
    std::string bytes;
    for (const uint32_t word : list) bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
    return bytes;
}

// Byte by byte, as the draft draws them (4.1 to 4.6).
TEST(Pcapng, BlocksAreLaidOutAsTheDraftHasIt) {
    std::string section;
    add_section(section, "abcde");
    EXPECT_EQ(section, words({0x0a0d0d0a, 44, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff}) +
                           std::string("\4\0\5\0abcde\0\0\0", 12) + words({0, 44}));

    std::string interface;
    add_interface(interface, "web0", 1000);
    EXPECT_EQ(interface, words({1, 40, 1, 1000}) + std::string("\2\0\4\0web0", 8) +
                             std::string("\11\0\1\0\11\0\0\0", 8) + words({0, 40}));

    std::string frame;
    add_frame(frame, {3, 0x0000'0001'0000'0002, 99, "xyz", Direction::kOutbound, "why"});
    EXPECT_EQ(frame, words({6, 56, 3, 1, 2, 3, 99}) + std::string("xyz\0", 4) + words({0x0004'0002, 2}) +
                         std::string("\1\0\3\0why\0", 8) + words({0, 56}));

    std::string uncommented;
    add_frame(uncommented, {0, 0, 0, "", Direction::kInbound, ""});
    EXPECT_EQ(uncommented, words({6, 44, 0, 0, 0, 0, 0, 0x0004'0002, 1, 0, 44}));

    std::string statistics;
    add_statistics(statistics, 0x0000'0001'0000'0002, 7, 5);
    EXPECT_EQ(statistics, words({5, 52, 0, 1, 2, 0x0008'0004, 7, 0, 0x0008'0005, 5, 0, 0, 52}));
}

// What libpcap, and so tcpdump, makes of a file with several interfaces.
TEST(Pcapng, LibpcapReadsIt) {
    std::string bytes;
    add_section(bytes, "test");
    add_interface(bytes, "a", 262144);
    add_frame(bytes, {0, 1'700'000'000'000'123'000, 60, std::string(60, 'x'), Direction::kInbound, "from port a"});
    add_interface(bytes, "b", 262144);
    add_frame(bytes, {1, 1'700'000'001'000'000'000, 9000, std::string(61, 'y'), Direction::kOutbound,
                      std::string(70'000, 'c')});
    add_statistics(bytes, 1'700'000'002'000'000'000, 2, 0);

    FILE* file = fmemopen(bytes.data(), bytes.size(), "rb");
    ASSERT_NE(file, nullptr);
    char error[PCAP_ERRBUF_SIZE] = "";
    const std::unique_ptr<pcap_t, decltype(&pcap_close)> reader(pcap_fopen_offline(file, error), pcap_close);
    ASSERT_NE(reader, nullptr) << error;
    EXPECT_EQ(pcap_datalink(reader.get()), DLT_EN10MB);
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    ASSERT_EQ(pcap_next_ex(reader.get(), &header, &data), 1) << pcap_geterr(reader.get());
    EXPECT_EQ(header->ts.tv_sec, 1'700'000'000);
    EXPECT_EQ(header->ts.tv_usec, 123);
    EXPECT_EQ(header->caplen, 60u);
    EXPECT_EQ(header->len, 60u);
    EXPECT_EQ(data[59], 'x');
    ASSERT_EQ(pcap_next_ex(reader.get(), &header, &data), 1) << pcap_geterr(reader.get());
    EXPECT_EQ(header->caplen, 61u);
    EXPECT_EQ(header->len, 9000u);
    EXPECT_EQ(pcap_next_ex(reader.get(), &header, &data), PCAP_ERROR_BREAK);
}

}  // namespace
}  // namespace sluice::explain::pcapng
