// Headers that most sources include. The compiler reads them once per library (meson's cpp_pch) instead of once
// per file: the JSON library alone takes 2 s. Sources still include what they use, so they build with
// -Db_pch=false too.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_map>
#include <utility>
#include <vector>
