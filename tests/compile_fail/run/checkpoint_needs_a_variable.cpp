// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: CheckpointInputs|checkpoint_variable
// joined: no

#include <reprise/run/checkpoint.hpp>

#include "support/plain_tape.hpp"

using Tape = reprise_test::PlainTape;
using Variable = reprise_test::PlainVariable;

template <>
struct reprise::tape_traits<Variable> : reprise_test::PlainTapeTraits {};

int main() {
  Tape tape;
  const Variable x{&tape, reprise_test::PlainTensor(1)};
#ifdef REPRISE_POSITIVE
  return reprise::checkpoint([](int n, const Variable&) { return n; }, 1, x);
#else
  return reprise::checkpoint([](int n) { return n; }, 1);
#endif
}
