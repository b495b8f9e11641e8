#include "dns/query.h"

#include <gtest/gtest.h>

#include "unit/dns/ask.h"

namespace sluice::dns {
namespace {

Readable read(const Bytes& bytes, Query& query) {
    return read_query(bytes, query);
}
Readable read(const Bytes& bytes) {
    Query query;
    return read_query(bytes, query);
}

TEST(ReadQuery, TakesTheQuestionAsItIsAskedAndItsNameInLowerCase) {
    const Bytes bytes = query_bytes("WeB.Blue", Type::kAaaa);
    Query query;
    ASSERT_EQ(read(bytes, query), Readable::kYes);
    EXPECT_EQ(query.id, 0x1234);
    EXPECT_EQ(query.name(), wire_name("web.blue"));
    EXPECT_EQ(query.type, Type::kAaaa);
    EXPECT_TRUE(query.wants_recursion);
    EXPECT_FALSE(query.has_edns);
    EXPECT_EQ(query.udp_bytes, 512);
    EXPECT_EQ(Bytes(query.question.begin(), query.question.end()), Bytes(bytes.begin() + 12, bytes.end()));
}

TEST(ReadQuery, TakesEdns) {
    const Edns edns{.udp_bytes = 4096, .version = 1, .dnssec_ok = true};
    Query query;
    ASSERT_EQ(read(query_bytes("web", Type::kA, &edns), query), Readable::kYes);
    EXPECT_TRUE(query.has_edns);
    EXPECT_EQ(query.udp_bytes, 4096);
    EXPECT_EQ(query.edns_version, 1);
    EXPECT_TRUE(query.dnssec_ok);
}

TEST(ReadQuery, AnEdnsSizeBelow512Is512) {
    const Edns edns{.udp_bytes = 100};
    Query query;
    ASSERT_EQ(read(query_bytes("web", Type::kA, &edns), query), Readable::kYes);
    EXPECT_EQ(query.udp_bytes, 512);
}

TEST(ReadQuery, OptionsOfEdnsMustFillTheRecord) {
    const Edns edns;
    Bytes bytes = query_bytes("web", Type::kA, &edns);
    bytes.back() = 6;
    put(bytes, {0, 10, 0, 2, 1, 2});
    EXPECT_EQ(read(bytes), Readable::kYes);
    bytes[bytes.size() - 3] = 3;
    EXPECT_EQ(read(bytes), Readable::kNo) << "the option is longer than the record";
}

TEST(ReadQuery, EveryShorterQueryIsNone) {
    const Edns edns;
    const Bytes whole = query_bytes("web.blue", Type::kA, &edns);
    for (size_t size = 0; size < whole.size(); ++size) {
        const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_EQ(read(part), size < 12 ? Readable::kNotForUs : Readable::kNo) << size;
    }
}

TEST(ReadQuery, BytesBehindTheQueryAreAMistake) {
    Bytes bytes = query_bytes("web", Type::kA);
    bytes.push_back(0);
    EXPECT_EQ(read(bytes), Readable::kNo);
}

TEST(ReadQuery, ResponsesAreNotForUs) {
    Bytes bytes = query_bytes("web", Type::kA);
    bytes[2] |= 0x80;
    EXPECT_EQ(read(bytes), Readable::kNotForUs);
}

TEST(ReadQuery, OtherOpcodesAreNotImplemented) {
    for (const int opcode : {1, 2, 4, 5, 15}) {
        Bytes bytes = query_bytes("web", Type::kA);
        bytes[2] = static_cast<uint8_t>(opcode << 3);
        EXPECT_EQ(read(bytes), Readable::kNotImplemented) << opcode;
    }
}

TEST(ReadQuery, ExactlyOneQuestion) {
    for (const int count : {0, 2, 255}) {
        Bytes bytes = query_bytes("web", Type::kA);
        bytes[5] = static_cast<uint8_t>(count);
        EXPECT_EQ(read(bytes), Readable::kNo) << count;
    }
}

TEST(ReadQuery, RecordsBesideTheQuestionAreAMistake) {
    for (const size_t at : {7U, 9U}) {
        Bytes bytes = query_bytes("web", Type::kA);
        bytes[at] = 1;
        EXPECT_EQ(read(bytes), Readable::kNo) << at;
    }
    const Edns edns;
    Bytes bytes = query_bytes("web", Type::kA, &edns);
    bytes[11] = 2;
    EXPECT_EQ(read(bytes), Readable::kNo);
}

TEST(ReadQuery, ACompressedNameIsAMistake) {
    Bytes bytes(12);
    bytes[5] = 1;
    put(bytes, {0xc0, 12, 0, 1, 0, 1});
    EXPECT_EQ(read(bytes), Readable::kNo);
}

TEST(ReadQuery, ANameOfMoreThan255BytesIsAMistake) {
    Bytes bytes(12);
    bytes[5] = 1;
    for (int label = 0; label < 4; ++label) {
        bytes.push_back(63);
        bytes.insert(bytes.end(), 63, 'a');
    }
    put(bytes, {0, 0, 1, 0, 1});
    EXPECT_EQ(read(bytes), Readable::kNo) << "257 bytes";
}

TEST(ReadQuery, AnIncrementalTransferIsReadUpToItsQuestion) {
    Bytes bytes = query_bytes("cluster.local", Type::kIxfr);
    bytes[9] = 1;
    put(bytes, {0, 0, 6});
    EXPECT_EQ(read(bytes), Readable::kYes);
}

}  // namespace
}  // namespace sluice::dns
