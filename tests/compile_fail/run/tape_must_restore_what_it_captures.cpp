// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: RestoresWhatItCaptures
// joined: no

#include <reprise/run/checkpoint.hpp>

#include "support/plain_tape.hpp"

using Tape = reprise_test::PlainTape;
using Variable = reprise_test::PlainVariable;

template <>
struct reprise::tape_traits<Variable> : reprise_test::PlainTapeTraits {
  static int capture_state(const Tape&) { return 0; }
#ifdef REPRISE_POSITIVE
  static void restore_state(Tape&, int) {}
#endif
};

int main() {
  Tape tape;
  const Variable x{&tape, reprise_test::PlainTensor(1)};
  return static_cast<int>(
      reprise::checkpoint([](const Variable& v) { return v; }, x).tensor.size());
}
