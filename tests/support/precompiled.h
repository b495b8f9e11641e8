// src/path/precompiled.h for tests.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "path/precompiled.h"
