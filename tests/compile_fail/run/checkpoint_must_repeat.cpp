// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: CheckpointFunction|invocable
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
  const auto f = [](const Variable& v) { return v; };
#else
  const auto f = [calls = 0](const Variable& v) mutable { return ++calls > 1 ? Variable{} : v; };
#endif
  return static_cast<int>(reprise::checkpoint(f, x).tensor.size());
}
