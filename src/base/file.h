// Files that are to survive a crash: what these functions have written is on the disk when they return. They touch
// regular files only: a folder or a device in the place of one is an error. A symbolic link stays, and what it
// leads to is written. One writer a file. Any thread; they block.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::base {

// Replaces the file as a whole (written beside it as FILE.new, synced, renamed), so that a crash at any
// moment leaves the old text or the new one. Makes the folder.
Result<void> replace_file(const std::string& file, std::string_view text);

// Why the functions here could not write the file: a folder without permission, or a file system
// that is read-only. Makes nothing.
Result<void> expect_writable(const std::string& file);

// Adds to the file's end, and makes it and its folder if need be. Answers how long it was before; an error
// leaves it as it was.
Result<uint64_t> append_to_file(const std::string& file, std::string_view text);

// Takes off what stands behind these bytes.
Result<void> cut_file(const std::string& file, uint64_t size);

// What a file is read for.
enum class Reading {
    kOnce,   // a configuration: a pipe or a terminal will do
    kAgain,  // a configuration that is read for the second time: a pipe would give nothing, or keep us waiting
    kState,  // what we have written ourselves, of any size
};
inline constexpr size_t kMaxFile = 64 << 20;  // bytes of a configuration
tl::expected<std::string, Errors> read_file(const std::string& file, Reading reading = Reading::kOnce);

// Keeps a file that can't be read under another name, FILE.bad-DATE beside it, of which the newest five stay;
// answers the name. The file itself stays where it is, for replace_file(), unless its file system has no hard
// links. A text that was kept before is not kept twice. No file that has another name is touched.
Result<std::string> put_aside(const std::string& file);

}  // namespace sluice::base
