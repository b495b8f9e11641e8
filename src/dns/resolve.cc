#include "dns/resolve.h"

#include <algorithm>

namespace sluice::dns {
namespace {

constexpr size_t kMostAliases = 8;      // that lead from one to the next
constexpr size_t kMostAdditional = 32;  // addresses of the servers that SRV records name

bool is_address(Type type) {
    return type == Type::kA || type == Type::kAaaa;
}

bool is_refused(Type type) {
    return type == Type::kAxfr || type == Type::kIxfr || type == Type::kOpt;
}

class Resolver {
 public:
    Resolver(const Names& names, const View& view, Type type) : names_(names), view_(view), type_(type) {}

    Resolved resolve(std::string name) {
        for (size_t aliases = 0;; ++aliases) {
            const std::vector<const Record*> known = visible(name);
            const Record* alias = find_alias(known);
            if (alias == nullptr) {
                answer(name, known);
                break;
            }
            if (aliases == kMostAliases) {
                result_.rcode = Rcode::kServerFailure;
                result_.reason = Resolved::Reason::kLoop;
                break;
            }
            result_.answers.push_back({name, alias});
            name = target_of(*alias);
        }
        return std::move(result_);
    }

 private:
    std::vector<const Record*> visible(const std::string& name) const {
        std::vector<const Record*> records;
        const Entry* entry = names_.find(name);
        if (entry == nullptr) return records;
        for (const Record& record : entry->records) {
            if (view_.shows(record.scope)) records.push_back(&record);
        }
        return records;
    }

    const Record* find_alias(const std::vector<const Record*>& records) const {
        if (type_ == Type::kCname || type_ == Type::kAny) return nullptr;
        const auto alias = std::ranges::find(records, Type::kCname, &Record::type);
        return alias == records.end() ? nullptr : *alias;
    }

    bool exists(const std::string& name, const std::vector<const Record*>& known) const {
        if (!known.empty() || name == names_.settings().zone) return true;
        const Entry* entry = names_.find(name);
        return entry != nullptr && entry->names_below != 0;
    }

    void answer(const std::string& name, const std::vector<const Record*>& known) {
        if (!exists(name, known)) return answer_unknown(name);
        if (type_ == Type::kAny) {
            result_.kind = Resolved::Kind::kMinimal;
            return;
        }
        add(name, known, type_, result_.answers);
        if (result_.answers.empty() || result_.answers.back().record->type != type_) {
            result_.reason = Resolved::Reason::kNoSuchType;
            result_.zone = zone_of(name);
        }
        if (type_ == Type::kSrv) add_targets();
    }

    // Two objects may give one record.
    static void add(const std::string& name, const std::vector<const Record*>& known, Type type,
                    std::vector<Answered>& to) {
        std::vector<std::string_view> given;
        for (const Record* record : known) {
            if (record->type == type) given.push_back(record->rdata);
        }
        std::ranges::sort(given);
        const bool has_doubles = std::ranges::adjacent_find(given) != given.end();
        for (const Record* record : known) {
            if (record->type != type) continue;
            if (has_doubles && std::ranges::any_of(to, [&](const Answered& it) {
                    return it.name == name && it.record->type == type && it.record->rdata == record->rdata;
                })) {
                continue;
            }
            to.push_back({name, record});
        }
    }

    void add_targets() {
        std::vector<std::string> seen;
        for (const Answered& it : result_.answers) {
            if (result_.additional.size() >= kMostAdditional) return;
            std::string target(target_of(*it.record));
            if (std::ranges::find(seen, target) != seen.end()) continue;
            for (const Type type : {Type::kA, Type::kAaaa}) add(target, visible(target), type, result_.additional);
            seen.push_back(std::move(target));
        }
    }

    // A container's name is a zone of its own: names beside it aren't ours to deny.
    std::string zone_of(const std::string& name) const {
        const std::string& zone = names_.settings().zone;
        return is_in(name, zone) ? zone : name;
    }

    void deny(Resolved::Reason reason, std::string zone) {
        result_.reason = reason;
        result_.rcode = Rcode::kNoSuchName;
        result_.zone = std::move(zone);
    }

    void answer_unknown(const std::string& name) {
        const std::string& zone = names_.settings().zone;
        if (is_in(name, zone)) return deny(Resolved::Reason::kNoNameInZone, zone);
        if (const auto address = reversed(name); address && names_.owns(view_.domain, *address))
            return deny(Resolved::Reason::kNoNameOfAddress, reverse_zone(*address));
        const bool is_single = label_count(name) == 1;
        if (is_single && (is_address(type_) || type_ == Type::kAny))
            return deny(Resolved::Reason::kNoSingleLabel, std::string(kRoot));
        if (type_ == Type::kAny) {
            result_.kind = Resolved::Kind::kMinimal;
            return;
        }
        result_.kind = Resolved::Kind::kForward;
        result_.reason = Resolved::Reason::kNotOurs;
        result_.forward = name;
    }

    const Names& names_;
    const View& view_;
    Type type_;
    Resolved result_;
};

}  // namespace

std::string_view text(Resolved::Reason reason) {
    using enum Resolved::Reason;
    switch (reason) {
        case kRecords:
            return "records of this host's objects";
        case kNoSuchType:
            return "the name exists, and has no record of this type";
        case kNoNameInZone:
            return "no object has this name in the cluster's domain";
        case kNoNameOfAddress:
            return "the address is in a subnet of this host, and has no name";
        case kNoSingleLabel:
            return "no container in the network has this name, and names without a dot are not asked elsewhere";
        case kNotOurs:
            return "the name is none of this host's: the upstreams are asked";
        case kNoNetwork:
            return "the network has no DNS";
        case kTransfer:
            return "zones are not transferred";
        case kLoop:
            return "aliases lead to aliases, too many of them";
    }
    return "";
}

Resolved resolve(const Names& names, path::NetworkId network, std::string_view name, Type type) {
    const View* view = names.view(network);
    if (view == nullptr || is_refused(type)) {
        const auto reason = view == nullptr ? Resolved::Reason::kNoNetwork : Resolved::Reason::kTransfer;
        return {.kind = Resolved::Kind::kRefuse, .reason = reason, .rcode = Rcode::kRefused};
    }
    return Resolver(names, *view, type).resolve(std::string(name));
}

}  // namespace sluice::dns
