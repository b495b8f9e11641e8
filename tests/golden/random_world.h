// Configurations by chance: two networks of five ports, bridged or routed, with stations behind each, and
// ACLs at ports and networks. What is made depends on the seed alone.
#pragma once

#include <random>
#include <string>
#include <vector>

namespace sluice::golden {

inline const std::vector<std::string> kWorldDevices{"a", "b", "c", "d", "e"};

struct Station {
    std::string mac;
    std::string v4;
    std::string v6;
    std::string network;
    size_t device = 0;
    uint16_t vlan = 0;  // its tag on the wire
    bool far = false;   // behind another station, which routes
};

struct World {
    bool is_routed = false;
    std::string networks_and_ports;
    std::vector<Station> stations;
};

class Random {
 public:
    explicit Random(uint64_t seed) : random_(seed) {}

    uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
    bool chance(uint32_t percent) { return below(100) < percent; }
    template <class Range>
    const auto& one_of(const Range& range) {
        return range[below(static_cast<uint32_t>(std::size(range)))];
    }
    template <class T>
    T one_of(std::initializer_list<T> list) {
        return list.begin()[below(static_cast<uint32_t>(list.size()))];
    }

 private:
    std::mt19937_64 random_;
};

World make_world(Random& random);
// `address-sets` and `acls` of a configuration.
std::string make_acls(Random& random, const World& world);

}  // namespace sluice::golden
