// The numbers by which drops and flows name a Service, a published port or a NAT rule, and what each stands for.
// Control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "acl/acl.h"

namespace sluice::engine {

class ObjectNumbers {
 public:
    // `next`: the number that the next object is known by. It is counted up.
    explicit ObjectNumbers(uint32_t& next) : next_(next) {}
    ObjectNumbers(const ObjectNumbers&) = delete;

    // `key` is a text that names the object for good: it has one number for ever.
    uint32_t number(std::string key, acl::Object object) {
        const auto [known, is_new] = numbers_.try_emplace(std::move(key));
        if (is_new) known->second = next_++;
        objects_[known->second] = std::move(object);
        return known->second;
    }
    std::optional<acl::Object> describe(uint32_t number) const {
        const auto known = objects_.find(number);
        return known == objects_.end() ? std::nullopt : std::optional(known->second);
    }

 private:
    uint32_t& next_;
    std::unordered_map<std::string, uint32_t> numbers_;
    std::unordered_map<uint32_t, acl::Object> objects_;
};

}  // namespace sluice::engine
