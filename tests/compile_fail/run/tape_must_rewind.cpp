// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: HasRewind

#include <reprise/run/checkpoint.hpp>
#include <utility>
#include <vector>

using Tensor = std::vector<float>;

struct Tape {
  reprise::Saver<Tensor> saver{};
  reprise::PassContext pass{};
};
struct Variable {
  Tape* tape;
  Tensor tensor;
};

template <>
struct reprise::tape_traits<Variable> {
  using tensor_type = Tensor;
  static const Tensor& tensor(const Variable& v) { return v.tensor; }
  static Variable rebind(const Variable& v, Tensor tensor) { return {v.tape, std::move(tensor)}; }
  static Tape& tape(const Variable& v) { return *v.tape; }
  static Saver<Tensor>& saver(Tape& tape) { return tape.saver; }
  static PassContext& pass(Tape& tape) { return tape.pass; }
  static int mark(const Tape&) { return 0; }
#ifdef REPRISE_POSITIVE
  static void rewind(Tape&, int) {}
#endif
};

int main() {
  Tape tape;
  const Variable x{&tape, Tensor(1)};
  return static_cast<int>(
      reprise::checkpoint([](const Variable& v) { return v; }, x).tensor.size());
}
