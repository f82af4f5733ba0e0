// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The least that an engine with a tape can be, for tests of what does not compile.

#include <reprise/core/pass_context.hpp>
#include <reprise/run/saver.hpp>
#include <utility>
#include <vector>

namespace reprise_test {

using PlainTensor = std::vector<float>;

struct PlainTape {
  reprise::Saver<PlainTensor> saver{};
  reprise::PassContext pass{};
};

struct PlainVariable {
  PlainTape* tape;
  PlainTensor tensor;
};

/// What `tape_traits` of `PlainVariable` say, but for taking the tape back to a mark.
struct PlainTapeAccess {
  using tensor_type = PlainTensor;
  static const PlainTensor& tensor(const PlainVariable& v) { return v.tensor; }
  static PlainVariable rebind(const PlainVariable& v, PlainTensor tensor) {
    return {v.tape, std::move(tensor)};
  }
  static PlainTape& tape(const PlainVariable& v) { return *v.tape; }
  static reprise::Saver<PlainTensor>& saver(PlainTape& tape) { return tape.saver; }
  static reprise::PassContext& pass(PlainTape& tape) { return tape.pass; }
  static int mark(const PlainTape&) { return 0; }
};

/// With it.
struct PlainTapeTraits : PlainTapeAccess {
  static void rewind(PlainTape&, int) {}
};

}  // namespace reprise_test
