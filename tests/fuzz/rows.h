// The golden tests' configurations and packets, for seeds.
#pragma once

#include <vector>

#include "golden/row.h"

namespace sluice::fuzz {

inline std::vector<golden::Row> golden_rows() {
    std::vector<golden::Row> rows;
    for (const auto& list :
         {golden::layer2_rows(), golden::station_rows(), golden::route_rows(), golden::vxlan_rows(),
          golden::policy_rows(), golden::translation_rows()}) {
        rows.insert(rows.end(), list.begin(), list.end());
    }
    return rows;
}

}  // namespace sluice::fuzz
