// Files that survive a crash: when these functions return, the data is on the disk. They touch regular files
// only; a folder or a device in place of the file is an error. A symbolic link stays, and its target is written.
// One writer per file. Any thread; the functions block.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice::base {

// Replaces the whole file (writes FILE.new beside it, syncs, renames), so that a crash at any moment leaves the
// old text or the new one. Creates the folder if needed.
Result<void> replace_file(const std::string& file, std::string_view text);

// The error that the functions here would give for this file: a folder without permission, or a read-only file
// system. Creates nothing.
Result<void> expect_writable(const std::string& file);

// Appends to the file; creates the file and its folder if needed. Returns the file's size before. After an error
// the file is as it was.
Result<uint64_t> append_to_file(const std::string& file, std::string_view text);

// Cuts the file to `size` bytes.
Result<void> cut_file(const std::string& file, uint64_t size);

// What a file is read for.
enum class Reading {
    kOnce,   // a configuration: a pipe or a terminal will do
    kAgain,  // a configuration that is read for the second time: a pipe would give nothing, or keep us waiting
    kState,  // what we have written ourselves, of any size
};
inline constexpr size_t kMaxFile = 64 << 20;  // bytes of a configuration
tl::expected<std::string, Errors> read_file(const std::string& file, Reading reading = Reading::kOnce);

// The files of a folder that have one of these endings (".yaml"), each with the folder's name in front, in the
// order of their names. Not those of the folders in it.
Result<std::vector<std::string>> files_in(const std::string& folder, std::span<const std::string_view> endings);
// The endings of files that may hold Kubernetes' manifests.
inline constexpr std::string_view kManifestEndings[] = {".yaml", ".yml", ".json"};

// Keeps an unreadable file under another name beside it, FILE.bad-DATE, and returns that name. Only the newest
// five such copies stay. The file itself stays for replace_file(), unless its file system has no hard links. A
// text that is kept already is not kept twice. Files with other names are not touched.
Result<std::string> put_aside(const std::string& file);

}  // namespace sluice::base
