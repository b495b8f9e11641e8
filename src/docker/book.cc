#include "docker/book.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/log.h"
#include "base/tree.h"

namespace sluice::docker {
namespace {

template <class T>
const T* find_entry(const std::vector<T>& list, std::string_view id) {
    const auto found = std::ranges::find(list, id, &T::id);
    return found == list.end() ? nullptr : &*found;
}

template <class T>
void put_entry(std::vector<T>& list, T entry) {
    const auto found = std::ranges::find(list, entry.id, &T::id);
    if (found == list.end()) {
        list.push_back(std::move(entry));
    } else {
        *found = std::move(entry);
    }
}

template <class T>
void remove_entry(std::vector<T>& list, std::string_view id) {
    std::erase_if(list, [&](const T& entry) { return entry.id == id; });
}

base::Errors read_entries(const std::string& text, const std::string& file, Entries& entries) {
    const auto document = base::parse_json(text, file);
    if (!document) return document.error();
    return base::read(*document, entries);
}

}  // namespace

Book Book::load(const std::string& file) {
    Book book;
    book.file_ = file;
    if (access(file.c_str(), F_OK) != 0) return book;
    const auto text = base::read_file(file, base::Reading::kState);
    base::Errors errors = text ? read_entries(*text, file, book.entries_) : text.error();
    if (errors.empty()) return book;
    book.entries_ = {};
    for (const base::Error& error : errors) base::log::error("docker", "{}", error.text());
    const auto kept = base::put_aside(file);
    base::log::error("docker", "{} can't be read: docker's networks and containers have to be made again{}", file,
                     kept ? fmt::format(" (it is kept as {})", *kept) : "");
    return book;
}

const Pool* Book::find_pool(std::string_view id) const {
    return find_entry(entries_.pools, id);
}
const Network* Book::find_network(std::string_view id) const {
    return find_entry(entries_.networks, id);
}
const Endpoint* Book::find_endpoint(std::string_view id) const {
    return find_entry(entries_.endpoints, id);
}

base::Result<void> Book::change_to(Entries next) {
    if (next == entries_) return {};
    if (!file_.empty()) {
        const std::string text = base::to_json(base::write(next)).dump();
        if (auto done = base::replace_file(file_, text + "\n"); !done) return done;
    }
    entries_ = std::move(next);
    return {};
}

base::Result<void> Book::put(Pool pool) {
    Entries next = entries_;
    put_entry(next.pools, std::move(pool));
    return change_to(std::move(next));
}

base::Result<void> Book::put(Network network) {
    Entries next = entries_;
    put_entry(next.networks, std::move(network));
    return change_to(std::move(next));
}

base::Result<void> Book::put(Endpoint endpoint) {
    Entries next = entries_;
    put_entry(next.endpoints, std::move(endpoint));
    return change_to(std::move(next));
}

base::Result<void> Book::remove_pool(std::string_view id) {
    Entries next = entries_;
    remove_entry(next.pools, id);
    return change_to(std::move(next));
}

base::Result<void> Book::remove_network(std::string_view id) {
    Entries next = entries_;
    remove_entry(next.networks, id);
    return change_to(std::move(next));
}

base::Result<void> Book::remove_endpoint(std::string_view id) {
    Entries next = entries_;
    remove_entry(next.endpoints, id);
    return change_to(std::move(next));
}

std::set<IpAddress> Book::addresses_in(std::string_view network) const {
    std::set<IpAddress> addresses;
    for (const Pool& pool : entries_.pools) {
        if (pool.network == network) addresses.insert(pool.addresses.begin(), pool.addresses.end());
    }
    for (const Endpoint& endpoint : entries_.endpoints) {
        const Network* its = find_network(endpoint.network);
        if (its != nullptr && its->name == network)
            addresses.insert(endpoint.addresses.begin(), endpoint.addresses.end());
    }
    return addresses;
}

}  // namespace sluice::docker
