#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <iterator>
#include <thread>
#include <vector>

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

TEST_F(FileTest, WhatCannotBeReplacedLeavesNothingBeside) {
    ASSERT_TRUE(replace_file(file_, "the old text"));
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit small = before;
    small.rlim_cur = 16;  // as a full disk
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto done = replace_file(file_, std::string(100, 'x'));
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    EXPECT_FALSE(done);
    EXPECT_EQ(test::file_text(file_), "the old text");
    EXPECT_FALSE(std::filesystem::exists(file_ + ".new"));
}

TEST_F(FileTest, WhetherAFileCanBeWrittenIsKnownBefore) {
    EXPECT_TRUE(expect_writable(file_));  // its folder isn't there yet
    EXPECT_FALSE(std::filesystem::exists(directory_ / "folder"));
    test::write_file(directory_ / "folder", "in the way");
    const auto fault = expect_writable(file_);
    ASSERT_FALSE(fault);
    EXPECT_NE(fault.error().message.find(directory_ / "folder"), std::string::npos)
        << fault.error().message;
    EXPECT_FALSE(expect_writable(directory_ / "folder/deeper/file"));
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

// Whoever names a folder or a device by mistake loses nothing.
TEST_F(FileTest, OnlyFilesAreTouched) {
    std::filesystem::create_directories(file_);
    test::write_file(file_ + "/inside", "dear");
    std::filesystem::create_symlink("file", directory_ / "folder/link");
    std::filesystem::create_symlink("/dev/null", directory_ / "folder/null");
    ASSERT_EQ(mkfifo((directory_ / "folder/pipe").c_str(), 0600), 0);
    for (const char* name : {"folder/file", "folder/link", "folder/null", "folder/pipe"}) {
        const std::string path = directory_ / name;
        EXPECT_FALSE(put_aside(path)) << name;
        EXPECT_FALSE(replace_file(path, "x")) << name;
        EXPECT_FALSE(append_to_file(path, "x")) << name;
        EXPECT_FALSE(cut_file(path, 0)) << name;
    }
    EXPECT_EQ(put_aside(file_).error().text(), file_ + " is a folder, and no file");
    EXPECT_EQ(test::file_text(file_ + "/inside"), "dear");
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
    EXPECT_TRUE(std::filesystem::is_fifo(directory_ / "folder/pipe"));
    EXPECT_FALSE(put_aside(directory_ / "folder/none"));
}

TEST_F(FileTest, OnlyFilesThatWerePutAsideGoAgain) {
    ASSERT_TRUE(replace_file(file_, "bad"));
    std::filesystem::create_directories(file_ + ".bad-0/inside");
    std::filesystem::create_symlink("file", file_ + ".bad-1");
    std::filesystem::create_directories(file_ + ".bad-9");
    for (int i = 0; i < 9; ++i) {
        ASSERT_TRUE(replace_file(file_, fmt::format("bad {}", i)));
        const auto name = put_aside(file_);
        ASSERT_TRUE(name) << name.error().text();
        EXPECT_EQ(test::file_text(*name), fmt::format("bad {}", i));
    }
    EXPECT_TRUE(std::filesystem::is_directory(file_ + ".bad-0/inside"));
    EXPECT_TRUE(std::filesystem::is_symlink(file_ + ".bad-1"));
    EXPECT_TRUE(std::filesystem::is_directory(file_ + ".bad-9"));
}

TEST_F(FileTest, CopiesThatTheUserMadeAreKeptAndNotCounted) {
    std::filesystem::create_directories(directory_ / "folder");
    const std::vector<std::string> names = {".bad-backup",           ".bad-2024",
                           ".bad-20240101-000000x", ".bad-20240101-000000.1",
                           ".bad-20240101_000000",  ".bad-20240101-000000.old",
                           ".bad-z"};
    for (const auto& name : names) test::write_file(file_ + name, name);
    for (int i = 0; i < 9; ++i) {
        ASSERT_TRUE(replace_file(file_, fmt::format("bad {}", i)));
        ASSERT_TRUE(put_aside(file_));
    }
    for (const auto& name : names) EXPECT_EQ(test::file_text(file_ + name), name);
    const auto folder = std::filesystem::path(file_).parent_path();
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1 + 5 + std::ssize(names));
}

// A crash may leave FILE.new, and it may be another name of a file that someone needs.
TEST_F(FileTest, AFileWithASecondNameBesideIsNotOverwritten) {
    std::filesystem::create_directories(directory_ / "folder");
    test::write_file(directory_ / "dear", "dear");
    std::filesystem::create_hard_link(directory_ / "dear", file_ + ".new");
    ASSERT_TRUE(replace_file(file_, "text"));
    EXPECT_EQ(test::file_text(directory_ / "dear"), "dear");
    EXPECT_EQ(test::file_text(file_), "text");
    // A link, a folder or a pipe stays.
    std::filesystem::create_symlink("../dear", file_ + ".new");
    EXPECT_FALSE(replace_file(file_, "other"));
    EXPECT_TRUE(std::filesystem::is_symlink(file_ + ".new"));
    EXPECT_EQ(test::file_text(directory_ / "dear"), "dear");
    EXPECT_EQ(test::file_text(file_), "text");
}

TEST_F(FileTest, WhatALinkLeadsToIsWritten) {
    std::filesystem::create_directories(directory_ / "folder");
    std::filesystem::create_symlink("second", file_);
    std::filesystem::create_symlink("../other/target", directory_ / "folder/second");
    ASSERT_TRUE(replace_file(file_, "one\n"));  // makes the folder, too
    ASSERT_TRUE(append_to_file(file_, "two\n"));
    EXPECT_TRUE(std::filesystem::is_symlink(file_));
    EXPECT_TRUE(std::filesystem::is_symlink(directory_ / "folder/second"));
    EXPECT_EQ(test::file_text(directory_ / "other/target"), "one\ntwo\n");
    const auto name = put_aside(file_);
    ASSERT_TRUE(name) << name.error().text();
    EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(*name)));
    EXPECT_EQ(test::file_text(*name), "one\ntwo\n");
    EXPECT_EQ(put_aside(file_).value(), *name);
    // Links in a circle lead nowhere.
    std::filesystem::create_symlink("circle", directory_ / "folder/circle");
    EXPECT_FALSE(replace_file(directory_ / "folder/circle", "x"));
    EXPECT_FALSE(append_to_file(directory_ / "folder/circle", "x"));
}

TEST(FilesIn, AreThoseOfTheFolderInTheOrderOfTheirNames) {
    const test::Directory directory;
    std::filesystem::create_directories(directory / "m/folder.yaml");
    for (const char* name : {"m/b.yaml", "m/a.json", "m/c.txt", "m/folder.yaml/d.yaml"}) {
        test::write_file(directory / name, "");
    }
    const auto files = files_in(directory / "m", kManifestEndings);
    ASSERT_TRUE(files);
    EXPECT_EQ(*files, (std::vector<std::string>{directory / "m/a.json", directory / "m/b.yaml"}));
    EXPECT_EQ(files_in(directory / "nosuch", kManifestEndings).error().message,
              "the folder " + (directory / "nosuch") + " can't be read: No such file or directory");
}

TEST(ReadFile, SaysWhyItCannot) {
    const test::Directory directory;
    auto missing = read_file(directory / "none.yaml");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error()[0].message,
              "cannot be read: No such file or directory; is the path right?");
    EXPECT_EQ(missing.error()[0].place.file, directory / "none.yaml");
    EXPECT_EQ(read_file(directory / ".").error()[0].message, "cannot be read: Is a directory");
    test::write_file(directory / "f", std::string("a\0b", 3));
    EXPECT_EQ(*read_file(directory / "f"), std::string("a\0b", 3));
}

TEST(ReadFile, ReadsFilesOfABoundedSizeAndPipes) {
    const test::Directory directory;
    const auto error = [](const std::string& file, Reading reading) {
        const auto text = read_file(file, reading);
        return text ? "" : text.error()[0].message;
    };
    EXPECT_EQ(error("/dev/zero", Reading::kOnce), "is a device, and no file");
    EXPECT_EQ(error("/dev/zero", Reading::kState), "is no file, but a device, a socket or a pipe");
    test::write_file(directory / "f", "x");
    std::filesystem::resize_file(directory / "f", kMaxFile);
    EXPECT_EQ(read_file(directory / "f")->size(), kMaxFile);
    std::filesystem::resize_file(directory / "f", kMaxFile + 1);
    EXPECT_EQ(error(directory / "f", Reading::kOnce), "is larger than 64 MiB");
    EXPECT_EQ(error(directory / "f", Reading::kAgain), "is larger than 64 MiB");
    EXPECT_EQ(error(directory / "f", Reading::kState), "");
    const std::string pipe = directory / "pipe";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_EQ(error(pipe, Reading::kAgain), "is a pipe, which can't be read again");
    EXPECT_EQ(error(pipe, Reading::kState), "is no file, but a device, a socket or a pipe");
    std::thread writer([&] { test::write_file(pipe, "from a pipe"); });
    EXPECT_EQ(*read_file(pipe), "from a pipe");
    writer.join();
}

}  // namespace
}  // namespace sluice::base
