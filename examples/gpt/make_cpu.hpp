// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Makes the CPU that a model is trained on.

#include <string>

#include "engine/threads.hpp"
#include "options.hpp"

namespace gpt {

/// What `TrainingOn` asks for a device.
/// @tparam Device `Cpu`, or one that stores its tensors otherwise
template <class Device>
struct MakeCpu {
  Device operator()(const Options&) const { return {}; }
  static std::string name() { return std::to_string(threads()) + " threads"; }
};

}  // namespace gpt
