#include "engine/combine.h"

#include <algorithm>
#include <set>
#include <span>
#include <unordered_set>

#include "engine/machine.h"

namespace sluice::engine {
namespace {

using Candidates = std::vector<const AddedPort*>;

constexpr const char* kLost =
    "the file names it, and the state file, where it may have been, can't be read: add it again";

constexpr const char* kUntried =
    "the file conflicts with one of the added ports, and there are too many to find out which: correct the file";

// Whole validations that are spent on what the file says of added ports: each may take long, and anyone may ask.
constexpr int kMostTries = 32;

// Finds out which of the added ports fit beside the file and each other. Those that came first stay.
class Fitting {
 public:
    Fitting(Config& config, const base::Document& document, const base::Errors& read, MissedPorts missed)
        : config_(config),
          document_(document),
          read_(read),
          missed_(std::move(missed)),
          declared_(config.ports.size()) {}

    // The configuration has those that fit when it returns.
    void run(const Candidates& ports) {
        for (const AddedPort* port : ports) missed_.names.insert(port->name());
        Verdict verdict = judge_with(ports);
        errors_ = std::move(verdict.errors);
        Candidates left;
        for (size_t i = 0; i < ports.size(); ++i) {
            if (auto own = verdict.added.find(declared_ + i); own != verdict.added.end()) {
                waiting_.push_back({*ports[i], std::move(own->second)});
            } else {
                left.push_back(ports[i]);
            }
        }
        if (errors_.empty()) {
            fitting_ = std::move(left);
        } else {
            errors_ = judge_with({}).errors;
            // What is wrong in the file because of a port that it names: the port waits.
            if (errors_.empty()) fit(left);
        }
        config_.ports.resize(declared_);
        for (const AddedPort* port : fitting_) config_.ports.push_back(port->config);
    }

    const Candidates& fitting() const { return fitting_; }
    std::vector<WaitingPort>& waiting() { return waiting_; }
    base::Errors& errors() { return errors_; }  // the file's

 private:
    Verdict judge_with(std::span<const AddedPort* const> ports) {
        config_.ports.resize(declared_);
        for (const AddedPort* port : fitting_) config_.ports.push_back(port->config);
        for (const AddedPort* port : ports) config_.ports.push_back(port->config);
        return judge(config_, &document_, this_machine(), read_, missed_, declared_);
    }

    // Halves what doesn't fit as a whole: most of a thousand ports are right.
    void fit(std::span<const AddedPort* const> ports) {
        if (ports.empty()) return;
        if (tries_ == kMostTries) {
            for (const AddedPort* port : ports) waiting_.push_back({*port, {{kUntried, {}, {}}}});
            return;
        }
        ++tries_;
        base::Errors errors = judge_with(ports).errors;
        if (errors.empty()) {
            fitting_.insert(fitting_.end(), ports.begin(), ports.end());
        } else if (ports.size() == 1) {
            waiting_.push_back({*ports[0], std::move(errors)});
        } else {
            const size_t half = ports.size() / 2;
            fit(ports.first(half));
            fit(ports.subspan(half));
        }
    }

    Config& config_;
    const base::Document& document_;
    const base::Errors& read_;
    MissedPorts missed_;
    const size_t declared_;
    Candidates fitting_;
    std::vector<WaitingPort> waiting_;
    base::Errors errors_;
    int tries_ = 0;
};

// The same port, whoever says it.
bool has_same_settings(const Config& config, port::PortConfig declared, port::PortConfig added) {
    complete(config, declared);
    complete(config, added);
    return declared == added;
}

// Takes out what names ports that aren't there.
std::vector<std::string> leave_out_missed(Config& config, std::set<std::string>& missed) {
    std::vector<std::string> told;
    std::unordered_set<std::string_view> there;
    for (const auto& port : config.ports) there.insert(port.name);
    auto is_gone = [&](const std::string& name) { return !name.empty() && !there.contains(name); };
    auto tell = [&](const base::Place& place, const std::string& port, std::string what) {
        missed.insert(port);
        told.push_back(fmt::format("{} ({}), as port {} is not there", what, origin(place), port));
    };
    for (auto& acl : config.acls) {
        std::erase_if(acl.apply, [&](const acl::ApplyConfig& apply) {
            if (!is_gone(apply.port)) return false;
            tell(apply.place, apply.port, fmt::format("acl {} is not applied", acl.name));
            return true;
        });
    }
    for (auto& mirror : config.mirrors) {
        std::erase_if(mirror.from, [&](const std::string& from) {
            if (!is_gone(from)) return false;
            tell(mirror.place, from, fmt::format("mirror {} has one port less", mirror.name));
            return true;
        });
    }
    std::erase_if(config.mirrors, [&](const mirror::MirrorConfig& mirror) {
        if (is_gone(mirror.to)) tell(mirror.place, mirror.to, fmt::format("mirror {} is off", mirror.name));
        return is_gone(mirror.to);
    });
    for (auto& network : config.networks) {
        std::erase_if(network.static_macs, [&](const bridge::StaticConfig& entry) {
            if (!is_gone(entry.port)) return false;
            tell(entry.place, entry.port, fmt::format("the entry of {} is not in force", entry.mac.text()));
            return true;
        });
    }
    std::erase_if(config.routes, [&](const route::RouteConfig& route) {
        for (const auto& hop : route.all_hops()) {
            if (!is_gone(hop.port)) continue;
            tell(route.place, hop.port, fmt::format("the route to {} is not in force", route.to.text()));
            return true;
        }
        return false;
    });
    if (config.underlay && is_gone(config.underlay->port)) {
        tell(config.underlay->place, config.underlay->port, "there are no tunnels");
        config.underlay.reset();
        for (auto& network : config.networks) network.vxlan.reset();
    }
    return told;
}

}  // namespace

std::string WaitingPort::reason() const {
    std::string text;
    for (const auto& error : errors) text += (text.empty() ? "" : "; ") + error.text();
    return text;
}

tl::expected<std::shared_ptr<const ReadFile>, base::Errors> read_config(std::string text, std::string_view file) {
    auto document = base::parse_yaml(text, file);
    if (!document) return tl::unexpected(document.error());
    auto read = std::make_shared<ReadFile>();
    read->text = std::move(text);
    read->document = std::move(*document);
    read->errors = base::read(read->document, read->config);
    return read;
}

tl::expected<Combined, base::Errors> combine(const ReadFile& file, const std::vector<AddedPort>& added,
                                             bool has_lost_state) {
    Combined combined;
    Config& config = combined.config;
    config = file.config;
    base::Errors errors = file.errors;

    Candidates candidates;
    std::vector<WaitingPort> unfit;
    MissedPorts missed{.names = {}, .all = has_lost_state};
    for (const AddedPort& port : added) {
        const port::PortConfig* declared = find_port(config, port.name());
        if (declared != nullptr && port.faults.empty() && has_same_settings(config, *declared, port.config)) {
            combined.declared.push_back(port.name());
        } else if (declared != nullptr) {
            unfit.push_back(
                {port,
                 {{fmt::format("{} declares a port {} with other settings, which is in force: `sluicectl "
                               "port delete {}` forgets this one",
                               origin(declared->place), port.name(), port.name()),
                   "name",
                   {}}}});
        } else if (!port.faults.empty()) {
            unfit.push_back({port, port.faults});
            missed.names.insert(port.name());
        } else {
            candidates.push_back(&port);
        }
    }
    Fitting fitting(config, file.document, file.errors, std::move(missed));
    fitting.run(candidates);
    errors.insert(errors.end(), fitting.errors().begin(), fitting.errors().end());
    if (!errors.empty()) {
        sort_by_place(errors);
        base::limit(errors);
        return tl::unexpected(errors);
    }
    for (const AddedPort* port : fitting.fitting()) combined.added.push_back(*port);
    combined.waiting = std::move(fitting.waiting());
    std::move(unfit.begin(), unfit.end(), std::back_inserter(combined.waiting));
    for (const WaitingPort& waiting : combined.waiting) combined.added.push_back(waiting.port);
    std::set<std::string> names;
    combined.left_out = leave_out_missed(config, names);
    complete(config);
    for (const auto& waiting : combined.waiting) names.erase(waiting.port.name());
    for (const std::string& name : names) {
        // Kept, so that the file may go on naming it.
        base::Tree keys = base::Tree::map();
        keys.add("name", base::Tree::string(name));
        combined.added.push_back({.keys = std::move(keys), .config = {.name = name}, .faults = {{kLost, {}, {}}}});
        combined.waiting.push_back({combined.added.back(), combined.added.back().faults});
    }
    return combined;
}

}  // namespace sluice::engine
