#include "kube/selector.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"

namespace sluice::kube {
namespace {

constexpr bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_lower_alnum(char c) {
    return is_lower(c) || is_digit(c);
}
constexpr bool is_alnum(char c) {
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

// Letters, digits, '-', '_' and '.', with a letter or digit at both ends; 1 to 63 characters.
bool is_qualified_name(std::string_view text) {
    if (text.empty() || text.size() > 63 || !is_alnum(text.front()) || !is_alnum(text.back())) return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_dns_label(std::string_view text) {
    if (text.empty() || text.size() > 63 || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) {
        return false;
    }
    return std::all_of(text.begin(), text.end(), [](char c) { return is_lower_alnum(c) || c == '-'; });
}

// Labels of which only the whole has a bound on its length.
bool is_dns_subdomain(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    while (true) {
        const std::string_view label = text.substr(0, text.find('.'));
        const bool is_label =
            !label.empty() && is_lower_alnum(label.front()) && is_lower_alnum(label.back()) &&
            std::all_of(label.begin(), label.end(), [](char c) { return is_lower_alnum(c) || c == '-'; });
        if (!is_label) return false;
        if (label.size() == text.size()) return true;
        text.remove_prefix(label.size() + 1);
    }
}

void sort_values(std::vector<std::string>& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

// Takes kubectl's selectors apart.
class Parser {
 public:
    explicit Parser(std::string_view text) : rest_(text) {}

    tl::expected<Selector, std::string> parse() {
        std::vector<Requirement> requirements;
        skip_spaces();
        while (!rest_.empty()) {
            auto requirement = take_requirement();
            if (!requirement) return tl::unexpected(std::move(requirement.error()));
            requirements.push_back(std::move(*requirement));
            skip_spaces();
            if (rest_.empty()) break;
            if (!take(",")) return tl::unexpected(fmt::format("expected ',' before {}", base::shown(rest_)));
            skip_spaces();
            if (rest_.empty()) return tl::unexpected(std::string("a requirement is missing behind the last ','"));
        }
        return Selector(std::move(requirements));
    }

 private:
    static constexpr std::string_view kEnds = " \t,=!()";

    void skip_spaces() {
        while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
    }
    bool take(std::string_view what) {
        if (!rest_.starts_with(what)) return false;
        rest_.remove_prefix(what.size());
        return true;
    }
    std::string_view take_word() {
        const std::string_view word = rest_.substr(0, rest_.find_first_of(kEnds));
        rest_.remove_prefix(word.size());
        return word;
    }
    tl::expected<std::string, std::string> take_key() {
        const std::string_view key = take_word();
        if (const auto why = why_no_label_key(key); !why.empty()) {
            return tl::unexpected(fmt::format("{} {}", base::shown(key), why));
        }
        return std::string(key);
    }
    tl::expected<std::string, std::string> take_value() {
        const std::string_view value = take_word();
        if (const auto why = why_no_label_value(value); !why.empty()) {
            return tl::unexpected(fmt::format("{} {}", base::shown(value), why));
        }
        return std::string(value);
    }

    tl::expected<Requirement, std::string> take_requirement() {
        Requirement requirement;
        if (take("!")) {
            skip_spaces();
            requirement.op = Operator::kDoesNotExist;
            return take_key().map([&](std::string key) {
                requirement.key = std::move(key);
                return requirement;
            });
        }
        auto key = take_key();
        if (!key) return tl::unexpected(std::move(key.error()));
        requirement.key = std::move(*key);
        skip_spaces();
        if (rest_.empty() || rest_[0] == ',') return requirement;
        if (take("!=")) {
            requirement.op = Operator::kNotIn;
        } else if (take("==") || take("=")) {
            requirement.op = Operator::kIn;
        } else {
            return take_set(std::move(requirement));
        }
        skip_spaces();
        return take_value().map([&](std::string value) {
            requirement.values = {std::move(value)};
            return requirement;
        });
    }

    // "in (a, b)"
    tl::expected<Requirement, std::string> take_set(Requirement requirement) {
        const std::string_view word = take_word();
        if (word != "in" && word != "notin") {
            return tl::unexpected(fmt::format("expected =, ==, !=, in or notin behind {}, found {}",
                                              base::shown(requirement.key),
                                              base::shown(word.empty() ? rest_ : word)));
        }
        requirement.op = word == "in" ? Operator::kIn : Operator::kNotIn;
        skip_spaces();
        if (!take("(")) return tl::unexpected(fmt::format("expected '(' behind '{}'", word));
        while (true) {
            skip_spaces();
            auto value = take_value();
            if (!value) return tl::unexpected(std::move(value.error()));
            requirement.values.push_back(std::move(*value));
            skip_spaces();
            if (take(")")) return requirement;
            if (!take(",")) return tl::unexpected(fmt::format("the ')' of '{}' is missing", word));
        }
    }

    std::string_view rest_;
};

}  // namespace

Labels::Labels(std::vector<std::pair<std::string, std::string>> labels) : labels_(std::move(labels)) {
    std::stable_sort(labels_.begin(), labels_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    size_t kept = 0;
    for (size_t i = 0; i < labels_.size(); ++i) {
        if (kept != 0 && labels_[kept - 1].first == labels_[i].first) --kept;
        if (kept != i) labels_[kept] = std::move(labels_[i]);
        ++kept;
    }
    labels_.resize(kept);
}

const std::string* Labels::find(std::string_view key) const {
    for (const auto& [known, value] : labels_) {
        if (known == key) return &value;
    }
    return nullptr;
}

void Labels::set(std::string_view key, std::string_view value) {
    const auto at = std::lower_bound(labels_.begin(), labels_.end(), key,
                                     [](const auto& label, std::string_view k) { return label.first < k; });
    if (at != labels_.end() && at->first == key) {
        at->second = value;
    } else {
        labels_.emplace(at, key, value);
    }
}

std::string Labels::text() const {
    std::string text;
    for (const auto& [key, value] : labels_) text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, value);
    return text;
}

bool Requirement::matches(const Labels& labels) const {
    const std::string* value = labels.find(key);
    switch (op) {
        case Operator::kExists:
            return value != nullptr;
        case Operator::kDoesNotExist:
            return value == nullptr;
        case Operator::kIn:
            return value != nullptr && std::binary_search(values.begin(), values.end(), *value);
        case Operator::kNotIn:
            return value == nullptr || !std::binary_search(values.begin(), values.end(), *value);
    }
    return false;
}

Selector::Selector(std::vector<Requirement> requirements) : requirements_(std::move(requirements)) {
    for (Requirement& requirement : requirements_) sort_values(requirement.values);
    std::sort(requirements_.begin(), requirements_.end());
    requirements_.erase(std::unique(requirements_.begin(), requirements_.end()), requirements_.end());
}

bool Selector::matches(const Labels& labels) const {
    return std::all_of(requirements_.begin(), requirements_.end(),
                       [&](const Requirement& requirement) { return requirement.matches(labels); });
}

std::string Selector::text() const {
    if (requirements_.empty()) return "everything";
    std::string text;
    for (const Requirement& it : requirements_) {
        if (!text.empty()) text += ',';
        switch (it.op) {
            case Operator::kExists:
                text += it.key;
                break;
            case Operator::kDoesNotExist:
                text += '!' + it.key;
                break;
            case Operator::kIn:
            case Operator::kNotIn:
                if (it.values.size() == 1) {
                    text += fmt::format("{}{}{}", it.key, it.op == Operator::kIn ? "=" : "!=", it.values[0]);
                } else {
                    text += fmt::format("{} {} ({})", it.key, it.op == Operator::kIn ? "in" : "notin",
                                        fmt::join(it.values, ","));
                }
                break;
        }
    }
    return text;
}

tl::expected<Selector, std::string> Selector::parse(std::string_view text) {
    return Parser(text).parse();
}

std::string_view why_no_label_key(std::string_view text) {
    const size_t slash = text.find('/');
    const bool has_prefix = slash != text.npos;
    const std::string_view name = has_prefix ? text.substr(slash + 1) : text;
    if (is_qualified_name(name) && (!has_prefix || is_dns_subdomain(text.substr(0, slash)))) return {};
    return "is not a label's key: 1 to 63 letters, digits, '-', '_' or '.', a letter or digit at both ends, "
           "optionally behind a DNS name and '/'";
}

std::string_view why_no_label_value(std::string_view text) {
    if (text.empty() || is_qualified_name(text)) return {};
    return "is not a label's value: at most 63 letters, digits, '-', '_' or '.', a letter or digit at both ends";
}

std::string_view why_no_dns_label(std::string_view text) {
    if (is_dns_label(text)) return {};
    return "is not a DNS label: 1 to 63 lowercase letters, digits or '-', a letter or digit at both ends";
}

std::string_view why_no_dns_subdomain(std::string_view text) {
    if (is_dns_subdomain(text)) return {};
    return "is not a DNS name: at most 253 lowercase letters, digits, '-' or '.', a letter or digit at both ends "
           "of "
           "each part";
}

std::string_view why_no_service_name(std::string_view text) {
    if (is_dns_label(text) && is_lower(text.front())) return {};
    return "is not a service's name: 1 to 63 lowercase letters, digits or '-', a letter first, a letter or digit "
           "last";
}

std::string_view why_no_port_name(std::string_view text) {
    const bool has_right_ends = !text.empty() && text.size() <= 15 && text.front() != '-' && text.back() != '-';
    const bool has_right_letters =
        std::all_of(text.begin(), text.end(), [](char c) { return is_lower_alnum(c) || c == '-'; });
    if (has_right_ends && has_right_letters && std::any_of(text.begin(), text.end(), is_lower) &&
        text.find("--") == text.npos) {
        return {};
    }
    return "is not a port's name: at most 15 lowercase letters, digits or single '-', at least one letter, no '-' "
           "at an end";
}

}  // namespace sluice::kube
