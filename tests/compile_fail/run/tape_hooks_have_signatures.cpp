// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: State capture_state\(const Tape&\).*static bool records_backward\(const Tape&\)
// joined: no

// State that is captured from a tape that may be changed was never captured at all.

#include <reprise/run/checkpoint.hpp>

#include "support/plain_tape.hpp"

using Tape = reprise_test::PlainTape;
using Variable = reprise_test::PlainVariable;

#ifdef REPRISE_POSITIVE
using Asked = const Tape;
#else
using Asked = Tape;
#endif

template <>
struct reprise::tape_traits<Variable> : reprise_test::PlainTapeTraits {
  static int capture_state(Asked&) { return 0; }
  static void restore_state(Tape&, int) {}
  static bool records_backward(Asked&) { return false; }
};

int main() {
  Tape tape;
  const Variable x{&tape, reprise_test::PlainTensor(1)};
  return static_cast<int>(
      reprise::checkpoint([](const Variable& v) { return v; }, x).tensor.size());
}
