#include "control/devices.h"

#include "support/pci_host.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using port::pci::Force;

constexpr char kNic[] = "0000:03:00.0";
constexpr char kVf[] = "0000:03:10.0";

class Devices : public testing::Test, public test::PciHost {
 protected:
    Devices() {
        add_function(kNic, "ixgbe");
        add_interface(kNic, "eth0", 2);
        put_in_group(kNic, "12");
    }
    static std::string error_of(const base::Result<json>& result) {
        return result ? "no error" : result.error().message;
    }
    base::Result<json> bind(const std::string& address, Force force = Force::kNo) {
        return bind_device(host_, ports_, address, "vfio-pci", force);
    }

    std::vector<PciPort> ports_;
};

TEST_F(Devices, AreListedAsTheKernelHasThem) {
    const auto answer = list_devices(host_, ports_);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(*answer, R"({"devices": [{"address": "0000:03:00.0", "id": "8086:1572",
        "driver": "ixgbe", "numa-node": 1, "iommu-group": "12", "group-held-by": [],
        "physical-function": null, "virtual-functions": 0, "interfaces": ["eth0"],
        "default-route": false, "link": "up", "speed": "10000 Mbit/s", "port": null}]})"_json);
}

TEST_F(Devices, OfPortsAreListedAsThePortsHaveThem) {
    ASSERT_TRUE(bind(kNic));
    ports_ = {{"uplink", kNic, true, {{"link", "down"}}}};
    const json row = list_devices(host_, ports_).value()["devices"][0];
    EXPECT_EQ(row["port"], "uplink");
    EXPECT_EQ(row["driver"], "vfio-pci");
    EXPECT_EQ(row["interfaces"], json::array());
    EXPECT_EQ(row["link"], "down");
    EXPECT_EQ(row["speed"], nullptr);
}

TEST_F(Devices, TellWhatWasLost) {
    const auto answer = bind("03:00.0");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ((*answer)["lost-interfaces"], json::array({"eth0"}));
    EXPECT_EQ((*answer)["device"]["driver"], "vfio-pci");
    EXPECT_EQ(bind(kNic).value()["lost-interfaces"], json::array()) << "already";
    const auto back = unbind_device(host_, ports_, kNic);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ((*back)["device"]["driver"], "ixgbe");
}

TEST_F(Devices, WithTheDefaultRouteAreTakenByForceOnly) {
    ways_out_ = {2};
    EXPECT_NE(error_of(bind(kNic)).find("--force"), std::string::npos);
    EXPECT_TRUE(bind(kNic, Force::kYes));
}

TEST_F(Devices, OfAPortThatIsUpStayWhereTheyAre) {
    ASSERT_TRUE(bind(kNic));
    ports_ = {{"uplink", kNic, true, json::object()}};
    EXPECT_EQ(error_of(unbind_device(host_, ports_, kNic)),
              "port uplink uses 0000:03:00.0: delete the port first (`sluicectl port delete uplink`, or "
              "take it out of the file and reload)");
    EXPECT_EQ(driver_of(kNic), "vfio-pci");
    EXPECT_TRUE(bind(kNic)) << "it is there already";
    // A port that is down waits for it.
    ports_[0].up = false;
    EXPECT_TRUE(unbind_device(host_, ports_, kNic));
    EXPECT_TRUE(bind(kNic));
}

TEST_F(Devices, WhoseVirtualFunctionAPortHasStayEvenByForce) {
    add_function(kVf, "vfio-pci");
    link(folder(kVf), folder(kNic) / "virtfn0");
    ports_ = {{"vm", kVf, true, json::object()}};
    EXPECT_NE(error_of(bind(kNic, Force::kYes)).find("port vm uses 0000:03:10.0, a virtual function"),
              std::string::npos);
    EXPECT_EQ(driver_of(kNic), "ixgbe");
}

}  // namespace
}  // namespace sluice::control
