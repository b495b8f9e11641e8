// What Kubernetes' objects cost the control thread, and what NetworkPolicies cost a new connection: objects WORLD.json
// reads the world (bench/rigs/policy_scale.py makes it), changes it, and judges connections between its pods. Prints
// "NAME VALUE" lines: seconds of CPU, MiB, and nanoseconds.
#include <sys/resource.h>

#include <fstream>
#include <sstream>
#include <string>

#include "../program.h"
#include "engine/pod_policies.h"
#include "kube/manifest.h"

namespace {

using namespace sluice;

double cpu() {
    rusage used;
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * time.tv_usec; };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class World {
 public:
    // From the text to what workers would be given.
    double apply(const std::string& text) {
        const double begin = cpu();
        auto manifest = kube::parse_manifest(text, "world", kube::UnknownKinds::kRefuse);
        if (!manifest) {
            std::fprintf(stderr, "%s\n", manifest.error().front().text().c_str());
            std::exit(1);
        }
        policies_.apply(store_.apply(std::move(manifest->objects), 0));
        pods_ = policies_.pods();
        return cpu() - begin;
    }

    // Nanoseconds a connection between two pods, of which about one in two is permitted.
    double judge(unsigned pods) const {
        constexpr unsigned kConnections = 1'000'000;
        unsigned dice = 1;
        unsigned permitted = 0;
        const double begin = cpu();
        for (unsigned i = 0; i < kConnections; ++i) {
            dice = dice * 1664525 + 1013904223;
            const IpAddress from = IpAddress::from_v4(0x0a000000 | (dice >> 8) % pods);
            const IpAddress to = IpAddress::from_v4(0x0a000000 | (dice >> 4) % pods);
            const pod::Pod* sender = pods_->at(from);
            const pod::Pod* receiver = pods_->at(to);
            const pod::Service service{6, true, 8080};
            permitted += pod::judge(*sender, pod::Direction::kEgress, {receiver, to}, receiver, service).permits &&
                         pod::judge(*receiver, pod::Direction::kIngress, {sender, from}, receiver, service).permits;
        }
        const double took = cpu() - begin;
        if (permitted == 0 || permitted == kConnections) {
            std::fprintf(stderr, "%u of the connections are permitted\n", permitted);
            std::exit(1);
        }
        return took / kConnections * 1e9;
    }

 private:
    uint32_t next_object_ = 1;
    kube::Store store_;
    engine::PodPolicies policies_{next_object_};
    std::shared_ptr<const pod::Pods> pods_;
};

std::string pod_text(const std::string& labels) {
    return "{apiVersion: v1, kind: Pod, metadata: {name: new, namespace: ns1, labels: {" + labels +
           "}}, spec: {containers: [{name: c}]}, status: {podIP: 10.200.0.1}}";
}

std::string policy_text(const std::string& peers) {
    return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: np1, namespace: ns1}, spec: "
           "{podSelector: {matchLabels: {app: app2}}, ingress: [{from: [" + peers + "]}]}}";
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 2;
    std::ifstream file(arguments[1]);
    std::stringstream text;
    text << file.rdbuf();
    World world;
    std::printf("all %.6f\n", world.apply(text.str()));
    rusage used;
    getrusage(RUSAGE_SELF, &used);
    std::printf("memory %.1f\n", static_cast<double>(used.ru_maxrss) / 1024);
    std::printf("pod %.6f\n", world.apply(pod_text("app: app2, tier: front")));
    std::printf("label %.6f\n", world.apply(pod_text("app: app4, tier: back")));
    std::printf("policy %.6f\n", world.apply(policy_text("{podSelector: {matchLabels: {tier: db}}}")));
    std::printf("judge %.1f\n", world.judge(static_cast<unsigned>(std::atoi(arguments[2]))));
}
