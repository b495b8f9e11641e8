// A directory for a test's files. The destructor removes it with its content. Any thread.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace sluice::test {

class Directory {
 public:
    Directory() {
        std::string pattern = testing::TempDir() + "sluice-XXXXXX";
        path_ = mkdtemp(pattern.data());
    }
    Directory(const Directory&) = delete;
    ~Directory() { std::filesystem::remove_all(path_); }

    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
    std::string path_;
};

inline void write_file(const std::string& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
}

inline std::string file_text(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
}

}  // namespace sluice::test
