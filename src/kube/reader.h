// Reads the fields of manifests as the API server does (apimachinery's strict decoding): null is the same as
// absent, an unknown field is a mistake, and so is a number where a string belongs. Every mistake is reported at
// its place, with its field path. The configuration's own reader (base/fields.h) has other rules. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "base/tree.h"
#include "kube/selector.h"

namespace sluice::kube {

// The mistakes of one document, and the path of the field that is being read.
class Reader {
 public:
    Reader(const base::Document& document, base::Errors& errors) : document_(document), errors_(errors) {}

    void report(const base::Tree& tree, std::string message);
    bool is_full() const { return base::is_full(errors_); }
    base::Place place(const base::Tree& tree) const { return document_.place(tree); }
    size_t mistakes() const { return errors_.size(); }

    // A string; null is "". Null pointer: it is something else, and that was reported.
    const std::string* string(const base::Tree& tree);

    // The path while `read` runs is one step longer.
    template <class Read>
    void within(std::string_view step, bool is_index, Read read) {
        const size_t outer = path_.size();
        if (!is_index && !path_.empty()) path_ += '.';
        path_ += step;
        read();
        path_.resize(outer);
    }

 private:
    const base::Document& document_;
    base::Errors& errors_;
    std::string path_;
};

// The fields of one mapping. The last call is finish().
class Fields {
 public:
    // Anything but a mapping is reported, and has no fields.
    Fields(Reader& reader, const base::Tree& tree);

    // Null: the field is absent or null.
    const base::Tree* find(std::string_view field);

    // read(const base::Tree&), of a field that is there.
    template <class Read>
    bool read(std::string_view field, Read read) {
        const base::Tree* tree = find(field);
        if (tree == nullptr) return false;
        reader_.within(field, false, [&] { read(*tree); });
        return true;
    }
    // read(const base::Tree&), of each item of a list.
    template <class Read>
    bool list(std::string_view field, Read read) {
        return this->read(field, [&](const base::Tree& tree) {
            if (!is_list(tree)) return;
            for (size_t i = 0; i < tree.items.size() && !reader_.is_full(); ++i) {
                reader_.within('[' + std::to_string(i) + ']', true, [&] { read(tree.items[i]); });
            }
        });
    }
    // The following leave the value as it is if the field is absent or wrong. True: it was set.
    bool string(std::string_view field, std::string& value);
    bool boolean(std::string_view field, bool& value);
    bool integer(std::string_view field, int64_t& value, int64_t low, int64_t high);
    // One of an enum's words (base::Name).
    template <class E>
    bool word(std::string_view field, E& value) {
        std::string text;
        if (!string(field, text)) return false;
        for (const auto& [enumerator, known] : names(E{})) {
            if (text != known) continue;
            value = enumerator;
            return true;
        }
        std::vector<std::string_view> words;
        for (const auto& [enumerator, known] : names(E{})) words.push_back(known);
        report_unknown_word(field, text, words);
        return false;
    }
    bool labels(std::string_view field, Labels& value);

    // Reports that the field is missing, or empty.
    void require(std::string_view field);
    // A mistake of the field's value; of the mapping, if the field is absent.
    void report(std::string_view field, std::string message);

    // Fields that mean nothing to the switch.
    void accept(std::initializer_list<std::string_view> fields);
    // Reports the fields that are not known: those that nobody has asked for. With kAccept only those that are
    // nearly one that is known: of a status, which a newer Kubernetes has written.
    enum class Others : bool { kRefuse, kAccept };
    void finish(Others others = Others::kRefuse);
    base::Place place() const { return reader_.place(tree_); }

 private:
    bool is_list(const base::Tree& tree);
    void report_unknown_word(std::string_view field, std::string_view word,
                             const std::vector<std::string_view>& words);

    Reader& reader_;
    const base::Tree& tree_;
    bool is_mapping_;
    std::vector<std::string_view> known_;
};

}  // namespace sluice::kube
