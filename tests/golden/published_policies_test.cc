// Each published example (published_policies.h) with real packets through a whole switch: the first packet of a
// connection between any two of ten stations arrives, or doesn't, as the example says. What the example says is
// compared with the plain evaluator as well.
#include "golden/published_policies.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

#include "golden/harness.h"
#include "golden/row.h"
#include "kube/manifest.h"
#include "support/plain_policy.h"
#include "wire/headers.h"

namespace sluice {
namespace {

using namespace golden;
using test::Bytes;
using test::Harness;
using Json = nlohmann::json;

constexpr uint8_t kSctp = 132;
const std::vector<std::string> kStations{"xa", "xb", "xc", "ya", "yb", "yc", "za", "zb", "zc", "out"};
constexpr size_t kOutside = 9;

enum class Family { kIpv4, kIpv6 };

std::string address_of(size_t station, Family family) {
    const size_t number = (station / 3 + 1) * 10 + station % 3 + 1;
    if (station == kOutside) return family == Family::kIpv4 ? "192.0.2.9" : "2001:db8::9";
    return fmt::format("{}{}", family == Family::kIpv4 ? "10.0.0." : "fd00::", number);
}

std::string mac_of(size_t station) {
    return fmt::format("02:00:00:00:00:{:02x}", station + 1);
}

// The switch, its network and the ten stations.
std::string configuration(Family family) {
    std::string yaml = "networks: [{name: blue}]\nflows: {size: 4096}\nports:\n";
    for (size_t i = 0; i < kStations.size(); ++i) {
        const std::string& name = kStations[i];
        yaml +=
            fmt::format("  - {{name: {}, device: net_ring_{}, network: blue, mac: '{}', address: ['{}'], {}}}\n",
                        name, name, mac_of(i), address_of(i, family),
                        i == kOutside ? "spoofing: allow" : fmt::format("pod: {}/{}", name[0], name[1]));
    }
    return yaml;
}

std::string base_objects(Family family) {
    std::string text;
    for (const char space : {'x', 'y', 'z'}) {
        text += fmt::format(
            "---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {0}, labels: {{ns: {0}}}}}}}\n", space);
    }
    std::string ports;
    for (const char* protocol : {"TCP", "UDP", "SCTP"}) {
        std::string lower = protocol;
        std::ranges::transform(lower, lower.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
        for (const int port : {80, 81}) {
            ports +=
                fmt::format("{{name: serve-{0}-{1}, containerPort: {0}, protocol: {2}}}, ", port, lower, protocol);
        }
    }
    for (size_t i = 0; i < kOutside; ++i) {
        text += fmt::format(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {1}, namespace: {0}, labels: {{pod: {1}}}}}, "
            "spec: {{containers: [{{name: c, ports: [{2}]}}]}}, status: {{podIP: '{3}'}}}}\n",
            kStations[i][0], kStations[i][1], ports, address_of(i, family));
    }
    return text;
}

// A text of a row, with the addresses of a family.
std::string with_addresses(std::string text, Family family) {
    for (size_t i = 0; i < kStations.size(); ++i) {
        std::string name = "ADDRESS_OF_" + kStations[i];
        for (char& c : name) c = static_cast<char>(std::toupper(c));
        for (size_t at = text.find(name); at != std::string::npos; at = text.find(name)) {
            text.replace(at, name.size(), "'" + address_of(i, family) + "'");
        }
    }
    return text;
}

// YAML as JSON has it, for the plain evaluator.
Json json_of(const YAML::Node& node) {
    if (node.IsMap()) {
        Json object = Json::object();
        for (const auto& entry : node) object[entry.first.Scalar()] = json_of(entry.second);
        return object;
    }
    if (node.IsSequence()) {
        Json array = Json::array();
        for (const auto& entry : node) array.push_back(json_of(entry));
        return array;
    }
    if (node.IsNull()) return nullptr;
    const std::string& text = node.Scalar();
    const bool is_number = node.Tag() == "?" && !text.empty() &&
                           std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
    return is_number ? Json(std::stoi(text)) : Json(text);
}

std::vector<Json> documents(const std::string& text) {
    std::vector<Json> objects;
    for (const YAML::Node& document : YAML::LoadAll(text)) {
        if (!document.IsNull()) objects.push_back(json_of(document));
    }
    return objects;
}

struct Service {
    std::string protocol;
    uint16_t port = 0;
};

Service service_of(const std::string& what) {
    Service service;
    std::istringstream words(what);
    words >> service.protocol >> service.port;
    return service;
}

// "to xa X.. ... ... ." and so on, as permitted[from][to].
using Matrix = std::vector<std::vector<bool>>;
Matrix matrix_of(const std::string& text) {
    Matrix matrix(kStations.size(), std::vector<bool>(kStations.size(), true));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string direction, name, cells;
        words >> direction >> name;
        for (std::string part; words >> part;) cells += part;
        const size_t at = static_cast<size_t>(std::ranges::find(kStations, name) - kStations.begin());
        const bool is_valid = (direction == "to" || direction == "from") && at < kStations.size() &&
                              cells.size() == kStations.size() &&
                              cells.find_first_not_of("X.") == std::string::npos;
        if (!is_valid) ADD_FAILURE() << "not a line of a matrix: " << line;
        for (size_t i = 0; is_valid && i < kStations.size(); ++i) {
            const bool permitted = cells[i] == 'X';
            auto cell = direction == "to" ? matrix[i][at] : matrix[at][i];
            cell = cell && permitted;
        }
    }
    return matrix;
}

std::string text_of(const Matrix& matrix) {
    std::string text;
    for (size_t from = 0; from < matrix.size(); ++from) {
        text += fmt::format("from {:4}", kStations[from]);
        for (size_t to = 0; to < matrix.size(); ++to) {
            text += to % 3 == 0 ? " " : "";
            text += matrix[from][to] ? 'X' : '.';
        }
        text += '\n';
    }
    return text;
}

// A port's number as SCTP and our payloads have it.
void put16(Bytes& bytes, uint16_t value) {
    bytes.push_back(static_cast<uint8_t>(value >> 8));
    bytes.push_back(static_cast<uint8_t>(value));
}

enum Chunk : uint8_t {
    kData = 0,
    kInit = 1,
    kInitAck = 2,
    kHeartbeat = 4,
    kAbort = 6,
    kCookieEcho = 10,
    kCookieAck = 11
};

// The packet's SCTP header with one chunk (RFC 9260, 3). `own_tag` is what INIT and INIT ACK ask the peer to use.
Bytes sctp_payload(uint16_t source, uint16_t destination, Chunk chunk, uint32_t tag, uint32_t own_tag = 0) {
    Bytes bytes;
    put16(bytes, source);
    put16(bytes, destination);
    put16(bytes, static_cast<uint16_t>(tag >> 16));
    put16(bytes, static_cast<uint16_t>(tag));
    bytes.resize(12);  // no checksum: end points look at it
    bytes.push_back(chunk);
    bytes.push_back(0);
    put16(bytes, 20);
    put16(bytes, static_cast<uint16_t>(own_tag >> 16));
    put16(bytes, static_cast<uint16_t>(own_tag));
    bytes.resize(32);
    return bytes;
}

class World {
 public:
    explicit World(Family family)
        : family_(family), harness_(1, kStations, {.size = 4096}), objects_(documents(base_objects(family))) {
        apply("");
    }

    // As `sluicectl apply` would: an object that is there already is replaced.
    void apply(const std::string& text, const std::string& removed = {}) {
        const auto name_of = [](const Json& object) {
            const Json& metadata = object.at("metadata");
            return object.at("kind").get<std::string>() + " " + metadata.value("namespace", "default") + "/" +
                   metadata.at("name").get<std::string>();
        };
        std::erase_if(objects_, [&](const Json& object) { return name_of(object) == "NetworkPolicy " + removed; });
        for (const Json& object : documents(with_addresses(text, family_))) {
            std::erase_if(objects_, [&](const Json& known) { return name_of(known) == name_of(object); });
            objects_.push_back(object);
        }
        std::string all;
        for (const Json& object : objects_) all += "---\n" + object.dump() + "\n";
        auto config = engine::load_config(configuration(family_), "golden", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        auto manifest = kube::parse_manifest(all, "objects", kube::UnknownKinds::kRefuse);
        ASSERT_TRUE(manifest) << manifest.error()[0].text() << "\n" << all;
        config->objects = std::make_shared<const std::vector<kube::Object>>(std::move(manifest->objects));
        auto changes = harness_.running().apply(*config, {});
        ASSERT_TRUE(changes) << changes.error()[0].text();
    }

    // A pod reaches itself without the switch.
    Matrix by_packets(const Service& service) {
        Matrix matrix(kStations.size(), std::vector<bool>(kStations.size(), true));
        for (size_t from = 0; from < kStations.size(); ++from) {
            for (size_t to = 0; to < kStations.size(); ++to) {
                if (from != to) matrix[from][to] = arrives(from, to, first_packet(from, to, service));
            }
        }
        harness_.running().flows().remove_if(0, [](const flow::Listed&) { return true; });
        return matrix;
    }
    Matrix by_plain_evaluator(const Service& service) const {
        const test::PlainPolicy plain(objects_);
        Matrix matrix(kStations.size(), std::vector<bool>(kStations.size(), true));
        for (size_t from = 0; from < kStations.size(); ++from) {
            for (size_t to = 0; to < kStations.size(); ++to) {
                matrix[from][to] = from == to || plain.allows(address_of(from, family_), address_of(to, family_),
                                                              service.protocol, service.port);
            }
        }
        return matrix;
    }

    // Whether the frame gets to that station. Nobody else may get it.
    bool arrives(size_t from, size_t to, const Bytes& frame) {
        harness_.device(kStations[from]).put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
        bool arrived = false;
        for (size_t i = 0; i < kStations.size(); ++i) {
            const bool has_frame = !harness_.sent(kStations[i]).empty();
            if (i == to) arrived = has_frame;
            EXPECT_TRUE(i == to || !has_frame) << kStations[i];
        }
        return arrived;
    }

    // A frame up to the IP header.
    Packet headers(size_t from, size_t to, uint8_t protocol = 253) const {
        Packet packet;
        packet.eth(mac_of(from), mac_of(to));
        const std::string source = address_of(from, family_), destination = address_of(to, family_);
        return family_ == Family::kIpv4 ? packet.ipv4(source, destination, protocol)
                                        : packet.ipv6(source, destination, protocol);
    }

 private:
    // Of a connection that there has not been yet.
    Bytes first_packet(size_t from, size_t to, const Service& service) {
        const uint16_t source = ++source_port_;
        Packet packet = headers(from, to, service.protocol == "SCTP" ? kSctp : 253);
        if (service.protocol == "TCP") return packet.tcp(source, service.port, wire::TcpHeader::kSyn);
        if (service.protocol == "UDP") return packet.udp(source, service.port).payload(10);
        if (service.protocol == "SCTP") return packet.payload(sctp_payload(source, service.port, kInit, 0, 1));
        return packet.icmp(family_ == Family::kIpv4 ? 8 : 128, 0, uint32_t{source} << 16).payload(8);
    }

    Family family_;
    Harness harness_;
    std::vector<Json> objects_;
    uint16_t source_port_ = 10'000;
};

void check(const PolicyExample& example, Family family) {
    SCOPED_TRACE(example.name + (family == Family::kIpv4 ? " (IPv4)" : " (IPv6)"));
    World world(family);
    for (const Step& step : example.steps) {
        ASSERT_NO_FATAL_FAILURE(world.apply(step.objects, step.removed));
        for (const Probe& probe : step.probes) {
            SCOPED_TRACE(probe.what + " after " + step.objects);
            const Service service = service_of(probe.what);
            const std::string expected = text_of(matrix_of(probe.permitted));
            EXPECT_EQ(text_of(world.by_packets(service)), expected);
            EXPECT_EQ(text_of(world.by_plain_evaluator(service)), expected) << "as the plain evaluator has it";
        }
    }
}

void check(const std::vector<PolicyExample>& examples) {
    for (const PolicyExample& example : examples) {
        check(example, Family::kIpv4);
        if (!example.is_ipv4) check(example, Family::kIpv6);
    }
}

TEST(PublishedPolicies, FieldsMeanWhatTheApisTypesSay) {
    check(api_examples());
}
TEST(PublishedPolicies, RecipesDoWhatTheyAreFor) {
    check(recipes());
}
TEST(PublishedPolicies, TheEndToEndMatrixHolds) {
    check(end_to_end_matrix());
}

// --- SCTP, packet by packet: no kernel is needed for it ---

class SctpPolicy : public testing::TestWithParam<Family> {
 protected:
    static constexpr size_t kClient = 1, kServer = 0, kOther = 2;  // xb, xa, xc
    static constexpr uint16_t kPort = 80;

    // x/a takes associations to its port 80 from x/b alone.
    SctpPolicy() : world_(GetParam()) {
        world_.apply(
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: "
            "{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], "
            "ports: [{protocol: SCTP, port: 80}]}]}}");
    }

    bool request(Chunk chunk, uint32_t tag, uint32_t own_tag = 0, size_t from = kClient, uint16_t port = kPort) {
        const Bytes frame =
            world_.headers(from, kServer, kSctp).payload(sctp_payload(5000, port, chunk, tag, own_tag));
        return world_.arrives(from, kServer, frame);
    }
    bool answer(Chunk chunk, uint32_t tag, uint32_t own_tag = 0, size_t to = kClient, uint16_t port = kPort) {
        const Bytes frame =
            world_.headers(kServer, to, kSctp).payload(sctp_payload(port, 5000, chunk, tag, own_tag));
        return world_.arrives(kServer, to, frame);
    }

    World world_;
};

TEST_P(SctpPolicy, APermittedAssociationPassesBothWays) {
    // The server may begin nothing of its own towards others in this test: egress of x/a is closed as well.
    world_.apply(
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: q, namespace: x}, spec: "
        "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress]}}");
    EXPECT_FALSE(answer(kInitAck, 11, 22)) << "nobody has asked";
    EXPECT_TRUE(request(kInit, 0, 11));
    EXPECT_TRUE(answer(kInitAck, 11, 22));
    EXPECT_TRUE(request(kCookieEcho, 22));
    EXPECT_TRUE(answer(kCookieAck, 11));
    EXPECT_TRUE(request(kData, 22));
    EXPECT_TRUE(answer(kData, 11));
    EXPECT_TRUE(answer(kHeartbeat, 11));
    EXPECT_FALSE(answer(kData, 11, 0, kOther)) << "another's address";
    EXPECT_FALSE(answer(kData, 11, 0, kClient, 81)) << "another port";
    EXPECT_FALSE(answer(kInit, 0, 33)) << "an association of its own, on the same ports";
}

TEST_P(SctpPolicy, ARefusedAssociationPassesNeitherWay) {
    EXPECT_FALSE(request(kInit, 0, 11, kOther));
    EXPECT_FALSE(request(kCookieEcho, 22, 0, kOther));
    EXPECT_FALSE(request(kData, 22, 0, kOther));
    EXPECT_FALSE(request(kInit, 0, 11, kClient, 81)) << "another port";
    EXPECT_FALSE(request(kInitAck, 0, 11, kOther)) << "unsolicited";
    EXPECT_FALSE(request(kAbort, 22, 0, kOther));
}

TEST_P(SctpPolicy, AnAssociationEndsWithItsPermission) {
    EXPECT_TRUE(request(kInit, 0, 11));
    EXPECT_TRUE(answer(kInitAck, 11, 22));
    EXPECT_TRUE(request(kCookieEcho, 22));
    EXPECT_TRUE(answer(kCookieAck, 11));
    world_.apply(
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: "
        "{podSelector: {matchLabels: {pod: a}}, ingress: []}}");
    EXPECT_FALSE(request(kData, 22));
    EXPECT_FALSE(answer(kData, 11));
    world_.apply("", "x/p");
    EXPECT_TRUE(request(kData, 22)) << "without a timeout";
    EXPECT_TRUE(answer(kData, 11));
}

INSTANTIATE_TEST_SUITE_P(Families, SctpPolicy, testing::Values(Family::kIpv4, Family::kIpv6),
                         [](const auto& info) { return info.param == Family::kIpv4 ? "IPv4" : "IPv6"; });

}  // namespace
}  // namespace sluice
