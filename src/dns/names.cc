#include "dns/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

namespace sluice::dns {
namespace {

constexpr uint16_t kPriority = 0;
constexpr uint16_t kWeight = 100;

size_t shard_of(std::string_view name) {
    return std::hash<std::string_view>{}(name) % Names::kShards;
}

void append_u16(std::string& bytes, uint16_t value) {
    bytes += static_cast<char>(value >> 8);
    bytes += static_cast<char>(value & 0xff);
}

uint16_t u16_at(std::string_view bytes, size_t at) {
    return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 | static_cast<uint8_t>(bytes[at + 1]));
}

IpAddress address_of(const Record& record) {
    IpAddress address = IpAddress::from_v4(0);
    std::ranges::copy(record.rdata, address.bytes.end() - static_cast<std::ptrdiff_t>(record.rdata.size()));
    return address;
}

}  // namespace

Record address_record(const IpAddress& address, Scope scope) {
    const size_t size = address.is_v4() ? 4 : 16;
    return {.type = address.is_v4() ? Type::kA : Type::kAaaa,
            .scope = scope,
            .rdata = {address.bytes.end() - static_cast<std::ptrdiff_t>(size), address.bytes.end()}};
}

Record name_record(Type type, std::string_view target, Scope scope) {
    return {.type = type, .scope = scope, .rdata = std::string(target)};
}

Record service_record(uint16_t port, std::string_view target, Scope scope) {
    Record record{.type = Type::kSrv, .scope = scope};
    append_u16(record.rdata, kPriority);
    append_u16(record.rdata, kWeight);
    append_u16(record.rdata, port);
    record.rdata += target;
    return record;
}

Record text_record(std::string_view text, Scope scope) {
    text = text.substr(0, 255);
    return {.type = Type::kTxt, .scope = scope, .rdata = static_cast<char>(text.size()) + std::string(text)};
}

std::string_view target_of(const Record& record) {
    switch (record.type) {
        case Type::kCname:
        case Type::kPtr:
        case Type::kNs:
            return record.rdata;
        case Type::kSrv:
            return std::string_view(record.rdata).substr(6);
        default:
            return {};
    }
}

std::string data_text(const Record& record) {
    switch (record.type) {
        case Type::kA:
        case Type::kAaaa:
            return address_of(record).text();
        case Type::kSrv:
            return fmt::format("{} {} {} {}.", u16_at(record.rdata, 0), u16_at(record.rdata, 2),
                               u16_at(record.rdata, 4), text_of(target_of(record)));
        case Type::kTxt:
            return fmt::format("\"{}\"", record.rdata.substr(1));
        default:
            return text_of(target_of(record)) + ".";
    }
}

const Entry* Names::find(std::string_view name) const {
    const auto& shard = shards_[shard_of(name)];
    if (shard == nullptr) return nullptr;
    const auto found = shard->find(std::string(name));
    return found == shard->end() ? nullptr : found->second.get();
}

bool Names::owns(Scope domain, const IpAddress& address) const noexcept {
    return std::ranges::any_of(settings_->subnets, [&](const Settings::Subnet& subnet) {
        return subnet.domain == domain && subnet.prefix.contains(address);
    });
}

size_t Names::count() const {
    size_t count = 0;
    for (const auto& shard : shards_) count += shard == nullptr ? 0 : shard->size();
    return count;
}

Scope NamesTable::scope_of(const std::string& what) {
    return scopes_.try_emplace(what, Scope{static_cast<uint32_t>(scopes_.size() + 1)}).first->second;
}

Entry& NamesTable::writable(const std::string& name) {
    const auto [changed, is_new] = changed_.try_emplace(name);
    if (is_new) {
        if (const Entry* known = names_->find(name)) changed->second = *known;
    }
    return changed->second;
}

// Names between a name and the zone that it is in exist as well, though they have no records of their own
// (RFC 8020).
void NamesTable::count_below(const std::string& name, int by) {
    if (settings_.zone.empty() || !is_in(name, settings_.zone)) return;
    for (std::string_view parent = parent_of(name); parent.size() > settings_.zone.size();
         parent = parent_of(parent)) {
        writable(std::string(parent)).names_below += static_cast<uint32_t>(by);
    }
}

void NamesTable::set(const Settings& settings) {
    if (settings == settings_) return;
    // The names of objects are made anew by the caller if the zone is another one; those counted are the table's.
    if (settings.zone != settings_.zone) {
        for (const auto& [key, given] : objects_) {
            for (const std::string& name : given.names) count_below(name, -1);
        }
    }
    const std::string before = std::exchange(settings_, settings).zone;
    if (settings.zone != before) {
        for (const auto& [key, given] : objects_) {
            for (const std::string& name : given.names) count_below(name, 1);
        }
    }
    has_new_settings_ = true;
}

void NamesTable::remove(const Given& given) {
    for (const std::string& name : given.names) {
        std::erase_if(writable(name).records, [&](const Record& record) { return record.source == given.source; });
        count_below(name, -1);
    }
}

void NamesTable::set(const Source& object, std::vector<Named> records) {
    const std::string key = object.kind + " " + object.name;
    if (const auto known = objects_.find(key); known != objects_.end()) {
        remove(known->second);
        objects_.erase(known);
    }
    if (records.empty()) return;
    Given given{.source = std::make_shared<const Source>(object)};
    std::set<std::string> names;
    for (Named& named : records) {
        named.record.source = given.source;
        writable(named.name).records.push_back(std::move(named.record));
        names.insert(std::move(named.name));
    }
    for (const std::string& name : names) count_below(name, 1);
    given.names.assign(names.begin(), names.end());
    objects_.emplace(key, std::move(given));
}

std::shared_ptr<const Names> NamesTable::take() {
    if (changed_.empty() && !has_new_settings_) return nullptr;
    auto next = std::make_shared<Names>(*names_);
    if (std::exchange(has_new_settings_, false)) next->settings_ = std::make_shared<const Settings>(settings_);
    std::unordered_map<size_t, std::shared_ptr<Shard>> copies;
    for (auto& [name, entry] : changed_) {
        std::shared_ptr<Shard>& copy = copies[shard_of(name)];
        if (copy == nullptr) {
            const auto& before = names_->shards_[shard_of(name)];
            copy = before == nullptr ? std::make_shared<Shard>() : std::make_shared<Shard>(*before);
        }
        if (entry.records.empty() && entry.names_below == 0) {
            copy->erase(name);
        } else {
            (*copy)[name] = std::make_shared<const Entry>(std::move(entry));
        }
    }
    for (auto& [number, copy] : copies) next->shards_[number] = std::move(copy);
    changed_.clear();
    names_ = std::move(next);
    return names_;
}

}  // namespace sluice::dns
