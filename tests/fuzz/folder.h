// A folder in memory for a target's files, which it writes anew for each input; removed at the end.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace sluice::fuzz {

class Folder {
 public:
    Folder() {
        std::string pattern = "/dev/shm/sluice-fuzz-XXXXXX";  // the code under test syncs what it writes
        path_ = mkdtemp(pattern.data());
    }
    Folder(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    // What the input before has left: of files that are put aside there may be so many in a second.
    void clear() const {
        for (const auto& entry : std::filesystem::directory_iterator(path_)) std::filesystem::remove(entry.path());
    }

    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
    std::string path_;
};

inline void write_file(const std::string& file, std::string_view text) {
    std::ofstream(file, std::ios::binary) << text;
}

}  // namespace sluice::fuzz
