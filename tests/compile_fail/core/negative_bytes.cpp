// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: narrowing|cannot be narrowed

#include <reprise/core/units.hpp>

int main() {
  using namespace reprise::literals;
  [[maybe_unused]] const reprise::byte_count one{1_KiB};
#ifndef REPRISE_POSITIVE
  [[maybe_unused]] const reprise::byte_count negative{-1};
#endif
  return 0;
}
