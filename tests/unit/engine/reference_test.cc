// Holds config/sluice.yaml, the reference for people, against the code: it names every key with the
// default that the code has, and it loads.
#include <gtest/gtest.h>

#include <sstream>

#include "base/file.h"
#include "engine/config.h"

namespace sluice::engine {
namespace {

constexpr const char* kFile = SLUICE_SOURCE "/config/sluice.yaml";

class Reference : public testing::Test {
 protected:
    void SetUp() override {
        auto text = base::read_file(kFile);
        ASSERT_TRUE(text) << text.error()[0].text();
        text_ = *text;
        std::istringstream stream(text_);
        for (std::string line; std::getline(stream, line);) lines_.push_back(line);
        auto document = base::parse_yaml(text_, "sluice.yaml");
        ASSERT_TRUE(document) << document.error()[0].text();
        document_ = *document;
    }

    // The values that stand in the file for a key ("ports[].mtu"), in all items of its lists.
    std::vector<const base::Tree*> values(std::string_view path) const {
        std::vector<const base::Tree*> found;
        collect(document_.root, path, found);
        return found;
    }

    // The lines that speak of a key: its own and the comment lines that go on after it.
    std::string words_about(const base::Tree& value) const {
        std::string words;
        for (auto i = static_cast<size_t>(value.line) - 1; i < lines_.size(); ++i) {
            if (!words.empty() && lines_[i].find_first_not_of(' ') != lines_[i].find('#')) break;
            words += lines_[i] + "\n";
        }
        return words;
    }

    static void collect(const base::Tree& tree, std::string_view path,
                        std::vector<const base::Tree*>& found) {
        const std::string_view step = path.substr(0, path.find('.'));
        const bool is_list = step.ends_with("[]");
        const base::Tree* value = tree.find(is_list ? step.substr(0, step.size() - 2) : step);
        if (value == nullptr) return;
        if (step.size() == path.size()) {
            found.push_back(value);
            return;
        }
        const std::string_view rest = path.substr(step.size() + 1);
        if (!is_list) return collect(*value, rest, found);
        for (const base::Tree& item : value->items) collect(item, rest, found);
    }

    std::string text_;
    std::vector<std::string> lines_;
    base::Document document_;
};

TEST_F(Reference, Loads) {
    auto config = load_config(text_, "sluice.yaml", {});
    if (config) return;
    for (const auto& error : config.error()) ADD_FAILURE() << error.text();
}

TEST_F(Reference, NamesEveryKey) {
    const auto keys = base::list_keys<Config>();
    EXPECT_GT(keys.size(), 20u);
    for (const base::Key& key : keys) EXPECT_FALSE(values(key.path).empty()) << key.path;
}

// What must be given says "required", what has no fixed default "default: …". What isn't in a list stands
// in the file with its default; what is in one (a port's queues) has it in one of the examples, or says so.
TEST_F(Reference, ShowsEveryDefault) {
    for (const base::Key& key : base::list_keys<Config>()) {
        const bool in_list = key.path.find("[].") != key.path.npos;
        const auto found = values(key.path);
        const auto shows = [&](auto predicate) {
            return std::any_of(found.begin(), found.end(), predicate);
        };
        if (key.required) {
            EXPECT_TRUE(shows([&](const base::Tree* value) {
                return words_about(*value).find("required") != std::string::npos;
            })) << key.path
                << " is required, and the file doesn't say so";
        } else if (key.value == base::Tree{}) {
            EXPECT_TRUE(shows([&](const base::Tree* value) {
                return words_about(*value).find("default: ") != std::string::npos;
            })) << key.path
                << " has no fixed default, and the file doesn't say what it is";
        } else if (!in_list) {
            for (const base::Tree* value : found) {
                EXPECT_EQ(base::to_yaml(*value), base::to_yaml(key.value)) << key.path;
            }
        } else if (key.value.kind == base::Tree::Kind::kScalar && !key.value.text.empty()) {
            EXPECT_TRUE(shows([&](const base::Tree* value) {
                return *value == key.value ||
                       words_about(*value).find("default: " + key.value.text) != std::string::npos;
            })) << key.path
                << " has the default " << key.value.text;
        }
    }
}

}  // namespace
}  // namespace sluice::engine
