#include "base/file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/directory.h"

namespace sluice::base {
namespace {

class FileTest : public testing::Test {
 protected:
    test::Directory directory_;
    const std::string file_ = directory_ / "folder/file";
};

TEST_F(FileTest, WhatIsAppendedStandsAtTheEnd) {
    EXPECT_EQ(append_to_file(file_, "one\n").value(), 0u);
    EXPECT_EQ(append_to_file(file_, "two\n").value(), 4u);
    EXPECT_EQ(test::file_text(file_), "one\ntwo\n");
    ASSERT_TRUE(cut_file(file_, 4));
    EXPECT_EQ(test::file_text(file_), "one\n");
}

TEST_F(FileTest, AReplacedFileHasTheNewTextAlone) {
    ASSERT_TRUE(replace_file(file_, "a long text"));
    ASSERT_TRUE(replace_file(file_, "short"));
    EXPECT_EQ(test::file_text(file_), "short");
    EXPECT_FALSE(std::filesystem::exists(file_ + ".new"));
}

TEST_F(FileTest, WhatCannotBeWrittenIsToldByName) {
    test::write_file(directory_ / "folder", "in the way");
    for (const auto& error : {replace_file(file_, "x").error(), append_to_file(file_, "x").error(),
                              cut_file(file_, 0).error()}) {
        EXPECT_NE(error.message.find(file_), std::string::npos) << error.message;
    }
}

}  // namespace
}  // namespace sluice::base
