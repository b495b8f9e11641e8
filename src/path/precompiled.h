// base/precompiled.h, for layers that use packets.
#pragma once

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "base/precompiled.h"
