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

TEST_F(FileTest, WhatIsPutAsideStaysWhereItWasAndIsKeptOnce) {
    ASSERT_TRUE(replace_file(file_, "bad"));
    const auto name = put_aside(file_);
    ASSERT_TRUE(name) << name.error().text();
    EXPECT_TRUE(name->starts_with(file_ + ".bad-")) << *name;
    EXPECT_EQ(test::file_text(*name), "bad");
    EXPECT_EQ(test::file_text(file_), "bad");
    EXPECT_EQ(put_aside(file_).value(), *name);
    ASSERT_TRUE(replace_file(file_, "good"));
    EXPECT_EQ(test::file_text(*name), "bad");
}

TEST_F(FileTest, TheNewestOfManyAreKept) {
    std::string last;
    for (int i = 0; i < 9; ++i) {
        ASSERT_TRUE(replace_file(file_, fmt::format("bad {}", i)));
        last = put_aside(file_).value();
    }
    EXPECT_EQ(test::file_text(last), "bad 8");
    const auto folder = std::filesystem::path(file_).parent_path();
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1 + 5);
}

TEST_F(FileTest, AFolderInItsPlaceIsPutAsideToo) {
    std::filesystem::create_directories(file_);
    const auto name = put_aside(file_);
    ASSERT_TRUE(name) << name.error().text();
    EXPECT_TRUE(std::filesystem::is_directory(*name));
    EXPECT_FALSE(std::filesystem::exists(file_));
    EXPECT_FALSE(put_aside(file_));  // there is none any more
}

}  // namespace
}  // namespace sluice::base
