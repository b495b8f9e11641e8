#include "engine/combine.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>
#include <unordered_set>

#include "engine/machine.h"
#include "engine/service_addresses.h"

namespace sluice::engine {
namespace {

using Candidates = std::vector<const SharedObject*>;

constexpr const char* kLost =
    "the file names it, and the state file, where it may have been, can't be read: add it again";

constexpr const char* kUntried =
    "the file conflicts with one of the added objects, and there are too many to find out which: correct the file";

// The most validations of the whole configuration for one request. Each may take long, and any client may request
// one.
constexpr int kMostTries = 32;

// Finds out which of the added objects fit beside the file and beside each other. Of two that conflict, the older
// one stays.
class Fitting {
 public:
    Fitting(Config& config, const base::Document& document, const base::Errors& read, MissedPorts missed)
        : config_(config),
          document_(document),
          read_(read),
          missed_(std::move(missed)),
          declared_(declared_in(config)) {}

    // When it returns, the configuration has the objects that fit.
    void run(const Candidates& objects) {
        for (const SharedObject* object : objects) {
            if (const auto* port = (*object)->as_port()) missed_.names.insert(port->name);
        }
        Candidates left = objects;
        Verdict verdict = validate_with(left);
        if (settle_networks(verdict, left)) verdict = validate_with(left);
        while (set_aside(verdict, left)) verdict = validate_with(left);
        errors_ = std::move(verdict.errors);
        if (errors_.empty()) {
            fitting_ = std::move(left);
        } else {
            const base::Errors beside = std::exchange(errors_, validate_with({}).errors);
            // If the file is wrong only because of added objects, these wait.
            if (errors_.empty()) fit(left);
            restore_messages(beside);
        }
        put_in({});
    }

    const Candidates& fitting() const { return fitting_; }
    const Declared& declared() const { return declared_; }
    std::vector<WaitingObject>& waiting() { return waiting_; }
    base::Errors& errors() { return errors_; }  // the file's

 private:
    // Keeps the longer messages of the first validation: they mention that an unknown name is that of an added
    // object.
    void restore_messages(const base::Errors& beside) {
        for (base::Error& error : errors_) {
            for (const base::Error& other : beside) {
                const bool is_same = other.path == error.path && other.place.line == error.place.line &&
                                     other.place.column == error.place.column;
                if (is_same && other.message.starts_with(error.message)) error.message = other.message;
            }
        }
    }

    // Leaves the configuration with the file's objects, those that fit, and these.
    void put_in(std::span<const SharedObject* const> objects) {
        for (size_t i = 0; i < kObjectKinds; ++i) {
            const auto kind = static_cast<ObjectKind>(i);
            with_list(kind, config_, [&](auto& list) { list.resize(declared_.of(kind)); });
        }
        const auto put = [&](const SharedObject* object) {
            std::visit(
                [&](const auto& config) {
                    list_of<std::decay_t<decltype(config)>>(config_).push_back(config);
                },
                (*object)->config);
        };
        std::for_each(fitting_.begin(), fitting_.end(), put);
        std::for_each(objects.begin(), objects.end(), put);
    }

    Verdict validate_with(std::span<const SharedObject* const> objects) {
        put_in(objects);
        return judge(config_, &document_, this_machine(), read_, missed_, declared_);
    }

    // The place of each object in the list of its kind, if they are validated behind the objects that fit.
    std::vector<Verdict::Place> places_of(std::span<const SharedObject* const> objects) const {
        Declared next = declared_;
        for (const SharedObject* object : fitting_) ++next.of((*object)->kind());
        std::vector<Verdict::Place> places;
        for (const SharedObject* object : objects) {
            const ObjectKind kind = (*object)->kind();
            places.emplace_back(kind, next.of(kind)++);
        }
        return places;
    }

    // Moves objects with mistakes to the waiting ones. True: other objects may name them, so validate again.
    bool set_aside(Verdict& verdict, Candidates& left) {
        if (verdict.added.empty()) return false;
        const auto places = places_of(left);
        bool was_named = false;
        Candidates kept;
        for (size_t i = 0; i < left.size(); ++i) {
            const auto own = verdict.added.find(places[i]);
            if (own == verdict.added.end()) {
                kept.push_back(left[i]);
                continue;
            }
            waiting_.push_back({*left[i], std::move(own->second)});
            const ObjectKind kind = places[i].first;
            was_named |= kind == ObjectKind::kNetwork || kind == ObjectKind::kAddressSet;
        }
        verdict.added.clear();
        left = std::move(kept);
        return was_named;
    }

    // Keeps a network that conflicts only with a waiting one. True: some networks had mistakes, so validate the
    // other objects again.
    bool settle_networks(Verdict& verdict, Candidates& left) {
        const auto is_network = [](const SharedObject* o) { return (*o)->kind() == ObjectKind::kNetwork; };
        const auto places = places_of(left);
        Candidates networks;  // without mistakes
        Candidates others;
        std::vector<WaitingObject> wrong;
        for (size_t i = 0; i < left.size(); ++i) {
            const auto own = verdict.added.find(places[i]);
            if (!is_network(left[i])) {
                others.push_back(left[i]);
            } else if (own == verdict.added.end()) {
                networks.push_back(left[i]);
            } else {
                wrong.push_back({*left[i], std::move(own->second)});
            }
        }
        if (wrong.empty()) return false;
        int tries = wrong.size() == 1 ? kMostTries : 0;
        for (WaitingObject& network : wrong) {
            if (tries++ < kMostTries) {
                networks.push_back(&network.object);
                if (Verdict alone = validate_with(networks); alone.added.empty()) {
                    const auto same = [&](const SharedObject* o) { return *o == network.object; };
                    networks.back() = *std::find_if(left.begin(), left.end(), same);
                    continue;
                }
                networks.pop_back();
            }
            waiting_.push_back(std::move(network));
        }
        left = std::move(networks);
        left.insert(left.end(), others.begin(), others.end());
        return true;
    }

    // Validates the objects together. If they don't fit, tries each half: most of a thousand ports are right.
    void fit(std::span<const SharedObject* const> objects) {
        if (objects.empty()) return;
        if (tries_ == kMostTries) {
            for (const SharedObject* object : objects) waiting_.push_back({*object, {{kUntried, {}, {}}}});
            return;
        }
        ++tries_;
        Verdict verdict = validate_with(objects);
        if (verdict.errors.empty()) {
            const auto places = places_of(objects);
            for (size_t i = 0; i < objects.size(); ++i) {
                const auto own = verdict.added.find(places[i]);
                if (own != verdict.added.end()) waiting_.push_back({*objects[i], std::move(own->second)});
                if (own == verdict.added.end()) fitting_.push_back(objects[i]);
            }
        } else if (objects.size() == 1) {
            waiting_.push_back({*objects[0], std::move(verdict.errors)});
        } else {
            const size_t half = objects.size() / 2;
            fit(objects.first(half));
            fit(objects.subspan(half));
        }
    }

    Config& config_;
    const base::Document& document_;
    const base::Errors& read_;
    MissedPorts missed_;
    const Declared declared_;
    Candidates fitting_;
    std::vector<WaitingObject> waiting_;
    base::Errors errors_;
    int tries_ = 0;
};

// Whether a declared and an added object have the same settings.
template <class T>
bool has_same_settings(const Config&, const T& declared, const T& added) {
    return declared == added;
}
bool has_same_settings(const Config& config, port::PortConfig declared, port::PortConfig added) {
    complete(config, declared);
    complete(config, added);
    return declared == added;
}

// The place of the file's object with the name of an added one, and whether their settings are the same. Null: the
// file has no such object.
const base::Place* find_declared(const Config& config, const AddedObject& added, bool& is_same) {
    return std::visit(
        [&](const auto& own) -> const base::Place* {
            const auto& list = list_of<std::decay_t<decltype(own)>>(config);
            const auto is_it = [&](const auto& object) { return object.name == own.name; };
            const auto found = std::find_if(list.begin(), list.end(), is_it);
            if (found == list.end()) return nullptr;
            is_same = added.faults.empty() && has_same_settings(config, *found, own);
            return &found->place;
        },
        added.config);
}

// Leaves out the parts of the configuration that name ports and networks which don't exist.
class Missing {
 public:
    Missing(Config& config, const Declared& declared) : config_(config), declared_(declared) {
        for (const auto& port : config.ports) ports_.insert(port.name);
        for (const auto& network : config.networks) networks_.insert(network.name);
    }

    void leave_out() {
        for (size_t i = 0; i < config_.acls.size(); ++i) leave_out_of_acl(i);
        for (size_t i = 0; i < config_.mirrors.size(); ++i) leave_out_of_mirror(i);
        for (size_t i = 0; i < config_.networks.size(); ++i) leave_out_of_network(i);
        const auto is_gone = [&](const auto& object) { return object.name.empty(); };
        std::erase_if(config_.acls, is_gone);
        std::erase_if(config_.mirrors, is_gone);
        leave_out_routes();
        leave_out_underlay();
    }

    std::vector<LeftOut>& left_out() { return left_out_; }
    // The missing ports that the file names.
    std::set<std::string>& missed() { return missed_; }
    // Added objects of which nothing is left, each with the reasons.
    const std::map<ObjectName, base::Errors>& emptied() const { return emptied_; }

 private:
    bool is_gone(const std::string& port) const { return !port.empty() && !ports_.contains(port); }
    bool is_gone_network(const std::string& network) const {
        return !network.empty() && !networks_.contains(network);
    }

    void add(ObjectName object, bool is_added, const base::Place& place, ObjectKind kind,
              const std::string& other, std::string path, std::string what) {
        const std::string_view word = section_of(kind).word;
        if (!is_added) missed_.insert(other);
        left_out_.push_back({std::move(object), is_added,
                             fmt::format("{} ({}), as {} {} is not there", what, origin(place), word, other),
                             {fmt::format("there is no {} \"{}\"", word, other), std::move(path), {}}});
    }

    // Nothing is left of an added object: it waits. An empty name marks it in the configuration.
    void set_waiting(const ObjectName& object, std::string& name) {
        base::Errors& errors = emptied_[object];
        std::erase_if(left_out_, [&](LeftOut& left) {
            if (left.object != object) return false;
            errors.push_back(std::move(left.error));
            return true;
        });
        base::limit(errors);
        name.clear();
    }

    void leave_out_of_acl(size_t i) {
        acl::AclConfig& acl = config_.acls[i];
        const ObjectName object{ObjectKind::kAcl, acl.name};
        const bool is_added = declared_.is_added(ObjectKind::kAcl, i);
        if (acl.apply.empty()) return;
        size_t index = 0;
        std::erase_if(acl.apply, [&](const acl::ApplyConfig& apply) {
            const std::string path = fmt::format("apply[{}]", index++);
            const std::string what = fmt::format("acl {} is not applied", acl.name);
            if (is_gone(apply.port)) {
                add(object, is_added, apply.place, ObjectKind::kPort, apply.port, path + ".port", what);
                return true;
            }
            if (!is_gone_network(apply.network)) return false;
            add(object, is_added, apply.place, ObjectKind::kNetwork, apply.network, path + ".network", what);
            return true;
        });
        if (is_added && acl.apply.empty()) set_waiting(object, acl.name);
    }

    void leave_out_of_mirror(size_t i) {
        mirror::MirrorConfig& mirror = config_.mirrors[i];
        const ObjectName object{ObjectKind::kMirror, mirror.name};
        const bool is_added = declared_.is_added(ObjectKind::kMirror, i);
        size_t index = 0;
        const bool is_of_none = mirror.from.empty();
        std::erase_if(mirror.from, [&](const std::string& from) {
            const std::string path = fmt::format("from[{}]", index++);
            if (!is_gone(from)) return false;
            add(object, is_added, mirror.place, ObjectKind::kPort, from, path,
                 fmt::format("mirror {} has one port less", mirror.name));
            return true;
        });
        const bool is_off = is_gone(mirror.to);
        if (is_off) {
            add(object, is_added, mirror.place, ObjectKind::kPort, mirror.to, "to",
                 fmt::format("mirror {} is off", mirror.name));
        }
        if (is_added && (is_off || (mirror.from.empty() && !is_of_none))) return set_waiting(object, mirror.name);
        if (is_off) mirror.name.clear();
    }

    void leave_out_of_network(size_t i) {
        NetworkConfig& network = config_.networks[i];
        size_t index = 0;
        std::erase_if(network.static_macs, [&](const bridge::StaticConfig& entry) {
            const std::string path = fmt::format("static[{}].port", index++);
            if (!is_gone(entry.port)) return false;
            add({ObjectKind::kNetwork, network.name}, declared_.is_added(ObjectKind::kNetwork, i), entry.place,
                 ObjectKind::kPort, entry.port, path,
                 fmt::format("the entry of {} is not in force", entry.mac.text()));
            return true;
        });
    }

    // The configuration has only the file's routes. Added routes are elsewhere (router/added_routes.h).
    void leave_out_routes() {
        std::erase_if(config_.routes, [&](const route::RouteConfig& route) {
            for (const auto& hop : route.all_hops()) {
                if (!is_gone(hop.port)) continue;
                add({}, false, route.place, ObjectKind::kPort, hop.port, "",
                     fmt::format("the route to {} is not in force", route.to.text()));
                return true;
            }
            return false;
        });
    }

    void leave_out_underlay() {
        if (!config_.underlay || !is_gone(config_.underlay->port)) return;  // a network is the file's own
        add({}, false, config_.underlay->place, ObjectKind::kPort, config_.underlay->port, "",
             "there are no tunnels");
        config_.underlay.reset();
        for (auto& network : config_.networks) network.vxlan.reset();
    }

    Config& config_;
    const Declared& declared_;
    std::unordered_set<std::string> ports_;
    std::unordered_set<std::string> networks_;
    std::vector<LeftOut> left_out_;
    std::set<std::string> missed_;
    std::map<ObjectName, base::Errors> emptied_;
};

std::string_view with_article(ObjectKind kind) {
    constexpr std::array<std::string_view, kObjectKinds> kWords{"a network", "an address set", "a port", "an ACL",
                                                                "a mirror"};
    return kWords[static_cast<size_t>(kind)];
}

// A stand-in for an added port that the file names and that was lost with the state file.
SharedObject lost_port(const std::string& name) {
    base::Tree keys = base::Tree::map();
    keys.add("name", base::Tree::string(name));
    AddedObject port = *read_object(ObjectKind::kPort, {{}, std::move(keys)});
    port.faults = {{kLost, {}, {}}};
    return std::make_shared<const AddedObject>(std::move(port));
}

// Adds the text of each scalar in the tree.
void collect_words(const base::Tree& tree, std::set<std::string>& words) {
    if (tree.kind == base::Tree::Kind::kScalar) words.insert(tree.text);
    for (const base::Tree& item : tree.items) collect_words(item, words);
    for (const auto& [key, value] : tree.entries) collect_words(value, words);
}

// Where an ACL is applied. If its keys don't say so for certain, the ACL may be applied to every port and network
// that it names, in both directions.
std::vector<acl::ApplyConfig> places_of(const AddedObject& object, const Config& config) {
    const auto says_where = [](const base::Error& error) { return error.path.starts_with("apply"); };
    const bool is_certain = object.keys.find("apply") != nullptr &&
                            std::none_of(object.faults.begin(), object.faults.end(), says_where);
    if (is_certain || object.faults.empty()) return object.as<acl::AclConfig>()->apply;
    std::set<std::string> words;
    for (const auto& [key, value] : object.keys.entries) {
        if (key.text != "name" && key.text != "rules") collect_words(value, words);
    }
    std::vector<acl::ApplyConfig> places;
    for (const auto direction : {acl::Direction::kIngress, acl::Direction::kEgress}) {
        for (const auto& port : config.ports) {
            if (words.contains(port.name)) places.push_back({.port = port.name, .direction = direction});
        }
        for (const auto& network : config.networks) {
            if (words.contains(network.name)) places.push_back({.network = network.name, .direction = direction});
        }
    }
    return places;
}

// Puts ACLs that deny everything in the places of those that wait. An ACL in force of the same name has replaced
// the one that waits.
void close_places(std::vector<WaitingObject>& waiting, Config& config) {
    for (WaitingObject& each : waiting) {
        if (each.object->kind() != ObjectKind::kAcl || find_object(config, each.object->id()) != nullptr) continue;
        each.closes = places_of(*each.object, config);
        std::erase_if(each.closes, [&](const acl::ApplyConfig& place) {
            const bool is_underlay = config.underlay && place.port == config.underlay->port;  // judges no packets
            if (!place.port.empty()) return is_underlay || find_port(config, place.port) == nullptr;
            return find_network(config, place.network) == nullptr;
        });
        if (each.closes.empty()) continue;
        config.acls.push_back({.name = each.object->name(), .apply = each.closes, .rules = {}, .place = {}});
    }
}

// Whether one of the faults is about this key's value, a part of it, or what it is a part of.
bool is_told(const base::Errors& faults, std::string_view path) {
    const auto is_within = [](std::string_view inner, std::string_view outer) {
        if (outer.empty() || !inner.starts_with(outer)) return false;
        return inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[';
    };
    return std::any_of(faults.begin(), faults.end(), [&](const base::Error& fault) {
        return is_within(fault.path, path) || is_within(path, fault.path);
    });
}

}  // namespace

std::string WaitingObject::errors_text() const {
    std::string text;
    for (const auto& error : errors) text += (text.empty() ? "" : "; ") + error.text();
    return text;
}

std::string WaitingObject::reason() const {
    if (closes.empty()) return errors_text();
    std::string places;
    for (const auto& place : closes) {
        places +=
            fmt::format("{}{} of {} {}", places.empty() ? "" : ", ", base::word_of(place.direction),
                        place.port.empty() ? "network" : "port", place.port.empty() ? place.network : place.port);
    }
    return fmt::format("{}; until it is in force, everything is denied at {}", errors_text(), places);
}

namespace {

// Whether each declared Service can have the addresses and node ports that it needs.
base::Errors check_services(const Config& config) {
    if (config.objects == nullptr) return {};
    std::vector<kube::Object> services;
    for (const kube::Object& object : *config.objects) {
        if (object.key.kind == kube::Kind::kService) services.push_back(object);
    }
    ServiceAddresses addresses;
    addresses.reserve(config);
    return addresses.complete(services, config.service_ranges, [](const kube::Key&) { return nullptr; });
}

}  // namespace

tl::expected<std::shared_ptr<const ReadFile>, base::Errors> read_config(std::string text, std::string_view file,
                                                                        WithManifests with_manifests) {
    auto document = base::parse_yaml(text, file);
    if (!document) return tl::unexpected(document.error());
    auto read = std::make_shared<ReadFile>();
    read->text = std::move(text);
    read->document = std::move(*document);
    read->errors = base::read(read->document, read->config);
    if (with_manifests == WithManifests::kNo) return read;
    auto manifests = read_manifests(read->config.manifests, file);
    read->manifests = std::move(manifests.texts);
    read->config.objects = std::move(manifests.objects);
    read->errors.insert(read->errors.end(), manifests.errors.begin(), manifests.errors.end());
    for (base::Error& error : check_services(read->config)) read->errors.push_back(std::move(error));
    return read;
}

tl::expected<Combined, base::Errors> combine(const ReadFile& file, const SharedObjects& added,
                                             bool has_lost_state) {
    Combined combined;
    Config& config = combined.config;
    config = file.config;
    base::Errors errors = file.errors;

    Candidates candidates;
    std::vector<WaitingObject> unfit;
    MissedPorts missed{.names = {}, .all = has_lost_state};
    for (const SharedObject& object : added) {
        bool is_same = false;
        const base::Place* declared = find_declared(config, *object, is_same);
        if (is_same) {
            combined.declared.push_back(object->id());
        } else if (declared != nullptr) {
            const ObjectName id = object->id();
            unfit.push_back({object,
                             {{fmt::format("{} declares {} {} with other settings, which is in force: `sluicectl "
                                           "{} delete {}` forgets this one",
                                           origin(*declared), with_article(id.kind), id.name,
                                           section_of(id.kind).word, id.name),
                               "name",
                               {}}}});
        } else if (!object->faults.empty()) {
            unfit.push_back({object, object->faults});
            if (object->as_port() != nullptr) missed.names.insert(object->name());
        } else {
            candidates.push_back(&object);
        }
    }
    // Put each object behind those that it may name.
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const SharedObject* a, const SharedObject* b) { return (*a)->kind() < (*b)->kind(); });
    Fitting fitting(config, file.document, file.errors, std::move(missed));
    fitting.run(candidates);
    errors.insert(errors.end(), fitting.errors().begin(), fitting.errors().end());
    if (!errors.empty()) {
        sort_by_place(errors);
        base::limit(errors);
        return tl::unexpected(errors);
    }
    Missing missing(config, fitting.declared());
    missing.leave_out();
    combined.left_out = std::move(missing.left_out());
    complete(config);
    combined.waiting = std::move(fitting.waiting());
    for (const SharedObject* object : fitting.fitting()) {
        const auto emptied = missing.emptied().find((*object)->id());
        if (emptied == missing.emptied().end()) {
            combined.added.push_back(*object);
        } else {
            combined.waiting.push_back({*object, emptied->second});
        }
    }
    std::move(unfit.begin(), unfit.end(), std::back_inserter(combined.waiting));
    std::set<std::string>& names = missing.missed();
    for (const WaitingObject& waiting : combined.waiting) {
        combined.added.push_back(waiting.object);
        if (waiting.object->as_port() != nullptr) names.erase(waiting.object->name());
    }
    for (const std::string& name : names) {
        // Keep the name: the file names this port.
        combined.added.push_back(lost_port(name));
        combined.waiting.push_back({combined.added.back(), combined.added.back()->faults});
    }
    close_places(combined.waiting, config);
    return combined;
}

Considered consider(const ReadFile& file, const SharedObjects& in_force, const SharedObjects& asked) {
    Considered considered{.config = file.config, .mistakes = {}, .of_file = {}};
    Config& config = considered.config;
    const Declared declared = declared_in(config);
    base::Errors read = file.errors;
    std::vector<Verdict::Place> places;
    const auto put = [&](const SharedObject& object) {
        const auto add = [&]<class T>(const T& own) {
            auto& list = list_of<T>(config);
            list.push_back(own);
            places.emplace_back(object->kind(), list.size() - 1);
        };
        std::visit(add, object->config);
    };
    std::for_each(in_force.begin(), in_force.end(), put);
    places.clear();
    std::for_each(asked.begin(), asked.end(), put);
    for (size_t i = 0; i < asked.size(); ++i) {
        for (const base::Error& fault : asked[i]->faults) {
            const auto [kind, index] = places[i];
            const char* dot = fault.path.empty() ? "" : ".";
            read.push_back({fault.message,
                            fmt::format("{}[{}]{}{}", section_of(kind).section, index, dot, fault.path),
                            fault.place});
        }
    }
    // What the file names and isn't there has been told when the file was read.
    const MissedPorts missed{.names = {}, .all = true};
    Verdict verdict = judge(config, &file.document, this_machine(), read, missed, declared);
    considered.of_file = std::move(verdict.errors);
    Missing missing(config, declared);
    missing.leave_out();
    for (size_t i = 0; i < asked.size(); ++i) {
        base::Errors& mistakes = considered.mistakes.emplace_back(std::move(verdict.added[places[i]]));
        std::erase_if(mistakes, [&](const base::Error& error) { return is_told(asked[i]->faults, error.path); });
        for (const LeftOut& left : missing.left_out()) {
            if (left.is_added && left.object == asked[i]->id()) mistakes.push_back(left.error);
        }
        const auto emptied = missing.emptied().find(asked[i]->id());
        if (emptied != missing.emptied().end())
            mistakes.insert(mistakes.end(), emptied->second.begin(), emptied->second.end());
    }
    return considered;
}

}  // namespace sluice::engine
