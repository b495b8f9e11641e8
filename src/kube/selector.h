// Labels, and the selectors that choose objects by them (apimachinery's labels.Selector and metav1.LabelSelector).
// Any thread; plain values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace sluice::kube {

// Keys are unique, and ascend.
class Labels {
 public:
    Labels() = default;
    // Of the same key the last value counts.
    explicit Labels(std::vector<std::pair<std::string, std::string>> labels);

    // Null if there is no such key.
    const std::string* find(std::string_view key) const;
    void set(std::string_view key, std::string_view value);
    const std::vector<std::pair<std::string, std::string>>& all() const { return labels_; }
    // "app=web,tier=front"; empty if there are none.
    std::string text() const;

    auto operator<=>(const Labels&) const = default;

 private:
    std::vector<std::pair<std::string, std::string>> labels_;
};

enum class Operator : uint8_t { kIn, kNotIn, kExists, kDoesNotExist };

struct Requirement {
    std::string key;
    Operator op = Operator::kExists;
    std::vector<std::string> values;  // of kIn and kNotIn; ascending, each once

    bool matches(const Labels& labels) const;

    auto operator<=>(const Requirement&) const = default;
};

// All of its requirements hold. Without any it matches everything.
class Selector {
 public:
    Selector() = default;
    explicit Selector(std::vector<Requirement> requirements);

    bool matches(const Labels& labels) const;
    const std::vector<Requirement>& requirements() const { return requirements_; }
    // "app=web,tier in (a,b),!old", as parse() takes it; "everything" if it has no requirement.
    std::string text() const;

    // Selectors that say the same in another order are equal.
    auto operator<=>(const Selector&) const = default;

    // kubectl's -l: "app=web,tier!=front,zone in (a, b),size notin (xl),gpu,!old". The error is a sentence.
    static tl::expected<Selector, std::string> parse(std::string_view text);

 private:
    std::vector<Requirement> requirements_;
};

// --- the API's rules for names (apimachinery's util/validation). Empty: it is valid; else a sentence that follows
// the value: "is not a label's value: …" ---

std::string_view why_no_label_key(std::string_view text);
std::string_view why_no_label_value(std::string_view text);
std::string_view why_no_dns_label(std::string_view text);      // RFC 1123
std::string_view why_no_dns_subdomain(std::string_view text);  // RFC 1123
std::string_view why_no_service_name(std::string_view text);   // RFC 1035
std::string_view why_no_port_name(std::string_view text);      // RFC 6335, 5.1

}  // namespace sluice::kube
