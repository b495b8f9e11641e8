// A failure as a CNI plugin tells it to the runtime. Any thread; a plain value.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace sluice::cni {

// The specification's codes. It leaves 100 and above to each plugin.
inline constexpr int kIncompatibleVersion = 1;
inline constexpr int kUnsupportedField = 2;
inline constexpr int kInvalidEnvironment = 4;
inline constexpr int kIoFailure = 5;
inline constexpr int kNotDecoded = 6;
inline constexpr int kInvalidConfiguration = 7;
inline constexpr int kTryAgainLater = 11;
inline constexpr int kNotAvailable = 50;
inline constexpr int kRefused = 100;         // the switch refuses, or has failed
inline constexpr int kNotAsExpected = 101;   // CHECK has found a difference
inline constexpr int kDelegateFailed = 102;  // a delegated plugin failed and gave no code

struct Failure {
    int code = 0;
    std::string message;
    std::string details = {};  // further mistakes, a line each
};

template <class... Args>
Failure failure(int code, fmt::format_string<Args...> format, Args&&... args) {
    return {code, fmt::format(format, std::forward<Args>(args)...)};
}

}  // namespace sluice::cni
