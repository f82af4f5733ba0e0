// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: SavedState|is_walkable

#include <memory>
#include <reprise/core/saved_state.hpp>
#include <vector>

// A pointer hides its bytes: counting it as none would be a silent lie.
struct Hidden {
#ifdef REPRISE_POSITIVE
  std::vector<float> tensor;
#else
  std::shared_ptr<std::vector<float> > tensor;
#endif
};

int main() { return static_cast<int>(reprise::saved_bytes(Hidden{})); }
