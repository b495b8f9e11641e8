#include "sluicectl/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "sluicectl/print.h"
#include "sluicectl/rates.h"
#include "sluicectl/verbs.h"
#include "sluicectl/wrap.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

TEST(Table, AlignsNumbersToTheRightAndCutsNothingOff) {
    const Column columns[] = {
        {"NAME", "/name"}, {"PACKETS", "/rx/packets", Format::kNumber}, {"NETWORK", "/network"}};
    const json rows = R"([
        {"name": "web", "rx": {"packets": 7}, "network": "blue"},
        {"name": "a-very-long-name-of-a-port", "rx": {"packets": 123456789012}},
        {"name": "größe", "rx": {}, "network": ""}])"_json;
    EXPECT_EQ(table(columns, rows),
              "NAME                             PACKETS  NETWORK\n"
              "web                                    7  blue\n"
              "a-very-long-name-of-a-port  123456789012  -\n"
              "größe                                  -  -\n");
}

TEST(Table, LeavesColumnsOutByTheirRankWhereATerminalIsNarrow) {
    const Column columns[] = {{"NAME", "/name"},
                              {"BYTES", "/bytes", Format::kNumber, 2},
                              {"PACKETS", "/packets", Format::kNumber, 1},
                              {"VNI", "/vni", Format::kNumber, 1},
                              {"REASON", "/reason"}};
    const json rows = R"([{"name": "web", "bytes": 1234, "packets": 5, "reason": "no such namespace"},
                          {"name": "db", "bytes": 1, "packets": 1, "reason": null}])"_json;
    const std::string all =
        "NAME  BYTES  PACKETS  VNI  REASON\n"
        "web    1234        5    -  no such namespace\n"
        "db        1        1    -  -\n";
    EXPECT_EQ(table(columns, rows), all);
    EXPECT_EQ(table(columns, rows, 80), all);
    EXPECT_EQ(table(columns, rows, 44), all);
    EXPECT_EQ(table(columns, rows, 43),
              "NAME  BYTES  PACKETS  REASON\n"
              "web    1234        5  no such namespace\n"
              "db        1        1  -\n"
              "(VNI in a wider terminal)\n");
    EXPECT_EQ(table(columns, rows, 36),
              "NAME  PACKETS  REASON\n"
              "web         5  no such namespace\n"
              "db          1  -\n"
              "(VNI, BYTES in a wider terminal)\n");
    // Then texts are broken, and never inside a word.
    EXPECT_EQ(table(columns, rows, 17),
              "NAME  REASON\n"
              "web   no such\n"
              "      namespace\n"
              "db    -\n"
              "(VNI, BYTES,\n PACKETS in a\n wider terminal)\n");
    EXPECT_EQ(table(columns, rows, 3).substr(0, 27), "NAME  REASON\nweb   no such\n");
}

TEST(Table, BreaksNoWord) {
    const Column columns[] = {{"ADDRESSES", "/a"}, {"MEANING", "/m"}};
    const json rows = R"([{"a": ["2001:db8:1234:5678:9abc:def0:1234:5678/64", "10.0.0.1/24"],
                           "m": "a sentence of some length that says why this happened, and what to do"}])"_json;
    for (size_t width = 1; width < 140; ++width) {
        std::istringstream text(table(columns, rows, width));
        std::set<std::string> words;
        for (std::string word; text >> word;) words.insert(word);
        EXPECT_TRUE(words.contains("2001:db8:1234:5678:9abc:def0:1234:5678/64,")) << width;
        EXPECT_TRUE(words.contains("happened,") && words.contains("10.0.0.1/24")) << width;
        std::istringstream lines(table(columns, rows, width));
        for (std::string line; std::getline(lines, line);) {
            EXPECT_LE(width_of(line), std::max<size_t>(width, 55)) << line;
        }
    }
}

TEST(Wrap, AFoldedLineIsNoWiderAndLosesNothing) {
    const std::string text = "see (/etc/sluice/sluice.yaml:41:11) größenordnungsmäßig";
    EXPECT_EQ(fold(text, 15), (std::vector<std::string>{"see", "(/etc/sluice/", "sluice.yaml:41:",
                                                        "11)", "größenordnungsm", "äßig"}));
    for (size_t width = 1; width < 60; ++width) {
        std::string all;
        for (const std::string& line : fold(text, width)) {
            EXPECT_LE(width_of(line), width) << line;
            all += line;
        }
        std::erase(all, ' ');
        EXPECT_EQ(all, "see(/etc/sluice/sluice.yaml:41:11)größenordnungsmäßig") << width;
    }
}

size_t widest_line(const std::string& text) {
    std::istringstream lines(text);
    size_t widest = 0;
    for (std::string line; std::getline(lines, line);) widest = std::max(widest, width_of(line));
    return widest;
}

TEST(Print, LastDropsFitATerminalOfEightyColumns) {
    const json result =
        R"({"drops": [{"time": 1700000000.5, "ingress": "web", "egress": "db", "network": "blue",
        "reason": "policy-denied", "decided-by": [{"kind": "acl-rule", "name": "edge rule 1",
        "file": "/etc/sluice/sluice.yaml", "line": 41, "column": 11}], "packets": 3,
        "packet": "02:00:00:00:00:01 > 02:00:00:00:00:02, length 74: 10.0.0.2.40000 > 10.0.0.3.80: SYN"}]})"_json;
    const std::string text =
        print_drops(result, {.words = {}, .options = {{"last", ""}}, .width = 80});
    EXPECT_LE(widest_line(text), 80u) << text;
    for (const char* shown :
         {"web", "db", "policy-denied", "sluice.yaml:41:11", "02:00:00:00:00:01"})
        EXPECT_NE(text.find(shown), std::string::npos) << text;
    // A count is of the last ones, too.
    EXPECT_EQ(print_drops(result, {.words = {"5"}, .options = {}, .width = 80}), text);
}

TEST(Print, ALongReasonFitsATerminalOfEightyColumns) {
    json port =
        R"({"name": "web", "kind": "netns", "network": "blue", "interface": "eth0", "state": "down",
        "addresses": ["fd00:1234:5678:9abc:def0:1234:5678:9/64"], "mac": null, "mtu": 1500, "origin": "added",
        "rates": {}, "rx": {}, "tx": {}, "drops": 0})"_json;
    port["reason"] = "net_virtio_user0,path=/dev/vhost-net,iface=a_long_name_without_any_blank: no";
    const std::string text =
        print_ports({{"ports", json::array({port})}}, {.words = {}, .options = {}, .width = 80});
    EXPECT_LE(widest_line(text), 80u) << text;
    EXPECT_NE(text.find("fd00:1234:5678:9abc:def0:1234:5678:9/64"), std::string::npos) << text;
}

TEST(Print, ATracesVerdictFitsATerminalOfEightyColumns) {
    const json result =
        R"({"verdict": "drop", "to": null, "stages": [], "packet": null, "reason": "a policy denies it",
        "decided-by": [{"kind": "acl-rule", "name": "edge rule 1", "file": "/etc/sluice/sluice.yaml", "line": 41},
                       {"kind": "acl-rule", "name": "core rule 2", "file": "/etc/sluice/s.yaml", "line": 52}]})"_json;
    const std::string text = print_trace(result, {.words = {}, .options = {}, .width = 80});
    EXPECT_LE(widest_line(text), 80u) << text;
    EXPECT_EQ(widest_line(print_trace(result, {})), text.size() - 1)
        << "a line as it is, where nobody looks";
}

TEST(Print, StatusAndStatsTellOneUnit) {
    const json result =
        R"({"totals": {}, "ports": [], "tunnels": [], "workers": [{"worker": 0, "core": 1, "busy": 0.28}]})"_json;
    EXPECT_NE(print_stats(result, {}).find("28%"), std::string::npos) << print_stats(result, {});
}

TEST(Print, LoadedRoutesAreCounted) {
    EXPECT_EQ(print_loaded({{"routes", {{"set", 1}, {"deleted", 0}, {"missing", 1}}}}, {}),
              "1 route loaded\n1 to delete was not there\n");
    EXPECT_EQ(print_loaded({{"routes", {{"set", 2}, {"deleted", 3}, {"missing", 2}}}}, {}),
              "2 routes loaded\n3 deleted\n2 to delete were not there\n");
}

TEST(Print, PortsFitATerminalOfEightyColumns) {
    json port = R"({"name": "a-port-of-a-container", "kind": "netns", "network": "blue", "interface": "eth0",
        "state": "down", "reason": "there is no network namespace with the name that the configuration says",
        "addresses": ["10.0.0.2/24", "fd00:1234:5678::2/64"], "mac": "02:00:00:00:00:01", "mtu": 1500,
        "rates": {"rx": {"packets-per-second": 1234567}, "tx": {"packets-per-second": 1234567}},
        "rx": {"packets": 123456789012, "bytes": 123456789012345}, "drops": 12345678,
        "tx": {"packets": 123456789012, "bytes": 123456789012345}, "origin": "/etc/sluice/sluice.yaml:12:5"})"_json;
    const json result{{"ports", json::array({port})}};
    const std::string text = print_ports(result, {.words = {}, .options = {}, .width = 80});
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(width_of(line), 80u) << text;
    for (const char* shown : {"a-port-of-a-container", "down", "10.0.0.2/24", "fd00:1234:5678::2/64", "namespace"})
        EXPECT_NE(text.find(shown), std::string::npos) << text;
}

TEST(Rates, AreOfTheSameRows) {
    json now = R"({"drops": [{"port": "b", "reason": "x", "packets": 7}, {"port": "a", "reason": "x", "packets": 30}],
                   "rx": {"bytes": 300, "age": 9}, "drops-at": 4})"_json;
    const json before = R"({"drops": [{"port": "a", "reason": "x", "packets": 10}], "rx": {"bytes": 100, "age": 1}})"_json;
    add_rates(now, before, 2);
    EXPECT_EQ(now, R"({"drops": [{"port": "b", "reason": "x", "packets": 7},
                   {"port": "a", "reason": "x", "packets": 30, "packets-per-second": 10}],
                   "rx": {"bytes": 300, "bytes-per-second": 100, "age": 9}, "drops-at": 4})"_json);
    // A daemon that has restarted counts anew.
    json fewer = R"({"rx": {"bytes": 50}})"_json;
    add_rates(fewer, before, 2);
    EXPECT_EQ(fewer, R"({"rx": {"bytes": 50}})"_json);
}

TEST(Table, EscapesWhatATerminalWouldObey) {
    const Column columns[] = {{"NAME", "/name"}};
    EXPECT_EQ(table(columns, R"([{"name": "a\u001b[2Jb\nc"}])"_json), "NAME\na\\x1b[2Jb\\x0ac\n");
}

TEST(Table, FormatsValues) {
    struct Row {
        json value;
        Format format;
        const char* text;
    };
    const Row rows[] = {
        {nullptr, Format::kText, "-"},
        {true, Format::kText, "yes"},
        {json::array({"a", 1}), Format::kText, "a, 1"},
        {json::array(), Format::kText, "-"},
        {12.345, Format::kNumber, "12.3"},
        {18446744073709551615u, Format::kNumber, "18446744073709551615"},
        {0.374, Format::kPercent, "37%"},
        {59, Format::kSeconds, "59s"},
        {3600, Format::kSeconds, "1h 0m 0s"},
        {90061.7, Format::kSeconds, "1d 1h 1m 1s"},
        {1023, Format::kBytes, "1023 B"},
        {3 << 20, Format::kBytes, "3.0 MiB"},
        {"never", Format::kSeconds, "never"},
    };
    for (const Row& row : rows) EXPECT_EQ(format(row.value, row.format), row.text);
}

TEST(Table, ColumnsOfRowsBeginWithTheNamedOnes) {
    const json rows = R"([{"b": 1, "name": "x", "c": {"no": 1}}, {"a/b": "y", "name": "z"}])"_json;
    EXPECT_EQ(table(columns_of(rows, {"name", "absent"}), rows),
              "NAME  B  A/B\n"
              "x     1  -\n"
              "z     -  y\n");
}

TEST(Table, IndentsWhatIsNested) {
    const json port = R"({"name": "web", "address": ["10.0.0.2/24", "fd00::2/64"], "rx": {
        "packets": 10, "queues": [{"queue": 0, "packets": 4}, {"queue": 1, "packets": 6}]},
        "labels": {}, "up": true})"_json;
    EXPECT_EQ(indented(port),
              "address  10.0.0.2/24, fd00::2/64\n"
              "labels   -\n"
              "name     web\n"
              "rx\n"
              "  packets  10\n"
              "  queues\n"
              "    QUEUE  PACKETS\n"
              "        0        4\n"
              "        1        6\n"
              "up       yes\n");
}

struct Printed {
    const char* verb;
    const char* result;
    const char* text;
};

TEST(Print, EveryVerbPrintsTheAnswerThatTheDaemonGives) {
    const Printed rows[] = {
        {"status", R"({"version": "0.1.0", "pid": 42, "uptime": 61,
            "config": {"file": "/etc/sluice/sluice.yaml", "generation": 3},
            "routes": {"ipv4": 12, "ipv6": 8, "bytes": 2048, "waiting": 3, "domains": [
                {"name": "main", "ipv4": 12, "ipv6": 8, "added": 5, "bytes": 1024}]},
            "neighbors": {"count": 4, "capacity": 64},
            "flows": {"count": 3, "capacity": 1024, "bytes": 2048, "most-bytes": 4096}, "tunnels": 2,
            "memory": {"hugepages": false, "resident": 1048576,
                "pools": [{"name": "socket 0", "count": 8192, "available": 8000, "bytes": 20971520}]},
            "workers": [{"worker": 0, "core": 1, "busy": 0.5, "cycles-per-packet": 41.26,
                "packets-per-batch": 32, "packets": 1000, "idle": "adaptive"}],
            "ports": {"up": 2, "down": 1, "waiting": 2}, "networks": 1,
            "objects": {"namespaces": 1, "pods": 20, "network-policies": 3},
            "waiting": [{"object": "acl edge", "reason": "no port"}],
            "lost": ["state.objects:3:1: the Pod 'web' is not in force: no spec"]})",
         "version        0.1.0\n"
         "process        42\n"
         "uptime         1m 1s\n"
         "configuration  /etc/sluice/sluice.yaml (generation 3)\n"
         "objects        1 namespaces, 20 pods, 3 network policies\n"
         "networks       1\n"
         "ports          2 up, 1 down, 2 waiting (port list)\n"
         "routes         12 IPv4, 8 IPv6 (2.0 KiB)\n"
         "neighbors      4 of 64\n"
         "flows          3 of 1024 (2.0 KiB of 4.0 KiB)\n"
         "tunnels        2\n"
         "memory         1.0 MiB\n"
         "hugepages      no\n"
         "waiting        acl edge: no port\n"
         "lost           state.objects:3:1: the Pod 'web' is not in force: no spec\n"
         "               The start could not read this. Each file is kept beside itself as FILE.bad-DATE.\n"
         "               3 added routes wait: the configuration has no place for them (route list)\n"
         "\n"
         "DOMAIN  IPV4  IPV6  ADDED     SIZE\n"
         "main      12     8      5  1.0 KiB\n"
         "\n"
         "WORKER  CORE  BUSY  CYCLES/PACKET  PACKETS/BATCH  PACKETS  IDLE\n"
         "     0     1   50%           41.3             32     1000  adaptive\n"
         "\n"
         "POOL      COUNT  AVAILABLE      SIZE\n"
         "socket 0   8192       8000  20.0 MiB\n"},
        {"port list", R"({"ports": [{"name": "web", "kind": "tap", "network": "blue",
            "interface": "eth0", "state": "down", "reason": "no such namespace",
            "addresses": ["10.0.0.2/24", "fd00::2/64"], "mac": "02:00:00:00:00:01", "mtu": 1500,
            "rates": {"rx": {"packets-per-second": 5}, "tx": {"packets-per-second": 6}},
            "rx": {"packets": 1, "bytes": 64}, "tx": {"packets": 2, "bytes": 128}, "drops": 0, "background": 7,
            "origin": "file"}]})",
         "NAME  KIND  NETWORK  INTERFACE  STATE  ADDRESSES                MAC                 MTU  RX/S  TX/S"
         "  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  DROPS  ORIGIN  REASON\n"
         "web   tap   blue     eth0       down   10.0.0.2/24, fd00::2/64  02:00:00:00:00:01  1500     5     6"
         "           1        64           2       128      0  file    no such namespace\n"},
        {"port list", R"({"ports": []})", "no ports\n"},
        {"port show", R"({"port": {"name": "web"}})", "name  web\n"},
        {"port add", R"({"port": {"name": "web", "state": "down", "reason": "no such container"}})",
         "port web added: down, no such container\n"},
        {"port set", R"({"changes": [{"action": "change", "object": "port web", "detail": "mtu: 1500 -> 1400",
            "effect": "flows decided anew"}], "port": {"name": "web", "state": "up", "reason": null}})",
         "port web changed: mtu: 1500 -> 1400 (flows decided anew)\nport web: up\n"},
        {"port delete", "{}", "port web deleted\n"},
        {"device list", R"({"devices": [{"address": "0000:03:00.0", "id": "8086:1572",
            "driver": "ixgbe", "numa-node": 1, "iommu-group": "12", "group-held-by": [],
            "physical-function": "", "virtual-functions": 2, "interfaces": ["eth0", "eth1"],
            "default-route": true, "link": "up", "speed": "10000 Mbit/s", "port": ""},
            {"address": "0000:03:10.0", "id": "8086:154c", "driver": "", "numa-node": null,
            "iommu-group": "", "group-held-by": [], "physical-function": "0000:03:00.0",
            "virtual-functions": 0, "interfaces": [], "default-route": false, "link": "",
            "speed": "", "port": "vm"}]})",
         "DEVICE        ID         DRIVER  NUMA  IOMMU-GROUP  VF-OF         VFS  INTERFACES  "
         "DEFAULT-ROUTE  LINK  SPEED         PORT\n"
         "0000:03:00.0  8086:1572  ixgbe      1  12           -               2  eth0, eth1  "
         "yes            up    10000 Mbit/s  -\n"
         "0000:03:10.0  8086:154c  -          -  -            0000:03:00.0    0  -           "
         "no             -     -             vm\n"},
        {"device list", R"({"devices": []})", "no PCI network devices\n"},
        {"device bind", R"-({"device": {"address": "0000:03:00.0", "driver": "vfio-pci",
            "iommu-group": "12", "group-held-by": ["0000:03:00.1 (ixgbe)"]},
            "lost-interfaces": ["eth0"]})-",
         "0000:03:00.0 is bound to vfio-pci\n"
         "the kernel has lost eth0\n"
         "its IOMMU group 12 also has 0000:03:00.1 (ixgbe): no port can open it until they are bound "
         "as well, or unbound from their drivers\n"},
        {"device bind", R"({"device": {"address": "0000:03:00.0", "driver": "vfio-pci",
            "iommu-group": "", "group-held-by": []}, "lost-interfaces": []})",
         "0000:03:00.0 is bound to vfio-pci\n"},
        {"device unbind", R"({"device": {"address": "0000:03:00.0", "driver": "ixgbe",
            "interfaces": ["eth0"]}})",
         "0000:03:00.0 is the kernel's: ixgbe, eth0\n"},
        {"network list", R"({"networks": [{"name": "blue", "subnets": ["10.0.0.0/24"], "ports": 3,
            "gateway": ["10.0.0.1"], "mac": "02:00:00:00:00:01", "domain": "main", "vni": 7,
            "macs": 12, "mac-table-size": 4096, "ageing": 300, "moves": 0, "flaps": 1,
            "origin": "file", "state": "in-force", "reason": null}]})",
         "NAME  SUBNETS      GATEWAY   ROUTER-MAC         DOMAIN  VNI  PORTS  MACS  MAC-TABLE-SIZE  AGEING  "
         "MOVES  FLAPS  ORIGIN  REASON\n"
         "blue  10.0.0.0/24  10.0.0.1  02:00:00:00:00:01  main      7      3    12            4096   5m 0s  "
         "    0      1  file    -\n"},
        {"mac list", R"({"macs": [{"network": "blue", "mac": "02:00:00:00:00:01", "port": "web",
            "kind": "learned", "age": 5}]})",
         "NETWORK  MAC                PORT  KIND     AGE\n"
         "blue     02:00:00:00:00:01  web   learned   5s\n"},
        {"route list", R"({"count": 2, "routes": [{"to": "10.0.0.0/8", "type": "unicast", "domain": "main",
            "next-hops": [{"via": "10.0.0.1", "network": "blue"}, {"network": "red"}],
            "state": "in-force", "origin": "added"}]})",
         "TO          TYPE     NEXT-HOP                                DOMAIN  STATE     ORIGIN  REASON\n"
         "10.0.0.0/8  unicast  via 10.0.0.1 network blue, network red  main    in-force  added   -\n"
         "1 of 2 routes: --limit shows more, a prefix fewer\n"},
        {"route list", R"({"count": 1, "routes": [{"to": "10.0.0.0/8", "type": "blackhole", "domain": "a",
            "next-hops": [], "state": "waiting", "reason": "no", "origin": "added"}]})",
         "TO          TYPE       NEXT-HOP  DOMAIN  STATE    ORIGIN  REASON\n"
         "10.0.0.0/8  blackhole  -         a       waiting  added   no\n"},
        {"route list", R"({"count": 0, "routes": []})", "no routes\n"},
        {"route lookup", R"({"address": "10.9.0.1", "domain": "main", "route": null})",
         "no route to 10.9.0.1 in domain main: its packets are dropped (no-route)\n"},
        {"route lookup", R"({"address": "10.96.0.1", "domain": "main", "route": null,
            "owner": {"kind": "service", "name": "shop/web", "origin": "f:1:2"}})",
         "10.96.0.1 is an address of service shop/web (f:1:2): packets for it go where that leads\n"},
        {"route lookup", R"({"address": "10.9.0.1", "domain": "main", "route": {"to": "10.9.0.0/16",
            "type": "unicast", "origin": "f:1:2", "next-hops": [{"via": "10.0.0.1", "network": "blue",
            "mac": "02:00:00:00:00:01", "state": "stale", "port": "web"}]}})",
         "10.9.0.1 by unicast 10.9.0.0/16 of domain main (f:1:2)\n"
         "VIA       NETWORK  MAC                STATE  PORT\n"
         "10.0.0.1  blue     02:00:00:00:00:01  stale  web\n"},
        {"route lookup", R"({"address": "10.9.0.1", "domain": "main", "route": {"to": "10.9.0.0/16",
            "type": "unicast", "origin": "f:1:2", "next-hops": [{"via": "10.0.0.1", "network": "blue",
            "mac": "02:00:00:00:00:01", "state": "reachable", "port": "web", "share": 1.0},
            {"via": "10.0.0.2", "network": "blue", "state": "failed", "share": 0.0}]}})",
         "10.9.0.1 by unicast 10.9.0.0/16 of domain main (f:1:2)\n"
         "VIA       NETWORK  MAC                STATE      PORT  SHARE\n"
         "10.0.0.1  blue     02:00:00:00:00:01  reachable  web    100%\n"
         "10.0.0.2  blue     -                  failed     -        0%\n"},
        {"route lookup", R"({"address": "10.9.0.1", "domain": "main", "route": {"to": "10.9.0.0/16",
            "type": "blackhole", "origin": "added", "next-hops": []}})",
         "10.9.0.1 by blackhole 10.9.0.0/16 of domain main (added)\n"},
        {"route add", R"({"route": "10.9.0.0/16 via 10.0.0.1"})", "route 10.9.0.0/16 via 10.0.0.1 added\n"},
        {"route delete", R"({"to": "10.9.0.0/16", "domain": "main"})", "route 10.9.0.0/16 deleted\n"},
        {"route load", R"({"routes": {"set": 5, "deleted": 0}})", "5 routes loaded\n"},
        {"route load", R"({"routes": {"set": 5, "deleted": 2}})", "5 routes loaded\n2 deleted\n"},
        {"neighbor list", R"({"neighbors": [{"network": "blue", "address": "10.0.0.1",
            "mac": "02:00:00:00:00:01", "state": "reachable", "age": 3, "port": "web", "waiting": 0},
            {"network": "blue", "address": "fd00::1", "state": "incomplete", "waiting": 2}]})",
         "NETWORK  ADDRESS   MAC                STATE       AGE  PORT  WAITING\n"
         "blue     10.0.0.1  02:00:00:00:00:01  reachable    3s  web         0\n"
         "blue     fd00::1   -                  incomplete    -  -           2\n"},
        {"neighbor list", R"({"neighbors": []})", "no neighbors\n"},
        {"tunnel list", R"({"tunnels": [{"remote": "192.0.2.2", "networks": [{"name": "blue", "vni": 7}],
            "rx": {"packets": 1, "bytes": 2}, "tx": {"packets": 3, "bytes": 4}, "drops": 5,
            "next-hops": [], "state": "no-route", "mtu": null}]})",
         "REMOTE     NETWORKS  VIA  MAC  STATE     MTU  EXPIRES  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  "
         "DROPS\n"
         "192.0.2.2  blue (7)  -    -    no-route    -        -           1         2           3         4  "
         "    5\n"},
        {"tunnel list", R"({"tunnels": [{"remote": "192.0.2.2", "networks": [],
            "rx": {"packets": 1, "bytes": 2}, "tx": {"packets": 3, "bytes": 4}, "drops": 5,
            "next-hops": [{"via": "192.0.2.2", "mac": "02:00:00:00:00:01", "state": "reachable"}],
            "state": "silent", "mtu": {"path": 1400, "inside": 1350, "expires": 90}}]})",
         "REMOTE     NETWORKS  VIA        MAC                STATE    MTU  EXPIRES  RX-PACKETS  RX-BYTES  "
         "TX-PACKETS  TX-BYTES  DROPS\n"
         "192.0.2.2  -         192.0.2.2  02:00:00:00:00:01  silent  1400   1m 30s           1         2  "
         "         3         4      5\n"},
        {"tunnel list", R"({"tunnels": [{"remote": "192.0.2.2", "networks": [],
            "rx": {"packets": 1, "bytes": 2}, "tx": {"packets": 3, "bytes": 4}, "drops": 5,
            "next-hops": [{"via": "192.0.2.9", "state": "failed"}],
            "state": "silent", "mtu": {"path": 1500, "inside": 1450}}]})",
         "REMOTE     NETWORKS  VIA                 MAC  STATE    MTU  EXPIRES  RX-PACKETS  RX-BYTES  "
         "TX-PACKETS  TX-BYTES  DROPS\n"
         "192.0.2.2  -         192.0.2.9 (failed)  -    silent  1500        -           1         2  "
         "         3         4      5\n"},
        {"tunnel list", R"({"tunnels": []})", "no tunnels\n"},
        {"stats", R"({"workers": [{"worker": 0, "core": 1, "received": 9, "made": 1,
            "transmitted": 8, "dropped": 2, "background": 1, "consumed": 0, "naps": 4}],
            "tunnels": [{"remote": "192.0.2.2", "rx": {"packets": 1}, "tx": {"packets": 3}, "drops": 5,
                "background": 6}],
            "ports": [{"name": "web", "rx": [{"queue": 0, "worker": 0, "packets": 9, "bytes": 576}],
                "tx": [{"worker": 0, "packets": 8, "bytes": 512}], "drops": 2, "background": 1}],
            "totals": {"received": 9, "made": 1, "transmitted": 8, "dropped": 2, "background": 1, "consumed": 0}})",
         "totals\n"
         "RECEIVED  MADE  TRANSMITTED  DROPPED  CONSUMED  BACKGROUND\n"
         "       9     1            8        2         0           1\n"
         "\n"
         "workers\n"
         "WORKER  CORE  RECEIVED  MADE  TRANSMITTED  DROPPED  CONSUMED  BACKGROUND  NAPS\n"
         "     0     1         9     1            8        2         0           1     4\n"
         "\n"
         "ports\n"
         "PORT  DROPS  BACKGROUND\n"
         "web       2           1\n"
         "\n"
         "tunnels\n"
         "REMOTE     RX-PACKETS  TX-PACKETS  DROPS  BACKGROUND\n"
         "192.0.2.2           1           3      5           6\n"
         "\n"
         "queues\n"
         "PORT  DIRECTION  QUEUE  WORKER  PACKETS  BYTES\n"
         "web   rx             0       0        9    576\n"
         "web   tx             -       0        8    512\n"},
        {"drops", R"({"drops": [{"port": "web", "reason": "no-vlan", "packets": 3, "background": false,
            "meaning": "the port takes no tags"}]})",
         "PORT  REASON   PACKETS  MEANING\n"
         "web   no-vlan        3  the port takes no tags\n"},
        {"drops", R"({"drops": [{"port": "web", "reason": "background", "packets": 9, "background": true,
            "meaning": "expected"}]})",
         "nothing was dropped\n"
         "\n"
         "expected background: what every host says unasked, and nobody was to hear\n"
         "PORT  PACKETS\n"
         "web         9\n"},
        {"drops", R"({"drops": []})", "nothing was dropped\n"},
        {"acl list", R"({"acls": [{"name": "edge", "origin": "f:1:1",
            "apply": [{"port": "web", "network": null, "direction": "ingress"}], "rules": [
            {"rule": 1, "name": "http", "action": "permit", "match": "proto tcp", "hits": 7, "origin": "f:2:3"},
            {"rule": "end", "name": "", "action": "deny", "match": "what no rule matches", "hits": 0,
             "origin": "f:1:1"}]}]})",
         "edge: ingress of port web (f:1:1)\n"
         "RULE  NAME  ACTION  MATCH                 HITS  ORIGIN\n"
         "1     http  permit  proto tcp                7  f:2:3\n"
         "end   -     deny    what no rule matches     0  f:1:1\n"},
        {"acl list", R"({"acls": [{"name": "edge", "origin": "added", "apply": [], "rules": [],
            "reason": "no port"}]})",
         "edge: it waits, no port (added)\n"},
        {"acl list", R"({"acls": []})", "no ACLs\n"},
        {"policy list", R"({"policies": []})", "no NetworkPolicies\n"},
        {"policy show", R"({"pod": "shop/api", "port": "api", "addresses": ["10.0.0.2"], "labels": null,
            "host-network": false, "over": false, "ports": [],
            "ingress": {"isolated": false, "default": null, "policies": []},
            "egress": {"isolated": false, "default": null, "policies": []}})",
         "pod shop/api at port api, 10.0.0.2\n"
         "ingress: not isolated: everything is permitted\n"
         "egress:  not isolated: everything is permitted\n"
         "always:  replies, the pod's own host and the pod itself are permitted\n"},
        {"policy why", R"({"allowed": true, "proto": "icmp", "dport": null,
            "from": {"pod": null, "address": "192.0.2.1", "port": null},
            "to": {"pod": "shop/api", "address": "10.0.0.2", "port": "api"},
            "egress": {"asked": false, "permits": true, "text": "192.0.2.1 is no pod", "by": []},
            "ingress": {"asked": true, "permits": true, "text": "no policy isolates shop/api for ingress", "by": []}})",
         "192.0.2.1 to shop/api (10.0.0.2), icmp: allowed\n"
         "egress   192.0.2.1 is no pod\n"
         "ingress  no policy isolates shop/api for ingress\n"
         "ACLs and routes were not asked: `sluicectl trace` asks all\n"},
        {"flow list", R"({"count": 2, "flows": [{"proto": "tcp", "source": {"address": "10.0.0.1", "port": 9},
            "destination": {"address": "fd00::2", "port": 80}, "state": "established", "verdict": "allow",
            "original": {"packets": 3, "bytes": 200}, "reply": {"packets": 2, "bytes": 130}, "age": 61, "idle": 1,
            "decided-by": [{"kind": "acl-rule", "name": "edge rule 1", "file": "f", "line": 2}]}]})",
         "PROTO  FROM        TO            LEAVES-AS  STATE        VERDICT  PACKETS  ANSWERS  BYTES  ANSWER-BYTES "
         "   AGE"
         "  IDLE  DECIDED-BY\n"
         "tcp    10.0.0.1:9  [fd00::2]:80  -          established  allow          3        2    200           130 "
         " 1m 1s"
         "    1s  acl-rule edge rule 1 (f:2)\n"
         "1 of 2 flows: --limit shows more, a filter fewer\n"},
        {"flow list", R"({"count": 0, "flows": []})", "no flows\n"},
        {"flow count", R"({"count": 5, "capacity": 1024, "states": [{"state": "established", "count": 5}],
            "ports": [{"port": "web", "count": 4}, {"port": "db", "count": 1}], "pressure": [{"what": "refused-full", "count": 2}]})",
         "5 of 1024 flows\n"
         "STATE        FLOWS\n"
         "established      5\n"
         "FROM-PORT  FLOWS\n"
         "web            4\n"
         "db             1\n"
         "refused-full: 2\n"},
        {"flow flush", R"({"flushed": 3})", "3 flows forgotten\n"},
        {"trace", R"({"verdict": "drop", "reason": "denied", "to": null,
            "decided-by": [{"kind": "acl-rule", "name": "edge end", "file": "f", "line": 1}], "stages": [
            {"stage": "ingress", "text": "from port a", "by": null},
            {"stage": "policy", "text": "edge end: deny",
             "by": {"kind": "acl-rule", "name": "edge end", "file": "f", "line": 1}}]})",
         "ingress    from port a\n"
         "policy     edge end: deny  [acl-rule edge end (f:1)]\n"
         "drop: denied, decided by acl-rule edge end (f:1)\n"},
        {"trace", R"({"verdict": "deliver", "reason": null, "to": "b", "decided-by": [], "stages": [],
            "packet": "a > b, length 60: LLC"})",
         "a > b, length 60: LLC\n"
         "deliver to b\n"},
        {"network add",
         R"({"changes": [{"action": "add", "object": "network blue", "detail": null, "effect": "nothing"}]})",
         "network blue added\n"},
        {"network delete",
         R"({"changes": [{"action": "remove", "object": "network blue", "detail": null, "effect": "nothing"}]})",
         "network blue deleted\n"},
        {"network set", R"({"changes": []})", "nothing changed\n"},
        {"acl add",
         R"({"changes": [{"action": "add", "object": "acl edge", "detail": null, "effect": "nothing"}]})",
         "acl edge added\n"},
        {"acl delete",
         R"({"changes": [{"action": "remove", "object": "acl edge", "detail": null, "effect": "nothing"}]})",
         "acl edge deleted\n"},
        {"acl set", R"({"changes": []})", "nothing changed\n"},
        {"address-set add",
         R"({"changes": [{"action": "add", "object": "address-set office", "detail": null, "effect": "nothing"}]})",
         "address-set office added\n"},
        {"address-set delete",
         R"({"changes": [{"action": "remove", "object": "address-set office", "detail": null, "effect": "nothing"}]})",
         "address-set office deleted\n"},
        {"address-set set", R"({"changes": []})", "nothing changed\n"},
        {"mirror add",
         R"({"changes": [{"action": "add", "object": "mirror watch", "detail": null, "effect": "nothing"}]})",
         "mirror watch added\n"},
        {"mirror delete",
         R"({"changes": [{"action": "remove", "object": "mirror watch", "detail": null, "effect": "nothing"}]})",
         "mirror watch deleted\n"},
        {"mirror set", R"({"changes": []})", "nothing changed\n"},
        {"add", R"({"changes": [{"action": "add", "object": "network blue", "detail": null, "effect": "nothing"},
            {"action": "add", "object": "route 10.0.0.0/8", "detail": null, "effect": "flows decided anew"}]})",
         "network blue added\nroute 10.0.0.0/8 added\n"},
        {"delete", R"({"changes": [{"action": "remove", "object": "port web", "detail": "it waited",
            "effect": "nothing"}]})",
         "port web deleted: it waited\n"},
        {"address-set list", R"({"address-sets": [{"name": "office", "addresses": ["10.0.0.1/32", "fd00::/64"],
            "origin": "added", "state": "in-force", "reason": null}]})",
         "NAME    ADDRESSES               ORIGIN  REASON\n"
         "office  10.0.0.1/32, fd00::/64  added   -\n"},
        {"mirror list", R"({"mirrors": [{"name": "watch", "from": ["web"], "to": "eye", "direction": "both",
            "filter": null, "origin": "f:1:1", "state": "in-force", "reason": null}]})",
         "NAME   FROM  TO   DIRECTION  FILTER  ORIGIN  REASON\n"
         "watch  web   eye  both       -       f:1:1   -\n"},
        {"apply",
         R"({"objects": [{"kind": "NetworkPolicy", "namespace": "shop", "name": "api", "change": "created"},
            {"kind": "Namespace", "namespace": null, "name": "shop", "change": "unchanged"}],
            "skipped": [{"message": "skipped Deployment 'web'", "path": null, "file": "f", "line": 3, "column": 1}],
            "warnings": [{"message": "it selects no pod", "path": "spec.podSelector", "file": "f", "line": 9,
            "column": 1}], "dry-run": true, "generation": 7})",
         "networkpolicy shop/api created (dry run)\nnamespace shop unchanged (dry run)\n"
         "f:3:1: skipped Deployment 'web'\nwarning: spec.podSelector (f:9:1): it selects no pod\n"},
        {"delete", R"({"objects": [], "skipped": [], "warnings": [], "dry-run": false, "generation": 7})",
         "nothing to do\n"},
        {"get", R"({"objects": [{"kind": "Pod", "namespace": "shop", "name": "web", "labels": {"app": "web"},
            "origin": "f:1:1", "port": "p", "addresses": ["10.0.0.1"], "object": {}}]})",
         "NAME  PORT  ADDRESSES\nweb   p     10.0.0.1\n"},
        {"get", R"({"objects": [{"kind": "NetworkPolicy", "namespace": "shop", "name": "api", "labels": {},
            "origin": "f:1:1", "selects": "app=web", "pods": 2, "directions": ["ingress", "egress"], "object": {}}]})",
         "NAME  SELECTS  PODS  DIRECTIONS\napi   app=web     2  ingress, egress\n"},
        {"get",
         R"({"objects": [{"kind": "Namespace", "namespace": null, "name": "shop", "labels": {"a": "b", "c": ""},
            "origin": "f:1:1", "object": {}}, {"kind": "Pod", "namespace": "shop", "name": "web", "labels": {},
            "origin": "f:2:1", "port": null, "addresses": [], "object": {}}]})",
         "KIND       NAME  ORIGIN\nNamespace  shop  f:1:1\nPod        web   f:2:1\n"},
        {"get",
         R"({"objects": [{"kind": "Service", "namespace": "shop", "name": "web", "labels": {}, "origin": "f:1:1",
            "type": "LoadBalancer", "cluster-ips": ["10.96.0.1", "fd00::1"], "external": ["192.0.2.1"],
            "ports": ["80:30080/TCP", "53/UDP"], "selector": "app=web", "object": {}},
            {"kind": "Service", "namespace": "shop", "name": "db", "labels": {}, "origin": "f:1:1", "type": "ClusterIP",
            "cluster-ips": ["None"], "external": [], "ports": [], "selector": null, "object": {}}]})",
         "NAME  TYPE          CLUSTER-IP          EXTERNAL-IP  PORT(S)\n"
         "web   LoadBalancer  10.96.0.1, fd00::1  192.0.2.1    80:30080/TCP, 53/UDP\n"
         "db    ClusterIP     None                -            -\n"},
        {"get",
         R"({"objects": [{"kind": "Endpoints", "namespace": "shop", "name": "web", "labels": {}, "origin": "f:1:1",
            "endpoints": ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80"], "object": {}},
            {"kind": "Endpoints", "namespace": "shop", "name": "db", "labels": {}, "origin": "f:1:1", "endpoints": [],
            "object": {}}]})",
         "NAME  ENDPOINTS\nweb   10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80 + 2 more\ndb    -\n"},
        {"get", R"({"objects": [{"kind": "EndpointSlice", "namespace": "shop", "name": "web-1", "labels": {},
            "origin": "f:1:1", "service": "web", "address-type": "IPv4", "ports": ["8080/TCP"],
            "endpoints": ["10.0.0.1", "10.0.0.2"], "object": {}}]})",
         "NAME   SERVICE  ADDRESSTYPE  PORTS     ENDPOINTS\n"
         "web-1  web      IPv4         8080/TCP  10.0.0.1, 10.0.0.2\n"},
        {"get", R"({"objects": [{"kind": "Node", "namespace": null, "name": "n1", "labels": {}, "origin": "f:1:1",
            "internal-ips": ["192.0.2.1"], "external-ips": [], "pod-cidrs": ["10.1.0.0/24"], "object": {}}]})",
         "NAME  INTERNAL-IP  EXTERNAL-IP  POD-CIDR\nn1    192.0.2.1    -            10.1.0.0/24\n"},
        {"get", R"({"objects": []})", "no objects in namespace default (-A: of all namespaces)\n"},
        {"config show", R"({"yaml": "ports: []\nnetworks: []"})", "ports: []\nnetworks: []\n"},
        {"config check",
         R"({"file": "/x.yaml", "errors": [], "waiting": [{"object": "port web", "reason": "no network"}],
            "left-out": ["acl edge is not applied (/x.yaml:3:5), as port web is not there"]})",
         "/x.yaml: no errors\nport web, which was added while running, would wait: no network\n"
         "acl edge is not applied (/x.yaml:3:5), as port web is not there\n"},
        {"config diff", R"({"changes": [{"action": "add", "object": "port web", "origin": "file",
            "effect": "port opened", "detail": "network blue"}], "waiting": [], "left-out": []})",
         "ACTION  OBJECT    ORIGIN  EFFECT       DETAIL\n"
         "add     port web  file    port opened  network blue\n"},
        {"config diff", R"({"changes": [], "waiting": [{"object": "port web", "reason": "no network"}],
            "left-out": ["acl edge is not applied (/x.yaml:3:5), as port web is not there"]})",
         "no differences\nport web, which was added while running, would wait: no network\n"
         "acl edge is not applied (/x.yaml:3:5), as port web is not there\n"},
        {"config reload", R"({"changes": [], "generation": 4})", "nothing changed\ngeneration 4\n"},
        {"service list",
         R"({"services": [{"name": "shop/web", "kind": "cluster-ip", "address": "10.96.0.1", "port": 80,
            "proto": "tcp", "backends": 2, "affinity": null, "origin": "f:1:1", "reason": null}]})",
         "NAME      KIND        ADDRESS           BACKENDS  AFFINITY  ORIGIN  REASON\n"
         "shop/web  cluster-ip  10.96.0.1:80/tcp         2         -  f:1:1   -\n"},
        {"service show", R"({"services": [{"address": "10.96.0.1", "port": 80, "proto": "tcp", "origin": "f:1:1",
            "reason": null, "backends": [{"address": "10.0.0.2", "port": 8080, "weight": 1, "state": "serving",
            "connections": 2, "packets": 16, "bytes": 1118}]}],
            "service": {"name": "shop/web", "type": "NodePort", "cluster-ips": ["10.96.0.1"], "external-ips": [],
            "load-balancer-ips": [], "external-name": null, "selector": "app=web", "origin": "f:1:1",
            "health-check-node-port": null, "clients-as": [], "trouble": null, "ports": [
            {"name": null, "port": 80, "proto": "tcp", "target": "http", "node-port": 30080, "reason": null,
            "endpoints": [{"address": "10.0.0.2", "port": 8080, "state": "ready", "here": true,
            "pod": "shop/web-0"}]}]}})",
         "service shop/web (f:1:1): NodePort, 10.96.0.1, selector app=web\n"
         "port 80/tcp, node port 30080, to http\n"
         "ENDPOINT       POD         STATE  HERE\n"
         "10.0.0.2:8080  shop/web-0  ready  yes\n"
         "\n"
         "10.96.0.1:80/tcp (f:1:1)\n"
         "BACKEND        WEIGHT  STATE    CONNECTIONS  PACKETS  BYTES\n"
         "10.0.0.2:8080       1  serving            2       16   1118\n"},
        {"service show",
         R"({"services": [], "service": {"name": "shop/api", "type": "ClusterIP", "cluster-ips": ["None"],
            "external-ips": [], "load-balancer-ips": [], "external-name": null, "selector": "app=api",
            "health-check-node-port": null, "clients-as": [], "trouble": null, "origin": "f:1:1", "ports": [{"name": "http", "port": 80, "proto": "tcp", "target": 80, "node-port": null,
            "reason": "no pod matches the selector app=api", "endpoints": []}]}})",
         "service shop/api (f:1:1): ClusterIP, None, selector app=api\n"
         "port http 80/tcp to 80: no pod matches the selector app=api\n"},
        {"service show", R"x({"services": [{"address": "10.96.0.1", "port": 80, "proto": "tcp", "origin": "f:1:1",
            "reason": "all back ends fail their health checks (10.0.0.2: HTTP 503)", "backends": [
            {"address": "10.0.0.2", "port": 8080, "weight": 1, "state": "failing", "reason": "HTTP 503",
            "connections": 0, "packets": 0, "bytes": 0}]}], "service": null})x",
         "10.96.0.1:80/tcp (f:1:1): all back ends fail their health checks (10.0.0.2: HTTP 503)\n"
         "BACKEND        WEIGHT  STATE    CONNECTIONS  PACKETS  BYTES  REASON\n"
         "10.0.0.2:8080       1  failing            0        0      0  HTTP 503\n"},
        {"service drain", R"({"service": "shop", "backend": "10.0.0.2", "draining": true})",
         "service shop: back end 10.0.0.2 gets no new connections\n"},
        {"service undrain", R"({"service": "shop", "backend": "10.0.0.2", "draining": false})",
         "service shop: back end 10.0.0.2 gets new connections again\n"},
        {"container list", R"({"containers": [{"container": "4f5e6a7b", "interface": "eth0", "by": "cni:pods",
            "port": "4f5e6a7b-eth0", "network": "blue", "netns": "/run/netns/x", "address": ["10.0.0.2/24"],
            "mac": null, "mtu": 1500, "state": "up", "reason": null}]})",
         "CONTAINER  INTERFACE  PORT           NETWORK  ADDRESSES    STATE  BY        REASON\n"
         "4f5e6a7b   eth0       4f5e6a7b-eth0  blue     10.0.0.2/24  up     cni:pods  -\n"},
        {"container list", R"({"containers": []})", "no containers\n"},
        {"ipam list", R"({"addresses": [{"address": "10.0.0.1", "network": "blue", "holder": "the gateway",
            "container": null, "by": null, "pod": null}, {"address": "10.0.0.2", "network": "blue",
            "holder": "port web", "container": "4f5e", "by": "cni", "pod": "shop/web"}]})",
         "ADDRESS   NETWORK  HOLDER       CONTAINER  POD\n"
         "10.0.0.1  blue     the gateway  -          -\n"
         "10.0.0.2  blue     port web     4f5e       shop/web\n"},
        {"dns lookup", R"({"name": "web", "type": "A", "network": "blue", "rcode": "no error", "reason": "why",
            "records": [{"name": "web", "type": "A", "data": "10.0.0.2", "ttl": 5, "object": "port web",
            "origin": "f:1:1"}], "forward": null, "zone": null})",
         "web A in network blue: no error (why)\n"
         "NAME  TTL  TYPE  DATA      OBJECT    ORIGIN\n"
         "web     5  A     10.0.0.2  port web  f:1:1\n"},
        {"dns lookup", R"({"name": "a.b", "type": "A", "network": "blue", "rcode": "no error", "reason": "why",
            "records": [], "forward": "a.b", "zone": null})",
         "a.b A in network blue: no error (why)\nthe upstreams are asked for a.b\n"},
        {"dns lookup", R"({"name": "a", "type": "A", "network": "blue", "rcode": "no such name", "reason": "why",
            "records": [], "forward": null, "zone": "."})",
         "a A in network blue: no such name (why)\nnegative answer of zone .\n"},
        {"dns show", R"({"names": 3, "domain": "cluster.local", "queries": {"answered": 2, "failed": 0},
            "upstreams": [{"server": "192.0.2.53", "state": "answering", "asked": 3, "answered": 2, "failed": 1,
            "timed-out": 0, "by-tcp": 0}]})",
         "3 names; domain cluster.local\n"
         "queries\n"
         "  answered  2\n"
         "  failed    0\n"
         "UPSTREAM    STATE      ASKED  ANSWERED  FAILED  TIMED-OUT  BY-TCP\n"
         "192.0.2.53  answering      3         2       1          0       0\n"},
        {"lease list", R"({"leases": [{"address": "10.0.0.7", "network": "blue", "port": "vm1",
            "mac": "02:00:00:00:00:05", "host": "web", "from": "pool", "seconds-left": 3599}, {"address": "fd00::2",
            "network": "blue", "port": "vm2", "mac": "02:00:00:00:00:06", "host": null, "from": "declared",
            "seconds-left": 60}]})",
         "ADDRESS   NETWORK  PORT  MAC                HOST  FROM         LEFT\n"
         "10.0.0.7  blue     vm1   02:00:00:00:00:05  web   pool      59m 59s\n"
         "fd00::2   blue     vm2   02:00:00:00:00:06  -     declared    1m 0s\n"},
        {"lease list", R"({"leases": []})", "no guest has an address by DHCP\n"},
        {"service env", R"({"variables": [{"name": "WEB_SERVICE_HOST", "value": "10.96.0.1"},
            {"name": "WEB_SERVICE_PORT", "value": "80"}]})",
         "WEB_SERVICE_HOST=10.96.0.1\nWEB_SERVICE_PORT=80\n"},
        {"nat list", R"({"pools": [{"name": "way-out", "origin": "f:1:1", "mappings": 1, "capacity": 64,
            "answers": {"new": 1}, "ports": [{"address": "192.0.2.1", "proto": "tcp", "used": 1, "capacity": 32,
            "shared": 0}], "hosts": [{"address": "10.0.0.4", "outside": "192.0.2.1", "mappings": 1}]}], "static": []})",
         "way-out (f:1:1): 1 of 64 mappings\n"
         "OUTSIDE    PROTO  USED  PORTS  SHARED\n"
         "192.0.2.1  tcp       1     32       0\n"
         "INSIDE    OUTSIDE    MAPPINGS\n"
         "10.0.0.4  192.0.2.1         1\n"},
    };
    for (const Verb& verb : verbs()) {
        bool printed = verb.stream != nullptr || verb.connects != nullptr;
        for (const Printed& row : rows) {
            if (row.verb != verb.words) continue;
            EXPECT_EQ(verb.print(json::parse(row.result), {{"web"}, {}}), row.text) << row.verb;
            printed = true;
        }
        EXPECT_TRUE(printed) << "no row for " << verb.words;
    }
}

TEST(Print, TheLastDropsAreALog) {
    setenv("TZ", "XST-5:30", 1);
    tzset();
    const json result = R"({"drops": [
        {"time": 1700000000.000123, "worker": 0, "port": "web", "ingress": "web", "egress": "",
         "network": "blue", "reason": "spoofed-mac", "packets": 1, "length": 60, "packet": "a > b",
         "decided-by": [{"kind": "port", "name": "web", "file": "host.yaml", "line": 12, "column": 5}]},
        {"time": 1700000001.5, "worker": 0, "port": "db", "ingress": "", "egress": "db",
         "network": "", "reason": "transmit-full", "packets": 3, "length": 60, "packet": "b > a",
         "decided-by": [{"kind": "port", "name": "db", "file": "", "line": 0, "column": 0}]},
        {"time": 1700000002.25, "worker": 1, "port": "web", "ingress": "web", "egress": "",
         "network": "blue", "reason": "runt", "packets": 1, "length": 0, "packet": "",
         "decided-by": []},
        {"time": 1700000003.25, "worker": 1, "port": "web", "ingress": "web", "egress": null, "neighbor": "10.0.1.77",
         "network": "blue", "reason": "host-unreachable", "packets": 1, "length": 60, "packet": "a > c",
         "decided-by": [{"kind": "network", "name": "red", "file": "host.yaml", "line": 3, "column": 5}]}]})"_json;
    EXPECT_EQ(print_drops(result, {{}, {{"last", ""}}}),
              "TIME                               FROM  TO         NETWORK  REASON            DECIDED-BY                   PACKET\n"
              "2023-11-15 03:43:20.000123 +05:30  web   -          blue     spoofed-mac       port web (host.yaml:12:5)    a > b\n"
              "2023-11-15 03:43:21.500000 +05:30  -     db         -        transmit-full     port db (added)              b > a (3 packets)\n"
              "2023-11-15 03:43:22.250000 +05:30  web   -          blue     runt              -                            -\n"
              "2023-11-15 03:43:23.250000 +05:30  web   10.0.1.77  blue     host-unreachable  network red (host.yaml:3:5)  a > c\n");
    setenv("TZ", "UTC", 1);
    tzset();
    EXPECT_EQ(date_and_time(1700000000.5), "2023-11-14 22:13:20.500000 +00:00");
    setenv("TZ", "XST3:30", 1);
    tzset();
    EXPECT_EQ(date_and_time(1700000000.5), "2023-11-14 18:43:20.500000 -03:30");
    setenv("TZ", "UTC", 1);
    tzset();
    EXPECT_EQ(print_drops(R"({"drops": []})"_json, {{}, {{"last", ""}}}), "nothing was dropped\n");
}

}  // namespace
}  // namespace sluice::sluicectl
