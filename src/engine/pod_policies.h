// From Kubernetes' objects (kube/) to what workers ask about pods (pod/pods.h): which policies select which pods,
// at which addresses and ports the pods are, and which rule or policy an answer came from.
//
// It follows changes of the store and of the ports step by step. What a change doesn't concern stays the same
// object, so that publishing costs a list of pointers. Control thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "kube/selection.h"
#include "kube/store.h"
#include "policy/policy_config.h"
#include "pod/pods.h"

namespace sluice::engine {

// A port of the switch that a pod is behind.
struct Attachment {
    path::PortId port{};
    std::string name_space;
    std::string pod;  // the name of its Pod object; empty: it has none, and these are its labels
    kube::Labels labels;
    std::vector<IpAddress> addresses;  // of the port: the pod's; none: those of its status are

    bool operator==(const Attachment&) const = default;
};

// If the list is longer than people read, keeps its begin and says that there are more.
void limit_warnings(base::Errors& warnings);

class PodPolicies {
 public:
    // `next_object` is the number for the next object that an answer can name, and is counted up.
    explicit PodPolicies(uint32_t& next_object) : next_object_(next_object) {}
    PodPolicies(const PodPolicies&) = delete;

    void apply(const kube::Change& change);
    // A port's name is its own; an attachment under a name that is known replaces that one.
    void attach(const std::string& port, const Attachment& attachment);
    void detach(const std::string& port);
    // What holds for a pod at a port in a direction in which no policy selects it.
    void set_default(const policy::PolicyConfig& config);
    // The host's own addresses, each with its port; and the ports behind which other pods may be.
    void set_ways_out(std::vector<pod::Pods::Host> hosts, std::vector<path::PortId> ports);

    // What is in force: the same object until something has changed.
    std::shared_ptr<const pod::Pods> pods();
    // Whose connections are judged otherwise since the last call, or may be.
    struct Concerned {
        std::unordered_set<IpAddress> addresses;
        std::set<path::PortId> ports;

        bool empty() const { return addresses.empty() && ports.empty(); }
    };
    Concerned take_concerned() { return std::exchange(concerned_, {}); }
    // The pods that are others since the last call, or gone: find_state() tells.
    std::set<kube::Key> take_changed() { return std::exchange(changed_, {}); }

    // What an answer's object stands for. Of a refusal: all policies that isolate the pod in that direction.
    struct Decider {
        kube::Key key;  // of the policy; without a name: the setting policy.default refuses it
        pod::Direction direction{};
        std::optional<size_t> rule;  // index; none: a refusal
        base::Place place;

        bool is_default() const { return key.name.empty(); }
        bool operator==(const Decider& other) const {
            return key == other.key && direction == other.direction && rule == other.rule &&
                   base::origin(place) == base::origin(other.place);
        }
    };
    std::vector<Decider> describe(uint32_t object) const;

    // --- for queries ---

    // A pod, and a policy, as they are kept: for queries to read.
    struct PodState {
        kube::PodId id = 0;
        bool has_object = false;  // else it is known by its port alone
        kube::Pod facts;
        kube::Labels labels;
        base::Place place;                 // of its object
        uint64_t since = 0;                // of two remote pods with one address the later one has it
        std::string port;                  // where it is attached; empty: at no port
        std::vector<IpAddress> addresses;  // its port's, else its status'; another pod may have one of them
        // Which policies isolate it, by direction, and the object that stands for them.
        std::vector<Decider> isolated_by[pod::kDirections];
        uint32_t denial[pod::kDirections]{};
        pod::SharedPod built;
    };
    struct PolicyState {
        kube::NetworkPolicy facts;
        base::Place place;
        kube::ScopeId pods = 0;
        std::vector<kube::ScopeId> peers;  // that were taken, once for each time
        std::vector<uint32_t> objects;     // of its rules
        pod::SharedPolicy compiled;
    };

    // Whether workers need pods(): where there is a policy, and where a pod is behind a port. Its connections are
    // followed without any policy too, so that the first one knows who began each.
    bool is_needed() const { return !policies_.empty() || !attachments_.empty(); }
    // What is allowed and hardly meant (pod_warnings.cc). Of a policy: it or a peer selects no pod, no pod has a
    // port of the name to which it could lead. Of a pod: another one has its address, its port contradicts its
    // status, or its policies are in force nowhere. Each at its place.
    base::Errors warnings(const kube::Key& object) const;
    // The ports' pods, for another store of objects.
    void attach_as(const PodPolicies& other);
    const std::map<kube::Key, PolicyState>& policies() const { return policies_; }
    // Null: there is none.
    const pod::Pod* find(const kube::Key& key) const;
    const PodState* find_state(const kube::Key& key) const;
    const PolicyState* find_policy(const kube::Key& key) const;
    // The pod behind a port, and the pod that has an address.
    const kube::Key* find_key(const std::string& port) const;
    const kube::Key* find_key(const IpAddress& address) const;
    // Whether a pod can be a peer of others. One in its host's network can't be told apart from the host, and one
    // that has run to its end has no address.
    static bool is_peer(const kube::Pod& pod) { return !pod.host_network && !pod.is_over; }
    // The pods that a scope selects, without those that are nobody's peers.
    std::vector<kube::PodId> peers_of(kube::ScopeId scope) const;
    const kube::Key& key_with(kube::PodId pod) const { return entries_[pod]->first; }
    // What isolates the pod in that direction: its policies in the order of their names, or the default.
    const std::vector<Decider>& isolated_by(const PodState& pod, pod::Direction direction) const;
    // Whether the address is one of the host's own.
    bool is_host(const IpAddress& address) const;

 private:
    struct Named {  // an object: a rule, or what isolates a pod
        Decider rule;
        std::vector<Decider> isolated_by;
    };

    base::Errors warnings_of(const kube::Key& key, const PolicyState& policy) const;
    base::Errors warnings_of(const kube::Key& key, const PodState& pod) const;
    std::optional<base::Error> shared_address(const kube::Key& key, const PodState& pod,
                                              const IpAddress& address) const;
    bool has_port(kube::ScopeId scope, const kube::PolicyPort& port) const;
    bool has_peer(kube::ScopeId scope) const;
    static bool has_port(const kube::Pod& pod, const kube::PolicyPort& port);
    bool is_denied_by_default() const { return default_.otherwise == policy::Default::kDeny; }
    void set_object(const kube::Key& key, const kube::Object& object);
    void remove_object(const kube::Key& key);
    void set_pod(const kube::Key& key, const kube::Pod& facts, const kube::Labels& labels);
    void remove_pod(const kube::Key& key);
    const std::vector<std::string>& ports_at(const kube::Key& key) const;
    void place(const kube::Key& key, PodState& pod);
    void set_policy(const kube::Key& key, const kube::NetworkPolicy& facts, const base::Place& place);
    void remove_policy(const kube::Key& key);
    // Gives each rule its number. Rules that stay at their index keep theirs.
    pod::SharedPolicy compile(const kube::Key& key, PolicyState& policy);
    pod::Rule compile(const std::string& name_space, const kube::PolicyRule& rule, PolicyState& policy);
    // They are built anew; and whether their connections are judged otherwise, or only told of otherwise.
    enum class Concern : bool { kNo, kYes };
    void mark(kube::PodId pod, Concern concern);
    void mark_pods(kube::ScopeId scope, Concern concern);
    void mark_selected(Concern concern);
    void build(PodState& pod, Concern concern);
    // Where the pod is to be found from now on.
    void list_addresses(PodState& pod);
    void unlist_addresses(PodState& pod);
    // Which of the pods that claim an address has it: one at a port here, else the latest.
    static const PodState& owner(const std::vector<PodState*>& claims);
    pod::NameId name_id(const std::string& name);
    uint32_t new_object(Named named);
    void retire(uint32_t denial);
    std::vector<kube::ScopeId> scopes_of(const PodState& pod) const;
    std::vector<Decider> isolating(const PodState& pod, pod::Direction direction) const;

    uint32_t& next_object_;
    kube::Selection selection_;
    std::map<kube::Key, PodState> pods_;
    std::vector<std::pair<const kube::Key, PodState>*> entries_;  // of pods_, by PodId; null: unused
    std::map<kube::Key, PolicyState> policies_;
    std::map<kube::ScopeId, std::set<kube::Key>> policies_of_;  // by the scope of their pods
    struct Attached {
        Attachment what;
        kube::Key key;  // of the pod
        PodState* pod = nullptr;
    };
    std::map<std::string, Attached> attachments_;                   // by port
    std::map<kube::Key, std::vector<std::string>> ports_of_;        // of pods, in the order of their attachment
    std::unordered_map<IpAddress, std::vector<PodState*>> claims_;  // pods that an address is given for
    policy::PolicyConfig default_;
    std::map<std::string, pod::NameId> names_;  // of ports of pods; they are few, and never forgotten
    std::unordered_map<uint32_t, Named> objects_;
    std::deque<uint32_t> retired_;  // objects of refusals that no pod has any more: drops may still name them
    std::map<kube::PodId, Concern> to_build_;
    std::vector<pod::Pods::Host> hosts_;  // ascending
    std::vector<path::PortId> ways_out_;  // ascending
    Concerned concerned_;
    std::set<kube::Key> changed_;
    uint64_t sequence_ = 0;
    bool has_moved_ = true;  // a pod is found by another address or port, or was built anew
    std::shared_ptr<const pod::Pods> published_;
};

}  // namespace sluice::engine
